"""One incident with its cause first: what the services that depend on a slow one suffer is no incident of its own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.season import DAY_MS
from pipeline.detect.cascade import Dependencies
from pipeline.detect.channels import Channel
from pipeline.detect.pattern import Pattern
from pipeline.intent import Degradation, Intent, Priority, Service
from pipeline.messages import Incident
from tests.detect.planted import SOURCE, TWO_OPERATIONS, Plant, anchors, at, evidence, run

HOUR_MS = DAY_MS // 24
HOUR = 1.0 / 24.0
WEEK = 7.0
LATER = WEEK + 3.0
CAUSE = Channel("entitlement", "latency")
EFFECT = Channel("playback_start", "latency")
ALTURA = {"operator": "altura"}
INTENT = Intent(
    (
        Service(
            "playback",
            ("playback_start",),
            Priority.NON_NEGOTIABLE,
            depends_on=("entitlement",),
            containment="Play without advertising.",
        ),
        Service("entitlement", ("entitlement",), Priority.DEGRADABLE, containment="Serve entitlements from the cache."),
    )
)


@pytest.fixture(scope="module")
def after_a_week() -> dict[str, Any]:
    pattern = Pattern([SOURCE], INTENT)
    quiet = evidence(WEEK, every=2 * HOUR_MS, channels=TWO_OPERATIONS)
    assert run(quiet, pattern, known=anchors(channels=TWO_OPERATIONS)) == []
    return pattern.snapshot()


def lived(state: dict[str, Any], *plants: Plant, days: float = 0.5, intent: Intent = INTENT) -> list[Incident]:
    pattern = Pattern([SOURCE], intent)
    pattern.restore(state)
    said = evidence(days, *plants, first=WEEK, channels=TWO_OPERATIONS)
    return run(said, pattern, known=anchors(channels=TWO_OPERATIONS))


def open_at_the_end(records: list[Incident]) -> list[Incident]:
    newest = {record.incident_id: record for record in records}
    return [record for record in newest.values() if record.state in ("firing", "recovering")]


def test_a_slow_entitlement_that_slows_the_start_of_playback_is_one_incident_with_its_cause_first(
    after_a_week: dict[str, Any],
) -> None:
    start = WEEK + 3 * HOUR
    records = lived(
        after_a_week, Plant(CAUSE, 1.3, ALTURA, start, LATER), Plant(EFFECT, 1.5, ALTURA, start + HOUR, LATER)
    )
    assert len({record.incident_id for record in records if record.state != "forming"}) == 1
    (last,) = open_at_the_end(records)
    assert last.scope == ALTURA
    assert last.signals[0].operation == "entitlement"
    assert [signal.operation for signal in last.signals[1:]] == ["playback_start"]
    assert last.services == ["entitlement", "playback"]
    (effect,) = last.effects
    assert effect.service == "playback"
    assert [signal.operation for signal in effect.signals] == ["playback_start"]
    assert at(start) <= effect.since <= at(start + 2 * HOUR)
    assert last.containment == ["Serve entitlements from the cache.", "Play without advertising."]
    assert last.severity == "page"
    assert "Playback suffers with it." in last.summary


@pytest.mark.parametrize("factor", [2.2, 3.0])
def test_an_effect_that_is_seen_first_is_taken_over_by_its_cause(after_a_week: dict[str, Any], factor: float) -> None:
    """What fails at one operator's entitlement shows at once in the playback of one of its classes."""
    start = WEEK + 3 * HOUR
    narrow = {**ALTURA, "device_class": "tv"}
    records = lived(
        after_a_week,
        Plant(EFFECT, 1.6, narrow, start, LATER),
        Plant(Channel("entitlement", "failure"), factor, ALTURA, start, LATER),
        days=0.6,
    )
    fired = [record for record in records if record.state == "firing"]
    assert fired[0].services[-1] == "playback"
    assert len(fired) <= 4
    (last,) = open_at_the_end(records)
    assert last.signals[0].operation == "entitlement"
    assert [effect.service for effect in last.effects] == ["playback"]
    if last.incident_id != fired[0].incident_id:
        taken = [record for record in records if record.incident_id == fired[0].incident_id][-1]
        assert (taken.state, taken.merged_into) == ("resolved", last.incident_id)


def test_an_effect_on_a_wider_scope_than_its_cause_is_no_incident_of_its_own(after_a_week: dict[str, Any]) -> None:
    start = WEEK + 2 * HOUR
    narrow = {**ALTURA, "device_class": "tv"}
    records = lived(
        after_a_week,
        Plant(CAUSE, 1.6, narrow, start, LATER),
        Plant(Channel("playback_start", "failure"), 4.0, ALTURA, start + 3 * HOUR, LATER),
    )
    (last,) = open_at_the_end(records)
    assert {record.incident_id for record in records if record.state == "firing"} == {last.incident_id}
    assert (last.scope, last.signals[0].operation) == (narrow, "entitlement")
    assert [effect.service for effect in last.effects] == ["playback"]


