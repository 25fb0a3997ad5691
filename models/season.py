"""The shape of a day: what the hour explains. It learns shape, never level."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

SLOTS: Final = 12
"""Slots of a day, two hours each: fine enough for a cycle once interpolated, coarse enough for a week to teach."""

DAY_MS: Final = 86_400_000
SLOT_MS: Final = DAY_MS // SLOTS


def slot_of(at_ms: int) -> int:
    """Slot of the day, 0 to SLOTS - 1, of an instant (UTC)."""
    return at_ms % DAY_MS // SLOT_MS


def at(shape: Floats, at_ms: float) -> Floats:
    """The shape at an instant, by linear interpolation between the centres of slots, around midnight as well.

    Args:
        shape: [SLOTS, ...].
    """
    position = at_ms % DAY_MS / SLOT_MS - 0.5
    left = int(np.floor(position))
    part = position - left
    return np.asarray((1.0 - part) * shape[left % SLOTS] + part * shape[(left + 1) % SLOTS])


def rate_shape(hits: Floats, expected: Floats, prior: float) -> Floats:
    """Factor of a share by slot, [SLOTS, ...], from hits and hits expected without a shape; mean 1 over `expected`.

    `prior` expected hits at factor 1 hold back slots that saw little.
    """
    factor = (hits + prior) / (expected + prior)
    mean = np.sum(factor * (expected + prior), axis=0) / np.sum(expected + prior, axis=0)
    return np.asarray(factor / mean)


def shift_shape(total: Floats, units: Floats, prior: float) -> Floats:
    """Offset of a shift by slot, [SLOTS, ...], from sums of residuals and units; mean 0 over `units`."""
    offset = total / (units + prior)
    mean = np.sum(offset * units, axis=0) / np.maximum(np.sum(units, axis=0), 1e-12)
    return np.asarray(offset - mean)
