"""A recording as one series for each cohort and channel: how far each quarter of an hour is off its anchor.

What the yardsticks are fed with. They get what Seamwatch's own baseline stage makes of the same minutes: device-minutes
as units, the anchor of seven days, the shape of the day taken out, bad telemetry set aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.evidence import Anchors, Evidence
from pipeline.detect.references import References
from pipeline.messages import MINUTE_MS, Tick
from tests.bench.detect.recordings import Message

Floats: TypeAlias = NDArray[np.float64]

STEP: Final = 15
"""Minutes of a value: a cohort's single minutes hold a unit or none, and would be noise to anybody."""


@dataclass(slots=True)
class Deviations:
    """Takes messages, gives [rows, columns] deviations per unit (log ratio of latency, difference of a share).

    NaN where nothing was counted, or nothing is expected yet. Rows and columns only ever grow.
    """

    references: References = field(default_factory=References)
    _n: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    _x: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    def steps(self, messages: Iterable[Message]) -> Iterator[tuple[int, Floats]]:
        """End of each step in ms since the epoch, and the deviations within it."""
        for message in messages:
            match message:
                case Anchors():
                    self.references.take(message)
                case Evidence():
                    self._count(message)
                case Tick() if (end := message.minute + MINUTE_MS) % (STEP * MINUTE_MS) == 0:
                    yield end, self._close(end)

    def _count(self, evidence: Evidence) -> None:
        rows, columns = self.references.rows(evidence.cohorts), self.references.columns(evidence.channels)
        self._fit()
        use = ~evidence.aside
        cells = np.ix_(rows[use], columns)
        self._n[cells] += evidence.n[use]
        self._x[cells] += evidence.x[use]

    def _fit(self) -> None:
        shape = self.references.level.shape
        for name in ("_n", "_x"):
            held = getattr(self, name)
            if held.shape != shape:
                grown = np.zeros(shape)
                grown[: held.shape[0], : held.shape[1]] = held
                setattr(self, name, grown)

    def _close(self, end: int) -> Floats:
        self._fit()
        references = self.references
        rows = np.arange(len(references.cohorts))
        expected = references.expected(rows, self._n, references.shape(end - STEP * MINUTE_MS // 2))
        known = (self._n > 0) & (references.mass > 0)
        off = np.divide(self._x - expected, self._n, out=np.full(self._n.shape, np.nan), where=known)
        self._n[:] = 0.0
        self._x[:] = 0.0
        return np.asarray(off)


def scale(history: Iterable[Floats], least: int = 96) -> Floats:
    """[rows, columns] standard deviation of each series over a history; NaN with fewer than `least` values."""
    whole = list(history)
    rows = max(one.shape[0] for one in whole)
    columns = max(one.shape[1] for one in whole)
    stacked = np.full((len(whole), rows, columns), np.nan)
    for one, target in zip(whole, stacked, strict=True):
        target[: one.shape[0], : one.shape[1]] = one
    count = np.isfinite(stacked).sum(axis=0)
    enough = count >= least
    total = np.nansum(stacked, axis=0)
    squares = np.nansum(stacked**2, axis=0)
    variance = squares / np.maximum(count, 1) - (total / np.maximum(count, 1)) ** 2
    return np.where(enough & (variance > 1e-18), np.sqrt(np.maximum(variance, 1e-18)), np.nan)


def standardised(off: Floats, spread: Floats) -> Floats:
    """[rows of spread, columns of spread] in standard deviations; NaN where there is no value.

    Cohorts that came after the history have no spread, and are left out.
    """
    rows, columns = spread.shape
    wide = np.full(spread.shape, np.nan)
    part = off[:rows, :columns]
    wide[: part.shape[0], : part.shape[1]] = part
    return np.asarray(wide / spread)
