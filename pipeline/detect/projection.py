"""When a drift will cross a line, if it goes on as it has.

The bad attempts of each stretch of four hours are fitted as counts whose log share grows evenly since the drift
began, over a daily cycle: a quasi-Poisson regression with log link (McCullagh and Nelder 1989, chapters 6 and 9), by
iteratively reweighted least squares. Its slope has a standard error, widened by the dispersion of the residuals, so the
time of crossing has an interval: where the upper and the lower 95 % bound of the fitted share cross. What lies before
the drift tells level and cycle; what is not part of the drift is taken to stay as it is.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
HORIZON_MS: Final = 30 * DAY_MS
"""Further ahead nothing is told."""
LEAST_ENTRIES: Final = 3
"""Of the drift: fewer have no slope."""
CYCLE_MS: Final = 2 * DAY_MS
"""Fewer days than this tell no daily cycle from a trend."""
LEAST_BAD: Final = 20.0
"""Bad attempts in all, below which there is nothing to fit."""
Z95: Final = 1.96
STEPS: Final = 50
CONVERGED: Final = 1e-8


class Crossing(NamedTuple):
    """When the line is crossed, ms; the interval's end is None where it may as well not be."""

    at: int
    at_from: int
    at_until: int | None


def crossing(
    starts: NDArray[np.int64], length: int, of: Floats, bad: Floats, began: int, now: int, allowed: float
) -> Crossing | None:
    """The first time within 30 days from `now` at which the share of bad ones is `allowed`.

    Args:
        starts, length: of the entries, ms. of, bad: [entries] attempts and bad ones of what drifts.
        began: when the drift did, ms.
        allowed: share at which the line is crossed.

    None: not within 30 days, or it cannot be told; a slope that may as well be 0 tells nothing.
    """
    middle: Floats = starts.astype(np.float64) + length / 2.0
    use = of > 0
    if not 0.0 < allowed < 1.0 or bad[use].sum() < LEAST_BAD or (middle[use] > began).sum() < LEAST_ENTRIES:
        return None
    cyclic = bool(middle[use].max() - middle[use].min() >= CYCLE_MS)
    x = _design(middle[use], began, cyclic)
    fitted = _fit(x, of[use], bad[use])
    if fitted is None:
        return None
    beta, covariance = fitted
    if beta[1] <= Z95 * covariance[1, 1] ** 0.5:
        return None
    ahead = now + np.arange(0, HORIZON_MS + HOUR_MS, HOUR_MS, dtype=np.float64)
    x = _design(ahead, began, cyclic)
    line = x @ beta - np.log(allowed)
    error = Z95 * np.sqrt(np.einsum("ij,jk,ik->i", x, covariance, x))
    first = [_first(ahead, line + sign * error) for sign in (0.0, 1.0, -1.0)]
    if first[0] is None or first[1] is None:
        return None
    return Crossing(first[0], first[1], first[2])


def _first(ahead: Floats, above: Floats) -> int | None:
    crossed = np.flatnonzero(above >= 0.0)
    return int(ahead[crossed[0]]) if len(crossed) else None


def _design(at: Floats, began: int, cyclic: bool) -> Floats:
    """Level, days of the drift, and the day's cycle."""
    days = at / DAY_MS
    columns = [np.ones(len(at)), np.maximum(at - began, 0.0) / DAY_MS]
    if cyclic:
        columns += [np.cos(2.0 * np.pi * days), np.sin(2.0 * np.pi * days)]
    return np.stack(columns, axis=1)


def _fit(x: Floats, of: Floats, bad: Floats) -> tuple[Floats, Floats] | None:
    """Coefficients and their covariance; None where they are not determined."""
    beta = np.zeros(x.shape[1])
    beta[0] = np.log(bad.sum() / of.sum())
    for _ in range(STEPS):
        mean = of * np.exp(np.clip(x @ beta, -50.0, 5.0))
        information = x.T @ (x * mean[:, None])
        if np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, x.T @ (bad - mean))
        beta = beta + np.clip(step, -2.0, 2.0)
        if float(np.abs(step).max()) < CONVERGED:
            break
    else:
        return None
    free = max(len(bad) - x.shape[1], 1)
    dispersion = max(1.0, float(np.sum((bad - mean) ** 2 / np.maximum(mean, 1e-9))) / free)
    return beta, np.linalg.inv(information) * dispersion
