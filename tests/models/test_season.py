"""The shape of a day."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models import season
from models.season import DAY_MS, SLOT_MS, SLOTS

MIDNIGHT = 1_767_571_200_000
shapes = arrays(np.float64, SLOTS, elements=st.floats(-10.0, 10.0))
instants = st.integers(MIDNIGHT, MIDNIGHT + 30 * DAY_MS)


def test_slots_part_the_utc_day_evenly() -> None:
    assert [season.slot_of(MIDNIGHT + i * SLOT_MS) for i in range(SLOTS)] == list(range(SLOTS))
    assert season.slot_of(MIDNIGHT - 1) == SLOTS - 1


@given(shapes, instants)
def test_every_day_has_the_same_shape(shape: np.ndarray[tuple[int], np.dtype[np.float64]], at: int) -> None:
    assert season.at(shape, at) == season.at(shape, at + DAY_MS)


@given(shapes, instants, st.integers(1, 60_000))
def test_the_shape_has_no_jumps_not_even_at_midnight(
    shape: np.ndarray[tuple[int], np.dtype[np.float64]], at: int, step: int
) -> None:
    steepest = np.abs(np.diff(np.append(shape, shape[0]))).max()
    change = abs(float(season.at(shape, at + step)) - float(season.at(shape, at)))
    assert change <= steepest * step / SLOT_MS + 1e-9


@given(shapes)
def test_at_the_centre_of_a_slot_the_shape_is_the_slots_own(
    shape: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> None:
    centres = [float(season.at(shape, MIDNIGHT + slot * SLOT_MS + SLOT_MS / 2)) for slot in range(SLOTS)]
    np.testing.assert_allclose(centres, shape, atol=1e-9)


def test_the_factor_of_a_share_follows_the_hits_and_has_mean_one() -> None:
    expected = np.full((SLOTS, 1), 1_000.0)
    true = 1.0 + 0.5 * np.sin(np.arange(SLOTS) / SLOTS * 2 * np.pi)[:, None]
    factor = season.rate_shape(true * expected, expected, prior=1.0)
    np.testing.assert_allclose(factor, true, rtol=0.01)
    assert np.average(factor[:, 0], weights=expected[:, 0]) == pytest.approx(1.0, abs=1e-3)


def test_slots_that_saw_little_are_held_back() -> None:
    hits, expected = np.full((SLOTS, 1), 1_000.0), np.full((SLOTS, 1), 1_000.0)
    hits[3], expected[3] = 5.0, 1.0
    assert season.rate_shape(hits, expected, prior=50.0)[3, 0] < 1.1
    assert season.rate_shape(hits, expected, prior=0.001)[3, 0] > 4.0


def test_the_offset_of_a_shift_follows_the_residuals_and_has_mean_zero() -> None:
    units = np.linspace(500.0, 1_500.0, SLOTS)[:, None]
    true = 0.1 * np.cos(np.arange(SLOTS) / SLOTS * 2 * np.pi)[:, None]
    offset = season.shift_shape(true * units, units, prior=0.001)
    assert np.average(offset[:, 0], weights=units[:, 0]) == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(offset, true - np.average(true[:, 0], weights=units[:, 0]), atol=1e-4)


def test_a_shape_of_nothing_is_flat() -> None:
    nothing = np.zeros((SLOTS, 2))
    assert season.rate_shape(nothing, nothing, prior=50.0).tolist() == np.ones((SLOTS, 2)).tolist()
    assert season.shift_shape(nothing, nothing, prior=50.0).tolist() == nothing.tolist()
