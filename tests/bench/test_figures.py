"""What the scenario suite says of a run: bounds, floors, scopes, and yardsticks that are what they are called."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from river.drift import PageHinkley as RiverPageHinkley

from pipeline.messages import Incident
from pipeline.simulate.faults import parse_fault
from pipeline.simulate.fleet import SMALL, Operation
from pipeline.simulate.nuisances import parse_nuisances
from pipeline.simulate.world import World, draw_world
from tests.bench.detect.contest import Rises, tune
from tests.bench.detect.figures import quantile, span, upper_bound
from tests.bench.detect.floors import ENOUGH, floor
from tests.bench.detect.outcome import Follower, Truths
from tests.bench.detect.scenarios import DAY, MONDAY_MS, SCENARIOS, Scenario, start_of
from tests.bench.detect.series import scale, standardised
from tests.bench.detect.worlds import HISTORY_DAYS, fault_setting
from tests.bench.detect.yardsticks import CLIP, PageHinkley

PLAIN = Operation("play", share=1.0, latency_ms=500.0, sigma=0.5, slow_share=0.0, failure=0.0, denial=0.0, timeout=0.0)
CALM = replace(SMALL, operations=(PLAIN,)).with_nuisances(parse_nuisances(["all=0", "disorder=1"]))


def world(*faults: str) -> World:
    parsed = tuple(parse_fault(text) for text in faults)
    return draw_world(CALM, parsed, seed=1, start_ms=MONDAY_MS, minutes=DAY)


@pytest.mark.parametrize(("count", "bound"), [(0, 2.996), (1, 4.744), (3, 7.754), (10, 16.962)])
def test_the_upper_bound_is_that_of_the_tables(count: int, bound: float) -> None:
    assert upper_bound(count, 1.0) == pytest.approx(bound, abs=1e-3)
    assert upper_bound(count, 8.0) == pytest.approx(bound / 8.0, abs=1e-3)


def test_a_median_is_never_when_half_were_never() -> None:
    assert quantile([1.0, 2.0, None, None, None], 0.5) is None
    assert quantile([1.0, 2.0, 3.0, None, None], 0.5) == 3.0
    assert quantile([], 0.5) is None
    assert [span(minutes) for minutes in (45, 130, 4000, None)] == ["45 min", "2.2 h", "2.8 d", "never"]


def test_the_floor_of_a_share_is_what_the_divergence_of_two_shares_says() -> None:
    one = world("retry*2@device_class=stb-g2,from=1h")
    mine = [row for row, cohort in enumerate(one.cohorts) if cohort.device_class == "stb-g2"]
    per_minute = 0.0
    for row in mine:
        p = float(one.rates[3, row, 0])
        q = 2 * p
        per_minute += float(one.volume[row]) * (q * math.log(q / p) + (1 - q) * math.log((1 - q) / (1 - p)))
    assert floor(one, one.faults) == pytest.approx(ENOUGH / per_minute, rel=0.01)


def test_the_floor_of_a_shift_is_that_of_two_gaussians() -> None:
    one = world("latency*1.1@device_class=stb-g2,from=1h")
    volume = sum(
        float(volume) for volume, cohort in zip(one.volume, one.cohorts, strict=True) if cohort.device_class == "stb-g2"
    )
    per_event = math.log(1.1) ** 2 / (2 * PLAIN.sigma**2)
    assert floor(one, one.faults) == pytest.approx(ENOUGH / per_event / volume, rel=0.01)


def test_the_floor_of_faults_in_two_scopes_is_that_of_the_slower_one() -> None:
    both = ("latency*1.1@device_class=stb-g2,from=1h", "retry*1.5@operator=bluecove,from=1h")
    each = [floor(world(text), world(text).faults) for text in both]
    assert None not in each
    assert floor(world(*both), world(*both).faults) == max(one for one in each if one is not None)


def test_a_fault_that_no_day_can_tell_has_no_floor() -> None:
    one = world("latency*1.0001@device_class=stb-g2,from=1h")
    assert floor(one, one.faults) is None


def test_scopes_of_the_same_cohorts_are_the_same_scope() -> None:
    one = world("latency*1.2@operator=bluecove,firmware=fw-2.4.1")
    truths = Truths(one, one.faults)
    for name in ("bluecove", "altura"):
        known = {"operator": name, "firmware": "fw-2.4.1"}
        longer = known | {"device_class": "stb-g2", "environment": "production"}
        # Only altura certifies: there "production" is a part of the firmware, at bluecove it is all of it.
        assert truths.is_exact(longer, known, 0) is (name == "bluecove")
    assert truths.is_about({"firmware": "fw-2.4.1"}, 0)
    assert truths.is_about({}, 0)
    assert not truths.is_about({"operator": "altura"}, 0)


def record(state: str, minute: int, severity: str = "page", scope: str = "altura") -> Incident:
    return Incident(
        scope, state, severity, MONDAY_MS + minute * 60_000, 0, {"operator": scope}, [], [], "pattern", 1.0, ""
    )


def test_an_incident_counts_once_until_it_is_resolved_and_with_the_gravest_it_was() -> None:
    follower = Follower(MONDAY_MS)
    for state, minute, severity in (
        ("forming", 1, "page"),
        ("firing", 2, "ticket"),
        ("firing", 3, "page"),
        ("recovering", 4, "page"),
        ("firing", 5, "ticket"),
        ("resolved", 6, "ticket"),
        ("firing", 7, "log"),
    ):
        follower.take(record(state, minute, severity))
    follower.take(record("forming", 8, scope="bluecove"))
    assert [(alarm.at, alarm.severity) for alarm in follower.alarms()] == [(2, "page"), (7, "log")]


def test_page_hinkley_alarms_where_that_of_river_does() -> None:
    g = np.random.default_rng(3)
    values = np.concatenate((g.standard_normal(300), g.standard_normal(300) + 0.5))
    mine = PageHinkley((1, 1))
    river = RiverPageHinkley(threshold=20.0, delta=0.05, mode="up")
    for i, value in enumerate(np.clip(values, -CLIP, CLIP)):
        statistic = float(mine.update(np.array([[value]]))[0, 0])
        river.update(value)  # type: ignore[no-untyped-call]
        assert (np.isfinite(statistic) and statistic > 20.0) == river.drift_detected, i
        if river.drift_detected:
            break
    assert i > 300


def test_a_threshold_is_tuned_to_the_budget_and_not_beyond() -> None:
    quiet = Rises(
        2.0, {"ADWIN (river) 0.1": [[]], "EWMA": [[(0.0, 4.0)], *[[]] * 200, [(1.0, 3.0)], *[[]] * 200, [(0.0, 2.0)]]}
    )
    tuned = {one.yardstick: one for one in tune([quiet], budget=0.5)}
    assert (tuned["EWMA"].pages, tuned["EWMA"].threshold) == (1, 3.0)


def test_deviations_are_in_standard_deviations_of_the_history() -> None:
    g = np.random.default_rng(1)
    history = [g.standard_normal((2, 3)) * 0.25 for _ in range(400)]
    history[7][1, 2] = np.nan
    spread = scale(history)
    assert spread == pytest.approx(np.full((2, 3), 0.25), rel=0.15)
    later = standardised(np.full((3, 3), 0.5), spread)  # a cohort has come since
    assert later == pytest.approx(np.full((2, 3), 2.0), rel=0.15)
    assert np.isnan(scale(history[:50])).all()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_scenario_fits_its_fleet_and_could_be_known_in_time(scenario: Scenario) -> None:
    """For the median seed: in some, a rare firmware at a small operator is hit."""
    floors = []
    for seed in range(1, 6):
        setting = fault_setting(seed)
        drawn = scenario.drawn(setting.fleet, seed, start_of(seed, HISTORY_DAYS))
        floors.append(floor(setting.world(drawn), drawn))
    median = quantile(floors, 0.5)
    assert median is not None
    assert scenario.control or median <= scenario.limit
