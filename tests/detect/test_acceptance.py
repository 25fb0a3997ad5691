"""A person accepts the present level: the anchor moves there, the first one is kept, and nothing else changes."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from models.season import SLOT_MS, SLOTS
from models.snapshot import SnapshotError
from pipeline.codec import decode, encode
from pipeline.detect.anchors import HISTORY, OWN, AnchorPolicy
from pipeline.detect.baseline import Baseline
from pipeline.detect.channels import Channel
from pipeline.detect.evidence import Anchors, Evidence, Learned
from pipeline.messages import Decision, Tick
from pipeline.observation import Cohort
from tests.detect.material import bell, cohort, middle_of_slot, operation, said_of

STB = Cohort("altura", "stb", "1.0", "production")
TV = Cohort("altura", "tv", "7.3", "production")
FAILURE = Channel("playback_start", "failure")
LATENCY = Channel("playback_start", "latency")
DECISION = Decision("d1", 1_768_000_000_000, "anna", "the new back end is slower", {"device_class": "stb"})


class Lived:
    """A baseline that learns for two days, a minute in two hours; `share` and `ms` of all its cohorts."""

    def __init__(self, baseline: Baseline | None = None, slot: int = 0) -> None:
        self.baseline = baseline or Baseline(["a"], policy=AnchorPolicy(days=2))
        self.slot = slot
        self.said: list[Anchors | Evidence] = []

    def go(self, slots: int, share: float = 0.02, ms: float = 800.0, cohorts: tuple[Cohort, ...] = (STB, TV)) -> None:
        for _ in range(slots):
            started = operation(2_000, bell(ms, 2_000), failure=2_000 * share)
            held = {of: cohort(of, operations={"playback_start": started}) for of in cohorts}
            self.said += said_of(self.baseline, middle_of_slot(self.slot), held)
            self.slot += 1

    def expected(self, of: Cohort, channel: Channel) -> float:
        evidence = next(message for message in reversed(self.said) if isinstance(message, Evidence))
        row, column = evidence.cohorts.index(of), evidence.channels.index(channel)
        return float(evidence.expected[row, column] / evidence.n[row, column])


def changed() -> Lived:
    """Two days as usual, then one and a half in which all is worse."""
    lived = Lived()
    lived.go(2 * SLOTS + 1)
    lived.go(SLOTS + 6, share=0.05, ms=1_000.0)
    return lived


def decided(lived: Lived, decision: Decision = DECISION) -> list[Anchors]:
    return [message for message in lived.baseline.feed(decision) if isinstance(message, Anchors)]


def at(anchors: Anchors, channel: Channel) -> tuple[int, int]:
    return 0, anchors.channels.index(channel)


def test_of_the_last_day_only_what_came_since_an_onset_is_the_level_that_is_accepted() -> None:
    lived = Lived()
    lived.go(2 * SLOTS + 1)
    lived.go(3, share=0.05, ms=1_000.0)
    began = middle_of_slot(lived.slot - 3) - SLOT_MS // 2
    (anchors,) = decided(lived, msgspec.structs.replace(DECISION, since=began))
    assert anchors.level[at(anchors, FAILURE)] == pytest.approx(0.05, rel=0.02)
    whole = Lived()
    whole.go(2 * SLOTS + 1)
    whole.go(3, share=0.05, ms=1_000.0)
    (diluted,) = decided(whole)
    assert diluted.level[at(diluted, FAILURE)] < 0.03


def test_a_level_of_which_nothing_was_seen_since_moves_no_anchor() -> None:
    lived = changed()
    assert decided(lived, msgspec.structs.replace(DECISION, since=middle_of_slot(lived.slot))) == []


def test_the_anchor_moves_to_the_level_of_the_last_day_and_the_first_is_kept() -> None:
    lived = changed()
    before = lived.expected(STB, FAILURE)
    (anchors,) = decided(lived)
    assert anchors.cohorts == [STB]
    assert anchors.level[at(anchors, FAILURE)] == pytest.approx(0.05, rel=0.01)
    assert anchors.first_level is not None
    assert anchors.first_level[at(anchors, FAILURE)] == pytest.approx(before, rel=0.01)
    drift = anchors.level[at(anchors, LATENCY)] - anchors.first_level[at(anchors, LATENCY)]
    assert drift == pytest.approx(math.log(1.25), rel=0.05)
    lived.go(1, share=0.05, ms=1_000.0)
    assert lived.expected(STB, FAILURE) == pytest.approx(0.05, rel=0.01)
    assert lived.expected(TV, FAILURE) == pytest.approx(before, rel=0.01)


def test_who_when_and_why_is_told() -> None:
    (anchors,) = decided(changed())
    assert anchors.accepted == [
        "accepted by anna on 2026-01-09 23:06 UTC from the last day: the new back end is slower"
    ]


def test_only_the_signal_and_operation_in_scope_move() -> None:
    lived = changed()
    before = lived.expected(STB, LATENCY)
    decision = msgspec.structs.replace(DECISION, signal="failure", operation="playback_start", scope={})
    (anchors,) = decided(lived, decision)
    assert sorted(anchors.cohorts) == [STB, TV]
    lived.go(1, share=0.05, ms=1_000.0)
    assert lived.expected(STB, FAILURE) == pytest.approx(0.05, rel=0.01)
    assert lived.expected(STB, LATENCY) == pytest.approx(before, abs=1e-9)
    assert anchors.accepted[0].startswith("accepted by anna on 2026-01-09 23:06 UTC from the last day (failure of play")


def test_the_present_may_be_that_of_several_full_days() -> None:
    lived = Lived()
    lived.go(2 * SLOTS)
    lived.go(SLOTS, share=0.04)
    lived.go(SLOTS + 1, share=0.06)
    (anchors,) = decided(lived, msgspec.structs.replace(DECISION, days=2))
    assert anchors.level[at(anchors, FAILURE)] == pytest.approx(0.05, rel=0.01)


def test_a_cell_of_which_too_little_was_seen_stays() -> None:
    lived = changed()
    lived.go(SLOTS + 1, cohorts=(TV,))
    assert decided(lived) == []


def test_a_cohort_that_still_learns_goes_on_learning() -> None:
    lived = Lived()
    lived.go(SLOTS + 3)
    assert decided(lived) == []


def test_a_decision_that_comes_twice_counts_once() -> None:
    lived = changed()
    assert decided(lived)
    lived.go(SLOTS, share=0.10)
    assert decided(lived) == []
    assert decided(lived, msgspec.structs.replace(DECISION, decision_id="d2"))


def test_accepted_is_accepted_after_a_restart() -> None:
    lived = changed()
    decided(lived)
    resumed = Lived(Baseline(["a"], policy=AnchorPolicy(days=2)), lived.slot)
    resumed.baseline.restore(lived.baseline.snapshot())
    for each in (lived, resumed):
        each.said.clear()
        each.go(1, share=0.05)
        assert decided(each) == []
        assert each.expected(STB, FAILURE) == pytest.approx(0.05, rel=0.01)


def test_a_decision_travels_as_json() -> None:
    assert decode(encode(DECISION)) == DECISION


def test_anchors_travel_as_json_with_what_they_are_doubted_for() -> None:
    (anchors,) = decided(changed())
    there = decode(encode(anchors))
    assert isinstance(there, Anchors)
    assert there.first_level is not None
    assert anchors.first_level is not None
    assert there.first_level.tolist() == anchors.first_level.tolist()
    assert there.accepted == anchors.accepted


# -- learnt elsewhere ------------------------------------------------------------------------------------------------


def history(days: int) -> tuple[Lived, list[Learned]]:
    lived = Lived()
    lived.go(days * SLOTS)
    return lived, lived.baseline.hand_over(0, 1)


def test_a_cohort_that_was_learnt_elsewhere_is_judged_from_its_first_minute() -> None:
    _, learned = history(days=2)
    fresh = Lived()
    for each in learned:
        assert fresh.baseline.feed(each) == []
    fresh.go(1, share=0.05, ms=1_000.0)
    anchors, evidence = fresh.said
    assert isinstance(anchors, Anchors)
    assert isinstance(evidence, Evidence)
    assert anchors.cohorts == [STB, TV]
    assert anchors.lender == [OWN, OWN]
    assert anchors.days.tolist() == [2.0, 2.0]
    assert fresh.expected(STB, FAILURE) == pytest.approx(0.02, rel=0.01)
    slow = evidence.x[0, evidence.channels.index(LATENCY)] / evidence.n[0, evidence.channels.index(LATENCY)]
    assert slow - fresh.expected(STB, LATENCY) == pytest.approx(math.log(1.25), rel=0.05)
    fresh.go(3 * SLOTS, share=0.05)
    assert fresh.expected(STB, FAILURE) == pytest.approx(0.02, rel=0.01)


def test_a_short_history_serves_until_the_cohorts_own_days_are_over() -> None:
    _, learned = history(days=1)
    fresh = Lived()
    for each in learned:
        fresh.baseline.feed(each)
    fresh.go(2 * SLOTS, share=0.03)
    anchors = fresh.said[0]
    assert isinstance(anchors, Anchors)
    assert anchors.lender == [HISTORY, HISTORY]
    assert not anchors.frozen.any()
    assert fresh.expected(STB, FAILURE) == pytest.approx(0.02, rel=0.01)
    fresh.go(2, share=0.03)
    assert fresh.expected(STB, FAILURE) == pytest.approx(0.03, rel=0.02)


def test_a_cohort_that_has_a_day_of_its_own_keeps_it() -> None:
    _, learned = history(days=2)
    here = Lived()
    here.go(SLOTS + 1, share=0.05, cohorts=(STB,))
    told = [message for each in learned for message in here.baseline.feed(each)]
    assert [message.cohorts for message in told if isinstance(message, Anchors)] == [[TV]]
    here.go(1, share=0.05)
    assert here.expected(STB, FAILURE) == pytest.approx(0.05, rel=0.02)
    assert here.expected(TV, FAILURE) == pytest.approx(0.02, rel=0.01)


def test_what_was_learnt_counts_once_and_survives_a_restart_before_the_first_minute() -> None:
    _, learned = history(days=2)
    first = Baseline(["a"], policy=AnchorPolicy(days=2))
    for each in learned * 2:
        first.feed(each)
    second = Lived()
    second.baseline.restore(first.snapshot())
    second.go(1)
    assert [type(message) for message in second.said] == [Anchors, Evidence]


def test_the_same_history_has_the_same_identity() -> None:
    assert [each.learned_id for each in history(2)[1]] == [each.learned_id for each in history(2)[1]]


def test_what_was_learnt_travels_as_json() -> None:
    _, learned = history(days=2)
    (there,) = (decode(encode(each)) for each in learned)
    assert isinstance(there, Learned)
    one, other = Lived(), Lived()
    for lived, each in ((one, learned[0]), (other, there)):
        lived.baseline.feed(each)
        lived.go(2)
    assert one.baseline.snapshot() == other.baseline.snapshot()


def test_damaged_anchors_are_refused_and_nothing_is_taken_from_them() -> None:
    _, (learned,) = history(days=2)
    broken = msgspec.structs.replace(learned, cells={**learned.cells, "level": np.zeros((1, 1))})
    fresh = Lived()
    with pytest.raises(SnapshotError, match="are damaged"):
        fresh.baseline.feed(broken)
    fresh.baseline.feed(learned)
    assert len(fresh.baseline.feed(Tick("a", 0))) >= 1
