"""Incidents of kind `breach`: lines of the intent that are crossed."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.detect.evidence import Evidence, FeedHealth
from pipeline.detect.pattern import Pattern
from pipeline.intent import Priority, Service, Severity
from pipeline.messages import MINUTE_MS, Incident
from pipeline.observation import Cohort
from tests.detect.lines import FAILING, PLAYBACK, SLOW, Share, asked, intent_of, minutes, told
from tests.detect.material import MIDNIGHT
from tests.detect.planted import FLEET, SOURCE, anchors

GOOD = 0.01


def bad_in(share: float, first: int, last: int, **scope: str) -> Share:
    """A share of bad attempts within a scope from one minute to another; few elsewhere."""

    def of(number: int, cohort: Cohort) -> float:
        inside = all(getattr(cohort, name) == value for name, value in scope.items())
        return share if inside and first <= number < last else GOOD

    return of


def watched(service: Service = PLAYBACK) -> Pattern:
    pattern = Pattern([SOURCE], intent_of(service))
    pattern.feed(anchors())
    return pattern


def states(records: list[Incident]) -> list[str]:
    return [record.state for record in records]


def test_a_broken_line_fires_recovers_and_is_resolved_once_its_window_keeps_it_again() -> None:
    records = told(watched(), minutes(0, 240, bad_in(0.4, 90, 120, operator="altura")))
    assert [state for state in states(records) if state != "forming"] == ["firing", "recovering", "resolved"]
    assert len({record.incident_id for record in records}) == 1
    firing, recovering, resolved = records[-3:]
    assert (firing.kind, firing.severity, firing.services) == ("breach", "page", ["playback"])
    assert firing.scope == {"operator": "altura"}
    assert firing.at - MIDNIGHT <= (90 + 6) * MINUTE_MS
    assert abs(firing.onset_at - MIDNIGHT - 90 * MINUTE_MS) <= 2 * MINUTE_MS
    assert (120 * MINUTE_MS) <= recovering.at - MIDNIGHT <= 126 * MINUTE_MS
    assert resolved.at - recovering.at > 30 * MINUTE_MS
    (signal,) = firing.signals
    assert (signal.operation, signal.signal, signal.expected) == ("playback_start", "failure", 0.05)
    assert signal.observed is not None
    assert signal.observed > 0.1
    (danger,) = firing.dangers
    assert (danger.line, danger.place, danger.broken) == (FAILING.line, "intent.yaml:7", True)
    assert danger.burn is not None
    assert danger.burn > 1.0
    assert firing.containment == ["Turn the new player off."]
    assert firing.runbooks == ["https://runbooks.example/playback"]
    assert "intent.yaml:7" in firing.summary
    assert firing.evidence > 1.0


def test_the_smallest_scope_that_holds_it_is_named() -> None:
    records = told(watched(), minutes(0, 120, bad_in(0.5, 60, 120, operator="altura", firmware="tv-1.1")))
    assert [record.scope for record in records if record.state == "firing"] == [
        {"operator": "altura", "firmware": "tv-1.1"}
    ]


def test_where_it_is_broken_everywhere_it_is_one_incident() -> None:
    records = told(watched(), minutes(0, 120, bad_in(0.4, 60, 120)))
    assert [(record.state, record.scope) for record in records] == [("firing", {})]


def test_one_operator_after_the_other_becomes_one_incident_that_takes_the_others_in() -> None:
    def share(number: int, cohort: Cohort) -> float:
        begins = {"altura": 60, "norvik": 80, "tessera": 100}[cohort.operator]
        return 0.4 if number >= begins else GOOD

    records = told(watched(), minutes(0, 130, share))
    newest = {record.incident_id: record for record in records}
    firing = [record for record in newest.values() if record.state == "firing"]
    assert [record.scope for record in firing] == [{}]
    assert firing[0].incident_id == records[0].incident_id
    assert [record.merged_into for record in newest.values() if record.state == "resolved"] == [firing[0].incident_id]


def test_two_lines_of_one_scope_are_one_incident_with_two_signals() -> None:
    service = asked(PLAYBACK, FAILING, SLOW)
    said = minutes(0, 90, bad_in(0.4, 60, 90, operator="altura"), (FAILING, SLOW))
    records = told(watched(service), said)
    assert len({record.incident_id for record in records}) == 1
    assert {signal.signal for signal in records[-1].signals} == {"failure", "latency"}
    latency = next(signal for signal in records[-1].signals if signal.signal == "latency")
    assert (latency.expected, latency.quantile) == (1_200.0, 0.95)
    assert latency.observed is not None
    assert latency.observed > 1_200.0


@pytest.mark.parametrize(
    ("priority", "severity"),
    [(Priority.NON_NEGOTIABLE, "page"), (Priority.DEGRADABLE, "ticket"), (Priority.BEST_EFFORT, "log")],
)
def test_it_is_as_grave_as_the_service(priority: Priority, severity: str) -> None:
    records = told(watched(replace(PLAYBACK, priority=priority)), minutes(0, 75, bad_in(0.4, 60, 90)))
    assert records[-1].severity == severity
    assert Severity(severity) is priority.severity


def test_what_hovers_about_the_line_does_not_flap() -> None:
    """For six hours the share swings about what is allowed, a little over and a little under."""

    def share(number: int, cohort: Cohort) -> float:
        return GOOD if number < 60 else 0.05 * (1.35 if number // 7 % 2 else 0.93)

    newest: dict[str, list[str]] = {}
    for record in told(watched(), minutes(0, 420, share)):
        newest.setdefault(record.incident_id, []).append(record.state)
    assert any("firing" in said for said in newest.values())
    assert all(len(said) <= 3 for said in newest.values())


def test_telemetry_that_is_known_to_be_bad_or_late_breaks_no_line() -> None:
    def aside(one: Evidence) -> Evidence:
        return msgspec.structs.replace(one, aside=np.ones(len(FLEET), dtype=np.bool_))

    def late(one: Evidence) -> Evidence:
        health = FeedHealth("ok", MIDNIGHT, 100, 100.0, late_since=MIDNIGHT)
        return msgspec.structs.replace(one, feeds=dict.fromkeys(one.feeds, health))

    for spoilt in (aside, late):
        records = told(watched(), map(spoilt, minutes(0, 90, bad_in(0.5, 30, 90))))
        assert [record for record in records if record.kind == "breach"] == []


def test_a_line_that_holds_in_certification_only_is_asked_there_only() -> None:
    line = replace(FAILING, scope={"environment": "certification"})
    records = told(watched(asked(PLAYBACK, line)), minutes(0, 90, bad_in(0.5, 30, 90), (line,)))
    assert records == []


def test_a_restored_stage_goes_on_as_if_nothing_had_been() -> None:
    said = list(minutes(0, 240, bad_in(0.4, 90, 120, operator="altura")))
    whole = told(watched(), iter(said))
    for cut in (95, 119, 150):
        first, other = watched(), watched()
        records = told(first, iter(said[:cut]))
        other.restore(first.snapshot())
        assert records + told(other, iter(said[cut:])) == whole


def test_a_state_of_before_there_were_lines_is_taken_up() -> None:
    state = watched().snapshot()
    del state["breaches"]
    other = watched()
    other.restore(state)
    assert states(told(other, minutes(0, 90, bad_in(0.4, 60, 90)))) == ["firing"]


legs = st.lists(st.tuples(st.integers(5, 60), st.sampled_from([0.0, 0.03, 0.06, 0.3, 1.0])), min_size=1, max_size=5)


@settings(max_examples=15, deadline=None)
@given(legs)
def test_whatever_comes_states_follow_the_contract_and_an_incident_fires_no_more_often_than_it_recovers(
    held: list[tuple[int, float]],
) -> None:
    course = [share for length, share in held for _ in range(length)]
    records = told(watched(), minutes(0, len(course), lambda number, _: course[number]))
    after = {
        None: {"forming", "firing"},
        "forming": {"firing", "resolved"},
        "firing": {"firing", "recovering", "resolved"},
        "recovering": {"firing", "resolved"},
        "resolved": {"forming", "firing"},
    }
    last: dict[str, str] = {}
    for record in records:
        assert record.state in after[last.get(record.incident_id)]
        last[record.incident_id] = record.state
        assert record.kind == "breach"
        assert record.onset_at <= record.at


def test_what_was_broken_of_a_line_that_the_intent_has_no_longer_is_resolved() -> None:
    first = watched()
    records = told(first, minutes(0, 70, bad_in(0.4, 60, 90)))
    assert records[-1].state == "firing"
    other = watched(replace(PLAYBACK, thresholds=()))
    other.restore(first.snapshot())
    after = told(other, minutes(70, 90, bad_in(0.4, 60, 90)))
    assert states(after) == ["recovering", "resolved"]


def test_a_thin_feed_is_not_called_recovered_because_a_few_attempts_are_good_by_chance() -> None:
    """Under three attempts a minute, and for an hour every other five minutes are bad."""

    def share(number: int, cohort: Cohort) -> float:
        return 0.5 if cohort.operator == "altura" and 60 <= number < 120 and number // 5 % 2 else 0.0

    records = told(watched(), minutes(0, 300, share, attempts=0.7))
    assert [record.state for record in records if record.state != "forming"] == ["firing", "recovering", "resolved"]
    firing, recovering, _ = records[-3:]
    assert firing.at - MIDNIGHT < 120 * MINUTE_MS <= recovering.at - MIDNIGHT
