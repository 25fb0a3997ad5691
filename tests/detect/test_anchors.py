"""What each cohort is held against: learnt over full days, then left alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from models.season import SLOTS
from pipeline.detect.anchors import AnchorPolicy
from pipeline.detect.baseline import Baseline
from pipeline.detect.channels import Channel
from pipeline.detect.evidence import Anchors, Evidence
from pipeline.messages import OperationWindow
from pipeline.observation import Cohort
from tests.detect.material import bell, cohort, middle_of_slot, operation, said_of

STB = Cohort("altura", "stb", "1.0", "production")
SUCCESSOR = STB._replace(firmware="2.0")
FAILURE = Channel("playback_start", "failure")
LATENCY = Channel("playback_start", "latency")
WEEK = 7 * SLOTS

Numbers = tuple[float, float, float]
"""Attempts, share that fails, median latency in ms."""


def flat(share: float, attempts: float = 2_000.0, ms: float = 800.0) -> Callable[[int], Numbers]:
    return lambda _slot: (attempts, share, ms)


class Learning:
    """A baseline that is fed one minute in the middle of every two hours: a quick week."""

    def __init__(self, policy: AnchorPolicy | None = None) -> None:
        self.baseline = Baseline(["a"], policy=policy)
        self.slot = 0
        self.anchors: list[Anchors] = []
        self.evidence: Evidence

    def go(self, slots: int, of: dict[Cohort, Callable[[int], Numbers]]) -> None:
        for _ in range(slots):
            held = {}
            for name, numbers in of.items():
                attempts, share, ms = numbers(self.slot)
                started = operation(attempts, bell(ms, attempts), failure=attempts * share)
                held[name] = cohort(name, operations={"playback_start": started})
            for message in said_of(self.baseline, middle_of_slot(self.slot), held):
                if isinstance(message, Anchors):
                    self.anchors.append(message)
                else:
                    self.evidence = message
            self.slot += 1

    def expected(self, of: Cohort, channel: Channel) -> float:
        """By unit, in the minute closed last."""
        row, column = self.evidence.cohorts.index(of), self.evidence.channels.index(channel)
        return float(self.evidence.expected[row, column] / self.evidence.n[row, column])

    def excess(self, of: Cohort, channel: Channel) -> float:
        """By unit."""
        row, column = self.evidence.cohorts.index(of), self.evidence.channels.index(channel)
        return float(self.evidence.x[row, column] / self.evidence.n[row, column]) - self.expected(of, channel)

    def said(self, of: Cohort) -> tuple[Anchors, int]:
        """The newest anchors that name a cohort, and its row."""
        newest = next(message for message in reversed(self.anchors) if of in message.cohorts)
        return newest, newest.cohorts.index(of)


def level(anchors: tuple[Anchors, int], channel: Channel) -> float:
    message, row = anchors
    return float(message.level[row, message.channels.index(channel)])


def test_a_level_is_learnt_from_full_days() -> None:
    learning = Learning()
    learning.go(2 * SLOTS + 1, {STB: flat(0.02)})
    assert learning.expected(STB, FAILURE) == pytest.approx(0.02, rel=0.01)
    assert learning.excess(STB, LATENCY) == pytest.approx(0.0, abs=0.001)
    message, row = learning.said(STB)
    assert message.days[row] == 2.0
    assert not message.frozen[row]


def test_what_the_level_means_in_ms_is_told() -> None:
    learning = Learning()
    learning.go(SLOTS, {STB: flat(0.02)})
    message, row = learning.said(STB)
    latency, tail = message.channels.index(LATENCY), message.channels.index(Channel("playback_start", "tail"))
    assert message.base_ms[row, latency] == pytest.approx(800.0, rel=0.03)
    assert message.base_ms[row, tail] == pytest.approx(800.0 * math.exp(2.33 * 0.3), rel=0.08)
    assert message.tail_scale[row, latency] > 0


def cycle(slot: int) -> Numbers:
    wave = math.sin(2 * math.pi * slot / SLOTS)
    return 20_000.0, 0.02 * (1.0 + 0.4 * wave), 800.0 * math.exp(0.1 * wave)


def test_the_cycle_of_a_day_is_expected() -> None:
    learning = Learning()
    learning.go(WEEK, {STB: cycle})
    for _ in range(SLOTS):
        learning.go(1, {STB: cycle})
        assert abs(learning.excess(STB, FAILURE)) < 0.05 * cycle(learning.slot - 1)[1]
        assert abs(learning.excess(STB, LATENCY)) < 0.01


def test_each_operator_has_a_day_of_its_own() -> None:
    norvik = STB._replace(operator="norvik")
    learning = Learning()
    learning.go(WEEK + 4, {STB: cycle, norvik: flat(0.02, 20_000.0)})
    learning.go(1, {STB: cycle, norvik: flat(0.02, 20_000.0)})
    assert learning.expected(STB, FAILURE) == pytest.approx(cycle(learning.slot - 1)[1], rel=0.05)
    assert learning.expected(norvik, FAILURE) == pytest.approx(0.02, rel=0.02)


def test_after_seven_days_an_anchor_is_frozen_and_a_drift_does_not_move_it() -> None:
    learning = Learning()
    learning.go(WEEK + 1, {STB: flat(0.02)})
    message, row = learning.said(STB)
    assert message.frozen[row]
    assert message.days[row] == 7.0
    learning.anchors.clear()

    def drifting(slot: int) -> Numbers:
        return 2_000.0, 0.02 + 0.0005 * (slot - WEEK), 800.0 * 1.003 ** (slot - WEEK)

    learning.go(6 * SLOTS, {STB: drifting})
    assert learning.anchors == []
    assert learning.expected(STB, FAILURE) == pytest.approx(0.02, rel=0.01)
    assert learning.excess(STB, LATENCY) == pytest.approx((learning.slot - 1 - WEEK) * math.log(1.003), rel=0.1)


def test_how_long_it_learns_is_a_matter_of_policy() -> None:
    learning = Learning(AnchorPolicy(days=2))
    learning.go(2 * SLOTS, {STB: flat(0.02)})
    assert not any(message.frozen.any() for message in learning.anchors)
    learning.go(1, {STB: flat(0.02)})
    message, row = learning.said(STB)
    assert message.frozen[row]


def test_a_successor_starts_on_its_predecessors_anchor() -> None:
    learning = Learning()
    learning.go(WEEK + 1, {STB: flat(0.02)})
    before = learning.said(STB)
    learning.go(1, {STB: flat(0.02), SUCCESSOR: flat(0.04, ms=900.0)})
    after = learning.said(SUCCESSOR)
    assert after[0].lender[after[1]] == "1.0"
    assert after[0].days[after[1]] == 7.0
    assert level(after, FAILURE) == pytest.approx(level(before, FAILURE), rel=1e-9)
    assert level(after, LATENCY) == level(before, LATENCY)
    assert learning.excess(SUCCESSOR, FAILURE) == pytest.approx(0.02, rel=0.02)
    assert learning.excess(SUCCESSOR, LATENCY) == pytest.approx(math.log(900 / 800), rel=0.1)


def test_a_successor_is_held_against_its_predecessor_until_its_own_week_is_over() -> None:
    learning = Learning()
    learning.go(WEEK + 1, {STB: flat(0.02)})
    learning.go(WEEK - 1, {STB: flat(0.02), SUCCESSOR: flat(0.04)})
    assert learning.expected(SUCCESSOR, FAILURE) == pytest.approx(0.02, rel=0.01)


@pytest.mark.parametrize(("share", "ms"), [(0.04, 1_000.0), (0.01, 600.0)])
def test_a_successors_own_anchor_may_leave_its_predecessors_only_as_far_as_the_leash(share: float, ms: float) -> None:
    policy = AnchorPolicy(days=2)
    learning = Learning(policy)
    learning.go(2 * SLOTS + 1, {STB: flat(0.02)})
    before = learning.said(STB)
    learning.go(2 * SLOTS + 2, {STB: flat(0.02), SUCCESSOR: flat(share, ms=ms)})
    after = learning.said(SUCCESSOR)
    assert after[0].frozen[after[1]]
    sign = 1.0 if share > 0.02 else -1.0
    off = math.log(level(after, FAILURE) / level(before, FAILURE))
    assert off == pytest.approx(sign * policy.leash_share, abs=1e-6)
    moved = level(after, LATENCY) - level(before, LATENCY)
    assert moved == pytest.approx(sign * policy.leash_shift, abs=1e-6)


def test_a_successor_that_hardly_differs_gets_an_anchor_of_its_own() -> None:
    learning = Learning(AnchorPolicy(days=2))
    learning.go(2 * SLOTS + 1, {STB: flat(0.02)})
    learning.go(2 * SLOTS + 2, {STB: flat(0.02), SUCCESSOR: flat(0.0206)})
    assert learning.expected(SUCCESSOR, FAILURE) == pytest.approx(0.0206, rel=0.01)


def test_of_several_predecessors_the_largest_lends() -> None:
    small, large = STB._replace(firmware="0.8"), STB._replace(firmware="0.9")
    learning = Learning()
    for _ in range(SLOTS + 1):
        at = middle_of_slot(learning.slot)
        said_of(learning.baseline, at, {small: cohort(small, records=1), large: cohort(large, records=2)})
        learning.slot += 1
    learning.go(1, {SUCCESSOR: flat(0.02)})
    message, row = learning.said(SUCCESSOR)
    assert message.lender[row] == "0.9"


def test_a_firmware_lends_neither_to_another_class_nor_to_another_environment() -> None:
    learning = Learning()
    learning.go(SLOTS + 1, {STB: flat(0.02)})
    strangers = [STB._replace(device_class="tv"), STB._replace(environment="lab"), STB._replace(operator="norvik")]
    learning.go(2, dict.fromkeys(strangers, flat(0.02)))
    for stranger in strangers:
        message, row = learning.said(stranger)
        assert message.lender[row] == "own"


def thin(attempts: float, share: float) -> dict[Cohort, Callable[[int], Numbers]]:
    """One thin cohort among solid ones of its operator and class."""
    solid: dict[Cohort, Callable[[int], Numbers]] = {
        STB._replace(firmware=f"1.{i}"): flat(0.02, 5_000.0) for i in range(3)
    }
    return {**solid, STB._replace(firmware="9.9"): flat(share, attempts)}


THIN = STB._replace(firmware="9.9")


def test_a_thin_cohort_leans_on_its_operator_and_class() -> None:
    learning = Learning()
    learning.go(SLOTS + 1, thin(attempts=5.0, share=0.0))
    assert 0.008 < learning.expected(THIN, FAILURE) < 0.02


def test_the_more_it_has_seen_the_less_it_leans() -> None:
    learnt = []
    for attempts in (5.0, 50.0, 500.0):
        learning = Learning()
        learning.go(SLOTS + 1, thin(attempts, share=0.015))
        learnt.append(learning.expected(THIN, FAILURE))
    assert learnt == sorted(learnt, reverse=True)
    assert learnt[-1] == pytest.approx(0.015, rel=0.06)


def test_a_prior_that_the_counts_contradict_is_discounted() -> None:
    """Ten times the share of its siblings on a hundred attempts a day: another kind, not chance."""
    learning = Learning()
    learning.go(SLOTS + 1, thin(attempts=10.0, share=0.2))
    assert learning.expected(THIN, FAILURE) == pytest.approx(0.2, rel=0.15)


def test_a_share_that_never_was_is_not_expected_to_be_zero() -> None:
    learning = Learning()
    learning.go(SLOTS + 1, {STB: flat(0.0)})
    assert learning.expected(STB, FAILURE) > 0.0


def test_hours_in_which_nothing_came_count_for_nothing() -> None:
    learning = Learning()
    learning.go(SLOTS, {STB: flat(0.02)})
    learning.slot += 2 * SLOTS
    learning.go(2, {STB: flat(0.02)})
    assert learning.expected(STB, FAILURE) == pytest.approx(0.02, rel=0.02)
    message, row = learning.said(STB)
    mass = message.mass[row, message.channels.index(FAILURE)]
    assert mass == pytest.approx((SLOTS + 1) * 2_000 * 0.02, rel=0.1)
    assert np.isfinite(message.level).all()


# -- by cell, by release, by doubt -----------------------------------------------------------------------------------


def stalling(attempts: float, share: float) -> OperationWindow:
    return operation(attempts, failure=attempts * share)


STALL = Channel("stall", "failure")


def test_an_operation_that_a_cohort_takes_up_later_gets_an_anchor_of_its_own_and_moves_no_other() -> None:
    learning = Learning()
    learning.go(WEEK + 1, {STB: flat(0.02)})
    before = learning.said(STB)
    for _ in range(WEEK + 2 * SLOTS):
        held = {"playback_start": operation(2_000, failure=60.0), "stall": stalling(500, 0.05)}
        for message in said_of(learning.baseline, middle_of_slot(learning.slot), {STB: cohort(STB, operations=held)}):
            if isinstance(message, Anchors):
                learning.anchors.append(message)
            else:
                learning.evidence = message
        learning.slot += 1
    after = learning.said(STB)
    assert level(after, STALL) == pytest.approx(0.05, rel=0.02)
    assert after[0].frozen[after[1]]
    assert level(after, FAILURE) == level(before, FAILURE)


def test_before_a_later_operation_has_a_full_day_it_is_no_reference() -> None:
    learning = Learning()
    learning.go(WEEK + 1, {STB: flat(0.02)})
    masses = []
    for _ in range(3 * SLOTS):
        held = {"playback_start": operation(2_000, failure=40.0), "stall": stalling(500, 0.05)}
        for message in said_of(learning.baseline, middle_of_slot(learning.slot), {STB: cohort(STB, operations=held)}):
            if isinstance(message, Anchors):
                masses.append(float(message.mass[0, message.channels.index(STALL)]))
        learning.slot += 1
    assert masses
    assert masses[0] >= SLOTS * 500 * 0.05 * 0.9


def test_a_shape_that_anchors_were_learnt_with_is_not_moved_by_a_later_cohort() -> None:
    learning = Learning()
    learning.go(WEEK + 1, {STB: cycle})
    tv = STB._replace(device_class="tv")
    learning.go(2 * SLOTS, {STB: cycle, tv: flat(0.02, 20_000.0)})
    for _ in range(SLOTS):
        learning.go(1, {STB: cycle, tv: flat(0.02, 20_000.0)})
        assert abs(learning.excess(STB, FAILURE)) < 0.05 * cycle(learning.slot - 1)[1]


def test_a_chain_of_releases_may_not_walk_further_than_its_budget() -> None:
    """Every release is 3 % slower than the one before: each within the leash, and together not."""
    policy = AnchorPolicy(days=2)
    learning = Learning(policy)
    learning.go(2 * SLOTS + 1, {STB: flat(0.02)})
    first = learning.said(STB)
    walked = []
    for release in range(1, 6):
        newcomer = STB._replace(firmware=f"1.{release}")
        learning.go(2 * SLOTS + 2, {newcomer: flat(0.02 * 1.08**release, ms=800.0 * 1.025**release)})
        now = learning.said(newcomer)
        walked.append(
            (level(now, LATENCY) - level(first, LATENCY), math.log(level(now, FAILURE) / level(first, FAILURE)))
        )
        column = now[0].channels.index(LATENCY)
        assert now[0].first_level is not None
        assert now[0].first_level[now[1], column] == pytest.approx(level(first, LATENCY), abs=1e-9)
    assert walked[0][0] == pytest.approx(math.log(1.025), abs=0.002)
    assert walked[-1][0] == pytest.approx(policy.budget_shift, abs=1e-9)
    assert walked[-1][1] == pytest.approx(policy.budget_share, abs=1e-9)
    assert all(shift <= policy.budget_shift + 1e-9 for shift, _ in walked)


def test_a_fault_that_began_within_the_reference_days_is_noticed_and_lowers_confidence() -> None:
    """It begins on the fourth of seven days, on one firmware of several operators."""
    fleet = [STB._replace(operator=name, firmware=fw) for name in ("altura", "norvik") for fw in ("1.0", "1.1", "1.2")]

    def numbers(of: Cohort) -> Callable[[int], Numbers]:
        def at(slot: int) -> Numbers:
            mood = 1.0 + 0.02 * math.sin(3.0 * (slot // SLOTS) + hash_of(of))
            slow = 1.2 if of.firmware == "1.1" and slot >= 3 * SLOTS else 1.0
            return 2_000.0, 0.02, 800.0 * mood * slow

        return at

    learning = Learning()
    learning.go(WEEK + 1, {of: numbers(of) for of in fleet})
    for of in fleet:
        message, row = learning.said(of)
        at = message.channels.index(LATENCY)
        assert message.doubtful is not None
        assert message.doubtful[row, at] == (of.firmware == "1.1")
        assert ("rose by" in message.doubt[row]) == (of.firmware == "1.1")
        assert "2026-01-08" in message.doubt[row] or of.firmware != "1.1"
        error = math.sqrt(message.spread[row, at] / message.mass[row, at])
        assert (error > 0.05) == (of.firmware == "1.1")


def hash_of(of: Cohort) -> float:
    return float(sum(map(ord, "".join(of))) % 7)


def test_days_that_only_wander_raise_no_doubt() -> None:
    def moody(slot: int) -> Numbers:
        mood = math.sin(2.4 * (slot // SLOTS))
        return 2_000.0, 0.02 * (1.0 + 0.1 * mood), 800.0 * (1.0 + 0.04 * mood)

    learning = Learning()
    learning.go(WEEK + 1, {STB: moody, STB._replace(firmware="1.1"): flat(0.02)})
    for message in learning.anchors:
        assert message.doubt == [""] * len(message.cohorts)
        assert message.doubtful is not None
        assert not message.doubtful.any()
