"""Evidence for a change of unknown size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models import likelihood
from models.likelihood import MEAN_RATIOS, RATE_RATIOS

sizes = st.floats(0.01, 500.0)


@given(st.integers(0, 300), st.floats(0.5, 200.0))
def test_a_rate_is_the_mixture_of_poisson_likelihood_ratios(hits: int, expected: float) -> None:
    ratios = [
        stats.poisson.logpmf(hits, expected * ratio) - stats.poisson.logpmf(hits, expected) for ratio in RATE_RATIOS
    ]
    by_formula = np.logaddexp.reduce(ratios) - math.log(len(ratios))
    score = likelihood.rate(np.array([hits - expected]), np.array([expected]))
    assert score[0] == pytest.approx(by_formula, rel=1e-6, abs=1e-6)


@given(st.floats(-0.5, 0.5), st.floats(1e-3, 1.0))
def test_a_shift_is_the_mixture_of_gaussian_likelihood_ratios(mean: float, variance: float) -> None:
    c = 1.0 / variance
    sigma = math.sqrt(variance)
    ratios = [
        stats.norm.logpdf(mean, math.log(ratio), sigma) - stats.norm.logpdf(mean, 0.0, sigma) for ratio in MEAN_RATIOS
    ]
    by_formula = np.logaddexp.reduce(ratios) - math.log(len(ratios))
    score = likelihood.shift(np.array([mean * c]), np.array([c]))
    assert score[0] == pytest.approx(by_formula, rel=1e-6, abs=1e-6)


@given(st.lists(st.floats(-100.0, 100.0), min_size=2, max_size=20), sizes)
def test_more_excess_is_never_less_evidence(excess: list[float], c: float) -> None:
    b = np.sort(excess)
    for score in (likelihood.rate, likelihood.shift):
        assert np.all(np.diff(score(b, np.full_like(b, c))) >= -1e-12)


@given(sizes)
def test_no_excess_is_evidence_against_a_change(c: float) -> None:
    for score in (likelihood.rate, likelihood.shift):
        assert score(np.zeros(1), np.array([c]))[0] < 0.0


def test_no_information_is_no_evidence() -> None:
    for score in (likelihood.rate, likelihood.shift):
        assert score(np.zeros(3), np.zeros(3)).tolist() == [0.0, 0.0, 0.0]


def test_evidence_without_bound_stays_a_number() -> None:
    b, c = np.array([1e6, -1e6, 1e6]), np.array([1.0, 1e6, 1e6])
    for score in (likelihood.rate, likelihood.shift):
        assert np.isfinite(score(b, c)).all()


def test_under_the_null_its_exponential_has_the_mean_one() -> None:
    """That is what lets it be priced: evidence of e^s comes up by chance once in e^s times, at most (Markov)."""
    counts = np.arange(400.0)
    score = likelihood.rate(counts - 5.0, np.full(len(counts), 5.0))
    assert np.sum(stats.poisson.pmf(counts, 5.0) * np.exp(score)) == pytest.approx(1.0, rel=1e-6)


# -- of the best rise ------------------------------------------------------------------------------------------------


@given(st.floats(-100.0, 100.0), sizes)
def test_the_peak_is_at_least_the_mixture_over_any_sizes(b: float, c: float) -> None:
    excess, info = np.array([b]), np.array([c])
    assert likelihood.shift_peak(excess, info)[0] >= likelihood.shift(excess, info)[0] - 1e-9
    assert likelihood.rate_peak(excess, info)[0] >= likelihood.rate(excess, info)[0] - 1e-9


@given(st.integers(1, 300), st.floats(0.5, 200.0))
def test_the_peak_of_a_rate_is_the_poisson_likelihood_ratio_at_its_maximum(hits: int, expected: float) -> None:
    ratio = stats.poisson.logpmf(hits, hits) - stats.poisson.logpmf(hits, expected)
    peak = likelihood.rate_peak(np.array([hits - expected]), np.array([expected]))
    assert peak[0] == pytest.approx(ratio if hits > expected else 0.0, rel=1e-6, abs=1e-6)


@given(st.floats(0.0, 100.0), sizes)
def test_a_fall_and_a_cell_without_information_have_no_peak(fall: float, c: float) -> None:
    for peak in (likelihood.shift_peak, likelihood.rate_peak):
        assert peak(np.array([-fall, fall]), np.array([c, 0.0])).tolist() == [0.0, 0.0]


# -- some of several -------------------------------------------------------------------------------------------------

SEVERAL = st.lists(st.floats(-50.0, 200.0), min_size=1, max_size=12)
SHARE = st.floats(0.01, 0.9)


@given(st.lists(st.floats(0.0, 200.0), min_size=1, max_size=12), SHARE)
def test_some_of_several_signals_never_prove_more_than_their_sum(nats: list[float], share: float) -> None:
    assert likelihood.some_of(np.array(nats), share) <= sum(nats) + 1e-9


@given(SEVERAL, SHARE)
def test_each_signal_costs_at_most_what_the_prior_gave_to_no_change(nats: list[float], share: float) -> None:
    assert likelihood.some_of(np.array(nats), share) >= len(nats) * math.log1p(-share) - 1e-9


@given(SEVERAL, st.floats(0.01, 0.3))
def test_a_signal_that_shows_nothing_costs_little(nats: list[float], share: float) -> None:
    without = likelihood.some_of(np.array(nats), share)
    with_it = likelihood.some_of(np.array([*nats, -1e3]), share)
    assert with_it - without == pytest.approx(math.log1p(-share))
    assert with_it - without > -0.36


def test_weak_signals_add_up_to_what_none_of_them_shows() -> None:
    assert likelihood.some_of(np.full(6, 4.0), 0.2) > 3 * 4.0


def test_evidence_of_some_is_an_e_value_as_each_of_its_factors_is() -> None:
    counts = np.arange(150.0)  # all but 1e-100 of the chance
    single = likelihood.rate(counts - 5.0, np.full(len(counts), 5.0))
    joint = likelihood.some_of(np.stack(np.meshgrid(single, single), axis=-1), 0.2)
    chance = stats.poisson.pmf(counts, 5.0)
    assert chance @ np.exp(joint) @ chance == pytest.approx(1.0, rel=1e-6)
