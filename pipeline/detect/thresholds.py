"""Counts attempts against the lines of the intent, minute by minute: how many there were, and how many were bad.

Counted are device-minutes, as everywhere (see `Rate`): a device that tries in a loop is one voice. Of a rate the count
is exact. Of a latency the bins above the limit are exact, and the one that the limit falls into is split evenly on the
log scale: what is miscounted is less than that one bin's weight, which is the attempts within 4 % of the limit, and
where the density is smooth over the bin a small part of it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from math import log
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.intent import Threshold
from pipeline.messages import LATENCY_BIN, UNIT, CohortWindow, OperationWindow

Floats: TypeAlias = NDArray[np.float64]

LATENCY: Final = "latency"


class _Line(NamedTuple):
    """column: of the threshold. bin: that the limit falls into. above: part of that bin that lies above the limit."""

    column: int
    signal: str
    bin: int
    above: float


class Lines:
    """The thresholds of an intent, ready to be counted.

    Attributes:
        ids: of the thresholds, in the order of the columns.
    """

    def __init__(self, thresholds: Iterable[Threshold]) -> None:
        self.ids: list[str] = []
        self._of: dict[str, list[_Line]] = {}
        for column, threshold in enumerate(thresholds):
            self.ids.append(threshold.threshold_id)
            place = log(max(threshold.limit_ms or 1.0, 1.0)) / LATENCY_BIN
            line = _Line(column, threshold.signal, int(place), 1.0 - (place - int(place)))
            self._of.setdefault(threshold.operation, []).append(line)
        self._above = np.zeros(len(self.ids))
        for line in (line for lines in self._of.values() for line in lines):
            self._above[line.column] = line.above

    def count(self, groups: Sequence[Sequence[CohortWindow]]) -> tuple[Floats, Floats]:
        """Attempts and bad ones, [cohorts, thresholds] each; `groups`: what came of each cohort, in parts.

        Summed as integers: the same in whatever order the parts came.
        """
        counts = np.zeros((3, len(groups), len(self.ids)), dtype=np.int64)
        for row, parts in enumerate(groups):
            for part in parts:
                for operation in self._of.keys() & part.operations.keys():
                    for line in self._of[operation]:
                        counts[:, row, line.column] += _counted(part.operations[operation], line)
        return counts[0] / UNIT, (counts[1] + counts[2] * self._above) / UNIT


def _counted(window: OperationWindow, line: _Line) -> tuple[int, int, int]:
    """Attempts, bad ones, and those in the bin that the limit falls into, in fixed point."""
    if line.signal != LATENCY:
        rate = window.rates.get(line.signal)
        return (rate.of, rate.hits, 0) if rate is not None else (0, 0, 0)
    at = bisect_left(window.bins, line.bin)
    on = window.weights[at] if at < len(window.bins) and window.bins[at] == line.bin else 0
    return sum(window.weights), sum(window.weights[at:]) - on, on
