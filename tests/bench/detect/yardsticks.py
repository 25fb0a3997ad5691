"""What people use today, one detector for each cohort and channel, each with one threshold to be tuned.

All take standardised deviations of a quarter of an hour (see `series`), clipped so that one wild value proves nothing,
and look for rises only. A yardstick answers with a statistic for each series; an alarm is a statistic above the
threshold. ADWIN has no statistic: its threshold is chosen among few.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from river.drift import ADWIN

Floats: TypeAlias = NDArray[np.float64]

CLIP: Final = 6.0
DELTAS: Final = (2e-3, 1e-5, 1e-8, 1e-13, 1e-21, 1e-34, 1e-55)
"""Of ADWIN, 0.002 being river's default."""


class Yardstick(Protocol):
    name: str

    def update(self, values: Floats) -> Floats:
        """[rows, columns] values, NaN where there is none, to statistics (NaN: no say)."""
        ...


class Ewma:
    """Exponentially weighted mean with control limits; the statistic is in its own standard deviations."""

    name = "EWMA, control limits"

    def __init__(self, shape: tuple[int, ...], weight: float = 0.1) -> None:
        self._weight = weight
        self._mean = np.zeros(shape)

    def update(self, values: Floats) -> Floats:
        there = np.isfinite(values)
        step = np.where(there, np.clip(values, -CLIP, CLIP) - self._mean, 0.0)
        self._mean = self._mean + self._weight * step
        return np.where(there, self._mean / (self._weight / (2.0 - self._weight)) ** 0.5, np.nan)


class Static:
    """A threshold on the last hour."""

    name = "static threshold"

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._last: list[Floats] = [np.full(shape, np.nan)] * 4

    def update(self, values: Floats) -> Floats:
        self._last = [*self._last[1:], np.clip(values, -CLIP, CLIP)]
        hour = np.stack(self._last)
        there = np.isfinite(hour)
        count = there.sum(axis=0)
        mean = np.where(there, hour, 0.0).sum(axis=0) / np.maximum(count, 1)
        return np.where(count > 0, mean * np.sqrt(count), np.nan)


class PageHinkley:
    """`river.drift.PageHinkley(mode="up")`, all series at once, without its reset: the statistic that it compares."""

    name = "PageHinkley (river)"

    def __init__(self, shape: tuple[int, ...], delta: float = 0.05, alpha: float = 1 - 0.0001) -> None:
        self._delta, self._alpha = delta, alpha
        self._count, self._mean, self._sum = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self._least = np.full(shape, np.inf)

    def update(self, values: Floats) -> Floats:
        there = np.isfinite(values)
        x = np.where(there, np.clip(values, -CLIP, CLIP), 0.0)
        self._count += there
        self._mean += np.where(there, (x - self._mean) / np.maximum(self._count, 1), 0.0)
        moved = self._alpha * self._sum + x - self._mean - self._delta
        self._sum = np.where(there, moved, self._sum)
        self._least = np.where(there, np.minimum(self._least, self._sum), self._least)
        ripe = there & (self._count >= 30)
        return np.where(ripe, self._sum - np.where(ripe, self._least, 0.0), np.nan)


class Adwin:
    """`river.drift.ADWIN` for each series; the statistic is 1 where it found a change to more, else 0."""

    name = "ADWIN (river)"

    def __init__(self, shape: tuple[int, ...], delta: float) -> None:
        self._shape = shape
        self._delta = delta
        self._of: dict[int, Any] = {}

    def update(self, values: Floats) -> Floats:
        out = np.where(np.isfinite(values), 0.0, np.nan).ravel()
        # ADWIN's bound is for values between 0 and 1.
        flat = (np.clip(values, -CLIP, CLIP) / (2 * CLIP) + 0.5).ravel()
        for i in np.flatnonzero(np.isfinite(flat)).tolist():
            detector = self._of.get(i)
            if detector is None:
                detector = self._of[i] = ADWIN(delta=self._delta, clock=1)  # type: ignore[no-untyped-call]  # river's Cython
            before = detector.estimation
            detector.update(float(flat[i]))
            if detector.drift_detected and detector.estimation > before:
                out[i] = 1.0
        return out.reshape(self._shape)


def all_of(shape: tuple[int, ...], deltas: tuple[float, ...] = DELTAS) -> dict[str, Yardstick]:
    """By a key of their own: of ADWIN one for each delta."""
    made: dict[str, Yardstick] = {one.name: one for one in (PageHinkley(shape), Ewma(shape), Static(shape))}
    return made | {f"{Adwin.name} {delta:g}": Adwin(shape, delta) for delta in deltas}
