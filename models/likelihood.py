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


def shift_peak(b: Floats, c: Floats) -> Floats:
    """Log likelihood ratio of the best rise: b^2 / 2c where b > 0."""
    return np.asarray(np.where((b > 0) & (c > 0), b**2 / (2.0 * np.maximum(c, 1e-300)), 0.0))


def rate_peak(b: Floats, c: Floats) -> Floats:
    """The same for counts: (b + c) ln(1 + b / c) - b, the Poisson's at its own maximum."""
    safe = np.maximum(c, 1e-300)
    rise = np.where((b > 0) & (c > 0), b / safe, 0.0)
    return np.asarray(safe * ((1.0 + rise) * np.log1p(rise) - rise))


def some_of(nats: Floats, share: float) -> Floats:
    """Joint evidence of independent signals of which each has changed with prior probability `share`.

    The sum over the last axis of ln(1 - share + share e^nats): an e-value as each factor is one, so that signals which
    show nothing cost little and those which show something add up.
    """
    return np.asarray(np.logaddexp(np.log1p(-share), np.log(share) + nats).sum(axis=-1))
