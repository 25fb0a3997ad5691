"""Days of one piece, and days among which something changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.steadiness import find_break

MOOD = 0.03


def days(*values: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array(values)[:, None]


def same(value: float, count: int = 7) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.full((count, 1), value)


@pytest.mark.parametrize("at", [2, 3, 4, 5])
def test_a_step_is_found_where_it_is(at: int) -> None:
    value = days(*[0.01 * (-1) ** day + (0.2 if day >= at else 0.0) for day in range(7)])
    found = find_break(value, same(MOOD**2))
    assert found.at[0] == at
    assert found.size[0] == pytest.approx(0.2, abs=0.02)
    assert found.deviations[0] > 4.5


def test_one_odd_day_is_no_break_however_odd() -> None:
    for odd in range(1, 6):
        value = days(*[1.0 if day == odd else 0.0 for day in range(7)])
        assert find_break(value, same(MOOD**2)).deviations[0] < 4.5


def test_a_drift_is_a_break() -> None:
    found = find_break(days(*[0.05 * day for day in range(7)]), same(MOOD**2))
    assert found.deviations[0] > 4.5
    assert found.size[0] > 0.1


def test_a_day_without_data_is_passed_over() -> None:
    value, variance = days(0, 0, 0, np.nan, 0.2, 0.2, 0.2), same(MOOD**2)
    variance[3] = np.inf
    found = find_break(value, variance)
    assert found.size[0] == pytest.approx(0.2)
    assert found.at[0] in (3, 4)


def test_too_few_days_say_nothing() -> None:
    assert find_break(days(0.0, 0.0, 1.0), same(MOOD**2, 3)).deviations[0] == 0.0


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=7))
def test_turned_upside_down_a_break_is_as_plain_and_of_the_other_sign(value: list[float]) -> None:
    up, down = (find_break(days(*[sign * v for v in value]), same(MOOD**2, len(value))) for sign in (1.0, -1.0))
    assert up.deviations == pytest.approx(down.deviations)
    assert up.size == pytest.approx(-down.size)


@given(st.lists(st.integers(-8, 8), min_size=7, max_size=7), st.integers(-10, 10))
def test_the_level_itself_does_not_matter(value: list[int], level: int) -> None:
    here, there = (find_break(days(*value) + at, same(MOOD**2)) for at in (0.0, level))
    assert here.deviations == pytest.approx(there.deviations, abs=1e-6)
