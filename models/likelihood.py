"""Evidence for a change of unknown size, in nats: mixtures of likelihood ratios.

Both take the sufficient statistics of `models.contrast`: b, and the information c on the log scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

MEAN_RATIOS: Final = (1.05, 1.1, 1.2, 1.5)
"""Sizes of change that a shift of latency is tried at."""

RATE_RATIOS: Final = (1.15, 1.5, 2.0, 4.0)
"""Sizes of change that a rate is tried at."""

LARGEST_EXPONENT: Final = 600.0


def shift(b: Floats, c: Floats, ratios: Sequence[float] = MEAN_RATIOS) -> Floats:
    """Log of the mean over sizes d = ln ratio of the Gaussian likelihood ratio exp(d b - d^2 c / 2)."""
    return _mixture(b, c, [(d, d * d / 2.0) for d in np.log(ratios)])


def rate(b: Floats, c: Floats, ratios: Sequence[float] = RATE_RATIOS) -> Floats:
    """The same for counts: exp(d b - c (e^d - 1 - d)).

    With c = E expected and b = x - E this is the Poisson likelihood ratio exp(d x - E (e^d - 1)) to the letter; with c
    shrunk by moods it keeps the Poisson's long right tail, which a Gaussian would take for evidence.
    """
    return _mixture(b, c, [(d, np.expm1(d) - d) for d in np.log(ratios)])


def _mixture(b: Floats, c: Floats, sizes: Sequence[tuple[float, float]]) -> Floats:
    scores = np.stack([np.clip(d * b - half * c, -LARGEST_EXPONENT, LARGEST_EXPONENT) for d, half in sizes])
    top = scores.max(axis=0)
    return np.asarray(top + np.log(np.mean(np.exp(scores - top), axis=0)))
