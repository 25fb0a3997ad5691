"""A model of a single series: what it takes for usual, what for evidence, and that nothing drags its anchor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.season import DAY_MS
from models.series import MOST_NATS, SeriesDetector
from models.snapshot import SnapshotError

STEP_MS = 300_000
PER_DAY = DAY_MS // STEP_MS


def series(days: float, seed: int = 1) -> NDArray[np.float64]:
    """A daily cycle, noise, and moods that last for hours."""
    g = np.random.default_rng(seed)
    count = int(days * PER_DAY)
    mood = np.zeros(count)
    for i in range(1, count):
        mood[i] = 0.98 * mood[i - 1] + 0.01 * g.standard_normal()
    hours = np.arange(count) * 2 * np.pi / PER_DAY
    return np.asarray(100.0 * np.exp(0.3 * np.sin(hours) + mood + 0.05 * g.standard_normal(count)))


def scores(values: NDArray[np.float64], model: SeriesDetector | None = None, first: int = 0) -> list[float]:
    model = model or SeriesDetector()
    out = []
    for i, value in enumerate(values.tolist()):
        x: dict[Any, Any] = {"at": (first + i) * STEP_MS, "value": value}
        out.append(model.score_one(x))
        model.learn_one(x)
    return out


def test_in_quiet_weeks_evidence_exceeds_a_budget_no_more_than_a_few_times() -> None:
    price = math.log(7 * PER_DAY / 0.5)
    above = 0
    for seed in range(3):
        nats = np.array(scores(series(21, seed))[2 * PER_DAY :])
        over = np.flatnonzero(nats > price)
        # Neighbouring values are one event.
        above += len(over) and 1 + int((np.diff(over) > PER_DAY // 4).sum())
    assert above <= 9  # nine series-weeks at a nominal 0.5 a week: 4.5


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_a_single_value_far_off_is_evidence_at_once(factor: float) -> None:
    values = series(10)
    values[-1] *= factor
    assert scores(values)[-1] > 8.0


def test_a_change_that_stays_is_evidence_within_hours_though_no_value_is_remarkable() -> None:
    values = series(12)
    values[10 * PER_DAY :] *= 1.25
    nats = scores(values)
    assert max(nats[10 * PER_DAY : 11 * PER_DAY]) > 8.0
    assert max(nats[10 * PER_DAY : 10 * PER_DAY + 2]) < 8.0


def test_what_the_hour_explains_is_no_evidence() -> None:
    model = SeriesDetector()
    scores(series(10), model)
    noon, midnight = model.expected(10 * DAY_MS + DAY_MS // 4), model.expected(10 * DAY_MS + 3 * DAY_MS // 4)
    assert noon == pytest.approx(100 * math.exp(0.3), rel=0.1)
    assert midnight == pytest.approx(100 * math.exp(-0.3), rel=0.1)


def test_a_drift_cannot_drag_the_level_beyond_its_leash() -> None:
    model = SeriesDetector()
    values = series(60)
    values[8 * PER_DAY :] *= np.exp(np.linspace(0.0, 1.5, len(values) - 8 * PER_DAY))
    scores(values, model)
    at = 60 * DAY_MS
    assert model.expected(at) < 150.0  # the values have come to 450
    model.accept()
    assert model.expected(at) > 300.0


def test_a_series_that_has_only_begun_and_a_constant_one_say_nothing() -> None:
    assert max(scores(series(0.15))) == 0.0
    assert max(scores(np.full(2_000, 7.0))) == 0.0
    assert max(scores(np.zeros(2_000))) == 0.0


def test_what_is_not_finite_is_neither_scored_nor_learnt() -> None:
    model = SeriesDetector()
    scores(series(2), model)
    before = model.snapshot()
    for value in (math.nan, math.inf, -math.inf):
        x: dict[Any, Any] = {"at": 3 * DAY_MS, "value": value}
        assert model.score_one(x) == 0.0
        model.learn_one(x)
    assert model.snapshot() == before


@given(st.lists(st.floats(-1e12, 1e12), min_size=60, max_size=120))
def test_whatever_comes_evidence_is_finite_and_not_negative(values: list[float]) -> None:
    assert all(0.0 <= nats <= MOST_NATS for nats in scores(np.array(values)))


def test_scoring_changes_nothing() -> None:
    model = SeriesDetector()
    scores(series(2), model)
    before = model.snapshot()
    model.score_one({"at": 3 * DAY_MS, "value": 1e6})
    assert model.snapshot() == before


def test_a_model_restored_goes_on_as_if_nothing_had_been() -> None:
    values = series(4)
    model, other = SeriesDetector(), SeriesDetector()
    scores(values[: 2 * PER_DAY], model)
    other.restore(model.snapshot())
    assert scores(values[2 * PER_DAY :], other, 2 * PER_DAY) == scores(values[2 * PER_DAY :], model, 2 * PER_DAY)
    with pytest.raises(SnapshotError, match="version 0"):
        other.restore({"version": 0, "state": {}})


def test_it_clones_and_is_told_by_its_arguments_as_estimators_of_river_are() -> None:
    model = SeriesDetector(days=3.0)
    scores(series(1), model)
    clone = model.clone()
    assert clone.snapshot() == SeriesDetector().snapshot()
    assert clone.days == 3.0
    assert "days=3." in repr(model).replace(" ", "")
