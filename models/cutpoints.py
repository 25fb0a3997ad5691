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
        return cls.of_many(weights[None, :], width)[0]

    @classmethod
    def of_many(cls, weights: NDArray[Any], width: float) -> list[CutPoints]:
        """From several histograms, [histograms, bins]; each must hold something."""
        total = weights.sum(axis=1, dtype=np.float64)
        if (total <= 0).any():
            msg = "an empty histogram has no cut points"
            raise ValueError(msg)
        cumulative = np.cumsum(weights, axis=1, dtype=np.float64) / total[:, None]
        every = np.arange(len(weights))

        def quantile(q: float) -> NDArray[np.float64]:
            at = (cumulative < q).sum(axis=1)
            before = np.where(at > 0, cumulative[every, at - 1], 0.0)
            return np.asarray(width * (at + (q - before) / np.maximum(cumulative[every, at] - before, 1e-12)))

        low, high, ninety, median = quantile(0.01), quantile(0.99), quantile(0.9), quantile(0.5)
        centres = width * (np.arange(weights.shape[1]) + 0.5)
        clipped = np.clip(centres, low[:, None], high[:, None])
        mean = (weights * clipped).sum(axis=1) / total
        spread = (weights * (clipped - mean[:, None]) ** 2).sum(axis=1) / total
        above = np.where(centres > ninety[:, None], weights, 0)
        held = above.sum(axis=1, dtype=np.float64)
        beyond = (above * (centres - ninety[:, None])).sum(axis=1)
        excess = np.where(held > 0, beyond / np.where(held > 0, held, 1.0), width)
        tail_bin = np.minimum(np.ceil(high / width), weights.shape[1] - 1).astype(np.int64)
        return [
            cls(low, high, median, high, tail_bin, max(spread, width**2 / 12.0), max(slope, width))
            for low, high, median, tail_bin, spread, slope in zip(
                low.tolist(),
                high.tolist(),
                median.tolist(),
                tail_bin.tolist(),
                spread.tolist(),
                excess.tolist(),
                strict=True,
            )
        ]