def test_an_effect_alone_is_an_incident_of_its_own(after_a_week: dict[str, Any]) -> None:
    records = lived(after_a_week, Plant(EFFECT, 1.5, ALTURA, WEEK + 3 * HOUR, LATER))
    (last,) = open_at_the_end(records)
    assert last.signals[0].operation == "playback_start"
    assert last.services == ["playback"]
    assert last.effects == []


def test_trouble_elsewhere_is_no_cause(after_a_week: dict[str, Any]) -> None:
    start = WEEK + 3 * HOUR
    records = lived(
        after_a_week,
        Plant(CAUSE, 1.6, {"operator": "norvik"}, start, LATER),
        Plant(EFFECT, 1.5, ALTURA, start + HOUR, LATER),
    )
    assert sorted(str(record.scope) for record in open_at_the_end(records)) == sorted(
        [str(ALTURA), str({"operator": "norvik"})]
    )
    assert all(record.effects == [] for record in records)


def test_a_cascade_recovers_once_and_is_resolved_when_cause_and_effect_are_gone(after_a_week: dict[str, Any]) -> None:
    start, end = WEEK + 3 * HOUR, WEEK + 9 * HOUR
    records = lived(
        after_a_week,
        Plant(CAUSE, 1.4, ALTURA, start, end),
        Plant(EFFECT, 1.4, ALTURA, start + HOUR, end),
        days=0.8,
    )
    states = [record.state for record in records if record.state != "forming"]
    assert [state for i, state in enumerate(states) if i == 0 or states[i - 1] != state] == [
        "firing",
        "recovering",
        "resolved",
    ]
    assert len({record.incident_id for record in records}) == 1


def test_the_same_input_gives_the_same_records(after_a_week: dict[str, Any]) -> None:
    start = WEEK + 3 * HOUR
    plants = Plant(CAUSE, 1.3, ALTURA, start, LATER), Plant(EFFECT, 1.5, ALTURA, start + HOUR, LATER)
    assert lived(after_a_week, *plants, days=0.3) == lived(after_a_week, *plants, days=0.3)


# -- what is tolerated -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("up_to", "severity"), [(1.5, "ticket"), (1.1, "page")])
def test_what_a_service_tolerates_pages_nobody(after_a_week: dict[str, Any], up_to: float, severity: str) -> None:
    service = Service(
        "playback",
        ("playback_start",),
        Priority.NON_NEGOTIABLE,
        degradations=(Degradation("playback_start", "latency", up_to),),
    )
    plant = Plant(EFFECT, 1.3, ALTURA, WEEK + 3 * HOUR, LATER)
    records = lived(after_a_week, plant, days=0.3, intent=Intent((service,)))
    assert [record.severity for record in records if record.state == "firing"] == [severity]
    assert [(one.line, one.place) for one in records[-1].dangers] == [("playback is non_negotiable", "built-in intent")]


def test_while_it_fires_an_incident_becomes_graver_and_never_less_grave(after_a_week: dict[str, Any]) -> None:
    service = Service(
        "playback",
        ("playback_start",),
        Priority.NON_NEGOTIABLE,
        degradations=(Degradation("*", "*", 1.35),),
    )
    plant = Plant(EFFECT, 1.8, ALTURA, WEEK + 2 * HOUR, WEEK + 14 * HOUR, ramp=0.4)
    records = lived(after_a_week, plant, days=0.8, intent=Intent((service,)))
    said = [record.severity for record in records if record.state in ("firing", "recovering", "resolved")]
    assert said[0] == "ticket"
    assert said[-1] == "page"
    assert said == sorted(said, key=["ticket", "page"].index)


# -- dependencies ----------------------------------------------------------------------------------------------------

graphs = st.lists(st.lists(st.integers(0, 5), max_size=3), min_size=1, max_size=6)


@given(graphs)
def test_dependencies_reach_over_any_number_of_steps_and_end_in_circles(edges: list[list[int]]) -> None:
    services = tuple(
        Service(f"s{i}", (f"o{i}",), Priority.DEGRADABLE, depends_on=tuple(f"s{k}" for k in held))
        for i, held in enumerate(edges)
    )
    dependencies = Dependencies(Intent(services))
    for i, held in enumerate(edges):
        assert dependencies.suffers(f"o{i}", [f"o{i}"]) == []
        for k in held:
            if k < len(edges) and k != i:
                assert dependencies.suffers(f"o{i}", [f"o{k}"]) == [f"s{i}"]
                for far in edges[k]:
                    if far < len(edges) and far != i:
                        assert dependencies.suffers(f"o{i}", [f"o{far}"]) == [f"s{i}"]
