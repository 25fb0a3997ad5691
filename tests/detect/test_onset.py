"""When did it begin, and was it a step or a drift?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.detect.onset import Change, Course, Floats, estimate

ENTRIES = 84


def step(start: int, size: float) -> Floats:
    return np.where(np.arange(ENTRIES) >= start, size, 0.0)


def ramp(start: int, size: float) -> Floats:
    """Grows to `size` at the end."""
    grown = np.maximum(np.arange(ENTRIES) - start + 1.0, 0.0)
    return np.asarray(size * grown / grown[-1])


def course(effect: Floats, info: float = 40.0, seed: int | None = None) -> Course:
    """b of each entry: its information times the effect, and noise of that variance."""
    noise = np.zeros(ENTRIES) if seed is None else np.random.default_rng(seed).normal(0.0, info**0.5, ENTRIES)
    return Course(info * effect + noise, np.full(ENTRIES, info))


@given(st.integers(0, ENTRIES - 1), st.floats(0.05, 2.0))
def test_the_beginning_of_a_clean_step_is_found_to_the_entry(start: int, size: float) -> None:
    change = estimate(course(step(start, size)))
    assert change.start == start
    assert not change.is_ramp


@given(st.integers(0, ENTRIES - 20), st.floats(0.5, 2.0))
def test_the_beginning_of_a_clean_ramp_is_found_to_the_entry_and_it_is_a_ramp(start: int, size: float) -> None:
    change = estimate(course(ramp(start, size)))
    assert change.is_ramp
    assert change.start == start


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1), st.floats(-0.5, 0.5))
def test_the_interval_holds_the_estimate_and_lies_within_the_course(seed: int, size: float) -> None:
    change = estimate(course(step(30, size), seed=seed))
    assert 0 <= change.earliest <= change.start <= change.latest < ENTRIES
    assert change.gain >= 0.0
    assert change.odds >= 0.0


def simulated(shape: Callable[[int, float], Floats], size: float) -> list[tuple[int, Change]]:
    draw = np.random.default_rng(1)
    starts = draw.integers(10, 60, 200).tolist()
    return [(start, estimate(course(shape(start, size), seed=seed))) for seed, start in enumerate(starts)]


def test_of_200_steps_nearly_all_are_called_steps_and_the_interval_holds_the_beginning_of_most() -> None:
    found = simulated(step, 0.3)
    assert sum(not change.is_ramp for _, change in found) >= 190
    # Beginnings of steps are no regular parameter: Wilks' quantile holds a little less often than 95 %.
    assert sum(change.earliest <= start <= change.latest for start, change in found) >= 160


def test_of_200_drifts_most_are_called_drifts_and_the_interval_holds_the_beginning_of_most() -> None:
    found = simulated(ramp, 1.0)
    assert sum(change.is_ramp for _, change in found) >= 170
    assert sum(change.earliest <= start <= change.latest for start, change in found if change.is_ramp) >= 150


def test_more_evidence_makes_the_interval_narrower() -> None:
    widths = []
    for info in (10.0, 40.0, 160.0):
        found = [estimate(course(step(40, 0.4), info, seed)) for seed in range(60)]
        widths.append(np.mean([change.latest - change.earliest for change in found]))
    assert widths[0] > widths[1] > widths[2]


def test_what_only_fell_has_no_gain() -> None:
    assert estimate(course(step(40, -0.3))).gain == 0.0


@pytest.mark.parametrize("entries", [1, 2, 3, 4])
def test_a_course_of_few_entries_can_be_asked(entries: int) -> None:
    change = estimate(Course(np.full(entries, 4.0), np.full(entries, 10.0)))
    assert (change.start, change.is_ramp) == (0, False)


def test_entries_without_information_do_not_move_the_beginning() -> None:
    effect, info = step(50, 0.5), np.full(ENTRIES, 40.0)
    info[20:30] = 0.0
    assert estimate(Course(info * effect, info)).start == 50


def test_the_ledger_of_a_course_adds_up_to_its_likelihood_ratio() -> None:
    one = course(step(40, 0.3), seed=3)
    peak = float(one.b[40:].sum()) ** 2 / (2.0 * float(one.info[40:].sum()))
    assert one.nats(40).sum() == pytest.approx(peak)
    assert not one.nats(40)[:40].any()


def test_a_change_is_not_dated_to_before_anything_was_counted() -> None:
    """Two days of history in a course of seven: a fault there from the first is two days old, as far as is known."""
    effect, info = step(60, 0.5), np.full(ENTRIES, 40.0)
    info[:60] = 0.0
    assert estimate(Course(info * effect, info)).start == 60
