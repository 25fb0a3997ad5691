"""Device-minutes: sums over rows of one group and one device, then over the devices of a group. Integers throughout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import LATENCY_BIN, LATENCY_BINS, UNIT, Rate

Ints: TypeAlias = NDArray[np.int64]


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
        sums = [kinds[:, first:end].tolist() for kinds in (self.of, self.hits, self.squares)]
        groups = zip(*(map(Rate, *three) for three in zip(*sums, strict=True)), strict=True)
        whole = np.logical_and.reduce(self.of[:, first:end], axis=0).tolist()
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
        # Counted from the least, as small keys are sorted sooner.
        least = int(device.min(initial=0))
        apart = int(device.max(initial=0)) - least + 1
        key = group * apart + (device - least)
        self._order = _in_order(key)
        starts = _starts(key[self._order])
        self._starts = np.flatnonzero(starts)
        self._group = group[self._order]
        self._unit = np.cumsum(starts) - 1
        """Group and unit of each row, in the order of `_order`."""
        self._group_starts = np.flatnonzero(_starts(self._group[self._starts]))
        self.groups = len(self._group_starts)

    def sums(self, rows: Mapping[str, NDArray[Any]]) -> dict[str, Ints]:
        """Sums by unit of what is given by row. The same array under several names, or marks, cost a part of others."""
        marks: list[NDArray[np.bool_]] = []
        others: list[Ints] = []
        places: dict[str, tuple[bool, int]] = {}
        for name, column in rows.items():
            is_mark = column.dtype == np.bool_
            kind = marks if is_mark else others
            place = next((at for at, one in enumerate(kind) if one is column), len(kind))
            if place == len(kind):
                kind.append(column)
            places[name] = is_mark, place
        # No sum of marks needs more bits than the number of rows, so that one integer has room for several.
        bits = len(self._order).bit_length()
        together = max(63 // bits, 1)
        packs = [_packed(marks[first : first + together], bits) for first in range(0, len(marks), together)]
        values = np.array([column[self._order] for column in packs + others], dtype=np.int64)
        summed = np.add.reduceat(values, self._starts, axis=1)
        of_marks = [summed[at // together] >> at % together * bits & ((1 << bits) - 1) for at in range(len(marks))]
        of_others = summed[len(packs) :]
        return {name: of_marks[place] if is_mark else of_others[place] for name, (is_mark, place) in places.items()}

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
        order = _in_order(cell)
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


def _in_order(keys: Ints) -> NDArray[np.intp]:
    """The rows in ascending order of their keys, none of which is below zero.

    Numbers of 16 bits are sorted by counting: two rounds of that take a fifth of what sorting whole keys does.
    """
    order = np.argsort((keys & 0xFFFF).astype(np.uint16), kind="stable")
    for shift in range(16, int(keys.max(initial=0)).bit_length(), 16):
        digits = (keys >> shift & 0xFFFF).astype(np.uint16)
        order = order[np.argsort(digits[order], kind="stable")]
    return order


def _packed(marks: Sequence[NDArray[np.bool_]], bits: int) -> Ints:
    """All in one integer a row, each `bits` higher than the one before."""
    both = marks[0].astype(np.int64)
    for place, mark in enumerate(marks[1:], 1):
        both |= mark.astype(np.int64) << (place * bits)
    return both


def _starts(sorted_keys: Ints) -> NDArray[np.bool_]:
    """Where in an ascending array something new begins."""
    new = np.ones(len(sorted_keys), dtype=np.bool_)
    np.not_equal(sorted_keys[1:], sorted_keys[:-1], out=new[1:])
    return new


def _over(total: Ints, rows: Ints) -> Ints:
    """total / rows in fixed point, to the nearest; 0 where there are no rows."""
    fixed = np.ascontiguousarray(total * UNIT)
    # Most devices report once in a minute, and to divide is what would take longest here.
    several = np.flatnonzero(rows > 1)
    many, flat = rows.ravel()[several], fixed.ravel()
    flat[several] = (flat[several] + many // 2) // many
    return fixed
