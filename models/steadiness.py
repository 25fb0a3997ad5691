"""Is a handful of days of one piece, or did something change among them?

A reference that a fault has begun in teaches the fault. Two things must agree before a run of days is said to break:
the means before and after differ by many standard deviations of what days are known to wander, and the days themselves
stand apart (nearly every later one beyond every earlier one, the share that Mann and Whitney count), so that one odd
day of a heavy tail says nothing. A slow drift shows in the same way as a step: its later days are beyond its earlier.

River's drift detectors are no use here: ADWIN and Page-Hinkley need hundreds of values, and there are seven.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

LEAST_DAYS: Final = 2
"""On either side of a break."""
APART: Final = 0.9
"""Share of the pairs of days that must be in the order of the break."""


class Break(NamedTuple):
    """By cell: size (after less before), its standard deviations (0: no break), first day after it."""

    size: Floats
    deviations: Floats
    at: NDArray[np.intp]


def find_break(value: Floats, variance: Floats) -> Break:
    """The strongest break of each cell.

    Args:
        value: [days, cells], any level; ignored where `variance` is infinite.
        variance: [days, cells] of a day, sampling and moods together; infinite without data.
    """
    days, cells = value.shape
    weight = 1.0 / variance
    seen = weight > 0
    held = np.where(seen, value, 0.0)
    size, best, at = np.zeros(cells), np.zeros(cells), np.zeros(cells, dtype=np.intp)
    for split in range(LEAST_DAYS, days - LEAST_DAYS + 1):
        sums = [(weight[part].sum(axis=0), (weight[part] * held[part]).sum(axis=0)) for part in _parts(split)]
        (mass_before, sum_before), (mass_after, sum_after) = sums
        enough = (seen[:split].sum(axis=0) >= LEAST_DAYS) & (seen[split:].sum(axis=0) >= LEAST_DAYS)
        safe_before, safe_after = np.where(enough, mass_before, 1.0), np.where(enough, mass_after, 1.0)
        step = np.where(enough, sum_after / safe_after - sum_before / safe_before, 0.0)
        deviations = np.abs(step) / np.sqrt(1.0 / safe_before + 1.0 / safe_after)
        pairs = (seen[:split, None] & seen[None, split:]).sum(axis=(0, 1))
        ordered = (
            ((held[None, split:] - held[:split, None]) * np.sign(step) > 0) & seen[:split, None] & seen[None, split:]
        )
        apart = ordered.sum(axis=(0, 1)) >= APART * np.maximum(pairs, 1)
        better = enough & apart & (deviations > best)
        size, best, at = np.where(better, step, size), np.where(better, deviations, best), np.where(better, split, at)
    return Break(size, best, at)


def _parts(split: int) -> tuple[slice, slice]:
    return slice(None, split), slice(split, None)
