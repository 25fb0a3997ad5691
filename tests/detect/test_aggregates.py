"""Series of single values as they are followed: told once, told again when stronger, and silent about what is usual."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.detect.aggregates import Mark, SeriesWatch

HOUR_MS = 3_600_000


def fed(values: list[float], watch: SeriesWatch | None = None, first: int = 0) -> list[Mark]:
    watch = watch or SeriesWatch()
    return [watch.feed((first + i) * HOUR_MS, value) for i, value in enumerate(values)]


def quiet(hours: int, seed: int = 1) -> list[float]:
    values: list[float] = (100.0 * np.exp(0.1 * np.random.default_rng(seed).standard_normal(hours))).tolist()
    return values


def test_a_change_that_stays_is_told_and_then_goes_on_without_being_told_each_hour() -> None:
    marks = fed(quiet(400) + [value * 3 for value in quiet(30, seed=2)])
    states = [mark.state for mark in marks[400:]]
    assert states[0] == "firing"
    assert states.count("firing") <= 4
    assert states[1:12].count("told") >= 7
    assert marks[400].expected == pytest.approx(100.0, rel=0.1)
    assert 0.4 < marks[400].score < 1.0


def test_when_the_change_is_over_the_series_is_calm_again() -> None:
    marks = fed([*quiet(400), 300.0, *quiet(48, seed=2)])
    assert marks[400].state == "firing"
    assert "firing" not in [mark.state for mark in marks[401:]]
    assert marks[401].state == "told"
    assert [mark.state for mark in marks[-10:]] == ["calm"] * 10


def test_a_budget_that_is_smaller_raises_the_threshold() -> None:
    thresholds = []
    for budget in (5.0, 0.5, 0.05):
        watch = SeriesWatch(budget)
        fed(quiet(10), watch)
        thresholds.append(watch.threshold)
    assert np.diff(thresholds) == pytest.approx([math.log(10)] * 2)
    assert thresholds[1] == pytest.approx(math.log(7 * 24 / 0.5))
    with pytest.raises(ValueError, match="above 0"):
        SeriesWatch(0.0)


def test_a_watch_restored_goes_on_as_if_nothing_had_been() -> None:
    values = quiet(300) + [250.0] * 10
    whole = SeriesWatch()
    straight = fed(values, whole)
    first, second = SeriesWatch(), SeriesWatch()
    before = fed(values[:303], first)
    second.restore(first.snapshot())
    assert before + fed(values[303:], second, 303) == straight


def test_before_there_is_a_reference_nothing_is_said() -> None:
    marks = fed([1.0, 1e9, -5.0, math.nan] * 10)
    assert {mark.state for mark in marks} == {"calm"}
    assert all(mark.expected is None for mark in marks)
