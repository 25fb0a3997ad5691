"""The pattern stage end to end on a small fleet: a quiet week, then what is planted."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, permutations
from typing import Any

import msgspec
import numpy as np
import pytest

from models.season import DAY_MS
from pipeline import codec
from pipeline.detect.channels import EVERY, Channel
from pipeline.detect.evidence import Anchors, Evidence
from pipeline.detect.history import STEP_MS
from pipeline.detect.pattern import Pattern
from pipeline.intent import Intent, Priority, Service, default
from pipeline.messages import Incident, Tick
from pipeline.observation import Cohort
from tests.detect.planted import (
    FAILURE,
    FLEET,
    LATENCY,
    SOURCE,
    Plant,
    anchors,
    at,
    evidence,
    quick,
    run,
)

HOUR_MS = DAY_MS // 24
FIRMWARE = {"firmware": "tv-1.1"}
WEEK = 7.0
SLOWER = Plant(LATENCY, 1.3, FIRMWARE, WEEK + 0.125, WEEK + 0.375)
"""Three hours after the week; it lasts six."""


@pytest.fixture(scope="module")
def after_a_week() -> dict[str, Any]:
    """What the stage knows after a week in which nothing happened."""
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


def fired(records: list[Incident]) -> list[dict[str, str]]:
    return [record.scope for record in records if record.state == "firing"]


# -- nothing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [2, 3])
def test_in_nine_quiet_days_nothing_fires(pattern: Pattern, seed: int) -> None:
    said = chain(quick(1.75, first=WEEK, seed=seed), evidence(0.25, first=WEEK + 1.75, seed=seed))
    assert fired(run(said, pattern)) == []


def test_what_is_set_aside_is_not_judged(pattern: Pattern) -> None:
    def distrusted(one: Evidence) -> Evidence:
        return msgspec.structs.replace(one, aside=np.array([cohort.firmware == "tv-1.1" for cohort in one.cohorts]))

    assert fired(run(map(distrusted, evidence(0.25, SLOWER, first=WEEK)), pattern)) == []


def test_cohorts_without_a_full_day_of_reference_are_not_judged() -> None:
    young = anchors()
    young = msgspec.structs.replace(young, days=np.full(len(FLEET), 0.9))
    early = replace(SLOWER, start=0.1, until=0.4)
    assert run(evidence(0.4, early), known=young) == []
    assert fired(run(evidence(0.4, early)))


def test_a_cohort_that_no_anchor_names_is_not_judged(pattern: Pattern) -> None:
    stranger = Cohort("altura", "tv", "tv-9.9", "production")
    failing = Plant(FAILURE, 10.0, {"firmware": "tv-9.9"}, WEEK, WEEK + 1)
    assert fired(run(evidence(0.1, failing, first=WEEK, fleet=(*FLEET, stranger)), pattern, known=anchors())) == []


def test_two_days_without_any_record_are_no_pattern(pattern: Pattern) -> None:
    assert fired(run(evidence(0.1, first=WEEK + 2), pattern)) == []


def test_a_minute_without_a_cohort_passes_over_a_topic_as_well_as_in_memory(pattern: Pattern) -> None:
    (one,) = evidence(STEP_MS / DAY_MS, first=WEEK)
    nobody = part(one, "nobody")
    assert nobody.n.shape == (0, len(one.channels))
    received = codec.decode(codec.encode(nobody))
    assert isinstance(received, Evidence)
    for said in (nobody, received):
        pattern.feed(msgspec.structs.replace(said, source=SOURCE))
    assert pattern.feed(Tick(SOURCE, nobody.minute)) == []


# -- something -------------------------------------------------------------------------------------------------------


def test_a_third_slower_on_one_firmware_fires_that_scope_once_and_recovers_without_flapping(pattern: Pattern) -> None:
    records = fed(pattern, SLOWER, days=0.75)
    assert [record.state for record in records if record.state != "forming"] == ["firing", "recovering", "resolved"]
    assert {record.incident_id for record in records} == {records[0].incident_id}
    firing, recovering, resolved = records[-3:]
    assert firing.scope == FIRMWARE
    assert firing.kind == "pattern"
    assert (firing.severity, firing.services) == ("page", ["playback"])
    assert at(SLOWER.start) < firing.at <= at(SLOWER.start) + HOUR_MS
    assert abs(firing.onset_at - at(SLOWER.start)) <= 2 * STEP_MS
    assert at(SLOWER.until) < recovering.at <= at(SLOWER.until) + 2 * HOUR_MS
    assert HOUR_MS <= resolved.at - recovering.at <= 2 * HOUR_MS
    lead = firing.signals[0]
    assert (lead.operation, lead.signal, lead.direction, lead.shape) == ("playback_start", "latency", "up", "step")
    assert lead.expected == pytest.approx(800.0)
    assert lead.ratio == pytest.approx(1.3, abs=0.05)
    assert sum(signal.share for signal in firing.signals) == pytest.approx(1.0, abs=0.01)
    assert firing.evidence > 0.0


@pytest.mark.parametrize(
    ("channel", "factor", "scope"),
    [
        (FAILURE, 4.0, {"operator": "norvik", "device_class": "stb"}),
        (Channel("playback_start", "denial"), 3.0, {"operator": "tessera"}),
        (Channel(EVERY, "out_of_order"), 3.0, {"device_class": "tv"}),
        (Channel("playback_start", "tail"), 3.0, {"firmware": "stb-1.0"}),
    ],
)
def test_every_kind_of_signal_fires_at_its_own_scope(
    pattern: Pattern, channel: Channel, factor: float, scope: dict[str, str]
) -> None:
    records = fed(pattern, Plant(channel, factor, scope, WEEK, WEEK + 1), days=0.25)
    assert fired(records) == [scope]
    lead = records[-1].signals[0]
    assert (lead.operation, lead.signal) == (channel.operation, channel.reported_signal)
    assert lead.ratio is not None
    assert lead.ratio > 1.2
    assert lead.quantile == {"latency": 0.5, "tail": 0.99}.get(channel.signal)


def test_when_the_whole_fleet_is_slower_it_is_said_of_the_whole_fleet(pattern: Pattern) -> None:
    records = fed(pattern, Plant(LATENCY, 2.0, {}, WEEK, WEEK + 1), days=0.1)
    assert fired(records) == [{}]
    assert records[-1].summary.startswith("The whole fleet: playback_start latency ")


def test_two_faults_at_once_are_two_incidents(pattern: Pattern) -> None:
    other = Plant(FAILURE, 4.0, {"operator": "norvik", "device_class": "stb"}, WEEK + 0.1, WEEK + 1)
    records = fed(pattern, replace(SLOWER, start=WEEK + 0.1, until=WEEK + 1), other, days=0.4)
    assert sorted(map(str, fired(records))) == sorted(map(str, [FIRMWARE, other.scope]))
    assert len({record.incident_id for record in records}) == 2


def test_a_slow_drift_is_found_days_before_it_is_large(pattern: Pattern) -> None:
    drift = Plant(LATENCY, 1.25, FIRMWARE, WEEK, WEEK + 5, ramp=5.0)
    records = run(quick(4.0, drift, first=WEEK), pattern)
    firing = next(record for record in records if record.state == "firing")
    assert firing.scope == FIRMWARE
    assert drift.factor_at(firing.at) < 1.2


def test_a_rise_too_small_for_hours_is_found_over_days(pattern: Pattern) -> None:
    rise = Plant(FAILURE, 1.3, FIRMWARE, WEEK + 0.25, WEEK + 9)
    assert fired(run(quick(0.5, rise, first=WEEK), pattern)) == []
    records = run(quick(3.0, rise, first=WEEK + 0.5), pattern)
    assert fired(records)[0] == FIRMWARE


def test_what_comes_back_within_a_day_is_the_same_incident_and_does_not_flap(pattern: Pattern) -> None:
    again = replace(SLOWER, start=WEEK + 0.55, until=WEEK + 2)
    records = fed(pattern, SLOWER, again, days=0.8)
    assert [record.state for record in records] == ["firing", "recovering", "resolved", "firing"]
    assert len({record.incident_id for record in records}) == 1


def test_what_comes_back_weaker_forms_first_and_then_fires(pattern: Pattern) -> None:
    again = replace(SLOWER, factor=1.1, start=WEEK + 0.55, until=WEEK + 2)
    records = fed(pattern, SLOWER, again, days=0.8)
    assert [record.state for record in records] == ["firing", "recovering", "resolved", "forming", "firing"]
    assert len({record.incident_id for record in records}) == 1


def test_severity_and_services_are_those_of_the_intent(after_a_week: dict[str, Any]) -> None:
    intent = Intent((Service("films", ("playback_start",), Priority.DEGRADABLE),))
    pattern = Pattern([SOURCE], intent)
    pattern.restore(after_a_week)
    firing = fed(pattern, SLOWER, days=0.25)[-1]
    assert (firing.state, firing.severity, firing.services) == ("firing", "ticket", ["films"])


# -- laws ------------------------------------------------------------------------------------------------------------


def test_the_same_input_gives_the_same_records(after_a_week: dict[str, Any]) -> None:
    runs = []
    for _ in range(2):
        pattern = Pattern([SOURCE], default())
        pattern.restore(after_a_week)
        runs.append(fed(pattern, SLOWER, days=0.25))
    assert runs[0]
    assert runs[0] == runs[1]


OPERATORS = ("altura", "norvik", "tessera")


def part(one: Evidence, operator: str) -> Evidence:
    """What the baseline of one operator would have said."""
    pick = [i for i, cohort in enumerate(one.cohorts) if cohort.operator == operator]
    return msgspec.structs.replace(
        one,
        source=operator,
        cohorts=[one.cohorts[i] for i in pick],
        n=one.n[pick],
        x=one.x[pick],
        expected=one.expected[pick],
        aside=one.aside[pick],
        lag_ms=one.lag_ms[pick],
        feeds={name: feed for name, feed in one.feeds.items() if name == operator},
    )


def test_the_order_of_messages_within_a_minute_does_not_matter() -> None:
    plant = replace(SLOWER, start=0.05, until=0.15)
    runs = []
    for turn in range(2):
        pattern = Pattern(OPERATORS, default())
        orders = list(permutations(OPERATORS))
        out: list[Incident] = []
        for source in orders[turn]:
            out += pattern.feed(part_of_anchors(source))
        for i, one in enumerate(evidence(0.25, plant)):
            order = orders[i % len(orders)] if turn else OPERATORS
            for source in order:
                out += pattern.feed(part(one, source))
            for source in reversed(order):
                out += pattern.feed(Tick(source, one.minute))
        runs.append(out)
    assert fired(runs[0]) == [FIRMWARE]
    assert runs[0] == runs[1]


def part_of_anchors(source: str) -> Anchors:
    return anchors(tuple(cohort for cohort in FLEET if cohort.operator == source), source)


def test_relabelling_cohorts_relabels_incidents() -> None:
    """Names say nothing: reversed, so that nothing keeps its place in any order."""

    def renamed(of: Cohort) -> Cohort:
        return Cohort(*(value[::-1] for value in of))

    fleet = tuple(renamed(cohort) for cohort in FLEET)

    def relabelled(one: Evidence) -> Evidence:
        return msgspec.structs.replace(
            one,
            cohorts=[renamed(cohort) for cohort in one.cohorts],
            feeds={operator[::-1]: feed for operator, feed in one.feeds.items()},
        )

    plant = replace(SLOWER, start=0.05, until=0.15)
    plain = run(evidence(0.25, plant))
    other = run(map(relabelled, evidence(0.25, plant)), known=anchors(fleet))
    assert [(r.state, r.at, r.onset_at, r.severity) for r in other] == [
        (r.state, r.at, r.onset_at, r.severity) for r in plain
    ]
    assert [r.scope for r in other] == [{name: value[::-1] for name, value in r.scope.items()} for r in plain]
    assert [s.observed for r in other for s in r.signals] == pytest.approx(
        [s.observed for r in plain for s in r.signals], rel=2e-3
    )


def test_a_stage_restored_in_the_midst_of_an_incident_goes_on_as_if_nothing_had_been(pattern: Pattern) -> None:
    said = list(evidence(0.6, SLOWER, first=WEEK))
    middle = next(i for i, one in enumerate(said) if one.minute > at(SLOWER.until) - HOUR_MS)
    before = run(said[:middle], pattern)
    pattern.feed(said[middle])
    other = Pattern([SOURCE], default())
    other.restore(pattern.snapshot())
    assert [record.state for record in before if record.state != "forming"] == ["firing"]
    after = run(said[middle + 1 :], pattern)
    assert [record.state for record in after] == ["recovering", "resolved"]
    assert run(said[middle + 1 :], other) == after


def test_a_minute_is_judged_when_every_baseline_has_closed_it() -> None:
    pattern = Pattern(["a", "b"], default())
    pattern.feed(anchors(source="a"))
    out: list[Incident] = []
    for one in evidence(0.2, replace(SLOWER, start=0.05, until=1)):
        pattern.feed(msgspec.structs.replace(one, source="a"))
        out += pattern.feed(Tick("a", one.minute))
    assert out == []
    assert fired(pattern.feed(Tick("b", at(0.2)))) == [FIRMWARE]
