"""Incidents that are followed: they grow, take others in, recover, and are not raised again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from models.season import DAY_MS
from pipeline.detect.channels import Channel
from pipeline.detect.evidence import Evidence
from pipeline.detect.pattern import Pattern
from pipeline.intent import default
from pipeline.messages import Incident
from tests.detect.planted import (
    CERTIFIED,
    CHANNELS,
    FAILURE,
    FLEET,
    LATENCY,
    SOURCE,
    TWO_OPERATIONS,
    Plant,
    anchors,
    at,
    evidence,
    quick,
    run,
)

HOUR_MS = DAY_MS // 24
WEEK = 7.0
LATER = WEEK + 3.0
FIRMWARE = {"firmware": "tv-1.1"}


@pytest.fixture(scope="module")
def after_a_week() -> dict[str, Any]:
    pattern = Pattern([SOURCE], default())
    assert run(quick(WEEK), pattern) == []
    return pattern.snapshot()


@pytest.fixture
def pattern(after_a_week: dict[str, Any]) -> Pattern:
    made = Pattern([SOURCE], default())
    made.restore(after_a_week)
    return made


def fed(pattern: Pattern, *plants: Plant, days: float) -> list[Incident]:
    """Days after the week."""
    return run(evidence(days, *plants, first=WEEK), pattern, known=anchors())


def spread_out(pattern: Pattern) -> list[Incident]:
    """A firmware fails at one operator, hours later at another one, then at the third."""
    return fed(
        pattern,
        Plant(LATENCY, 1.35, {"operator": "altura", **FIRMWARE}, WEEK + 0.05, LATER),
        Plant(LATENCY, 1.35, {"operator": "norvik", **FIRMWARE}, WEEK + 0.2, LATER),
        Plant(LATENCY, 1.35, {"operator": "tessera", **FIRMWARE}, WEEK + 0.35, LATER),
        days=0.6,
    )


def newest(records: list[Incident]) -> dict[str, Incident]:
    return {record.incident_id: record for record in records}


# -- growing ---------------------------------------------------------------------------------------------------------


def test_an_incident_grows_to_the_scope_that_explains_it_and_takes_the_other_in(pattern: Pattern) -> None:
    records = spread_out(pattern)
    last = newest(records)
    firing = [record for record in last.values() if record.state == "firing"]
    assert [record.scope for record in firing] == [FIRMWARE]
    (grown,) = firing
    taken = [record for record in last.values() if record.merged_into is not None]
    assert [(record.state, record.scope, record.merged_into) for record in taken] == [
        ("resolved", {"operator": "norvik", **FIRMWARE}, grown.incident_id)
    ]
    # It is the older one that grows: its id is the one that people know.
    assert min(r.at for r in records if r.incident_id == grown.incident_id) < min(
        r.at for r in records if r.incident_id == taken[0].incident_id
    )


def test_growing_and_taking_in_are_said_at_the_same_instant(pattern: Pattern) -> None:
    records = spread_out(pattern)
    taken = next(record for record in records if record.merged_into is not None)
    grown = [record for record in records if record.incident_id == taken.merged_into and record.at == taken.at]
    assert [(record.state, record.scope) for record in grown] == [("firing", FIRMWARE)]
    assert "Grown from operator altura, firmware tv-1.1 and operator norvik, firmware tv-1.1." in grown[0].summary
    assert taken.summary.endswith(f"Explained by incident {taken.merged_into}.")


def test_what_an_incident_has_grown_from_is_not_raised_beside_it(pattern: Pattern) -> None:
    """Both device classes of an operator, one of them five hours earlier: the longer spans hold more of that one."""
    records = fed(
        pattern,
        Plant(FAILURE, 4.0, {"operator": "altura", "device_class": "tv"}, WEEK + 0.05, LATER),
        Plant(FAILURE, 4.0, {"operator": "altura", "device_class": "stb"}, WEEK + 0.25, LATER),
        days=0.4,
    )
    fired = [record for record in records if record.state == "firing"]
    assert {"operator": "altura"} in [record.scope for record in fired]
    assert len({record.incident_id for record in fired}) == 1


def test_an_uneven_fault_is_one_incident_whose_scope_does_not_flap(pattern: Pattern) -> None:
    """One class of an operator is worse than the other: the operator and that class explain it about as well."""
    operator = {"operator": "altura"}
    records = fed(
        pattern,
        Plant(FAILURE, 3.0, operator, WEEK + 0.05, WEEK + 0.15),
        Plant(FAILURE, 6.0, {**operator, "device_class": "tv"}, WEEK + 0.15, LATER),
        Plant(FAILURE, 3.0, {**operator, "device_class": "stb"}, WEEK + 0.5, LATER),
        days=1.0,
    )
    fired = [record for record in records if record.state == "firing"]
    assert len({record.incident_id for record in fired}) == 1
    moved = [after for before, after in pairwise(fired) if after.scope != before.scope]
    assert [record.scope for record in moved[:2]] == [{**operator, "device_class": "tv"}, operator]
    assert "Narrowed from operator altura." in moved[0].summary
    assert "Grown from operator altura, device class tv." in moved[1].summary
    for number, (before, after) in enumerate(pairwise(moved)):
        assert after.at - before.at >= HOUR_MS << number


# -- once is enough --------------------------------------------------------------------------------------------------


def test_an_uneven_effect_within_a_known_incident_raises_nothing(pattern: Pattern) -> None:
    """At one operator it is worse: an echo of the incident, not a second one."""
    records = fed(
        pattern,
        Plant(FAILURE, 3.0, FIRMWARE, WEEK + 0.05, LATER),
        Plant(FAILURE, 1.3, {"operator": "altura", **FIRMWARE}, WEEK + 0.05, LATER),
        days=1.0,
    )
    assert {record.incident_id for record in records} == {records[0].incident_id}
    assert {tuple(record.scope.items()) for record in records} == {(("firmware", "tv-1.1"),)}
    assert records[-1].state == "firing"


def test_another_signal_of_another_scope_is_another_incident(pattern: Pattern) -> None:
    other = {"operator": "norvik", "device_class": "stb"}
    records = fed(
        pattern,
        Plant(LATENCY, 1.3, FIRMWARE, WEEK + 0.1, LATER),
        Plant(FAILURE, 4.0, other, WEEK + 0.1, LATER),
        days=0.4,
    )
    firing = [record for record in newest(records).values() if record.state == "firing"]
    assert sorted((record.scope, record.signals[0].signal) for record in firing if record.scope == FIRMWARE) == [
        (FIRMWARE, "latency")
    ]
    assert [(record.scope, record.signals[0].signal) for record in firing if record.scope != FIRMWARE] == [
        (other, "failure")
    ]


def test_what_is_over_keeps_the_longer_spans_that_still_hold_it_quiet(pattern: Pattern) -> None:
    """One case, remembered for a week: the spans of days look back on its data long after it is resolved."""
    plant = Plant(LATENCY, 1.3, FIRMWARE, WEEK + 0.125, WEEK + 0.375)
    records = run(quick(7.5, plant, first=WEEK), pattern)
    assert [record.state for record in records] == ["firing", "recovering", "resolved"]
    assert {record.incident_id for record in records} == {records[0].incident_id}
    assert records[-1].at < at(WEEK + 0.75)


# -- scopes ----------------------------------------------------------------------------------------------------------


def test_a_fault_of_the_whole_fleet_is_said_as_such(pattern: Pattern) -> None:
    records = fed(pattern, Plant(LATENCY, 2.0, {}, WEEK + 0.02, LATER), days=0.2)
    assert [(record.state, record.scope) for record in records if record.state != "forming"] == [("firing", {})]
    firing = records[-1]
    assert (firing.affected, firing.unaffected, firing.contrast) == (len(FLEET), 0, [])
    assert firing.summary.startswith("The whole fleet: ")


def test_denial_in_production_only_ends_with_production_as_its_scope() -> None:
    known = anchors(CERTIFIED)
    pattern = Pattern([SOURCE], default())
    assert run(quick_of_two(WEEK), pattern, known=known) == []
    plant = Plant(Channel("playback_start", "denial"), 2.5, {"environment": "production"}, WEEK + 0.05, LATER)
    records = run(evidence(0.75, plant, first=WEEK, fleet=CERTIFIED), pattern, known=known)
    firing = [record for record in newest(records).values() if record.state == "firing"]
    assert [record.scope for record in firing] == [{"environment": "production"}]
    lead = firing[0].signals[0]
    assert (lead.signal, firing[0].affected, firing[0].unaffected) == ("denial", len(FLEET), len(FLEET))
    certification = next(one for one in firing[0].contrast if one.scope == {"environment": "certification"})
    assert certification.ratio == pytest.approx(1.0, abs=0.2)


def quick_of_two(days: float) -> Iterator[Evidence]:
    return evidence(days, fleet=CERTIFIED, every=2 * HOUR_MS)


def test_one_operation_is_found_beside_moods_that_hide_it_where_it_stands_alone() -> None:
    """Every cohort's latency wanders by 5 % from day to day, in all operations alike; one is 12 % slower on one
    firmware of three cohorts."""
    plant = Plant(LATENCY, 1.12, FIRMWARE, WEEK, LATER)
    firing: dict[int, list[Incident]] = {}
    for channels in (CHANNELS, TWO_OPERATIONS):
        pattern, known = Pattern([SOURCE], default()), anchors(channels=channels)
        quiet = evidence(WEEK, every=2 * HOUR_MS, channels=channels, mood=0.05)
        assert [record for record in run(quiet, pattern, known=known) if record.state == "firing"] == []
        said = evidence(1.0, plant, first=WEEK, every=2 * HOUR_MS, channels=channels, mood=0.05)
        firing[len(channels)] = [record for record in run(said, pattern, known=known) if record.state == "firing"]
    assert firing[len(CHANNELS)] == []
    found = firing[len(TWO_OPERATIONS)][-1]
    assert found.scope == FIRMWARE
    assert (found.signals[0].operation, found.signals[0].signal) == ("playback_start", "latency")


# -- the end ---------------------------------------------------------------------------------------------------------


def test_what_recovers_is_said_to_recover_and_then_to_be_resolved(pattern: Pattern) -> None:
    plant = Plant(FAILURE, 4.0, {"operator": "norvik"}, WEEK + 0.05, WEEK + 0.3)
    records = fed(pattern, plant, days=0.6)
    assert [record.state for record in records if record.state != "forming"] == ["firing", "recovering", "resolved"]
    assert len({record.incident_id for record in records}) == 1
    recovering, resolved = records[-2:]
    assert at(plant.until) < recovering.at <= at(plant.until) + 2 * HOUR_MS
    assert resolved.at - recovering.at >= HOUR_MS
    assert resolved.merged_into is None


# -- the record ------------------------------------------------------------------------------------------------------


def test_a_person_finds_in_the_record_why_since_when_and_who_is_not_affected(pattern: Pattern) -> None:
    plant = Plant(LATENCY, 1.3, FIRMWARE, WEEK + 0.125, LATER)
    firing = next(record for record in fed(pattern, plant, days=0.5) if record.state == "firing")
    assert firing.onset_from is not None
    assert firing.onset_until is not None
    assert firing.onset_from <= firing.onset_at <= firing.onset_until <= firing.at
    assert firing.onset_from <= at(plant.start) <= firing.onset_until
    assert (firing.affected, firing.unaffected) == (3, len(FLEET) - 3)
    assert {one.scope["firmware"] for one in firing.contrast} == {"stb-1.0", "stb-1.1", "tv-1.0"}
    assert all(one.ratio == pytest.approx(1.0, abs=0.05) for one in firing.contrast)
    assert firing.confidence is not None
    assert firing.confidence.scope > 0.5
    assert firing.confidence.anchor_days == 7.0
    assert firing.ledger
    assert {(entry.operation, entry.signal) for entry in firing.ledger} <= {
        (signal.operation, signal.signal) for signal in firing.signals
    }
    assert all(entry.at < entry.until <= firing.at for entry in firing.ledger)
    assert sum(entry.nats for entry in firing.ledger if entry.until > firing.onset_from) > 5.0
    lead = firing.signals[0]
    assert lead.ratio_low is not None
    assert lead.ratio_high is not None
    assert lead.ratio_low < 1.3 < lead.ratio_high
