"""When a drift crosses a line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.detect.projection import HORIZON_MS, Crossing, crossing
from tests.detect.material import MIDNIGHT

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
BLOCK_MS = 4 * HOUR_MS
BLOCKS = 42
ALLOWED = 0.05


def drift(
    daily: float,
    days: float,
    *,
    seed: int | None = None,
    attempts: float = 2_000.0,
    cycle: float = 0.0,
    base: float = 0.02,
) -> tuple[Crossing | None, int, float]:
    """Of a share that grows by `daily` (log) for so many days until now: the crossing, now, and when it truly is."""
    starts = MIDNIGHT + np.arange(BLOCKS, dtype=np.int64) * BLOCK_MS
    now = int(starts[-1]) + BLOCK_MS
    began = now - round(days * DAY_MS)
    at = (starts + BLOCK_MS / 2 - began) / DAY_MS
    hour = 2.0 * np.pi * (starts + BLOCK_MS / 2) / DAY_MS
    share = base * np.exp(daily * np.maximum(at, 0.0) + cycle * np.sin(hour))
    of = np.full(BLOCKS, attempts)
    bad = of * share if seed is None else np.random.default_rng(seed).poisson(of * share).astype(np.float64)
    true = began + np.log(ALLOWED / base) / daily * DAY_MS if daily > 0 else np.inf
    return crossing(starts, BLOCK_MS, of, bad, began, now, ALLOWED), now, float(true)


def test_an_even_drift_crosses_when_it_does() -> None:
    found, now, true = drift(0.15, 4.0)
    assert found is not None
    assert found.at > now
    assert abs(found.at - true) <= HOUR_MS
    assert found.at_until is not None
    assert found.at_from <= found.at <= found.at_until


@pytest.mark.parametrize("cycle", [0.0, 0.3])
def test_the_interval_holds_the_truth_nearly_always(cycle: float) -> None:
    held = 0
    for seed in range(40):
        found, _, true = drift(0.12, 4.0, seed=seed, cycle=cycle)
        if cycle:  # it is first crossed at the peak of a day before the mean crosses
            true -= 0.3 / 0.12 * DAY_MS
        assert found is not None
        until = found.at_until or np.inf
        held += found.at_from - 12 * HOUR_MS * (cycle > 0) <= true <= until + 24 * HOUR_MS * (cycle > 0)
    assert held >= 34


def test_what_does_not_drift_crosses_nothing() -> None:
    found = [drift(0.0, 4.0, seed=seed)[0] for seed in range(20)]
    assert sum(one is not None for one in found) <= 2


def test_what_crosses_in_more_than_thirty_days_is_not_told() -> None:
    assert drift(0.02, 4.0, attempts=1e6)[0] is None


def test_a_drift_of_a_few_hours_has_no_slope_yet() -> None:
    assert drift(0.5, 0.3)[0] is None


def test_a_line_that_is_crossed_already_is_crossed_now() -> None:
    found, now, _ = drift(0.4, 4.0)
    assert found is not None
    assert found.at == now


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0.0, 1e6), st.floats(0.0, 1.0)), min_size=1, max_size=BLOCKS),
    st.integers(0, BLOCKS),
    st.floats(-0.5, 1.5),
)
def test_whatever_was_counted_a_crossing_is_ahead_and_within_its_interval(
    held: list[tuple[float, float]], entry: int, allowed: float
) -> None:
    starts = MIDNIGHT + np.arange(len(held), dtype=np.int64) * BLOCK_MS
    of = np.array([attempts for attempts, _ in held])
    bad = of * np.array([share for _, share in held])
    now = int(starts[-1]) + BLOCK_MS
    found = crossing(starts, BLOCK_MS, of, bad, MIDNIGHT + entry * BLOCK_MS, now, allowed)
    if found is not None:
        assert now <= found.at_from <= found.at <= now + HORIZON_MS
        assert found.at_until is None or found.at <= found.at_until
