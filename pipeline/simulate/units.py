"""Device-minutes, the units that window messages count in, over whole blocks of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import LATENCY_BIN, LATENCY_BINS, UNIT, Rate


@dataclass(frozen=True, slots=True)
class Units:
    """Which unit each row belongs to. A unit is what one device reported in one minute; its weight is 1 in all."""

    unit: NDArray[np.int64]
    """(row,)"""
    size: NDArray[np.int64]
    """(unit,): its rows; 0 for one that has none."""
    place: NDArray[np.int64]
    """(unit,): what it is summed into: a cohort's minute, or one operation of it."""

    @classmethod
    def of_visits(cls, visit: NDArray[np.int64], place: NDArray[np.int64]) -> Self:
        """Rows of one visit and place, as far as they follow each other, are one unit."""
        begins = np.empty(len(visit), dtype=np.bool_)
        begins[:1] = True
        begins[1:] = (visit[1:] != visit[:-1]) | (place[1:] != place[:-1])
        unit = np.cumsum(begins) - 1
        first = place[begins]
        return cls(unit, np.bincount(unit, minlength=len(first)), first)

    def split(self, kind: NDArray[np.int64], kinds: int) -> Self:
        """Each unit parted by the kind of its rows: place × kinds + kind."""
        unit = self.unit * kinds + kind
        place = (self.place[:, None] * kinds + np.arange(kinds)).ravel()
        return type(self)(unit, np.bincount(unit, minlength=len(place)), place)

    def only(self, rows: NDArray[np.int64]) -> Self:
        """The same units with fewer rows."""
        unit = self.unit[rows]
        return type(self)(unit, np.bincount(unit, minlength=len(self.size)), self.place)

    def rates(self, hits: NDArray[np.int64], places: int) -> Rates:
        """Among the units with rows, the share of rows in `hits`, of every place."""
        unit = self.unit[hits]
        return Rates(
            np.bincount(self.place[self.size > 0], minlength=places),
            np.rint(np.bincount(self.place[unit], UNIT / self.size[unit], minlength=places)).astype(np.int64),
        )

    def copies(self, copied: NDArray[np.int64], places: int) -> Rates:
        """The share of copies among rows and copies, where the rows in `copied` come twice."""
        unit, number = np.unique(self.unit[copied], return_counts=True)
        share = UNIT * number / (self.size[unit] + number)
        return Rates(
            np.bincount(self.place[self.size > 0], minlength=places),
            np.rint(np.bincount(self.place[unit], share, minlength=places)).astype(np.int64),
        )

    def histograms(self, value: NDArray[np.float64], places: int) -> Histograms:
        """Of positive values, one a row, in the latency bins of the messages."""
        bins = np.minimum((np.log(np.maximum(value, 1.0)) / LATENCY_BIN).astype(np.int64), LATENCY_BINS - 1)
        key = self.place[self.unit] * LATENCY_BINS + bins
        order = np.argsort(key)
        key = key[order]
        begins = np.flatnonzero(np.diff(key, prepend=-1))
        weight = (UNIT // np.maximum(self.size, 1))[self.unit][order]
        summed = np.add.reduceat(weight, begins) if len(key) else weight
        key = key[begins]
        return Histograms(
            tuple((key % LATENCY_BINS).tolist()),
            tuple(summed.tolist()),
            np.searchsorted(key, np.arange(places + 1) * LATENCY_BINS),
            np.bincount(self.place[self.size > 0], minlength=places) * UNIT,
        )


@dataclass(frozen=True, slots=True)
class Rates:
    """One rate of every place; arrays of (place,)."""

    of: NDArray[np.int64]
    """Units."""
    hits: NDArray[np.int64]
    """In fixed point."""


def rate_messages(rates: dict[str, Rates], places: NDArray[np.int64]) -> list[dict[str, Rate]]:
    """The rates of these places by name, without those that have nothing to count among.

    Places that are alike share one dictionary, and most are: nothing happened, among a handful of units.
    """
    table = np.stack([column for rate in rates.values() for column in (rate.of[places], rate.hits[places])], axis=1)
    kinds, which = _distinct(table)
    found = [
        {
            name: Rate(of * UNIT, hits, of * UNIT)
            for name, of, hits in zip(rates, kind[::2], kind[1::2], strict=True)
            if of
        }
        for kind in kinds.tolist()
    ]
    return [found[index] for index in which.tolist()]


def _distinct(table: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct rows of a table, and which of them each row is."""
    order = np.lexsort(table.T)
    arranged = table[order]
    begins = np.ones(len(table), dtype=np.bool_)
    begins[1:] = (arranged[1:] != arranged[:-1]).any(axis=1)
    which = np.empty(len(table), dtype=np.int64)
    which[order] = np.cumsum(begins) - 1
    return arranged[begins], which


@dataclass(frozen=True, slots=True)
class Histograms:
    """A histogram of every place, laid end to end."""

    bins: tuple[int, ...]
    weights: tuple[int, ...]
    starts: NDArray[np.intp]
    """(place + 1,): where each begins."""
    squares: NDArray[np.int64]
    """(place,): sum of the squared weights of its units, in fixed point."""

    def messages(self, places: NDArray[np.int64]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], int]]:
        """Of these places: bins that hold something, what, and the squares."""
        for start, end, squares in zip(
            self.starts[places].tolist(),
            self.starts[places + 1].tolist(),
            self.squares[places].tolist(),
            strict=True,
        ):
            yield self.bins[start:end], self.weights[start:end], squares
