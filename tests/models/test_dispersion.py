"""Variance components come back out of what was simulated with them."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.dispersion import CLIP, Components, Floats

OPERATORS, CLASSES = 8, 8
LEAVES = [(operator, kind) for operator in range(OPERATORS) for kind in range(CLASSES)]
LEVELS: list[list[Hashable]] = [[leaf[0] for leaf in LEAVES], [leaf[1] for leaf in LEAVES], list(LEAVES)]


def simulated(variances: tuple[float, float, float], sampling: float, seed: int, blocks: int = 400) -> Floats:
    """Residuals [blocks, leaves] with effects of the operator, the class and the leaf, and sampling noise."""
    draw = np.random.default_rng(seed)
    operator = draw.normal(0, variances[0] ** 0.5, (blocks, OPERATORS))
    kind = draw.normal(0, variances[1] ** 0.5, (blocks, CLASSES))
    own = draw.normal(0, (variances[2] + sampling) ** 0.5, (blocks, len(LEAVES)))
    return np.asarray(operator[:, [leaf[0] for leaf in LEAVES]] + kind[:, [leaf[1] for leaf in LEAVES]] + own)


@pytest.mark.parametrize(
    "variances",
    [(4e-4, 4e-4, 4e-4), (1.6e-3, 1e-4, 9e-4), (0.0, 9e-4, 4e-4), (0.0, 0.0, 1e-3)],
)
@pytest.mark.parametrize("guess", [1e-4, 2e-3])
def test_the_variances_of_a_simulation_are_recovered_whatever_the_guess(
    variances: tuple[float, float, float], guess: float
) -> None:
    residual = simulated(variances, sampling=5e-4, seed=1)
    found = Components(LEVELS).fit(residual, np.full_like(residual, 5e-4), guess)
    np.testing.assert_allclose(found, variances, rtol=0.15, atol=3e-5)


def test_pure_sampling_noise_is_no_mood() -> None:
    residual = simulated((0.0, 0.0, 0.0), sampling=1e-2, seed=2)
    found = Components(LEVELS).fit(residual, np.full_like(residual, 1e-2), 1e-3)
    assert found.max() < 3e-4


def test_blocks_without_data_change_nothing_whatever_stands_in_them() -> None:
    residual = simulated((1e-3, 2e-4, 5e-4), sampling=5e-4, seed=3)
    sampling = np.full_like(residual, 5e-4)
    plain = Components(LEVELS).fit(residual, sampling, 1e-3)
    nonsense = np.full((50, len(LEAVES)), 7.0)
    found = Components(LEVELS).fit(
        np.concatenate([residual, nonsense]), np.concatenate([sampling, np.full_like(nonsense, np.inf)]), 1e-3
    )
    np.testing.assert_allclose(found, plain, rtol=1e-9)


def test_one_wild_block_does_not_blind() -> None:
    residual = simulated((4e-4, 4e-4, 4e-4), sampling=5e-4, seed=4)
    sampling = np.full_like(residual, 5e-4)
    plain = Components(LEVELS).fit(residual, sampling, 4e-4)
    residual[0, 0] = 1e6
    wild = Components(LEVELS).fit(residual, sampling, 4e-4)
    assert np.abs(wild - plain).max() < CLIP**2 * 4e-4 / 10


def test_nothing_to_measure_is_zero() -> None:
    nothing = np.full((3, len(LEAVES)), np.inf)
    assert Components(LEVELS).fit(np.zeros_like(nothing), nothing, 1e-3).tolist() == [0.0, 0.0, 0.0]


def test_residuals_of_zero_have_no_variance() -> None:
    still = np.zeros((10, len(LEAVES)))
    assert Components(LEVELS).fit(still, np.full_like(still, 1e-3), 1e-3).tolist() == [0.0, 0.0, 0.0]


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.floats(0.0, 1.0))
def test_variances_are_finite_and_never_negative(seed: int, blocks: int, missing: float) -> None:
    draw = np.random.default_rng(seed)
    residual = draw.standard_t(1.5, (blocks, len(LEAVES)))
    sampling = np.where(draw.random(residual.shape) < missing, np.inf, draw.exponential(1.0, residual.shape))
    found = Components(LEVELS).fit(residual, sampling, 1e-3)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
