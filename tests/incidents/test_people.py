"""What people do about an incident becomes part of its record."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from models.season import SLOT_MS
from pipeline.changes import HOUR_MS
from pipeline.incidents.life import Finding, Incidents
from pipeline.incidents.people import ANCHOR_MS, MOST_ACTIONS, MUTE_MS, act, decisions, fault, objection
from pipeline.intent import Severity
from pipeline.messages import Action, Change, Incident, Signal

NOW = 1_767_571_200_000
MINUTE = 60_000
LATENCY = Signal("playback_start", "latency", "up", 900.0, 800.0, 1.125, 0.8, "step", quantile=0.5)
ORDER = Signal("*", "out_of_order", "up", 0.02, 0.01, 2.0, 0.2, "step")
FINDING = Finding(
    scope=(("firmware", "tv-1.1"),),
    kind="pattern",
    onset_at=NOW - 30 * MINUTE,
    severity=Severity.PAGE,
    services=("playback",),
    signals=(LATENCY, ORDER),
    evidence=1.25,
    summary="It is slow.",
)


def fired() -> tuple[Incidents, Incident]:
    incidents = Incidents()
    return incidents, incidents.begin(FINDING, "firing", NOW)[1]


def did(incidents: Incidents, incident: Incident, verb: str, minutes: int, text: str = "") -> Incident:
    case = incidents.by_id(incident.incident_id)
    assert case is not None
    at = NOW + minutes * MINUTE
    return act(incidents, case, Action(f"{verb} {minutes}", at, "anna", incident.incident_id, verb, text), at)


def test_who_acknowledges_first_is_kept_and_the_incident_stays_as_it_is() -> None:
    incidents, first = fired()
    said = did(incidents, first, "acknowledge", 5)
    again = did(incidents, first, "acknowledge", 9)
    assert (said.state, said.acknowledged_at, again.acknowledged_at) == ("firing", NOW + 5 * MINUTE, NOW + 5 * MINUTE)
    assert [action.at for action in again.actions] == [NOW + 5 * MINUTE, NOW + 9 * MINUTE]
    assert again.summary == first.summary


def test_a_note_is_kept_and_acknowledges_nothing() -> None:
    incidents, first = fired()
    said = did(incidents, first, "note", 5, "the carrier is on it")
    assert (said.acknowledged_at, said.actions[0].text) == (None, "the carrier is on it")


def test_what_is_accepted_is_resolved_and_said_to_be_hidden_by_the_anchor() -> None:
    incidents, first = fired()
    said = did(incidents, first, "accept", 5, "a new back end")
    assert (said.state, said.resolved_at, said.verdict) == ("resolved", NOW + 5 * MINUTE, None)
    assert said.summary == (
        "It is slow. Hidden by an accepted anchor: anna has accepted its level (a new back end); it is not back at "
        "what was expected before."
    )
    case = incidents.by_id(first.incident_id)
    assert case is not None
    assert case.is_muted(NOW + 5 * MINUTE + ANCHOR_MS - 1)
    assert not case.is_muted(NOW + 5 * MINUTE + ANCHOR_MS)


def test_what_is_called_false_is_resolved_says_when_it_may_page_again_and_is_muted_until_then() -> None:
    incidents, first = fired()
    said = did(incidents, first, "false_alarm", 5, "a load test")
    assert (said.state, said.verdict) == ("resolved", "false_alarm")
    assert said.summary.endswith(
        "Called a false alarm by anna (a load test); the same signals page again after 2026-01-12 00:05 UTC, or when "
        "they deviate 1.5 times as far."
    )
    case = incidents.by_id(first.incident_id)
    assert case is not None
    assert case.is_muted(NOW + MUTE_MS)
    confirmed = did(incidents, first, "confirm", 9)
    assert (confirmed.verdict, confirmed.state, case.is_muted(NOW + 10 * MINUTE)) == ("true", "resolved", False)


def test_people_may_say_something_of_what_is_over_and_it_stays_over() -> None:
    incidents, first = fired()
    case = incidents.by_id(first.incident_id)
    assert case is not None
    incidents.change(case, "recovering", NOW + 60 * MINUTE)
    over = incidents.change(case, "resolved", NOW + 120 * MINUTE, why="Back at what is expected.")
    said = did(incidents, first, "note", 300, "it was the carrier")
    assert (said.state, said.resolved_at, said.recovering_at) == ("resolved", over.at, NOW + 60 * MINUTE)
    assert said.summary == over.summary


def test_what_people_did_survives_a_snapshot_and_a_reopening() -> None:
    incidents, first = fired()
    did(incidents, first, "acknowledge", 5)
    did(incidents, first, "false_alarm", 9)
    other = Incidents()
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(incidents.snapshot())))
    assert list(other) == list(incidents)
    _, again = other.begin(FINDING, "firing", NOW + 20 * MINUTE)
    assert [action.verb for action in again.actions] == ["acknowledge", "false_alarm"]
    assert (again.fired_at, again.acknowledged_at, again.resolved_at) == (NOW, NOW + 5 * MINUTE, None)


def test_actions_are_bounded_and_the_first_stays() -> None:
    incidents, first = fired()
    for minutes in range(1, MOST_ACTIONS + 10):
        said = did(incidents, first, "note", minutes, "and so on")
    assert len(said.actions) == MOST_ACTIONS
    assert [said.actions[0].at, said.actions[-1].at] == [NOW + MINUTE, NOW + (MOST_ACTIONS + 9) * MINUTE]


def test_to_accept_an_incident_is_to_decide_for_each_of_its_signals_from_its_onset_on() -> None:
    _, first = fired()
    action = Action("a", NOW + 8 * HOUR_MS, "anna", first.incident_id, "accept", "a new back end")
    assert objection(action, first) is None
    latency, order = decisions(action, first)
    assert (latency.operation, latency.signal, order.operation, order.signal) == (
        "playback_start", "latency", None, "out_of_order",
    )  # fmt: skip
    assert {one.since for one in (latency, order)} == {FINDING.onset_at}
    assert (latency.scope, latency.by, latency.reason) == ({"firmware": "tv-1.1"}, "anna", "a new back end")
    assert latency.decision_id != order.decision_id
    assert decisions(msgspec.structs.replace(action, verb="confirm"), first) == []


def test_a_level_that_nobody_knows_yet_or_that_has_no_anchor_cannot_be_accepted() -> None:
    _, first = fired()
    early = Action("a", FINDING.onset_at + 2 * SLOT_MS - 1, "anna", first.incident_id, "accept")
    assert "accept it after 2026-01-05 03:30 UTC" in (objection(early, first) or "")
    assert objection(msgspec.structs.replace(early, verb="false_alarm"), first) is None
    silent = msgspec.structs.replace(first, signals=[Signal("*", "volume", "down", 0.0, 9.0, None, 1.0, "step")])
    assert "no anchor of its volume" in (objection(msgspec.structs.replace(early, at=NOW * 2), silent) or "")


@pytest.mark.parametrize(
    ("verb", "by", "text", "why"),
    [
        ("ack", "anna", "", "'ack' is nothing that can be done"),
        ("note", "anna", " ", "a note has a text"),
        ("note", "anna", "x" * 1_025, "at most 1024"),
        ("note", "anna", "a\x1b[2J", "printable"),
        ("confirm", " ", "", "somebody who took it"),
    ],
)
def test_an_action_that_cannot_be_meant_is_refused(verb: str, by: str, text: str, why: str) -> None:
    assert why in (fault(Action("a", NOW, by, "id", verb, text)) or "")


# -- changes ---------------------------------------------------------------------------------------------------------

DEPLOYED = Change("d", NOW - 40 * MINUTE, "deployment", "playback 4.2", {"firmware": "tv-1.1"}, by="ben")


def test_a_change_before_its_onset_is_quoted_and_named_when_it_fits_well() -> None:
    incidents = Incidents()
    incidents.learn(DEPLOYED, NOW)
    _, said = incidents.begin(FINDING, "firing", NOW)
    assert [one.change for one in said.changes] == [DEPLOYED]
    assert said.summary == "It is slow. Before it, 2026-01-04 23:20 UTC by ben: deployment playback 4.2."


def test_a_change_that_fits_a_little_is_quoted_and_not_named() -> None:
    incidents = Incidents()
    incidents.learn(msgspec.structs.replace(DEPLOYED, scope={}), NOW)
    _, said = incidents.begin(FINDING, "firing", NOW)
    assert (len(said.changes), said.summary) == (1, "It is slow.")


def test_a_change_that_is_told_late_is_said_at_once_of_what_fires_and_of_nothing_else() -> None:
    incidents, first = fired()
    incidents.begin(replace(FINDING, scope=(("firmware", "other"),)), "firing", NOW)
    [said] = incidents.learn(DEPLOYED, NOW + MINUTE)
    assert (said.incident_id, said.state, said.at) == (first.incident_id, "firing", NOW + MINUTE)
    assert incidents.learn(DEPLOYED, NOW + 2 * MINUTE) == []
    assert incidents.learn(msgspec.structs.replace(DEPLOYED, change_id="e", at=NOW), NOW + 2 * MINUTE) == []
