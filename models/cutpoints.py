"""Fixed points of a distribution on the log scale, read off a histogram once: what later units are held against.

Fixed cut points make everything downstream a count, exact and mergeable; a quantile sketch is neither (P-square does
not merge, and a moving quantile learns the drift that it should show). They need not be the true quantiles: the share
above a cut point is measured afterwards, at leisure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

TAIL_SHARE: Final = 0.03
"""The tail is what is above the quantile that so many exceed. Of what can be read off 200 values this sees a stretched
tail best: further out it is too few of them, further in the stretch has not begun."""
TAIL_REACH: Final = 3.0
"""A value counts for no more than an excess of so many tail scales: one wild attempt proves no wild tail."""
TAIL_UNIT: Final = (1.0 - np.exp(-TAIL_REACH)) / (2.0 * (1.0 - np.exp(-TAIL_REACH) * (1.0 + TAIL_REACH)))
"""What an excess of one tail scale counts for, so that the variance of a sum of them is its expectation, as that of a
count is: E w / E w^2 of an exponential excess that is capped at `TAIL_REACH`."""


@dataclass(frozen=True, slots=True)
class CutPoints:
    """All on the log scale (natural log of ms) but for `tail_bin`.

    low, high: values are clipped to these (1st and 99th percentile), so that a mean has the sampling error of a mean.
    median: for reports. tail: the 99th percentile, for reports. tail_bin: the tail begins with this bin
    (`TAIL_SHARE`). tail_slope, tail_cap: what a bin of it counts for, see `tail_weights`.
    spread: variance of one clipped value. tail_scale: mean excess over the 90th percentile (exponential tail).
    """

    low: float
    high: float
    median: float
    tail: float
    tail_bin: int
    spread: float
    tail_scale: float
    tail_slope: float
    tail_cap: float

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
        tail_bin = np.minimum(np.ceil(quantile(1.0 - TAIL_SHARE) / width), weights.shape[1] - 1).astype(np.int64)
        excess = np.maximum(excess, width)
        return [
            cls(
                low,
                high,
                median,
                high,
                tail_bin,
                max(spread, width**2 / 12.0),
                scale,
                TAIL_UNIT * width / scale,
                TAIL_UNIT * TAIL_REACH,
            )
            for low, high, median, tail_bin, spread, scale in zip(
                low.tolist(),
                high.tolist(),
                median.tolist(),
                tail_bin.tolist(),
                spread.tolist(),
                excess.tolist(),
                strict=True,
            )
        ]


def tail_weights(bins: NDArray[Any], first: Floats, slope: Floats, cap: Floats) -> Floats:
    """What values in these bins count for in the tail: nothing below bin `first`, then `slope` more a bin, up to `cap`.

    An excess says more of a stretched tail than that there was one: by counting alone half as much again is needed.
    With slope = cap = 1 it is the count.
    """
    return np.asarray(np.clip((bins - first + 1.0) * slope, 0.0, cap))


def mean_tail_weight(scale: Floats, slope: Floats, cap: Floats, width: float) -> Floats:
    """What a value of the tail counts for on average, where the tail falls off by `scale` (exponential)."""
    fall = np.exp(-width / np.maximum(scale, width))
    return np.asarray(slope * (1.0 - fall ** (cap / np.maximum(slope, 1e-9))) / (1.0 - fall))
