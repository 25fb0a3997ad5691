"""The tail of a latency is held against its body: what the latency shows already is no news of the tail."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detect.channels import Channel
from pipeline.detect.judged import judged_channels, residuals
from pipeline.detect.references import References
from tests.detect.planted import CHANNELS, FLEET, LATENCY, SHARE, SHIFT, SPREAD, anchors

TAIL = Channel("playback_start", "tail")
SCALE = 0.4
"""Of the anchors' tails."""
BODY, BEYOND = CHANNELS.index(LATENCY), CHANNELS.index(TAIL)
ROWS = np.arange(len(FLEET))
CELLS = np.ix_(ROWS, np.arange(len(CHANNELS)))


@pytest.fixture(scope="module")
def references() -> References:
    held = References()
    held.take(anchors())
    return held


def counted(units: float, moved: float, tails: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """n, x and what the anchors expect of it: every body `moved` on the log scale, every tail times `tails`."""
    n = np.full((len(FLEET), len(CHANNELS)), units)
    expected = np.where(SHIFT, 0.0, SHARE * n)
    x = expected.copy()
    x[:, BODY] = moved * units
    x[:, BEYOND] *= tails
    return n, x, expected


@given(st.floats(-0.3, 0.3))
def test_an_exponential_tail_that_moves_with_its_body_is_as_expected(moved: float) -> None:
    held = References()
    held.take(anchors())
    n, x, expected = counted(1e6, moved, math.exp(moved / SCALE))
    given_body = held.beyond_body(CELLS, n, x, expected).expected
    np.testing.assert_allclose(x[:, BEYOND], given_body[:, BEYOND], rtol=1e-3)


def test_all_that_is_no_tail_is_expected_as_before(references: References) -> None:
    n, x, expected = counted(5_000.0, 0.2, 2.0)
    given_body = references.beyond_body(CELLS, n, x, expected).expected
    others = np.arange(len(CHANNELS)) != BEYOND
    np.testing.assert_array_equal(given_body[:, others], expected[:, others])


def test_a_tail_alone_is_held_against_its_anchor(references: References) -> None:
    n, x, expected = counted(5_000.0, 0.0, 2.0)
    np.testing.assert_allclose(references.beyond_body(CELLS, n, x, expected).expected, expected)


def test_the_body_of_a_handful_of_units_is_not_believed(references: References) -> None:
    n, x, expected = counted(5.0, 0.3, 1.0)
    given_body = references.beyond_body(CELLS, n, x, expected).expected
    assert (given_body[:, BEYOND] < 1.05 * expected[:, BEYOND]).all()


def test_a_body_without_an_anchor_says_nothing_of_its_tail() -> None:
    held = References()
    held.take(anchors())
    held.mass[0, BODY] = 0.0
    n, x, expected = counted(5_000.0, 0.3, 1.0)
    given_body = held.beyond_body(CELLS, n, x, expected).expected
    assert given_body[0, BEYOND] == expected[0, BEYOND]
    assert (given_body[1:, BEYOND] > 1.5 * expected[1:, BEYOND]).all()


def test_tails_of_which_the_body_was_not_asked_for_are_left_alone(references: References) -> None:
    n, x, expected = counted(5_000.0, 0.3, 1.0)
    pick = np.array([BEYOND])
    found = references.beyond_body(np.ix_(ROWS, pick), n[:, pick], x[:, pick], expected[:, pick]).expected
    np.testing.assert_array_equal(found, expected[:, pick])


def test_stretches_of_time_are_held_against_their_own_bodies(references: References) -> None:
    calm, slow = counted(5_000.0, 0.0, 1.0), counted(5_000.0, 0.2, 1.0)
    both = [np.stack(pair) for pair in zip(calm, slow, strict=True)]
    found = references.beyond_body(CELLS, *both).expected
    for one, alone in zip(found, (calm, slow), strict=True):
        np.testing.assert_allclose(one, references.beyond_body(CELLS, *alone).expected)


def test_after_a_restart_tails_are_held_against_the_same_bodies(references: References) -> None:
    again = References()
    again.restore(references.snapshot())
    n, x, expected = counted(5_000.0, 0.1, 1.0)
    np.testing.assert_array_equal(
        again.beyond_body(CELLS, n, x, expected), references.beyond_body(CELLS, n, x, expected)
    )


@pytest.mark.parametrize("vary", [0.5, 2.0])
def test_a_tail_varies_as_its_anchor_has_seen_it_to(vary: float) -> None:
    judged = judged_channels(CHANNELS)
    tail = next(i for i, one in enumerate(judged) if one.channel == TAIL)
    n, x, expected = counted(5_000.0, 0.0, 1.0)
    mass = np.full(n.shape, 1e9)

    def sampling(spread: float) -> float:
        held = np.where(SHIFT, SPREAD, 0.0) * np.ones(n.shape)
        held[:, BEYOND] = spread
        return float(residuals(judged, n, x, expected, held, mass, SHIFT).sampling[0, tail])

    assert sampling(0.0) == sampling(1.0)  # anchors from before tails were weighed say 0: they were counts
    assert sampling(vary) == pytest.approx(vary * sampling(1.0))


def judged_tail(moved: float, tails: float, units: float = 50_000.0) -> tuple[float, float, float]:
    """Deviation, sampling variance and own excess of a tail."""
    held = References()
    held.take(anchors())
    judged = judged_channels(CHANNELS)
    tail = next(i for i, one in enumerate(judged) if one.channel == TAIL)
    n, x, expected = counted(units, moved, tails)
    beyond = held.beyond_body(CELLS, n, x, expected)
    found = residuals(judged, n, x, expected, held.spread, held.mass, SHIFT, beyond)
    return float(found.value[0, tail]), float(found.sampling[0, tail]), float(found.own[0, tail])


def test_a_tail_that_has_not_become_as_fast_as_its_body_is_not_off_by_itself() -> None:
    value, _, own = judged_tail(-0.2, 0.9)
    assert value > 0.3
    assert own == pytest.approx(-0.1)


def test_the_further_a_body_has_moved_the_less_is_proven_by_its_tail() -> None:
    """Of a body that has moved much, how steep its tail is decides, and that is known to a fifth."""
    _, calm, _ = judged_tail(0.0, 2.0)
    _, moved, _ = judged_tail(0.4, 2.0 * math.exp(0.4 / SCALE))
    assert calm < 0.01
    assert moved > 0.03


@given(st.floats(3.0, 6.0), st.booleans(), st.floats(10.0, 1e6))
def test_the_tail_of_a_body_that_has_moved_far_proves_nothing(scales: float, faster: bool, units: float) -> None:
    """All of it is beyond where the tail began, or nothing: an exponential says neither. Where what is beyond goes by
    how much of a thin body is believed, classes of other sizes would be told apart by it."""
    moved = scales * SCALE * (-1.0 if faster else 1.0)
    value, sampling, _ = judged_tail(moved, 0.0 if faster else 100.0, units)
    assert abs(value) < 2.0 * math.sqrt(sampling)


@given(st.floats(-0.1, 0.1))
def test_moods_of_a_body_leave_its_tail_nearly_all_that_it_proves(moved: float) -> None:
    _, calm, _ = judged_tail(0.0, 1.0, 5_000.0)
    _, there, _ = judged_tail(moved, math.exp(moved / SCALE), 5_000.0)
    assert there < calm + 0.01
