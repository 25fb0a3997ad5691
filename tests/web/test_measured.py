"""What is drawn and counted behind the pages: trends, who is affected, what is alike, pages of a list."""

from __future__ import annotations

import contextlib
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detect.channels import Channel
from pipeline.messages import MINUTE_MS, LedgerEntry
from pipeline.observation import Cohort
from pipeline.web import Board, answers, plots
from pipeline.web import records as say
from pipeline.web.paging import CursorError, page
from pipeline.web.reach import reach
from pipeline.web.similar import likeness, similar
from pipeline.web.trends import BLOCK_MS, Trends
from tests.sinks.incidents import FIRING, incident
from tests.web import seeded
from tests.web.fleet import NOON, SLOW, WELL, evidence

LATENCY = Channel("playback_start", "latency")


def every(board: Board) -> np.ndarray:
    return np.array([row for _, row in board.cohorts.rows({})], dtype=np.intp)


def test_a_block_sums_its_minutes_and_a_minute_that_comes_again_counts_once() -> None:
    told = Board()
    for minute in (0, 1, 1, 2, 5):
        told.take(evidence(minute, units=10, log_ratio={SLOW: 0.2, WELL: 0.2}))
    first, second = told.cohorts.trends.series(every(told), LATENCY, NOON)
    assert (first.at, first.n, second.at, second.n) == (NOON, 60.0, NOON + BLOCK_MS, 20.0)
    assert first.observed == pytest.approx(math.exp(0.2), rel=1e-5)
    assert first.low < 1.0 < first.high


def test_a_signal_over_all_operations_is_drawn_from_all_of_them() -> None:
    told, chance = Board(), np.random.default_rng(3)
    for minute in range(seeded.NOW - 60 * MINUTE_MS, seeded.NOW, MINUTE_MS):
        told.take(seeded.minute(seeded.fleet(), minute, chance))
    since = seeded.NOW - 60 * MINUTE_MS
    trends, rows = told.cohorts.trends, every(told)
    parts = [trends.totals(rows, Channel(of, "retry"), since) for of in ("playback_start", "entitlement_check")]
    assert trends.totals(rows, Channel("*", "retry"), since) == pytest.approx(sum(parts), rel=1e-5)
    assert len(trends.series(rows, Channel("*", "latency"), since)) == 12
    assert trends.series(rows, Channel("*", "unheard"), since) == []
    pooled = msgspec.structs.replace(seeded.LATENCY, operation="*", ratio=1.09)
    firmware = reach(told.cohorts, msgspec.structs.replace(seeded.FIRING, signals=[pooled]))[2]
    assert [(group.value, group.verdict) for group in firmware.groups if group.named] == [("9.4.1", "affected")]
    assert {group.ratio is None for group in firmware.groups} == {False}


def test_the_sum_of_a_ledger_moves_once_a_stretch_however_many_signals_add_to_it() -> None:
    entries = [LedgerEntry(at, at + 10, "*", signal, 2.0) for at in (0, 10) for signal in ("retry", "gap", "failure")]
    drawn = plots.ledger(entries, {})
    assert drawn is not None
    assert drawn.total == 12.0
    assert drawn.sum.count("L") + drawn.sum.count("M") == 3, drawn.sum


@given(st.floats(1, 1e6), st.floats(0.001, 1.0))
def test_the_band_of_a_share_holds_what_is_expected_and_narrows_with_what_is_known(units: float, share: float) -> None:
    told = Board()
    minute = evidence(units=units)
    told.take(msgspec.structs.replace(minute, expected=minute.n * share))
    (point,) = told.cohorts.trends.series(every(told), Channel("playback_start", "failure"), NOON)
    assert 0.0 <= point.low <= point.expected <= point.high <= 1.0 + 1e-6


def test_trends_keep_to_their_room_and_forget_the_oldest() -> None:
    trends = Trends(room=40_000)
    cohorts = [Cohort("acme", "tv", str(number)) for number in range(100)]
    rows = np.arange(100)
    for block in range(50):
        trends.evidence(evidence(block * 5, cohorts), rows, rows)
        assert trends.size <= 40_000
    assert trends.since is not None
    assert trends.since > NOON


def test_a_row_that_another_cohort_takes_over_has_no_past() -> None:
    trends = Trends()
    trends.evidence(evidence(), np.arange(2), np.arange(2))
    trends.forget(0)
    assert trends.totals(np.array([0]), LATENCY, NOON).tolist() == [[0.0, 0.0, 0.0]]
    assert trends.totals(np.array([1]), LATENCY, NOON)[0, 0] > 0.0


def test_who_is_affected_is_told_from_who_is_not_in_every_dimension() -> None:
    board = seeded.board(minutes=200)
    course = board.course(seeded.ID)
    assert course is not None
    said = {
        branch.dimension: {group.value: group.verdict for group in branch.groups}
        for branch in reach(board.cohorts, course.newest)
    }
    assert said["firmware"] == {"9.4.1": "affected", "9.4.0": "not affected", "9.3.2": "not affected"}
    assert said["operator"] == {"nordcast": "affected", "altura": "not affected"}
    assert set(said["device_class"].values()) == {"affected"}


