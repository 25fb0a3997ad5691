"""What a pattern means by the intent: which lines it endangers, which it breaks, and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from models.season import DAY_MS
from pipeline.detect.evidence import Evidence
from pipeline.detect.history import STEP_MS
from pipeline.detect.pattern import Pattern
from pipeline.intent import Degradation, Intent, Priority
from pipeline.messages import Incident
from tests.detect.lines import FAILING, PLAYBACK, intent_of
from tests.detect.planted import FAILURE, FLEET, LATENCY, SOURCE, Plant, anchors, at, evidence, run

HOUR = 1.0 / 24.0
HOUR_MS = DAY_MS // 24
WEEK = 7.0
LATER = WEEK + 12.0
ALTURA = {"operator": "altura"}
FIRMWARE = {"firmware": "tv-1.1"}
LINE = replace(FAILING, window_ms=6 * HOUR_MS, line="playback_start failure <= 5 % over 6h")
INTENT = intent_of(replace(PLAYBACK, thresholds=(LINE,)))
USUAL = 0.02
"""What the anchors expect, see `planted`."""


def with_counts(said: Iterator[Evidence], *plants: Plant) -> Iterator[Evidence]:
    """What was counted against the line: as many as the evidence has, and bad ones to the letter."""
    for one in said:
        of = one.n[:, [0]] * 0.0 + one.n.max()
        share = np.full((len(FLEET), 1), USUAL)
        for plant in plants:
            inside = [all(getattr(c, name) == value for name, value in plant.scope.items()) for c in one.cohorts]
            share[inside] *= plant.factor_at(one.minute)
        yield msgspec.structs.replace(one, thresholds=[LINE.threshold_id], attempts=of, bad=of * share)


@pytest.fixture(scope="module")
def after_a_week() -> dict[str, Any]:
    pattern = Pattern([SOURCE], INTENT)
    assert run(with_counts(evidence(WEEK, every=2 * HOUR_MS)), pattern) == []
    return pattern.snapshot()


def lived(
    state: dict[str, Any], *plants: Plant, days: float, every: int = STEP_MS, intent: Intent = INTENT
) -> list[Incident]:
    pattern = Pattern([SOURCE], intent)
    pattern.restore(state)
    failing = [plant for plant in plants if plant.channel == FAILURE]
    return run(with_counts(evidence(days, *plants, first=WEEK, every=every), *failing), pattern, known=anchors())


def test_a_pattern_names_the_lines_of_its_operations_that_hold_for_now(after_a_week: dict[str, Any]) -> None:
    records = lived(after_a_week, Plant(FAILURE, 3.0, FIRMWARE, WEEK + 2 * HOUR, LATER), days=0.4)
    firing = [record for record in records if record.state == "firing"][-1]
    (danger,) = firing.dangers
    assert (danger.service, danger.line, danger.place) == ("playback", LINE.line, "intent.yaml:7")
    assert (danger.threshold_id, danger.broken) == (LINE.threshold_id, False)
    assert danger.burn is not None
    assert 0.3 < danger.burn < 1.0
    assert (danger.at, danger.at_from, danger.at_until) == (None, None, None)
    assert firing.containment == ["Turn the new player off."]
    assert firing.runbooks == ["https://runbooks.example/playback"]
    assert [record for record in records if record.kind == "breach"] == []


def test_a_breach_that_a_pattern_explains_is_that_pattern_s_danger_and_no_second_incident(
    after_a_week: dict[str, Any],
) -> None:
    plant = Plant(FAILURE, 4.0, ALTURA, WEEK + 2 * HOUR, LATER)
    records = lived(after_a_week, plant, days=0.6)
    newest = {record.incident_id: record for record in records}
    open_now = [record for record in newest.values() if record.state == "firing"]
    assert [(record.kind, record.scope) for record in open_now] == [("pattern", ALTURA)]
    (danger,) = open_now[0].dangers
    assert danger.broken
    assert danger.burn is not None
    assert danger.burn > 1.0
    breaches = [record for record in newest.values() if record.kind == "breach"]
    assert all(record.merged_into == open_now[0].incident_id for record in breaches)


def test_a_broken_line_makes_what_is_tolerated_as_grave_as_the_service(after_a_week: dict[str, Any]) -> None:
    service = replace(INTENT.services[0], degradations=(Degradation("*", "*", 10.0),))
    plant = Plant(FAILURE, 4.0, ALTURA, WEEK + 2 * HOUR, LATER)
    records = lived(after_a_week, plant, days=0.6, intent=intent_of(service))
    said = [record.severity for record in records if record.kind == "pattern" and record.state == "firing"]
    assert said[-1] == "page"
    assert all(later == "page" or earlier == "ticket" for earlier, later in zip(said, said[1:], strict=False))


def test_a_latency_pattern_does_not_break_a_line_about_failures(after_a_week: dict[str, Any]) -> None:
    records = lived(after_a_week, Plant(LATENCY, 1.4, FIRMWARE, WEEK + 2 * HOUR, LATER), days=0.2)
    (danger,) = records[-1].dangers
    assert not danger.broken


def test_a_drift_is_told_with_the_day_on_which_it_will_break_the_line(after_a_week: dict[str, Any]) -> None:
    """Failures double every 4 days: 2 % become 5 % after 5.3 days."""
    drift = Plant(FAILURE, 2.0**3, ALTURA, WEEK + HOUR, LATER, ramp=12.0)
    breaks = WEEK + HOUR + 4.0 * np.log2(2.5)
    records = lived(after_a_week, drift, days=5.0, every=HOUR_MS)
    told = [record for record in records if record.dangers and record.dangers[0].at is not None]
    assert told
    danger = told[-1].dangers[0]
    assert told[-1].signals[0].shape == "drift"
    assert danger.at is not None
    assert danger.at_from is not None
    assert told[-1].at < danger.at_from <= danger.at
    assert danger.at_until is None or danger.at_until >= danger.at
    assert danger.at_from - DAY_MS <= at(breaks)
    assert danger.at_until is None or at(breaks) <= danger.at_until + DAY_MS
    assert not danger.broken


@pytest.mark.parametrize("priority", list(Priority))
def test_where_there_is_no_line_the_priority_is_quoted(after_a_week: dict[str, Any], priority: Priority) -> None:
    service = replace(PLAYBACK, thresholds=(), priority=priority)
    plant = Plant(LATENCY, 1.4, FIRMWARE, WEEK + HOUR, LATER)
    records = lived(after_a_week, plant, days=0.1, intent=intent_of(service))
    (danger,) = records[-1].dangers
    assert (danger.line, danger.place, danger.threshold_id) == (f"playback is {priority}", "intent.yaml:5", None)
    assert records[-1].severity == priority.severity


def test_a_restored_stage_says_the_same(after_a_week: dict[str, Any]) -> None:
    plant = Plant(FAILURE, 4.0, ALTURA, WEEK + 2 * HOUR, LATER)
    said = list(with_counts(evidence(0.3, plant, first=WEEK), plant))
    pattern, other = Pattern([SOURCE], INTENT), Pattern([SOURCE], INTENT)
    pattern.restore(after_a_week)
    before = run(said[:12], pattern, known=anchors())
    other.restore(pattern.snapshot())
    after = run(said[12:], pattern)
    assert before or after
    assert run(said[12:], other) == after
