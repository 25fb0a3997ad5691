"""Figures of runs: rates with an exact bound, quantiles in which "never" counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import chi2


def upper_bound(count: int, exposure: float, confidence: float = 0.95) -> float:
    """Of a Poisson rate, one-sided and exact (Garwood): the rate at which so few have a chance of 1 - confidence.

    >>> round(upper_bound(0, 32.0), 3)
    0.094
    """
    return float(chi2.ppf(confidence, 2 * (count + 1)) / 2.0 / exposure) if exposure > 0 else float("inf")


def quantile(delays: Sequence[float | None], q: float) -> float | None:
    """Of delays of which some are never; the value that at least a part `q` of them do not exceed.

    >>> quantile([1.0, None, 3.0, 2.0], 0.5)
    2.0
    >>> quantile([1.0, None], 0.9)
    """
    ranked = sorted(delays, key=lambda delay: np.inf if delay is None else delay)
    return ranked[max(int(np.ceil(q * len(ranked))) - 1, 0)] if ranked else None


def span(minutes: float | None) -> str:
    """As people say it, to two or three figures.

    >>> span(45), span(130), span(4000), span(None)
    ('45 min', '2.2 h', '2.8 d', 'never')
    """
    if minutes is None:
        return "never"
    if minutes < 90:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h" if minutes < 48 * 60 else f"{minutes / 1440:.1f} d"
