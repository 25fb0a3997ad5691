"""How heavy tails are, and what they leave of evidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.tails import INVERSES, inverse_dof, tempered, tempered_part

NATS = st.floats(0.0, 1e4)
INVERSE = st.floats(0.01, 0.4)


@pytest.mark.parametrize("seed", range(3))
def test_days_with_three_degrees_of_freedom_have_heavy_tails_and_gaussian_days_have_none(seed: int) -> None:
    draw = np.random.default_rng(seed)
    heavy, calm = inverse_dof(draw.standard_t(3, 1_500)), inverse_dof(draw.normal(size=1_500))
    assert heavy == pytest.approx(1 / 3, abs=0.08)
    assert calm < 0.04


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.6])
def test_residuals_that_are_all_too_wide_or_too_narrow_are_not_heavy(scale: float) -> None:
    assert inverse_dof(scale * np.random.default_rng(4).normal(size=1_500)) < 0.05


def test_of_little_data_a_cautious_middle_is_said() -> None:
    few = inverse_dof(np.random.default_rng(5).normal(size=10))
    assert 0.05 < few < 0.3
    assert inverse_dof(np.zeros(0)) == pytest.approx(float(INVERSES.mean()))


def test_caution_takes_tails_for_heavier() -> None:
    z = np.random.default_rng(7).normal(size=200)
    assert inverse_dof(z) < inverse_dof(z, 2.0) < inverse_dof(z, 3.0)


def test_the_estimate_does_not_depend_on_order_or_sign() -> None:
    z = np.random.default_rng(6).standard_t(5, 300)
    assert inverse_dof(-z[::-1]) == pytest.approx(inverse_dof(z))


@given(NATS)
def test_gaussian_evidence_is_left_as_it_is(nats: float) -> None:
    assert tempered(nats, 0.0) == nats


@given(st.floats(-100.0, 0.0), INVERSE)
def test_what_speaks_against_a_change_is_not_tempered(nats: float, inverse: float) -> None:
    assert tempered(nats, inverse) == nats


@given(NATS, NATS, INVERSE)
def test_more_evidence_is_never_less_when_tempered(a: float, b: float, inverse: float) -> None:
    low, high = sorted((a, b))
    assert tempered(low, inverse) <= tempered(high, inverse)


@given(st.floats(2.0, 1e4), INVERSE)
def test_what_is_left_is_below_the_nats(nats: float, inverse: float) -> None:
    assert tempered(nats, inverse) <= nats


@given(st.floats(0.01, 2.0), INVERSE)
def test_of_little_evidence_too_no_more_is_left_than_there_was(nats: float, inverse: float) -> None:
    assert tempered(nats, inverse) <= nats


@given(st.floats(20.0, 1e3), INVERSE, INVERSE)
def test_heavier_tails_leave_less_of_strong_evidence(nats: float, a: float, b: float) -> None:
    light, heavy = sorted((a, b))
    assume(light < heavy)
    assert tempered(nats, heavy) <= tempered(nats, light)


PART = st.floats(0.0, 1.0)


@given(NATS, INVERSE, PART)
def test_where_part_of_the_noise_is_sampling_no_less_is_left_than_where_all_has_tails(
    nats: float, inverse: float, part: float
) -> None:
    left = tempered_part(nats, inverse, part)
    assert tempered(nats, inverse) <= left * (1 + 1e-3) + 1e-3
    assert left <= nats * (1 + 1e-9)


@given(NATS, INVERSE)
def test_all_mood_is_tempered_and_all_sampling_is_not(nats: float, inverse: float) -> None:
    assert tempered_part(nats, inverse, 1.0) == tempered(nats, inverse)
    assert tempered_part(nats, inverse, 0.0) == nats


@given(st.floats(1.0, 1e3), INVERSE, PART, PART)
def test_the_more_of_the_noise_is_mood_the_less_is_left(nats: float, inverse: float, a: float, b: float) -> None:
    less, more = sorted((a, b))
    assert tempered_part(nats, inverse, more) <= tempered_part(nats, inverse, less) * (1 + 1e-2) + 1e-2


def test_what_is_left_is_the_tail_of_the_sum_of_both() -> None:
    """Against the density of a Gaussian and Student's t together, by convolution: within a nat or two of constants."""
    from scipy import stats

    part, nu, grid = 0.5, 5.0, np.linspace(-60.0, 60.0, 24_001)
    mood = stats.t.pdf(grid / part**0.5, nu) / part**0.5
    for z in (4.0, 6.0, 8.0):
        density = np.trapezoid(mood * stats.norm.pdf((z - grid) / (1 - part) ** 0.5) / (1 - part) ** 0.5, grid)
        at_zero = np.trapezoid(mood * stats.norm.pdf(grid / (1 - part) ** 0.5) / (1 - part) ** 0.5, grid)
        assert tempered_part(z**2 / 2, 1 / nu, part) == pytest.approx(np.log(at_zero / density), abs=2.0)
