"""A feed that comes late is told from devices that are slow, and from a feed that catches up."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detect.anchors import AnchorPolicy
from pipeline.detect.baseline import Baseline
from pipeline.detect.channels import Channel
from pipeline.detect.evidence import Evidence
from pipeline.detect.lateness import LATE_MINUTES, SOUND_MINUTES, Lateness
from pipeline.messages import MINUTE_MS, UNIT, CohortWindow
from pipeline.observation import Cohort
from tests.detect.material import bell, evidence_of, minute, operation

STB = Cohort("altura", "stb", "1.0", "production")
TV = Cohort("altura", "tv", "7.3", "production")
USUAL_MS = 800.0
LATENCY = Channel("playback_start", "latency")


def told(late: Lateness, at: int, ms: float, units: float = 20.0, room: float = 2.0) -> None:
    excess = min(math.log(ms / USUAL_MS), room)
    late.take(minute(at), units, units * excess, units * room, units * ms, units * USUAL_MS)


def gone(late: Lateness, first: int, minutes: int, ms: float, **how: float) -> None:
    for at in range(first, first + minutes):
        told(late, at, ms, **how)


def test_three_minutes_far_beyond_the_usual_are_late_from_the_first_of_them() -> None:
    late = Lateness()
    gone(late, 0, 20, USUAL_MS)
    gone(late, 20, 20, 60_000.0)
    assert late.since is not None
    assert minute(20) <= late.since <= minute(20 + LATE_MINUTES)


def test_one_odd_minute_is_not_late() -> None:
    late = Lateness()
    gone(late, 0, 20, USUAL_MS)
    told(late, 20, 20_000.0)
    gone(late, 21, 20, USUAL_MS)
    assert late.since is None


def test_what_devices_that_were_offline_send_late_into_a_thin_feed_is_not_a_late_feed() -> None:
    late = Lateness()
    for at in range(120):
        if at in (60, 61):
            # Two of three records are from four minutes ago.
            late.take(minute(at), 3.0, 2 * math.log(240_000.0 / USUAL_MS), 18.0, 480_000.0, 3 * USUAL_MS)
        else:
            told(late, at, USUAL_MS, units=2.0, room=6.0)
        assert late.since is None


def test_a_thin_feed_that_is_late_is_told_though_some_of_its_minutes_are_not() -> None:
    late = Lateness()
    gone(late, 0, 60, USUAL_MS, units=2.0)
    for at in range(60, 120):
        told(late, at, USUAL_MS if at % 7 == 0 else 60_000.0, units=2.0)
    assert late.since is not None
    assert late.since < minute(75)


def test_twice_a_delay_of_nothing_is_nothing() -> None:
    late = Lateness()
    gone(late, 0, 60, 3.0 * USUAL_MS)
    assert late.since is None


def test_a_narrow_delay_that_is_clipped_short_is_told_by_how_far_it_is_beyond() -> None:
    late = Lateness()
    gone(late, 0, 20, USUAL_MS, room=0.3)
    gone(late, 20, 20, 30_000.0, room=0.3)
    assert late.since is not None


def test_it_is_over_when_it_has_been_sound_for_ten_minutes() -> None:
    late = Lateness()
    gone(late, 0, 20, 60_000.0)
    gone(late, 20, SOUND_MINUTES - 1, USUAL_MS)
    assert late.since is not None
    gone(late, 20 + SOUND_MINUTES - 1, 30, USUAL_MS)
    assert late.since is None


@given(st.lists(st.sampled_from([USUAL_MS, 60_000.0]), max_size=60), st.integers(0, 59))
def test_resumed_from_a_snapshot_it_says_the_same(minutes: list[float], cut: int) -> None:
    straight, resumed = Lateness(), Lateness()
    for at, ms in enumerate(minutes):
        if at == cut:
            resumed = Lateness.of(resumed.snapshot())
        told(straight, at, ms)
        told(resumed, at, ms)
    assert straight == resumed


# -- in the stage ----------------------------------------------------------------------------------------------------


def window(of: Cohort, delay_ms: float, latency_ms: float = 900.0, records: int = 60) -> CohortWindow:
    held = bell(delay_ms, records)
    return CohortWindow(
        of.device_class,
        of.firmware,
        of.environment,
        records,
        delay_bins=tuple(sorted(held)),
        delay_weights=tuple(round(held[b] * UNIT) for b in sorted(held)),
        delay_squares=records * UNIT,
        lag_sum_ms=round(delay_ms * records),
        lag_records=records,
        operations={"playback_start": operation(records, bell(latency_ms, records), failure=1.0)},
    )


@pytest.fixture(scope="module")
def learnt() -> dict[str, object]:
    baseline = Baseline(["a"], policy=AnchorPolicy(days=1))
    for number in range(27 * 60):
        evidence_of(baseline, minute(number), {STB: window(STB, USUAL_MS), TV: window(TV, USUAL_MS)})
    return baseline.snapshot()


def stage(learnt: dict[str, object]) -> Baseline:
    baseline = Baseline(["a"], policy=AnchorPolicy(days=1))
    baseline.restore(learnt)
    return baseline


def run(baseline: Baseline, minutes: int, stb_ms: float, tv_ms: float, latency_ms: float = 900.0) -> Evidence:
    first = (baseline._closed or 0) + MINUTE_MS
    for at in range(first, first + minutes * MINUTE_MS, MINUTE_MS):
        held = {STB: window(STB, stb_ms, latency_ms), TV: window(TV, tv_ms, latency_ms)}
        evidence = evidence_of(baseline, at, held)
    return evidence


def test_one_device_class_that_is_late_is_named(learnt: dict[str, object]) -> None:
    health = run(stage(learnt), 20, 60_000.0, USUAL_MS).feeds["altura"]
    assert health.parts["stb"].late_since is not None
    assert health.parts["tv"].late_since is None
    assert health.parts["stb"].delay_ms == pytest.approx(60_000.0, rel=0.1)
    assert health.parts["stb"].usual_delay_ms == pytest.approx(USUAL_MS, rel=0.05)


def test_slow_devices_are_not_a_late_feed_and_a_late_feed_is_no_slow_device(learnt: dict[str, object]) -> None:
    slow = run(stage(learnt), 20, USUAL_MS, USUAL_MS, latency_ms=2_000.0)
    assert slow.feeds["altura"].late_since is None
    late = run(stage(learnt), 20, 60_000.0, 60_000.0)
    assert late.feeds["altura"].late_since is not None
    column = late.channels.index(LATENCY)
    assert late.x[:, column] == pytest.approx(late.expected[:, column], abs=0.02 * 60)
    assert not late.aside.any()


def test_nothing_is_learnt_from_a_late_feed(learnt: dict[str, object]) -> None:
    baseline = stage(learnt)
    run(baseline, 10, 60_000.0, USUAL_MS)
    book = baseline._book
    row, column = book.row(STB), book.table.channels.index(LATENCY)
    before = book.slot_n.data[row, column]
    run(baseline, 10, 60_000.0, USUAL_MS)
    assert book.slot_n.data[row, column] == before
    assert book.slot_n.data[book.row(TV), column] > before


def test_records_of_each_class_are_told_beside_what_is_expected_of_it(learnt: dict[str, object]) -> None:
    parts = run(stage(learnt), 1, USUAL_MS, USUAL_MS).feeds["altura"].parts
    assert [(kind, part.records) for kind, part in parts.items()] == [("stb", 60), ("tv", 60)]
    assert parts["stb"].expected == pytest.approx(60.0, rel=0.01)
