"""The threshold, set by quiet weeks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detect.calibration import (
    HALF_LIFE_WEEKS,
    HIGHEST,
    LOOK_NATS,
    LOWEST,
    MOST_KEYS,
    SAME_MS,
    WEEK_MS,
    Calibration,
)
from pipeline.detect.history import STEP_MS

BUDGET = 0.5
NOMINAL = BUDGET * math.exp(LOOK_NATS)
"""Sightings a week if all is as assumed: 74."""


def after(weeks: float, sightings: int) -> Calibration:
    """Quiet weeks, in which so many different things came near the threshold at even intervals."""
    made = Calibration()
    steps = round(weeks * WEEK_MS / STEP_MS)
    seen = 0
    for step in range(steps):
        made.pass_time(STEP_MS, BUDGET)
        while seen < sightings * (step + 1) / steps:
            made.sight(f"scope {seen} latency", step * STEP_MS)
            seen += 1
    return made


def test_before_anything_was_seen_the_threshold_is_nominal() -> None:
    assert Calibration().offset == 0.0


def test_quiet_weeks_in_which_nothing_comes_near_lower_the_threshold() -> None:
    offsets = [after(weeks, 0).offset for weeks in (0.1, 1.0, 12.0)]
    assert 0.0 > offsets[0] > offsets[1] > offsets[2] == LOWEST


def test_many_sightings_raise_the_threshold() -> None:
    offsets = [after(1.0, sightings).offset for sightings in (150, 600, 2_400)]
    assert 0.0 < offsets[0] < offsets[1] < offsets[2]
    assert offsets[2] == pytest.approx(math.log(2_400 / NOMINAL), abs=0.2)


@pytest.mark.parametrize("weeks", [1.0, 4.0])
def test_as_many_sightings_as_the_nominal_leave_the_threshold_where_it_is(weeks: float) -> None:
    assert after(weeks, round(NOMINAL * weeks)).offset == pytest.approx(0.0, abs=0.05)


@given(st.floats(0.0, 1e3), st.integers(0, 500), st.floats(0.01, 100.0))
def test_the_threshold_moves_within_bounds(weeks: float, sightings: int, budget: float) -> None:
    made = Calibration()
    made.pass_time(round(weeks * WEEK_MS), budget)
    for i in range(sightings):
        made.sight(str(i), i)
    assert LOWEST <= made.offset <= HIGHEST


def test_the_same_thing_counts_once_as_long_as_it_keeps_standing_out() -> None:
    made = Calibration()
    for hour in range(100):
        made.sight("firmware tv-1.1 latency", hour * 3_600_000)
    assert made.seen == 1.0
    made.sight("firmware tv-1.1 latency", 99 * 3_600_000 + SAME_MS + 1)
    made.sight("firmware tv-1.0 latency", 99 * 3_600_000)
    assert made.seen == 3.0


def test_what_was_seen_fades_by_half_in_its_half_life() -> None:
    made = after(1.0, 400)
    seen, raised = made.seen, made.offset
    steps = round(HALF_LIFE_WEEKS * WEEK_MS / STEP_MS)
    for _ in range(steps):
        made.pass_time(STEP_MS, BUDGET)
    assert made.seen == pytest.approx(seen / 2)
    assert made.offset < raised


def test_quiet_time_in_one_piece_or_in_many_is_nearly_the_same() -> None:
    many, one = after(1.0, 0), Calibration()
    one.pass_time(WEEK_MS, BUDGET)
    assert many.weeks == pytest.approx(one.weeks, rel=0.05)


def test_things_that_are_remembered_are_bounded() -> None:
    made = Calibration()
    for i in range(2 * MOST_KEYS):
        made.sight(str(i), i)
    assert len(made.snapshot()["last"]) == MOST_KEYS


def test_a_calibration_restored_from_its_snapshot_goes_on_as_the_one_it_was_taken_of() -> None:
    made, other = after(1.0, 100), Calibration()
    other.restore(made.snapshot())
    for each in (made, other):
        each.pass_time(STEP_MS, BUDGET)
        each.sight("scope 99 latency", WEEK_MS)  # seen not long ago
        each.sight("scope 100 latency", WEEK_MS)
    assert (other.seen, other.weeks, other.offset) == (made.seen, made.weeks, made.offset)
    assert other.snapshot() == made.snapshot()
