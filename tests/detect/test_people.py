"""What people do and tell of, taken by the pattern stage: what becomes of the incident, of the next one, and of the
threshold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from pipeline.detect.history import STEP_MS
from pipeline.detect.pattern import Pattern
from pipeline.incidents.people import MUTE_MS
from pipeline.intent import Intent, default
from pipeline.messages import MINUTE_MS, Action, Change, Incident
from pipeline.workarounds import Workaround
from tests.detect.planted import FAILURE, LATENCY, SOURCE, Plant, anchors, at, evidence, quick, run

WEEK = 7.0
HOUR = 1 / 24
FIRMWARE = {"firmware": "tv-1.1"}
SLOWER = Plant(LATENCY, 1.3, FIRMWARE, WEEK, WEEK + 9)
NOISIER = Plant(FAILURE, 4.0, FIRMWARE, WEEK + 0.25, WEEK + 9)


@pytest.fixture(scope="module")
def after_a_week() -> dict[str, Any]:
    pattern = Pattern([SOURCE], default())
    assert run(quick(WEEK), pattern) == []
    return pattern.snapshot()


@pytest.fixture(scope="module")
def fired(after_a_week: dict[str, Any]) -> tuple[dict[str, Any], Incident]:
    """Four hours in which a firmware is slower: the state of the stage, and what fired."""
    pattern = restored(after_a_week)
    records = fed(pattern, SLOWER, hours=4)
    found = [record for record in records if record.state == "firing"]
    assert {record.incident_id for record in found} == {found[0].incident_id}
    assert found[0].scope == FIRMWARE
    return pattern.snapshot(), found[-1]


def restored(state: dict[str, Any], intent: Intent | None = None) -> Pattern:
    """By way of bytes, as after a restart."""
    pattern = Pattern([SOURCE], intent or default())
    pattern.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(state)))
    return pattern


def fed(pattern: Pattern, *plants: Plant, hours: float, after: float = 0.0) -> list[Incident]:
    return run(evidence(hours * HOUR, *plants, first=WEEK + after * HOUR), pattern, known=anchors())


def action(incident: Incident, verb: str, name: str = "one") -> Action:
    return Action(name, incident.at, "anna", incident.incident_id, verb, "so it is")


def firing(records: list[Incident]) -> list[Incident]:
    return [record for record in records if record.state == "firing"]


def test_an_action_counts_once_and_one_about_an_unknown_incident_not_at_all(
    fired: tuple[dict[str, Any], Incident],
) -> None:
    state, incident = fired
    pattern = restored(state)
    [said] = pattern.feed(action(incident, "acknowledge"))
    assert (said.state, said.acknowledged_at) == ("firing", said.at)
    assert pattern.feed(action(incident, "acknowledge")) == []
    again = restored(pattern.snapshot())
    assert again.feed(action(incident, "acknowledge")) == []
    unknown = msgspec.structs.replace(action(incident, "note", "two"), incident_id="nobody")
    assert not again.knows(unknown)
    assert again.feed(unknown) == []


def test_what_was_called_false_does_not_page_again_while_it_goes_on_as_it_was(
    fired: tuple[dict[str, Any], Incident],
) -> None:
    state, incident = fired
    pattern = restored(state)
    [said] = pattern.feed(action(incident, "false_alarm"))
    assert (said.state, said.verdict, said.incident_id) == ("resolved", "false_alarm", incident.incident_id)
    assert firing(fed(pattern, SLOWER, hours=24, after=4)) == []


def test_what_was_called_false_pages_again_when_it_is_clearly_stronger(
    fired: tuple[dict[str, Any], Incident],
) -> None:
    state, incident = fired
    pattern = restored(state)
    pattern.feed(action(incident, "false_alarm"))
    [again] = firing(fed(pattern, replace(SLOWER, factor=1.3**2), hours=3, after=4))[:1]
    assert (again.incident_id, again.scope) == (incident.incident_id, FIRMWARE)
    assert again.summary.endswith("A person had silenced it; playback_start latency is clearly stronger now.")


def test_another_signal_of_the_same_scope_pages_although_the_first_was_called_false(
    fired: tuple[dict[str, Any], Incident],
) -> None:
    state, incident = fired
    pattern = restored(state)
    pattern.feed(action(incident, "false_alarm"))
    [found] = firing(fed(pattern, SLOWER, NOISIER, hours=6, after=4))[:1]
    assert found.scope == FIRMWARE
    assert "failure" in [signal.signal for signal in found.signals]
    assert "A person had silenced it; playback_start failure is new." in found.summary
    assert found.at > at(NOISIER.start)


def test_after_a_week_what_was_called_false_may_page_again(fired: tuple[dict[str, Any], Incident]) -> None:
    state, incident = fired
    pattern = restored(state)
    [said] = pattern.feed(action(incident, "false_alarm"))
    assert firing(run(quick(7.0, SLOWER, first=WEEK + 4 * HOUR), pattern)) == []
    records = firing(run(quick(1.0, SLOWER, first=WEEK + 4 * HOUR + 7.0), pattern))
    assert records[0].scope == FIRMWARE
    assert records[0].at >= said.at + MUTE_MS


def test_what_is_accepted_is_not_raised_again_once_its_anchor_is_in_force(
    fired: tuple[dict[str, Any], Incident],
) -> None:
    state, incident = fired
    pattern = restored(state)
    [said] = pattern.feed(action(incident, "accept"))
    assert said.state == "resolved"
    assert "Hidden by an accepted anchor: anna" in said.summary
    moved = anchors()
    slow = [cohort.firmware == "tv-1.1" for cohort in moved.cohorts]
    moved.level[slow, moved.channels.index(LATENCY)] += 0.2624  # ln 1.3
    moved = msgspec.structs.replace(moved, minute=said.at)
    later = evidence(1.0, SLOWER, first=WEEK + 4 * HOUR)
    assert firing(run(later, pattern, known=moved)) == []


def test_a_page_that_was_called_false_raises_the_threshold_and_a_confirmed_one_is_no_sighting(
    fired: tuple[dict[str, Any], Incident],
) -> None:
    state, incident = fired
    false, true, told_twice = restored(state), restored(state), restored(state)
    before = false.judge.calibration.offset
    seen = false.judge.calibration.seen
    false.feed(action(incident, "false_alarm"))
    assert false.judge.calibration.false_pages == 1.0
    assert false.judge.calibration.offset > before
    true.feed(action(incident, "confirm"))
    assert true.judge.calibration.seen == pytest.approx(seen - 1.0, abs=0.05)
    told_twice.feed(action(incident, "false_alarm"))
    told_twice.feed(action(incident, "confirm", "two"))
    assert told_twice.judge.calibration.false_pages == 0.0


# -- recovery --------------------------------------------------------------------------------------------------------


def test_recovery_is_said_with_what_is_seen_against_what_is_expected(after_a_week: dict[str, Any]) -> None:
    pattern = restored(after_a_week)
    records = fed(pattern, replace(SLOWER, until=WEEK + 4 * HOUR), hours=9)
    states = [record.state for record in records if record.state != "forming"]
    assert states == ["firing", "recovering", "resolved"]
    fired, recovering, resolved = records[-3:]
    assert (resolved.fired_at, resolved.recovering_at, resolved.resolved_at) == (fired.at, recovering.at, resolved.at)
    assert fired.recovering_at is fired.resolved_at is None
    for record in (recovering, resolved):
        assert "Back at what is expected, by the last 1 h: playback_start latency " in record.summary
        assert record.summary.endswith(" ms where 800 ms is expected.")
    assert resolved.summary.startswith(fired.summary)


def test_with_a_workaround_active_resolved_is_not_said_until_it_has_expired(after_a_week: dict[str, Any]) -> None:
    known = Workaround("slow", "tv-crew", "known", FIRMWARE, at(WEEK) - 1, at(WEEK + 12 * HOUR))
    pattern = restored(after_a_week, Intent(services=default().services, workarounds=(known,)))
    plant = replace(SLOWER, until=WEEK + 4 * HOUR)
    records = fed(pattern, plant, hours=11)
    assert {record.state for record in records if record.state != "forming"} == {"suppressed"}
    assert "It is not called resolved while workaround slow of tv-crew hides it" in records[-1].summary
    assert records[-1].resolved_at is None
    [over] = fed(pattern, plant, hours=2, after=11)
    assert (over.state, over.incident_id, over.at) == ("resolved", records[-1].incident_id, known.expires_at)


# -- changes ---------------------------------------------------------------------------------------------------------


def test_changes_are_quoted_whether_told_or_seen_and_survive_a_restart(after_a_week: dict[str, Any]) -> None:
    pattern = restored(after_a_week)
    told = Change("told", at(WEEK) - 10 * MINUTE_MS, "deployment", "playback 4.2", {}, ["playback"], by="ben")
    seen = Change("seen", at(WEEK), "firmware", "firmware tv-1.1 first seen", FIRMWARE, inferred=True)
    assert pattern.feed(told) == []
    assert pattern.feed(seen) == []
    pattern = restored(pattern.snapshot())
    found = firing(fed(pattern, SLOWER, hours=3))[0]
    assert [one.change.change_id for one in found.changes] == ["seen", "told"]
    assert "Before it, 2026-01-12 00:00 UTC: firmware tv-1.1 first seen." in found.summary


def test_what_is_seen_for_the_first_time_counts_from_its_minute_on_whenever_it_is_heard(
    after_a_week: dict[str, Any],
) -> None:
    pattern = restored(after_a_week)
    later = at(WEEK) + 10 * STEP_MS
    pattern.feed(Change("later", later, "firmware", "firmware x first seen", FIRMWARE, inferred=True))
    fed(pattern, hours=1)
    assert len(pattern.incidents.changes) == 0
    fed(pattern, hours=3, after=1)
    assert [change.change_id for change in pattern.incidents.changes] == ["later"]
