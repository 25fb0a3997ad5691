"""Cut points are read off a histogram."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.cutpoints import CutPoints

WIDTH = 0.04


def histogram(values: list[float], bins: int = 400) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.bincount(np.minimum(np.array(values) / WIDTH, bins - 1).astype(np.int64), minlength=bins)


@given(st.lists(st.floats(0.1, 15.0), min_size=1, max_size=300))
def test_cut_points_are_the_quantiles_of_the_values_to_within_a_bin(values: list[float]) -> None:
    cut = CutPoints.of(histogram(values), WIDTH)
    for got, q in ((cut.low, 0.01), (cut.median, 0.5), (cut.high, 0.99)):
        assert np.quantile(values, q, method="lower") - WIDTH - 1e-6 <= got
        assert got <= np.quantile(values, q, method="higher") + WIDTH + 1e-6
    assert cut.tail == cut.high


@given(st.lists(st.floats(0.1, 15.0), min_size=1, max_size=300))
def test_cut_points_are_ordered_and_their_scales_are_positive(values: list[float]) -> None:
    cut = CutPoints.of(histogram(values), WIDTH)
    assert cut.low <= cut.median <= cut.high
    assert cut.low <= cut.middle <= cut.high
    assert cut.spread > 0
    assert cut.tail_scale > 0
    assert 0 <= cut.tail_bin < 400


@given(st.lists(st.integers(0, 50), min_size=5, max_size=40).filter(any), st.integers(2, 1_000))
def test_only_the_proportions_of_a_histogram_matter(weights: list[int], factor: int) -> None:
    one, many = CutPoints.of(np.array(weights), WIDTH), CutPoints.of(np.array(weights) * factor, WIDTH)
    for name in ("low", "high", "median", "spread", "tail_scale"):
        assert getattr(one, name) == pytest.approx(getattr(many, name))


def test_spread_and_tail_of_a_known_distribution_are_found() -> None:
    draw = np.random.default_rng(1)
    values = 4.0 + draw.exponential(0.5, 200_000)
    cut = CutPoints.of(histogram(values.tolist()), WIDTH)
    low, high = np.quantile(values, (0.01, 0.99))
    assert cut.spread == pytest.approx(np.var(np.clip(values, low, high)), rel=0.02)
    assert cut.tail_scale == pytest.approx(0.5, rel=0.05)


def test_what_lies_in_the_tail_is_about_one_in_a_hundred() -> None:
    values = np.random.default_rng(2).normal(6.0, 0.5, 100_000).tolist()
    held = histogram(values)
    cut = CutPoints.of(held, WIDTH)
    assert 0.005 < held[cut.tail_bin :].sum() / held.sum() < 0.011


def test_an_empty_histogram_has_no_cut_points() -> None:
    with pytest.raises(ValueError, match="an empty histogram has no cut points"):
        CutPoints.of(np.zeros(10), WIDTH)
