"""Who has a row of his own, and what becomes of a crowd."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.detect.baseline import Baseline
from pipeline.detect.evidence import Anchors, Evidence
from pipeline.detect.roster import IDLE_MS, OVERFLOW, PROBATION_RECORDS, Bounds
from pipeline.observation import Cohort
from tests.detect.material import cohort, day, evidence_of, minute, operation, said_of

STB = Cohort("altura", "stb", "1.0", "production")
SMALL = Bounds(cohorts=40, operators=3, groups=4, crowded_groups=3, firmwares=8, crowded_firmwares=4)
OVER = STB._replace(firmware=OVERFLOW)


def named(number: int) -> Cohort:
    return STB._replace(firmware=f"build-{number:06}")


def stage(bounds: Bounds = SMALL) -> Baseline:
    return Baseline(["a"], bounds=bounds)


def records(evidence: Evidence) -> dict[Cohort, int]:
    """Failures are counted among as many attempts as there are records, in the tests of this file."""
    column = next(i for i, channel in enumerate(evidence.channels) if channel.signal == "failure")
    return dict(zip(evidence.cohorts, evidence.n[:, column].astype(int).tolist(), strict=True))


def sent(baseline: Baseline, at: int, held: dict[Cohort, int]) -> Evidence:
    windows = {of: cohort(of, count, {"playback_start": operation(count, failure=0.0)}) for of, count in held.items()}
    return evidence_of(baseline, minute(at), windows)


def test_strings_that_come_once_fill_no_rows_and_lose_no_record() -> None:
    baseline = stage()
    sent(baseline, 0, {STB: 100})
    total = 0
    for at in range(1, 60):
        found = records(sent(baseline, at, {named(50 * at + i): 1 for i in range(50)} | {STB: 100}))
        assert sum(found.values()) == 150
        total += found.get(OVER, 0)
    assert baseline.cohorts <= SMALL.crowded_firmwares + 2
    assert total >= 59 * 50 - 10


def test_a_newcomer_in_a_crowd_has_a_row_once_it_has_sent_enough() -> None:
    baseline = stage()
    sent(baseline, 0, {named(i): 100 for i in range(SMALL.crowded_firmwares)})
    seen = []
    for at in range(1, 6):
        seen.append(STB in sent(baseline, at, {STB: PROBATION_RECORDS // 2}).cohorts)
    assert seen == [False, True, True, True, True]


def test_of_a_full_group_the_one_that_is_idle_for_a_day_makes_room_and_is_told_to_be_gone() -> None:
    baseline = stage(Bounds(firmwares=4, crowded_firmwares=99))
    sent(baseline, 0, {named(i): 10 for i in range(4)})
    sent(baseline, 1, {named(i): 10 for i in range(1, 4)})
    assert OVER in sent(baseline, 2, {STB: 10}).cohorts
    later = IDLE_MS // 60_000
    said = said_of(baseline, minute(later), {STB: cohort(STB, 10)})
    assert [message.gone for message in said if isinstance(message, Anchors) and message.gone] == [[named(0)]]
    evidence = said[-1]
    assert isinstance(evidence, Evidence)
    assert evidence.cohorts == [STB]


def test_what_took_the_row_of_another_learns_from_nothing() -> None:
    baseline = stage(Bounds(firmwares=1, crowded_firmwares=99))
    for at in range(0, 26 * 60, 60):
        said_of(
            baseline, minute(at), {named(0): cohort(named(0), 100, {"playback_start": operation(100, failure=50.0)})}
        )
    for at in range(60 * 60, 87 * 60, 60):
        window = cohort(STB, 100, {"playback_start": operation(100, failure=1.0)})
        said = said_of(baseline, minute(at), {STB: window})
    evidence = said[-1]
    assert isinstance(evidence, Evidence)
    column = next(i for i, channel in enumerate(evidence.channels) if channel.signal == "failure")
    assert evidence.expected[0, column] / evidence.n[0, column] < 0.02


def test_the_overflow_cohort_is_shown_and_not_judged_and_the_feed_says_so() -> None:
    baseline = stage()
    sent(baseline, 0, {named(i): 100 for i in range(SMALL.crowded_firmwares)})
    evidence = sent(baseline, 1, {named(0): 100, named(99): 3})
    assert dict(zip(evidence.cohorts, evidence.aside.tolist(), strict=True)) == {named(0): False, OVER: True}
    assert (evidence.feeds["altura"].pooled, evidence.feeds["altura"].pooled_since) == (3, minute(1))
    assert sent(baseline, 30, {named(0): 100}).feeds["altura"].pooled_since == minute(1)
    assert sent(baseline, 120, {named(0): 100}).feeds["altura"].pooled_since is None


def test_a_hundred_thousand_firmwares_device_classes_and_operators_stay_within_bounds() -> None:
    baseline = stage(Bounds(cohorts=300, operators=10, groups=20, crowded_groups=10, firmwares=20, crowded_firmwares=5))
    usual = {STB: 1_000}
    for at in range(20):
        crowd: dict[Cohort, int] = {}
        for i in range(at * 5_000, (at + 1) * 5_000):
            crowd[named(i)] = 1
            crowd[Cohort("altura", f"class-{i}", "1.0", "production")] = 1
            crowd[Cohort(f"operator-{i}", "stb", "1.0", "production")] = 1
        evidence = sent(baseline, at, usual | crowd)
        assert sum(records(evidence).values()) == 16_000
    assert baseline.cohorts <= 320
    assert len(evidence.feeds) <= 11


def churn() -> Iterator[tuple[int, dict[Cohort, int]]]:
    for at in range(40):
        yield at * 60, {named((7 * at + i) % 23): 5 + i for i in range(6)}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 39))
def test_a_stage_that_is_resumed_among_a_crowd_says_the_same(cut: int) -> None:
    bounds = Bounds(firmwares=6, crowded_firmwares=3)
    straight, resumed = stage(bounds), stage(bounds)
    for number, (at, held) in enumerate(churn()):
        if number == cut:
            other = stage(bounds)
            other.restore(resumed.snapshot())
            resumed = other
        assert records(sent(straight, at, held)) == records(sent(resumed, at, held))
    assert straight.snapshot() == resumed.snapshot()
    assert day(0) == minute(0)
