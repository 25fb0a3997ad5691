"""What the telemetry shows for the first time."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from models.season import DAY_MS
from pipeline.detect.firsts import MOST_VALUES, Firsts
from pipeline.messages import MINUTE_MS, Change, CohortWindow
from pipeline.observation import Cohort
from pipeline.windows import OVERFLOW

NOW = 1_767_571_200_000
LATER = NOW + DAY_MS


def window(firmware: str = "tv-1.0", **changes: Any) -> CohortWindow:
    fields: dict[str, Any] = {"device_class": "tv", "environment": "production", "records": 5} | changes
    return CohortWindow(firmware=firmware, **fields)


def known(*windows: CohortWindow) -> Firsts:
    """An operator that has been known for a day."""
    firsts = Firsts()
    assert firsts.look("altura", windows or [window()], NOW) == []
    return firsts


def test_a_firmware_that_was_not_there_before_is_a_change_of_its_place() -> None:
    firsts = known()
    assert firsts.look("altura", [window(), window("tv-1.1")], LATER) == [
        Change(
            change_id="first-7816ab99b6aa3ddd",
            at=LATER,
            kind="firmware",
            what="firmware tv-1.1 first seen",
            scope={"operator": "altura", "device_class": "tv", "environment": "production", "firmware": "tv-1.1"},
            inferred=True,
        )
    ]
    assert firsts.look("altura", [window("tv-1.1")], LATER + MINUTE_MS) == []


def test_what_an_operator_has_within_its_first_day_is_nothing_new() -> None:
    firsts = known()
    assert firsts.look("altura", [window("tv-1.1")], LATER - MINUTE_MS) == []
    assert firsts.look("altura", [window("tv-1.1")], LATER) == []
    assert firsts.look("norvik", [window("tv-1.1")], LATER) == []


def test_what_comes_from_certification_to_production_is_new_there() -> None:
    firsts = known(window(), window("tv-1.1", environment="certification"))
    [found] = firsts.look("altura", [window("tv-1.1")], LATER)
    assert found.scope["environment"] == "production"


def test_app_versions_and_broken_clauses_are_seen_by_class_whatever_the_firmware() -> None:
    firsts = known(window(app_versions={"1.0": 3}, clauses={"field.retries": 1}))
    shown = [
        window("tv-1.0", app_versions={"1.0": 3, "2.0": 1}, clauses={"field.retries": 1, "enum.outcome": 2}),
        window("tv-1.0", app_versions={"2.0": 1}),
    ]
    found = firsts.look("altura", shown, LATER)
    assert [(change.kind, change.what) for change in found] == [
        ("app_version", "app version 2.0 first seen"),
        ("contract", "contract clause enum.outcome first broken"),
    ]
    assert all("firmware" not in change.scope for change in found)


def test_what_is_not_named_is_not_new() -> None:
    firsts = known()
    nameless = [window("unknown"), window(OVERFLOW), window("tv-9", records=0), window("x", device_class=OVERFLOW)]
    assert firsts.look("altura", nameless, LATER) == []


def test_names_that_are_no_versions_say_nothing_once_there_are_too_many() -> None:
    firsts = known()
    many = [window(f"serial {number}") for number in range(MOST_VALUES + 100)]
    assert len(firsts.look("altura", many, LATER)) == MOST_VALUES - 1
    assert firsts.look("altura", [window("one more")], LATER + MINUTE_MS) == []


def test_firmwares_that_were_learnt_elsewhere_are_not_new_and_others_are_at_once() -> None:
    firsts = Firsts()
    firsts.take_up([Cohort("altura", "tv", "tv-1.0", "production")], NOW)
    found = firsts.look("altura", [window(), window("tv-1.1", app_versions={"1.0": 1})], LATER)
    assert [change.what for change in found] == ["firmware tv-1.1 first seen"]


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from("abcde")), max_size=30), st.integers(0, 30))
def test_each_is_said_once_and_a_snapshot_in_between_changes_nothing(seen: list[tuple[int, str]], cut: int) -> None:
    def said(cut: int | None) -> list[Change]:
        firsts, out = Firsts(), []
        for number, (days, firmware) in enumerate(sorted(seen)):
            if number == cut:
                state = firsts.snapshot()
                firsts = Firsts()
                firsts.restore(state)
            out += firsts.look("altura", [window(firmware)], NOW + days * DAY_MS)
        return out

    assert said(cut) == said(None)
    assert len({change.change_id for change in said(None)}) == len(said(None))
