"""Known changes: which precede an incident and fit it, what is kept, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.changes import (
    DAY_MS,
    HALF_LIFE_MS,
    HOUR_MS,
    KEPT_MS,
    LEAST_FIT,
    MOST_CHANGES,
    MOST_QUOTED,
    SPREADING_MS,
    ChangeBook,
    fault,
    fit,
    scope_fit,
)
from pipeline.messages import Change

NOW = 1_767_571_200_000
FIRMWARE = {"firmware": "tv-1.1"}
CHANGE = Change("c1", NOW - HOUR_MS, "deployment", "playback 4.2", FIRMWARE, ["playback"], by="anna")
ONSET = NOW

scopes = st.dictionaries(
    st.sampled_from(["operator", "device_class", "firmware", "environment"]), st.sampled_from(["a", "b"])
)


def fitting(change: Change, scope: dict[str, str] = FIRMWARE, services: tuple[str, ...] = ("playback",)) -> float:
    return fit(change, tuple(scope.items()), services, ONSET, ONSET - HOUR_MS, ONSET + HOUR_MS)


def test_a_change_of_the_same_scope_within_the_time_that_the_data_allow_fits_wholly() -> None:
    assert fitting(CHANGE) == 1.0


def test_what_came_after_the_latest_onset_that_the_data_allow_caused_nothing() -> None:
    assert fitting(replace(CHANGE, at=ONSET + HOUR_MS)) == 1.0
    assert fitting(replace(CHANGE, at=ONSET + HOUR_MS + 1)) == 0.0
    assert fit(replace(CHANGE, at=ONSET + 1), (), (), ONSET, None, None) == 0.0


@pytest.mark.parametrize(
    ("kind", "half_life"), [("deployment", HALF_LIFE_MS), ("firmware", SPREADING_MS), ("certification", SPREADING_MS)]
)
def test_a_change_fits_half_as_well_with_every_half_life_before_the_earliest_onset(kind: str, half_life: int) -> None:
    earlier = replace(CHANGE, kind=kind, at=ONSET - HOUR_MS - half_life)
    assert fitting(earlier) == pytest.approx(0.5)
    assert fitting(replace(earlier, at=earlier.at - half_life)) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("scope", "other", "expected"),
    [
        ({}, {}, 1.0),
        (FIRMWARE, FIRMWARE, 1.0),
        (FIRMWARE, {"firmware": "tv-1.2"}, 0.0),
        (FIRMWARE, {}, 0.5),
        (FIRMWARE, {"operator": "a"}, 1 / 3),
        (FIRMWARE, {**FIRMWARE, "operator": "a"}, 3 / 4),
        (FIRMWARE, {**FIRMWARE, "operator": "a", "device_class": "tv", "environment": "production"}, 1 / 2),
    ],
)
def test_scopes_fit_by_the_dimensions_that_they_share(
    scope: dict[str, str], other: dict[str, str], expected: float
) -> None:
    assert scope_fit(scope, other) == pytest.approx(expected)


@given(scopes, scopes)
def test_scopes_fit_either_way_round_wholly_only_the_same_and_never_what_contradicts(
    one: dict[str, str], other: dict[str, str]
) -> None:
    value = scope_fit(one, other)
    assert 0.0 <= value <= 1.0
    assert value == scope_fit(other, one)
    assert (value == 1.0) == (one == other)
    assert (value == 0.0) == any(one[name] != other[name] for name in one.keys() & other.keys())


@given(st.integers(-40 * DAY_MS, DAY_MS), st.integers(0, DAY_MS), scopes)
def test_the_nearer_in_time_the_better_it_fits(before: int, further: int, scope: dict[str, str]) -> None:
    near = replace(CHANGE, at=min(ONSET + before, ONSET), scope=scope)
    far = replace(near, at=near.at - further)
    assert 0.0 <= fitting(far) <= fitting(near) <= 1.0


def test_a_change_of_other_services_fits_less_and_one_that_names_none_does_not() -> None:
    assert fitting(CHANGE, services=("billing",)) == 0.25
    assert fitting(CHANGE, services=()) == 1.0
    assert fitting(replace(CHANGE, services=[]), services=("billing",)) == 1.0


# -- the book --------------------------------------------------------------------------------------------------------


def related(book: ChangeBook, scope: dict[str, str] = FIRMWARE) -> list[str]:
    return [one.change.change_id for one in book.related(tuple(scope.items()), ["playback"], ONSET)]


def test_an_incident_quotes_the_best_five_that_fit_at_all() -> None:
    book = ChangeBook()
    for hours in range(1, 9):
        book.add(replace(CHANGE, change_id=f"c{hours}", at=ONSET - hours * HOUR_MS), NOW)
    book.add(replace(CHANGE, change_id="other", scope={"firmware": "tv-9"}), NOW)
    book.add(replace(CHANGE, change_id="later", at=ONSET + 1), NOW)
    book.add(replace(CHANGE, change_id="whole fleet", scope={}, at=ONSET - 60_000), NOW)
    quoted = book.related(tuple(FIRMWARE.items()), ["playback"], ONSET)
    assert [one.change.change_id for one in quoted] == ["c1", "c2", "c3", "c4", "c5"]
    assert len(quoted) == MOST_QUOTED
    assert [one.fit for one in quoted] == sorted((one.fit for one in quoted), reverse=True)
    assert all(one.fit >= LEAST_FIT for one in quoted)


def test_one_firmware_that_was_first_seen_in_many_places_is_quoted_once_where_it_fits_best() -> None:
    book = ChangeBook()
    for number, operator in enumerate(("a", "b", "c")):
        scope = {**FIRMWARE, "operator": operator, "device_class": "tv", "environment": "production"}
        first = Change(f"f{number}", ONSET - HOUR_MS, "firmware", "firmware tv-1.1 first seen", scope, inferred=True)
        book.add(first, NOW)
    assert related(book, {**FIRMWARE, "operator": "b"}) == ["f1"]


def test_a_change_that_is_told_again_is_no_news() -> None:
    book = ChangeBook()
    assert book.add(CHANGE, NOW)
    assert not book.add(CHANGE, NOW)
    assert list(book) == [CHANGE]


def test_past_its_bound_the_book_forgets_what_was_inferred_first_and_then_the_oldest() -> None:
    book = ChangeBook()
    book.add(replace(CHANGE, change_id="inferred", at=NOW, inferred=True), NOW)
    for number in range(MOST_CHANGES):
        book.add(replace(CHANGE, change_id=f"told {number:04}", at=NOW - MOST_CHANGES + number), NOW)
    kept = [change.change_id for change in book]
    assert len(kept) == len(book) == MOST_CHANGES
    assert "inferred" not in kept
    book.add(replace(CHANGE, change_id="one more", at=NOW), NOW)
    assert "told 0000" not in [change.change_id for change in book]


def test_old_changes_are_forgotten_but_what_a_configuration_is_now_stays() -> None:
    book = ChangeBook()
    setting = Change("s1", NOW - 2 * KEPT_MS, "configuration", "retries up", configuration={"retries": "3"})
    book.add(setting, None)
    book.add(replace(CHANGE, at=NOW - 2 * KEPT_MS), None)
    book.add(replace(CHANGE, change_id="new", at=NOW), NOW)
    assert [change.change_id for change in book] == ["s1", "new"]
    book.add(replace(setting, change_id="s2", at=NOW, configuration={"retries": "5"}), NOW)
    assert [change.change_id for change in book] == ["new", "s2"]


def test_a_book_restored_from_a_snapshot_quotes_the_same() -> None:
    book, other = ChangeBook(), ChangeBook()
    for hours in range(1, 9):
        book.add(replace(CHANGE, change_id=f"c{hours}", at=ONSET - hours * HOUR_MS), NOW)
    other.restore(book.snapshot())
    assert list(other) == list(book)
    assert related(other) == related(book)


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"change_id": ""}, "change_id: give 1 to 256"),
        ({"at": 1_700_000_000}, "at: 1700000000 is no time between 2000 and 2100"),
        ({"kind": "deploy"}, "kind: 'deploy' is none of deployment, configuration"),
        ({"what": " "}, "what: say in 1 to 1024"),
        ({"what": "a\x1b[2Jb"}, "what: say in 1 to 1024"),
        ({"scope": {"planet": "mars"}}, "'planet' is no dimension; there are operator"),
        ({"scope": {"operator": ""}}, "scope.operator: give 1 to 128"),
        ({"services": ["x" * 129]}, "services: give at most"),
        ({"by": "x" * 257}, "by: give at most"),
        ({"link": ""}, "link: give 1 to"),
        ({"configuration": {"a": "b"}}, "settings belong to a change of kind 'configuration'"),
        ({"kind": "configuration", "configuration": {"a": ""}}, "configuration: 'a' has a name"),
        ({"kind": "configuration", "configuration": dict.fromkeys(map(str, range(101)), "b")}, "at most 100 settings"),
    ],
)
def test_a_change_that_cannot_be_meant_is_refused_with_the_field_and_what_would_be_right(
    wrong: dict[str, Any], why: str
) -> None:
    assert fault(CHANGE) is None
    said = fault(replace(CHANGE, **wrong))
    assert said is not None
    assert why in said
