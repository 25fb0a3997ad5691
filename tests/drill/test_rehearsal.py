"""Whole drills on a small simulated fleet."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from pipeline.drill.outcome import Control, Held, Outcome
from pipeline.drill.plan import Plan, Planned
from pipeline.drill.rehearsal import Known, Make, Progress, Rehearsal, hold
from pipeline.engine import Engine
from pipeline.intent import Priority, Severity
from tests.drill.material import INTENT, Silent, blinded, calibrated, deaf_to_latency, planned, small_stream

HOURS_6 = 6 * 3_600_000
STREAM = small_stream(INTENT)
FIRMWARE = {"firmware": STREAM.fleet.firmware(0, 0)}
SLOW = planned(scope=FIRMWARE, strength=2.0, within_ms=HOURS_6)
FAILING = planned("failure", name="failing", scope=FIRMWARE, strength=10.0, within_ms=HOURS_6)
PLAN = Plan("small", (SLOW, FAILING), {"playback": Priority.NON_NEGOTIABLE})
MINUTES = 6 * 60


@pytest.fixture(scope="module")
def known() -> Known:
    """What there is at the end of the history, worked out once."""
    return Rehearsal(INTENT, STREAM).known(Silent())


def outcomes(known: Known, make: Make = Engine) -> list[Outcome]:
    rehearsal = Rehearsal(INTENT, STREAM, make)
    return [rehearsal.outcome(known, calibrated(one, known.usual), MINUTES) for one in (SLOW, FAILING)]


def held(found: list[Outcome]) -> Held:
    return Held("small", "", {"playback": "non_negotiable"}, found, Control(1, []), [], 1.0)


def test_what_is_slow_and_what_fails_is_found_with_its_scope_and_routed_and_the_service_is_proven(known: Known) -> None:
    found = outcomes(known)
    assert [one.wrong for one in found] == [[], []]
    assert [one.said_scope for one in found] == [FIRMWARE, FIRMWARE]
    assert all("on-call" in one.said_receivers for one in found)
    assert held(found).status == 0


def test_a_detector_that_is_blinded_fails_the_drill(known: Known) -> None:
    found = outcomes(known, blinded)
    assert [one.wrong for one in found] == [["not found"], ["not found"]]
    assert (held(found).status, held(found).unproven) == (1, ["playback"])


def test_a_detector_that_has_lost_one_channel_fails_it_too_and_the_proof_says_which(known: Known) -> None:
    found = outcomes(known, deaf_to_latency)
    assert [one.proven for one in found] == [False, True]
    (proof,) = held(found).proofs(1)
    assert (proof.found, proof.missed, proof.detail) == (False, 1, "slow: not found")
    assert held(found).status == 1


def test_a_receiver_that_the_incident_would_not_reach_is_said(known: Known) -> None:
    elsewhere = replace(FAILING, receivers=("nobody-there",), severity=Severity.TICKET)
    outcome = Rehearsal(INTENT, STREAM).outcome(known, calibrated(elsewhere, known.usual), MINUTES)
    assert outcome.wrong == ["page, not ticket"]


def test_without_faults_the_stream_is_quiet(known: Known) -> None:
    assert Rehearsal(INTENT, STREAM).quiet(known, MINUTES).fired == []


def test_a_drill_comes_to_the_same_in_one_process_and_in_two(known: Known) -> None:
    short = small_stream(INTENT, days=1)
    alike = [comparable(hold(PLAN, Rehearsal(INTENT, short), Silent(), processes)) for processes in (1, 2)]
    assert alike[0] == alike[1]


def comparable(found: Held) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(found, seconds=0.0))


def test_what_is_told_of_the_progress_may_abort_it() -> None:
    class Unwell(Progress):
        def step(self, done: float, what: str) -> None:
            raise InterruptedError(what)

    with pytest.raises(InterruptedError, match="history"):
        hold(PLAN, Rehearsal(INTENT, STREAM), Unwell())


def test_what_the_stream_does_not_have_fails_its_service(known: Known) -> None:
    absent: Planned = planned(name="absent", operation="stall")
    plan = Plan("small", (absent,), {"playback": Priority.NON_NEGOTIABLE})
    found = hold(plan, Rehearsal(INTENT, small_stream(INTENT, days=1)), Silent())
    assert found.outcomes[0].wrong == ["the stream has no stall"]
    assert found.status == 1
