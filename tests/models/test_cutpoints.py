"""Cut points are read off a histogram."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.cutpoints import TAIL_REACH, TAIL_SHARE, TAIL_UNIT, CutPoints, mean_tail_weight, tail_weights

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
    for name in ("low", "high", "median", "spread", "tail_scale", "tail_bin", "tail_slope", "tail_cap"):
        assert getattr(one, name) == pytest.approx(getattr(many, name))


def test_spread_and_tail_of_a_known_distribution_are_found() -> None:
    draw = np.random.default_rng(1)
    values = 4.0 + draw.exponential(0.5, 200_000)
    cut = CutPoints.of(histogram(values.tolist()), WIDTH)
    low, high = np.quantile(values, (0.01, 0.99))
    assert cut.spread == pytest.approx(np.var(np.clip(values, low, high)), rel=0.02)
    assert cut.tail_scale == pytest.approx(0.5, rel=0.05)


def test_as_much_lies_in_the_tail_as_is_meant_to() -> None:
    values = np.random.default_rng(2).normal(6.0, 0.5, 100_000).tolist()
    held = histogram(values)
    cut = CutPoints.of(held, WIDTH)
    assert 0.8 * TAIL_SHARE < held[cut.tail_bin :].sum() / held.sum() < 1.05 * TAIL_SHARE


def exponential(scale: float, size: int = 200_000) -> tuple[CutPoints, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """The cut points of an exponential distribution, and what each of other values of it counts for."""
    draw = np.random.default_rng(3)
    cut = CutPoints.of(histogram((4.0 + draw.exponential(scale, size)).tolist()), WIDTH)
    bins = np.floor((4.0 + draw.exponential(scale, size)) / WIDTH)
    return cut, tail_weights(bins, np.array(cut.tail_bin), np.array(cut.tail_slope), np.array(cut.tail_cap))


@pytest.mark.parametrize("scale", [0.2, 0.35, 0.6])
def test_weights_of_an_exponential_tail_vary_as_a_count_does(scale: float) -> None:
    _, weights = exponential(scale)
    assert (weights**2).mean() == pytest.approx(weights.mean(), rel=0.1)


@pytest.mark.parametrize("scale", [0.2, 0.35, 0.6])
def test_the_mean_weight_of_an_exponential_tail_is_known(scale: float) -> None:
    cut, weights = exponential(scale)
    mean = mean_tail_weight(np.array(scale), np.array(cut.tail_slope), np.array(cut.tail_cap), WIDTH)
    assert weights[weights > 0].mean() == pytest.approx(float(mean), rel=0.03)


@given(st.integers(0, 400), st.integers(0, 400), st.floats(0.01, 0.5))
def test_nothing_below_the_tail_counts_and_further_out_never_counts_less(a: int, b: int, slope: float) -> None:
    near, far = sorted((a, b))
    first, most = np.array(200.0), np.array(TAIL_UNIT * TAIL_REACH)
    low, high = tail_weights(np.array([near, far]), first, np.array(slope), most)
    assert 0 <= low <= high <= most
    assert (low > 0) == (near >= 200)


@given(st.integers(0, 400), st.integers(0, 400))
def test_with_a_slope_and_a_cap_of_one_the_tail_is_counted(value: int, first: int) -> None:
    one = np.array(1.0)
    assert tail_weights(np.array(value), np.array(float(first)), one, one) == float(value >= first)
    assert mean_tail_weight(np.array(0.3), one, one, WIDTH) == pytest.approx(1.0)


def test_a_stretched_tail_shows_more_in_weights_than_in_counts() -> None:
    """Twice the evidence a value: (ln ratio)^2 times the hits that it rests on, to within a constant."""
    draw = np.random.default_rng(4)
    values = draw.normal(6.0, 0.5, 400_000)
    low, high = np.quantile(values, (0.9, 0.99))
    stretched = values + np.log(1.5) * np.clip((values - low) / (high - low), 0.0, 1.0)
    cut = CutPoints.of(histogram(values.tolist()), WIDTH)

    def nats(first: float, slope: float, most: float) -> float:
        before, after = (
            tail_weights(np.floor(each / WIDTH), np.array(first), np.array(slope), np.array(most)).mean()
            for each in (values, stretched)
        )
        return float(after * np.log(after / before) - after + before)

    counted = nats(np.ceil(cut.tail / WIDTH), 1.0, 1.0)
    assert nats(cut.tail_bin, cut.tail_slope, cut.tail_cap) > 1.25 * counted


def test_an_empty_histogram_has_no_cut_points() -> None:
    with pytest.raises(ValueError, match="an empty histogram has no cut points"):
        CutPoints.of(np.zeros(10), WIDTH)
