"""A minute of windows as sums by cohort and channel, and those sums held against cut points. All cohorts at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.cutpoints import CutPoints, tail_weights
from models.snapshot import pack, unpack
from pipeline.detect.anchors import AnchorBook
from pipeline.detect.channels import COHORT_RATES, OPERATION_SIGNALS, ChannelTable
from pipeline.messages import LATENCY_BIN, LATENCY_BINS, UNIT, CohortWindow

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

DELAY: Final = len(COHORT_RATES)
"""Column of the delay."""
CUT_UNITS: Final = 200
"""Units in a histogram before cut points are read off it, looked at every two hours."""
CUT_UNITS_AFTER_A_DAY: Final = 20
CELLS_AT_ONCE: Final = 1_000
COARSE: Final = 1 << 8
"""Histograms before cut points are kept in units of so much fixed point: they fit 32 bits, and need no more."""

_RATE_COLUMN: Final = {signal: i for i, signal in enumerate(COHORT_RATES)}
_RATE_OFFSET: Final = {signal: i for i, signal in enumerate(OPERATION_SIGNALS)}
_FIELDS: Final = tuple(attrgetter(name) for name in ("of", "hits", "squares"))


class Counts(NamedTuple):
    """A minute, summed over sources as integers: the same in whatever order they came.

    rates: [cohorts, channels, 3] of, hits, squares. The histograms are sparse: cell = cohort * channels + channel;
    squares: [cohorts * channels] sums of squared unit weights behind them.
    """

    rates: Floats
    cell: Ints
    bin: Ints
    weight: Ints
    squares: Floats


def count(groups: Sequence[Sequence[CohortWindow]], table: ChannelTable) -> Counts:
    """Sum the parts of each cohort; operations that the table has no room for are admitted to its overflow."""
    columns = len(table)
    cells: list[int] = []
    rates: list[Any] = []
    spans: list[int] = []
    bins: list[Sequence[int]] = []
    weights: list[Sequence[int]] = []
    span_squares: list[int] = []
    first_of = table.operations
    start = -columns
    for parts in groups:
        start += columns
        for part in parts:
            held = part.rates
            if held:
                cells += [start + _RATE_COLUMN[signal] for signal in held]
                rates += held.values()
            spans.append(start + DELAY)
            bins.append(part.delay_bins)
            weights.append(part.delay_weights)
            span_squares.append(part.delay_squares)
            for operation, window in part.operations.items():
                first = start + (first_of.get(operation) or table.admit(operation))
                held = window.rates
                cells += [first + _RATE_OFFSET[signal] for signal in held]
                rates += held.values()
                spans.append(first)
                bins.append(window.bins)
                weights.append(window.weights)
                span_squares.append(window.latency_squares)
    size = len(groups) * columns
    where = np.array(cells, dtype=np.intp)
    # Sums of integers below 2^53 are exact in float64.
    summed = [
        np.bincount(where, np.fromiter(map(field, rates), dtype=np.float64, count=len(rates)), minlength=size)
        for field in _FIELDS
    ]
    lengths = np.fromiter(map(len, bins), dtype=np.intp, count=len(bins))
    total = int(lengths.sum())
    key = np.repeat(np.array(spans, dtype=np.int64), lengths) * LATENCY_BINS
    key += np.fromiter(chain.from_iterable(bins), dtype=np.int64, count=total)
    weight = np.fromiter(chain.from_iterable(weights), dtype=np.int64, count=total)
    if (key[1:] <= key[:-1]).any():  # several parts of a cohort, or the overflow's operations
        order = np.argsort(key, kind="stable")
        key, weight = key[order], weight[order]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        key, weight = key[starts], np.add.reduceat(weight, starts)
    return Counts(
        np.stack(summed, axis=1).reshape(len(groups), columns, 3) / UNIT,
        key // LATENCY_BINS,
        key % LATENCY_BINS,
        weight,
        np.bincount(np.array(spans, dtype=np.intp), np.array(span_squares, dtype=np.float64), minlength=size) / UNIT,
    )


class Gauge:
    """Holds counts against cut points; gathers histograms for cells that have none yet, and reads them off."""

    def __init__(self, book: AnchorBook) -> None:
        self._book = book
        self._histograms: dict[tuple[int, int], NDArray[np.int32]] = {}

    def measure(self, rows: NDArray[np.intp], counts: Counts, trusted: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Units and what they hold, [cohorts, channels] each; see `Evidence`."""
        columns = len(self._book.table)
        of, hits, squares = np.moveaxis(counts.rates, 2, 0)
        scale = np.divide(of, squares, out=np.zeros_like(of), where=squares > 0)
        n, x = of * scale, hits * scale
        if len(counts.cell):
            cohort, column = np.divmod(counts.cell, columns)
            row = rows[cohort]
            book = self._book
            cut = book.has_cut.data[row, column]
            if not cut.all():
                uncut = ~cut & trusted[cohort]
                self._gather(row[uncut], column[uncut], counts.bin[uncut], counts.weight[uncut])
                row, column, bins = row[cut], column[cut], counts.bin[cut]
                cell, weight = counts.cell[cut], counts.weight[cut] / UNIT
            else:
                cell, bins, weight = counts.cell, counts.bin, counts.weight / UNIT
            value = (bins + 0.5) * LATENCY_BIN
            np.clip(value, book.low.data[row, column], book.high.data[row, column], out=value)
            value -= book.middle.data[row, column]
            units = np.bincount(cell, weight, minlength=n.size)
            total = np.bincount(cell, weight * value, minlength=n.size)
            at = row, column
            above = tail_weights(bins, book.tail_bin.data[at], book.tail_slope.data[at], book.tail_cap.data[at])
            exceeding = np.bincount(cell, weight * above, minlength=n.size)
            squared = np.bincount(cell, weight * above**2, minlength=n.size)
            shifted = units > 0
            # Units that aggregate many attempts prove less than their weight: Kish's effective sample size, as above.
            scale = np.ones(units.shape)
            np.divide(units, counts.squares, out=scale, where=shifted & (counts.squares > 0))
            units, total, exceeding, squared = units * scale, total * scale, exceeding * scale, squared * scale
            n.flat[shifted], x.flat[shifted] = units[shifted], total[shifted]
            tail = shifted.reshape(n.shape).copy()
            tail[:, DELAY] = False
            place = np.flatnonzero(tail)
            n.flat[place + 1], x.flat[place + 1] = units[place], exceeding[place]
            book.learn_tails(rows[trusted], exceeding.reshape(n.shape)[trusted], squared.reshape(n.shape)[trusted])
        return n, x

    def _gather(self, rows: NDArray[np.intp], columns: Ints, bins: Ints, weights: Ints) -> None:
        keys = rows * len(self._book.table) + columns
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        ends = np.append(starts, len(keys))[1:]
        # What a minute holds of a bin is a sum whatever the order of its parts: so is it when it is rounded.
        coarse = (weights // COARSE).astype(np.int32)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            cell = int(rows[start]), int(columns[start])
            histogram = self._histograms.get(cell)
            if histogram is None:
                histogram = self._histograms[cell] = np.zeros(LATENCY_BINS, dtype=np.int32)
            histogram[bins[start:end]] += coarse[start:end]

    def read_cut_points(self, slot: int, slots_of_a_day: int) -> None:
        """A slot is over: cells that have gathered enough get their cut points."""
        taken_over = [cell for cell in self._histograms if self._book.has_cut.data[cell]]
        for cell in taken_over:
            del self._histograms[cell]
        ready = []
        for (row, column), histogram in self._histograms.items():
            aged = slot - self._book.first_slot[row] + 1 >= slots_of_a_day
            enough = (CUT_UNITS_AFTER_A_DAY if aged else CUT_UNITS) * UNIT
            if int(histogram.sum(dtype=np.int64)) * COARSE >= enough:
                ready.append((row, column))
        for first in range(0, len(ready), CELLS_AT_ONCE):
            cells = ready[first : first + CELLS_AT_ONCE]
            found = CutPoints.of_many(np.stack([self._histograms.pop(cell) for cell in cells]), LATENCY_BIN)
            for (row, column), cut in zip(cells, found, strict=True):
                self._book.set_cut(row, column, cut)

    def forget(self, row: int) -> None:
        """A row is given to another cohort."""
        for cell in [cell for cell in self._histograms if cell[0] == row]:
            del self._histograms[cell]

    def snapshot(self) -> list[Any]:
        out = []
        for (row, column), histogram in self._histograms.items():
            held = np.flatnonzero(histogram)
            out.append([row, column, pack(held), pack(histogram[held])])
        return out

    def restore(self, state: list[Any]) -> None:
        self._histograms = {}
        for row, column, held, weights in state:
            histogram = self._histograms[row, column] = np.zeros(LATENCY_BINS, dtype=np.int32)
            histogram[unpack(held)] = unpack(weights)
