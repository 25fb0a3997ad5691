"""The baseline stage: windows of cohorts in; per cohort and minute what was counted, and what its anchor expects, out.

Keyed by operator: silence, the shape of the day and the prior of a thin cohort all need the operator's whole view.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from models import season
from models.cutpoints import CutPoints
from models.snapshot import Plain, expect_version, pack, unpack
from pipeline.detect.anchors import AnchorBook, AnchorPolicy
from pipeline.detect.channels import COHORT_RATES, OPERATION_SIGNALS, ChannelTable
from pipeline.detect.evidence import Anchors, Evidence, FeedHealth
from pipeline.detect.feed import FeedGate, VolumeProfile
from pipeline.detect.rejectwatch import with_rejects
from pipeline.detect.watermark import Watermark
from pipeline.messages import LATENCY_BIN, LATENCY_BINS, MINUTE_MS, UNIT, CohortWindow, Tick, Windows
from pipeline.observation import Cohort

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

VERSION: Final = 1
"""Of the snapshot."""
CUT_UNITS: Final = 200
"""Units in a histogram before cut points are read off it, looked at every two hours."""
CUT_UNITS_AFTER_A_DAY: Final = 20

_DELAY: Final = len(COHORT_RATES)
_GAP: Final = COHORT_RATES.index("gap")
_RATE_COLUMN: Final = {signal: i for i, signal in enumerate(COHORT_RATES)}
_RATE_OFFSET: Final = {signal: i for i, signal in enumerate(OPERATION_SIGNALS)}


@dataclass(frozen=True, slots=True)
class _Counts:
    """A minute, summed over sources as integers: the same in whatever order they came.

    rates: [cohorts, channels, 3] of, hits, squares. The histograms are sparse: cell = cohort * channels + channel;
    squares: [cohorts * channels] sums of squared unit weights behind them.
    """

    rates: Floats
    cell: Ints
    bin: Ints
    weight: Ints
    squares: Floats


class Baseline:
    """Counts against fixed cut points, learns anchors, watches the feeds.

    Args:
        sources: the logs that feed the windows; a minute is closed when all of them (that are not idle) have closed it.
        name: this stage's own name as a source for the next one, e.g. `windows/3`.
        policy: how anchors are learnt.
    """

    def __init__(self, sources: Iterable[str], name: str = "baseline", policy: AnchorPolicy | None = None) -> None:
        self.name = name
        self._watermark = Watermark(sources)
        self._pending: dict[int, list[Windows]] = defaultdict(list)
        self._closed: int | None = None
        self._table = ChannelTable()
        self._book = AnchorBook(self._table, policy or AnchorPolicy())
        self._histograms: dict[tuple[int, int], Ints] = {}
        self._volumes: list[VolumeProfile] = []
        self._gates: dict[str, FeedGate] = {}
        self._slot: int | None = None

    def feed(self, message: Windows | Tick) -> list[Evidence | Anchors | Tick]:
        """Take one message; answer with all that it allowed to be closed, and this stage's own tick.

        A window of a minute that is closed already is late: it counts in the minute that closes next. It never
        reopens a verdict, it adds to it.
        """
        if isinstance(message, Windows):
            self._pending[message.minute].append(message)
            return []
        upto = self._watermark.advance(message)
        if upto is None or (self._closed is not None and upto <= self._closed):
            return []
        due: dict[int, list[Windows]] = defaultdict(list)
        for minute in sorted(minute for minute in self._pending if minute <= upto):
            late = self._closed is not None and minute <= self._closed
            due[(self._closed or 0) + MINUTE_MS if late else minute] += self._pending.pop(minute)
        out: list[Evidence | Anchors | Tick] = []
        for minute in sorted(due):
            out += self._close(minute, due[minute])
        self._closed = upto
        out.append(Tick(self.name, upto))
        return out

    def snapshot(self) -> Plain:
        """All that this stage knows, as plain data."""
        return {
            "version": VERSION,
            "watermark": self._watermark.snapshot(),
            "pending": [[minute, msgspec.to_builtins(windows)] for minute, windows in sorted(self._pending.items())],
            "closed": self._closed,
            "operations": self._table.snapshot(),
            "book": self._book.snapshot(),
            "histograms": [[row, column, pack(held)] for (row, column), held in self._histograms.items()],
            "volumes": [profile.snapshot() for profile in self._volumes],
            "gates": {operator: gate.snapshot() for operator, gate in self._gates.items()},
            "slot": self._slot,
        }

    def restore(self, state: Plain) -> None:
        """Become what a snapshot was taken of.

        Raises:
            SnapshotError: it is of another version.
        """
        expect_version(state, "a baseline stage", VERSION)
        self._watermark.restore(state["watermark"])
        self._pending = defaultdict(list)
        for minute, windows in state["pending"]:
            self._pending[minute] = msgspec.convert(windows, list[Windows])
        self._closed = state["closed"]
        self._table = ChannelTable(tuple(state["operations"]))
        self._book = AnchorBook(self._table, self._book.policy)
        self._book.restore(state["book"])
        self._histograms = {(row, column): unpack(held) for row, column, held in state["histograms"]}
        self._volumes = [VolumeProfile.of(profile) for profile in state["volumes"]]
        self._gates = {operator: FeedGate.of(gate) for operator, gate in state["gates"].items()}
        self._slot = state["slot"]

    def _close(self, minute: int, windows: list[Windows]) -> list[Evidence | Anchors]:
        out: list[Evidence | Anchors] = []
        slot = minute // season.SLOT_MS
        if self._slot is not None and slot != self._slot:
            self._read_cut_points(self._slot)
            if changed := self._book.close_slot(self._slot, slot):
                out.append(self._book.message(self.name, minute, changed))
        self._slot = slot
        parts: dict[Cohort, list[CohortWindow]] = defaultdict(list)
        for window in windows:
            for part in window.cohorts:
                parts[Cohort(window.operator, part.device_class, part.firmware, part.environment)].append(part)
        cohorts = sorted(parts)
        volumes = [profile.expected(minute) or 0.0 for profile in self._volumes]
        successors = []
        for cohort in cohorts:
            if cohort not in self._book:
                row = self._book.admit(cohort, slot, volumes)
                self._volumes.append(VolumeProfile())
                volumes.append(0.0)
                if self._book.lender[row] != "own":
                    successors.append(row)
        for operation in sorted({name for group in parts.values() for part in group for name in part.operations}):
            self._table.admit(operation)
        self._book.fit()
        if successors:
            out.append(self._book.message(self.name, minute, successors))
        rows = np.array([self._book.row(cohort) for cohort in cohorts], dtype=np.intp)
        records = [sum(part.records for part in parts[cohort]) for cohort in cohorts]
        feeds = with_rejects(self._judge_feeds(minute, cohorts, records), minute, windows)
        aside = self._set_aside(minute, cohorts, rows, records, feeds)
        n, x = self._measure(rows, self._count([parts[cohort] for cohort in cohorts]), ~aside)
        known_outage = [self._gates[cohort.operator].explains_gaps(minute) for cohort in cohorts]
        after_outage = np.array(known_outage, dtype=np.bool_)  # also where no cohort reported
        n[after_outage, _GAP] = x[after_outage, _GAP] = 0.0
        self._book.learn(rows[~aside], n[~aside], x[~aside])
        out.append(
            Evidence(
                source=self.name,
                minute=minute,
                cohorts=cohorts,
                channels=list(self._table.channels),
                n=n,
                x=x,
                expected=self._book.expected(rows, n, minute + MINUTE_MS / 2),
                aside=aside,
                lag_ms=np.array([_mean_lag(parts[cohort]) for cohort in cohorts]),
                feeds=feeds,
            )
        )
        return out

    def _judge_feeds(self, minute: int, cohorts: list[Cohort], records: list[int]) -> dict[str, FeedHealth]:
        total: dict[str, int] = dict.fromkeys(self._gates, 0)
        for cohort, count in zip(cohorts, records, strict=True):
            total[cohort.operator] = total.get(cohort.operator, 0) + count
        return {
            operator: self._gates.setdefault(operator, FeedGate()).judge(minute, total[operator])
            for operator in sorted(total)
        }

    def _set_aside(
        self,
        minute: int,
        cohorts: list[Cohort],
        rows: NDArray[np.intp],
        records: list[int],
        feeds: dict[str, FeedHealth],
    ) -> NDArray[np.bool_]:
        aside = np.zeros(len(cohorts), dtype=np.bool_)
        for i, (cohort, row, count) in enumerate(zip(cohorts, rows, records, strict=True)):
            profile = self._volumes[row]
            aside[i] = feeds[cohort.operator].state != "ok" or profile.is_backfill(minute, count)
            if feeds[cohort.operator].state == "ok":
                profile.learn(minute, count)
        return aside

    def _count(self, groups: list[list[CohortWindow]]) -> _Counts:
        columns = len(self._table)
        cells: list[int] = []
        of: list[int] = []
        hits: list[int] = []
        squares: list[int] = []
        spans: list[int] = []
        lengths: list[int] = []
        span_squares: list[int] = []
        bins: list[int] = []
        weights: list[int] = []
        first_of = self._table.operations
        for i, parts in enumerate(groups):
            start = i * columns
            for part in parts:
                for signal, rate in part.rates.items():
                    cells.append(start + _RATE_COLUMN[signal])
                    of.append(rate.of)
                    hits.append(rate.hits)
                    squares.append(rate.squares)
                spans.append(start + _DELAY)
                lengths.append(len(part.delay_bins))
                span_squares.append(part.delay_squares)
                bins += part.delay_bins
                weights += part.delay_weights
                for operation, window in part.operations.items():
                    first = start + (first_of.get(operation) or self._table.admit(operation))
                    for signal, rate in window.rates.items():
                        cells.append(first + _RATE_OFFSET[signal])
                        of.append(rate.of)
                        hits.append(rate.hits)
                        squares.append(rate.squares)
                    spans.append(first)
                    lengths.append(len(window.bins))
                    span_squares.append(window.latency_squares)
                    bins += window.bins
                    weights += window.weights
        size = len(groups) * columns
        where = np.array(cells, dtype=np.intp)
        # Sums of integers below 2^53 are exact in float64.
        summed = [
            np.bincount(where, weights=np.array(part, dtype=np.float64), minlength=size) for part in (of, hits, squares)
        ]
        key = np.repeat(np.array(spans, dtype=np.int64), lengths) * LATENCY_BINS + np.array(bins, dtype=np.int64)
        unique, inverse = np.unique(key, return_inverse=True)
        weight = np.bincount(inverse, weights=np.array(weights, dtype=np.float64), minlength=len(unique))
        return _Counts(
            np.stack(summed, axis=1).reshape(len(groups), columns, 3) / UNIT,
            unique // LATENCY_BINS,
            unique % LATENCY_BINS,
            weight.astype(np.int64),
            np.bincount(
                np.array(spans, dtype=np.intp), weights=np.array(span_squares, dtype=np.float64), minlength=size
            )
            / UNIT,
        )

    def _measure(self, rows: NDArray[np.intp], counts: _Counts, trusted: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Units and what they hold, [cohorts, channels] each; see `Evidence`."""
        columns = len(self._table)
        of, hits, squares = np.moveaxis(counts.rates, 2, 0)
        scale = np.divide(of, squares, out=np.zeros_like(of), where=squares > 0)
        n, x = of * scale, hits * scale
        if len(counts.cell):
            cohort, column = np.divmod(counts.cell, columns)
            row = rows[cohort]
            cut = self._book.has_cut.data[row, column] > 0
            self._gather(row[~cut], column[~cut], counts.bin[~cut], counts.weight[~cut], trusted[cohort[~cut]])
            cell, bins, weight = counts.cell[cut], counts.bin[cut], counts.weight[cut] / UNIT
            row, column = row[cut], column[cut]
            value = np.clip(
                (bins + 0.5) * LATENCY_BIN, self._book.low.data[row, column], self._book.high.data[row, column]
            )
            units = np.bincount(cell, weights=weight, minlength=n.size)
            total = np.bincount(cell, weights=weight * (value - self._book.middle.data[row, column]), minlength=n.size)
            above = np.where(bins >= self._book.tail_bin.data[row, column], weight, 0.0)
            exceeding = np.bincount(cell, weights=above, minlength=n.size)
            shifted = units > 0
            # Units that aggregate many attempts prove less than their weight: Kish's effective sample size, as above.
            scale = np.ones(units.shape)
            np.divide(units, counts.squares, out=scale, where=shifted & (counts.squares > 0))
            units, total, exceeding = units * scale, total * scale, exceeding * scale
            n.flat[shifted], x.flat[shifted] = units[shifted], total[shifted]
            tail = shifted.reshape(n.shape).copy()
            tail[:, _DELAY] = False
            at = np.flatnonzero(tail)
            n.flat[at + 1], x.flat[at + 1] = units[at], exceeding[at]
        return n, x

    def _gather(
        self, rows: NDArray[np.intp], columns: Ints, bins: Ints, weights: Ints, trusted: NDArray[np.bool_]
    ) -> None:
        """Add to the histograms of cells that have no cut points yet."""
        for row, column, at, weight in zip(
            rows[trusted].tolist(),
            columns[trusted].tolist(),
            bins[trusted].tolist(),
            weights[trusted].tolist(),
            strict=True,
        ):
            histogram = self._histograms.get((row, column))
            if histogram is None:
                histogram = self._histograms[row, column] = np.zeros(LATENCY_BINS, dtype=np.int64)
            histogram[at] += weight

    def _read_cut_points(self, slot: int) -> None:
        for row, column in list(self._histograms):
            histogram = self._histograms[row, column]
            aged = slot - self._book.first_slot[row] + 1 >= season.SLOTS
            if histogram.sum() >= (CUT_UNITS_AFTER_A_DAY if aged else CUT_UNITS) * UNIT:
                self._book.set_cut(row, column, CutPoints.of(histogram, LATENCY_BIN))
                del self._histograms[row, column]


def _mean_lag(parts: list[CohortWindow]) -> float:
    records = sum(part.lag_records for part in parts)
    return sum(part.lag_sum_ms for part in parts) / records if records else 0.0
