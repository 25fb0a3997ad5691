"""How the incidents of a drill are judged."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.drill.outcome import Control, Held, Outcome, combined
from pipeline.drill.watch import Watch
from pipeline.messages import Incident, Signal
from tests.drill.material import INTENT, START, calibrated, incident, planned, usual

HOUR = 60


def judged(*records: Incident, before: frozenset[str] = frozenset(), **changes: Any) -> Outcome:
    watch = Watch(INTENT, calibrated(planned(**changes)), usual(), START, before)
    for record in records:
        watch.take(record)
    return watch.outcome()


def held(*outcomes: Outcome, fired: tuple[str, ...] = ()) -> Held:
    priorities = {"playback": "non_negotiable", "extras": "best_effort"}
    return Held("a", "simulated", priorities, list(outcomes), Control(1, list(fired)), [], 1.0)


def test_what_fires_in_time_with_the_scope_severity_and_route_is_proven() -> None:
    outcome = judged(incident(45))
    assert (outcome.found_ms, outcome.said_receivers) == (45 * 60_000, ["on-call"])
    assert outcome.wrong == []
    assert outcome.proven


def test_a_scope_is_compared_by_its_cohorts_whatever_it_is_called() -> None:
    assert judged(incident(45, scope={"firmware": "tv-2", "device_class": "tv"})).proven


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([], "not found"),
        ([incident(45, state="forming")], "not found"),
        ([incident(45, scope={"device_class": "tv"})], "found as tv"),
        ([incident(5 * HOUR)], "found late: after 5.0 h, not 4.0 h"),
        ([incident(45, severity="ticket")], "ticket, not page"),
        ([incident(45, state="suppressed", workaround="slow-tv")], "hidden by workaround slow-tv"),
        ([incident(45), incident(50, incident_id="two", scope={"firmware": "stb-1"})], "also fired"),
        ([incident(45, kind="feed")], "also fired"),
        ([incident(45, services=["extras"])], "also fired"),
        ([incident(45, signals=[Signal("heartbeat", "latency", "up", None, None, None, 1.0, "step")])], "also fired"),
    ],
)
def test_what_is_not_as_it_should_be_is_said(records: list[Incident], said: str) -> None:
    outcome = judged(*records)
    assert not outcome.proven
    assert any(said in wrong for wrong in outcome.wrong), outcome.wrong


def test_an_incident_that_narrows_to_the_scope_is_found_when_it_does() -> None:
    outcome = judged(incident(30, scope={"device_class": "tv"}), incident(90))
    assert (outcome.alarm_ms, outcome.found_ms) == (30 * 60_000, 90 * 60_000)
    assert outcome.proven


def test_the_gravest_severity_of_an_incident_counts_and_not_that_of_another() -> None:
    assert judged(incident(30, severity="ticket"), incident(60)).proven
    assert not judged(incident(30, severity="ticket"), incident(60, incident_id="two", scope={})).proven


def test_a_receiver_that_it_would_not_reach_is_said() -> None:
    assert judged(incident(45), receivers=("crew",)).wrong == ["routed to on-call, not crew"]


def test_what_was_told_before_the_fault_is_nobodys_finding() -> None:
    outcome = judged(incident(45), before=frozenset({"one"}))
    assert outcome.wrong == ["not found"]


def test_a_fault_within_what_may_degrade_may_be_told_and_must_not_page() -> None:
    assert judged(tolerated=True).proven
    assert judged(incident(45, severity="ticket"), tolerated=True).proven
    assert judged(incident(45), tolerated=True).wrong == ["page for what may degrade"]


def test_a_drill_fails_for_a_non_negotiable_service_and_for_a_stream_that_is_not_quiet() -> None:
    good = judged(incident(45))
    extra = judged(incident(45), service=None, name="extra")
    assert held(good, extra).status == 0
    assert held(judged()).status == 1
    assert held(good, fired=("page",)).status == 1


def test_a_service_of_which_nothing_was_injected_is_not_proven() -> None:
    assert held(judged(incident(45))).unproven == ["extras"]
    by_name = {proof.service: proof for proof in held(judged(incident(45))).proofs(7)}
    assert (by_name["playback"].found, by_name["playback"].faults, by_name["playback"].at) == (True, 1, 7)
    assert (by_name["playback"].slowest_ms, by_name["playback"].route) == (45 * 60_000, "on-call")
    assert (by_name["extras"].found, by_name["extras"].detail) == (False, "nothing of it is in the stream")


def test_of_several_drills_one_that_misses_leaves_the_service_unproven() -> None:
    (proof, _) = combined([held(judged(incident(45))), held(judged())], 1)
    assert (proof.service, proof.found, proof.faults, proof.missed) == ("playback", False, 2, 1)
    (proof, _) = combined([held(judged(incident(45))), held(judged(incident(60)))], 1)
    assert (proof.found, proof.slowest_ms) == (True, 60 * 60_000)


def test_a_proof_says_what_was_missed() -> None:
    (proof, _) = held(judged(), judged(incident(45), name="other")).proofs(1)
    assert (proof.found, proof.faults, proof.missed) == (False, 2, 1)
    assert proof.detail == "slow: not found"
