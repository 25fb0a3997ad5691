"""Whom a newcomer succeeds is read off who drains."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from models.snapshot import Plain
from pipeline.detect.anchors import AnchorPolicy
from pipeline.detect.baseline import Baseline
from pipeline.detect.channels import Channel
from pipeline.detect.evidence import Anchors
from pipeline.observation import Cohort
from tests.detect.material import bell, cohort, minute, operation, said_of

LARGE = Cohort("altura", "stb", "3.0", "production")
SMALL = LARGE._replace(firmware="2.0")
OLD = LARGE._replace(firmware="1.0")
NEW = LARGE._replace(firmware="4.0")
LATENCY = Channel("playback_start", "latency")
USUAL = {LARGE: (120.0, 800.0), SMALL: (60.0, 1_000.0), OLD: (30.0, 640.0)}
DAY = 24 * 60
Held = dict[Cohort, tuple[float, float]]


class Fleet:
    """Minutes of a class of one operator."""

    def __init__(self) -> None:
        self.baseline = Baseline(["a"], policy=AnchorPolicy(days=1))
        self.minute = 0
        self.newest: dict[Cohort, tuple[Anchors, int]] = {}

    def go(self, minutes: int, held: Callable[[float], Held]) -> None:
        """`held`: records a minute and latency of each cohort, given hours since this began."""
        begun = self.minute
        while self.minute < begun + minutes:
            now = held((self.minute - begun) / 60.0)
            windows = {
                of: cohort(of, round(records), {"playback_start": operation(records, bell(ms, records))})
                for of, (records, ms) in now.items()
                if records >= 1.0
            }
            for message in said_of(self.baseline, minute(self.minute), windows):
                if isinstance(message, Anchors):
                    for row, of in enumerate(message.cohorts):
                        self.newest[of] = message, row
            self.minute += 1

    def error(self, of: Cohort) -> float:
        """Standard deviation of the anchor of its latency."""
        message, row = self.newest[of]
        at = message.channels.index(LATENCY)
        return math.sqrt(message.spread[row, at] / message.mass[row, at])

    def expected_ms(self, of: Cohort) -> float:
        """What the anchor says in ms: the row's own cut points and level, by way of the stage's own book."""
        book = self.baseline._book
        row, at = book.row(of), book.table.channels.index(LATENCY)
        return math.exp(book.middle.data[row, at] + book.level.data[row, at])


def rollout(old: Cohort, hours: float, new: Cohort = NEW) -> Callable[[float], Held]:
    def held(hour: float) -> Held:
        moved = USUAL[old][0] * min(hour / hours, 1.0)
        return {**USUAL, old: (USUAL[old][0] - moved, USUAL[old][1]), new: (moved, 1.1 * USUAL[old][1])}

    return held


_LEARNT: list[Plain] = []


def learnt() -> Fleet:
    """After a day; that day is gone through once."""
    fleet = Fleet()
    if not _LEARNT:
        fleet.go(DAY + 120, lambda _: USUAL)
        _LEARNT.append(fleet.baseline.snapshot())
    fleet.baseline.restore(_LEARNT[0])
    fleet.minute = DAY + 120
    return fleet


@pytest.mark.parametrize("old", [LARGE, SMALL])
def test_within_hours_of_a_staged_roll_out_the_newcomer_is_held_against_the_firmware_that_drains(old: Cohort) -> None:
    fleet = learnt()
    fleet.go(12 * 60, rollout(old, hours=16.0))
    message, row = fleet.newest[NEW]
    assert message.lender[row] == old.firmware
    assert fleet.expected_ms(NEW) == pytest.approx(USUAL[old][1], rel=0.02)
    assert fleet.error(NEW) < 0.03


def test_until_then_it_is_doubted_by_as_much_as_the_candidates_differ() -> None:
    fleet = learnt()
    fleet.go(40, rollout(SMALL, hours=28.0))
    assert fleet.error(NEW) > 0.08


def test_where_there_is_one_candidate_it_is_believed_from_the_first_minute() -> None:
    fleet = Fleet()
    fleet.go(DAY + 120, lambda _: {LARGE: USUAL[LARGE]})
    fleet.go(20, lambda _: {LARGE: (110.0, 800.0), NEW: (10.0, 880.0)})
    assert fleet.error(NEW) < 0.012
    assert fleet.expected_ms(NEW) == pytest.approx(800.0, rel=0.01)


def test_two_newcomers_at_once_each_find_their_own() -> None:
    other = NEW._replace(firmware="5.0")

    def both(hour: float) -> Held:
        first, second = rollout(LARGE, 16.0)(hour), rollout(SMALL, 16.0, other)(hour)
        return {**first, SMALL: second[SMALL], other: second[other]}

    fleet = learnt()
    fleet.go(14 * 60, both)
    assert fleet.newest[NEW][0].lender[fleet.newest[NEW][1]] == LARGE.firmware
    weights = fleet.baseline._succession.open[fleet.baseline._book.row(other)].weights
    assert weights.max() < 0.99 or fleet.expected_ms(other) == pytest.approx(1_000.0, rel=0.02)


def test_a_firmware_that_comes_back_is_held_against_its_own_anchor() -> None:
    fleet = learnt()
    fleet.go(10 * 60, rollout(LARGE, hours=5.0))
    before = fleet.expected_ms(LARGE)
    fleet.go(60, lambda _: USUAL)
    assert fleet.baseline._book.lender[fleet.baseline._book.row(LARGE)] == "own"
    assert fleet.expected_ms(LARGE) == before


def test_certification_that_gets_it_first_is_held_against_certification() -> None:
    lab = {of._replace(environment="certification"): (3.0, 2.0 * ms) for of, (_, ms) in USUAL.items()}
    fleet = Fleet()
    fleet.go(DAY + 120, lambda _: {**USUAL, **lab})
    new = NEW._replace(environment="certification")
    fleet.go(8 * 60, lambda _: {**USUAL, **lab, new: (3.0, 1_600.0)})
    message, row = fleet.newest[new]
    assert message.lender[row] in {of.firmware for of in lab}
    assert fleet.expected_ms(new) > 1_200.0


def test_a_stage_that_is_resumed_in_the_middle_of_a_roll_out_says_the_same() -> None:
    straight, first = learnt(), learnt()
    moving = rollout(SMALL, hours=28.0)
    straight.go(8 * 60, moving)
    first.go(3 * 60, moving)
    resumed = Fleet()
    resumed.baseline.restore(first.baseline.snapshot())
    resumed.minute = first.minute
    resumed.go(5 * 60, lambda hour: moving(hour + 3.0))
    assert resumed.expected_ms(NEW) == straight.expected_ms(NEW)
    assert resumed.baseline._succession.snapshot() == straight.baseline._succession.snapshot()
