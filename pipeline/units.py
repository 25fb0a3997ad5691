"""Device-minutes: sums over rows of one group and one device, then over the devices of a group. Integers throughout."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import LATENCY_BIN, LATENCY_BINS, UNIT, Rate

Ints: TypeAlias = NDArray[np.int64]

_DEVICES: Final = 1 << 40
"""More than there are numbers of devices on either side of zero."""


class Share(NamedTuple):
    """By unit: the rows that a share is taken among, their weight, and the weight of those that hit."""

    rows: Ints
    weight: Ints
    hits: Ints


class Rates(NamedTuple):
    """By kind and group, the sums of `pipeline.messages.Rate`."""

    names: tuple[str, ...]
    of: Ints
    hits: Ints
    squares: NDArray[Any]

    def part(self, first: int, end: int) -> list[dict[str, Rate]]:
        """Of the groups from `first` up to `end`, exclusive: the shares that are taken among anything."""
        sums = (kinds[:, first:end].tolist() for kinds in self[1:])
        groups = zip(*(map(Rate, *three) for three in zip(*sums, strict=True)), strict=True)
        whole = self.of[:, first:end].all(axis=0).tolist()
        return [
            dict(zip(self.names, rates, strict=True))
            if every
            else {name: rate for name, rate in zip(self.names, rates, strict=True) if rate.of}
            for every, rates in zip(whole, groups, strict=True)
        ]


class Histogram(NamedTuple):
    """All bins of one group after the other, their weights, where those of each group end (the first begins at 0); and
    by group the sum of squared unit weights, as `pipeline.messages.OperationWindow`."""

    bins: Ints
    weights: Ints
    ends: Ints
    squares: NDArray[Any]

    def part(self, first: int, end: int) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]], list[int]]:
        """Of the groups from `first` up to `end`, exclusive: bins, weights and squares of each."""
        ends = self.ends[first : end + 1]
        bins, weights = self.bins[ends[0] : ends[-1]].tolist(), self.weights[ends[0] : ends[-1]].tolist()
        spans = list(pairwise((ends - ends[0]).tolist()))
        return (
            [tuple(bins[a:b]) for a, b in spans],
            [tuple(weights[a:b]) for a, b in spans],
            self.squares[first:end].tolist(),
        )


class Units:
    """The device-minutes of some rows, each row given by its group (from 0, none left out) and its device.

    A unit's weight is the mean weight of its rows.

    Attributes:
        groups: how many there are.
    """

    def __init__(self, group: Ints, device: Ints) -> None:
        key = group * (2 * _DEVICES) + device
        self._order = np.argsort(key)
        starts = _starts(key[self._order])
        self._starts = np.flatnonzero(starts)
        self._group = group[self._order]
        self._unit = np.cumsum(starts) - 1
        """Group and unit of each row, in the order of `_order`."""
        self._group_starts = np.flatnonzero(_starts(self._group[self._starts]))
        self.groups = len(self._group_starts)

    def sums(self, rows: Mapping[str, NDArray[Any]]) -> dict[str, Ints]:
        """Sums by unit of what is given by row."""
        values = np.array([values[self._order] for values in rows.values()], dtype=np.int64)
        return dict(zip(rows, np.add.reduceat(values, self._starts, axis=1), strict=True))

    def totals(self, units: Mapping[str, Ints]) -> dict[str, Ints]:
        """Sums by group of what is given by unit."""
        return dict(zip(units, self._total(np.array(list(units.values()))), strict=True))

    def rates(self, shares: Mapping[str, Share]) -> Rates:
        """By group; a unit's value is the share of its weight that hit."""
        rows, weight, hits = (np.array(part) for part in zip(*shares.values(), strict=True))
        of = _over(weight, rows)
        return Rates(tuple(shares), self._total(of), self._total(_over(hits, rows)), self._squares(rows, weight, of))

    def histogram(self, use: NDArray[np.bool_], value: NDArray[np.float64], weight: Ints) -> Histogram:
        """Of the rows to use, in bins of `LATENCY_BIN` on the log scale; a unit's weight is shared among its rows."""
        at = np.flatnonzero(use[self._order])
        unit, row = self._unit[at], self._order[at]
        weight = weight[row]
        rows = np.bincount(unit, minlength=len(self._starts))
        bins = np.minimum(np.log(np.maximum(value[row], 1.0)) / LATENCY_BIN, LATENCY_BINS - 1).astype(np.int64)
        cell = self._group[at] * LATENCY_BINS + bins
        order = np.argsort(cell)
        cell = cell[order]
        starts = np.flatnonzero(_starts(cell))
        cell = cell[starts]
        weights = _over(weight, rows[unit])[order]
        weights = np.add.reduceat(weights, starts) if len(starts) else weights
        ends = np.searchsorted(cell, np.arange(self.groups + 1) * LATENCY_BINS)
        total = np.zeros(len(rows), dtype=np.int64)
        np.add.at(total, unit, weight)
        squares = self._squares(rows[np.newaxis], total[np.newaxis], _over(total, rows)[np.newaxis])
        return Histogram(cell % LATENCY_BINS, weights, ends, squares[0])

    def _squares(self, rows: Ints, weight: Ints, of: Ints) -> NDArray[Any]:
        """Sums by group of the squared weights `of` units: [kinds, groups]."""
        if np.array_equal(rows, weight):
            return self._total(of)
        # Rounded here, once and for all: whatever is summed after this is an integer. In two halves, as many squares of
        # large weights do not fit into 64 bits together.
        squares = np.rint((weight / np.maximum(rows, 1)) ** 2 * UNIT).astype(np.int64)
        high, low = self._total(squares >> 32).astype(object), self._total(squares & 0xFFFFFFFF).astype(object)
        both: NDArray[Any] = high * (1 << 32) + low
        return both

    def _total(self, units: Ints) -> Ints:
        return np.add.reduceat(units, self._group_starts, axis=1)


def _starts(sorted_keys: Ints) -> NDArray[np.bool_]:
    """Where in an ascending array something new begins."""
    new = np.ones(len(sorted_keys), dtype=np.bool_)
    np.not_equal(sorted_keys[1:], sorted_keys[:-1], out=new[1:])
    return new


def _over(total: Ints, rows: Ints) -> Ints:
    """total / rows in fixed point, to the nearest; 0 where there are no rows."""
    rows = np.maximum(rows, 1)
    return (total * UNIT + rows // 2) // rows
