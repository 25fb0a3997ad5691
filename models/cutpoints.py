"""Fixed points of a distribution on the log scale, read off a histogram once: what later units are held against.

Fixed cut points make everything downstream a count, exact and mergeable; a quantile sketch is neither (P-square does
not merge, and a moving quantile learns the drift that it should show). They need not be the true quantiles: the share
above a cut point is measured afterwards, at leisure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class CutPoints:
    """All on the log scale (natural log of ms) but for `tail_bin`.

    low, high: values are clipped to these (1st and 99th percentile), so that a mean has the sampling error of a mean.
    median: for reports. tail: the 99th percentile. tail_bin: bins from here on are above it.
    spread: variance of one clipped value. tail_scale: mean excess over the 90th percentile (exponential tail).
    """

    low: float
    high: float
    median: float
    tail: float
    tail_bin: int
    spread: float
    tail_scale: float

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2.0

    @classmethod
    def of(cls, weights: NDArray[Any], width: float) -> CutPoints:
        """From a histogram of equal bins of `width` starting at 0; it must hold something."""
        total = float(weights.sum())
        if total <= 0:
            msg = "an empty histogram has no cut points"
            raise ValueError(msg)
        cumulative = np.cumsum(weights) / total

        def quantile(q: float) -> float:
            i = int(np.searchsorted(cumulative, q))
            before = cumulative[i - 1] if i else 0.0
            return float(width * (i + (q - before) / max(cumulative[i] - before, 1e-12)))

        low, high, ninety = quantile(0.01), quantile(0.99), quantile(0.9)
        centres = width * (np.arange(len(weights)) + 0.5)
        clipped = np.clip(centres, low, high)
        mean = float(np.sum(weights * clipped) / total)
        above = weights[centres > ninety]
        excess = float(np.sum(above * (centres[centres > ninety] - ninety)) / above.sum()) if above.sum() > 0 else width
        return cls(
            low=low,
            high=high,
            median=quantile(0.5),
            tail=high,
            tail_bin=min(int(np.ceil(high / width)), len(weights) - 1),
            spread=max(float(np.sum(weights * (clipped - mean) ** 2) / total), width**2 / 12.0),
            tail_scale=max(excess, width),
        )