def test_of_a_handful_of_devices_nothing_is_told() -> None:
    told = Board()
    told.take(evidence(0, units=2.0))
    told.take(incident(onset_at=NOON))
    (course,) = told.incidents()
    assert {group.verdict for branch in reach(told.cohorts, course.newest) for group in branch.groups} <= {
        "cannot tell"
    }


def test_an_incident_is_most_like_itself_and_not_at_all_like_one_of_another_kind() -> None:
    assert likeness(FIRING, FIRING) == pytest.approx(1.0)
    assert likeness(FIRING, incident(kind="feed")) == 0.0
    nearer, farther = incident(scope={"operator": "nordcast"}), incident(scope={"operator": "altura"})
    assert likeness(FIRING, nearer) > likeness(FIRING, farther)


def test_what_is_alike_began_before_and_is_another_one() -> None:
    board = seeded.board(minutes=1)
    course = board.course(seeded.ID)
    assert course is not None
    found = similar(course.newest, board.incidents())
    assert 0 < len(found) <= 5
    assert seeded.ID not in {one.course.newest.incident_id for one in found}
    assert [one.likeness for one in found] == sorted((one.likeness for one in found), reverse=True)
    assert all(one.course.newest.onset_at <= course.newest.onset_at for one in found)


@given(st.lists(st.tuples(st.integers(-50, 50), st.text(max_size=3)), unique=True), st.integers(1, 7))
def test_all_pages_together_are_the_list(items: list[tuple[int, str]], limit: int) -> None:
    items, found, cursor = sorted(items), [], None
    while True:
        shown = page(items, lambda one: one, limit, cursor)
        assert len(shown.items) <= limit
        assert shown.total == len(items)
        found += shown.items
        cursor = shown.next
        if cursor is None:
            break
    assert found == items


@given(st.text(max_size=60))
def test_what_is_no_cursor_is_said_to_be_none(text: str) -> None:
    with contextlib.suppress(CursorError):
        page([(1, "a")], lambda one: one, 5, text)


def test_what_goes_meanwhile_skips_nothing_that_stays() -> None:
    first = page([(1, "a"), (2, "b"), (3, "c")], lambda one: one, 2, None)
    assert page([(1, "a"), (3, "c")], lambda one: one, 2, first.next).items == [(3, "c")]


def test_the_ledger_adds_up_and_what_spoke_against_stands_below() -> None:
    entries = [
        LedgerEntry(0, 10, "*", "retry", 3.0),
        LedgerEntry(10, 20, "*", "retry", -1.0),
        LedgerEntry(10, 20, "*", "gap", 2.0),
    ]
    drawn = plots.ledger(entries, {})
    assert drawn is not None
    assert drawn.total == pytest.approx(4.0)
    above = [bar for bar in drawn.bars if bar.y + bar.height <= drawn.zero + 0.2]
    assert len(above) == 2
    assert all(bar.y >= 0.0 and bar.y + bar.height <= plots.HEIGHT + 0.2 for bar in drawn.bars)
    assert plots.ledger([], {}) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20))
def test_a_line_stays_in_its_box(values: list[tuple[float, float, float]]) -> None:
    points = [
        say.Point(at * BLOCK_MS, 1.0, observed, (low + high) / 2, min(low, high), max(low, high))
        for at, (observed, low, high) in enumerate(values)
    ]
    drawn = plots.line([points], None)
    assert drawn is not None
    for path in (*drawn.observed, drawn.expected):
        for pair in path[1:].split(" L"):
            x, y = map(float, pair.split(","))
            assert -3.1 <= x <= plots.WIDTH + 3.1
            assert -0.1 <= y <= plots.HEIGHT + 0.1


def test_cohorts_are_found_by_the_words_of_their_names_in_any_order() -> None:
    board = seeded.board(minutes=2)
    found = answers.cohorts(board, say.CohortQuery(q="production NORDCAST g3", sort="name"))
    assert {(one.operator, one.device_class, one.environment) for one in found.cohorts} == {
        ("nordcast", "stb-g3", "production")
    }
    assert found.total == 3


@pytest.mark.parametrize("sort", ["deviation", "name", "devices", "silence", "latency", "retry"])
def test_cohorts_come_once_each_whatever_they_are_sorted_by(sort: say.Sort) -> None:
    board, cursor, found = seeded.board(minutes=30), None, []
    while True:
        shown = answers.cohorts(board, say.CohortQuery(sort=sort, limit=7, cursor=cursor))
        found += [one.cohort_id for one in shown.cohorts]
        cursor = shown.next
        if cursor is None:
            break
    assert len(found) == len(set(found)) == 36
    if sort == "latency":
        assert "9.4.1" in {board.cohorts.named(id).cohort.firmware for id in found[:6] if board.cohorts.named(id)}  # type: ignore[union-attr]


def test_the_budget_counts_pages_of_seven_days_and_what_people_said_of_them() -> None:
    board = Board()
    for number, verdict in enumerate(("true", "false_alarm", None)):
        board.take(incident(incident_id=f"i{number}", verdict=verdict))
    board.take(incident(incident_id="old", at=FIRING.at - 8 * 24 * 60 * MINUTE_MS, verdict="false_alarm"))
    board.take(incident(incident_id="ticket", severity="ticket"))
    said = answers.budget(board)
    assert (said.pages, said.confirmed, said.false, said.open) == (3, 1, 1, 1)
