"""Observations to cohort windows of one minute. Per event nothing but counting; a minute is summed all at once.

Rows of the open minute stand in columns. When it is closed, device-minutes are found by sorting, and every cohort is
summed with a few array operations: the cost of a window does not grow with the cohorts' number, and nothing is done per
event but to append. All sums are integers.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import LATENCY_BIN, LATENCY_BINS, UNIT, CohortWindow, OperationWindow, Rate, Windows
from pipeline.observation import OUTCOMES, Cohort

Ints: TypeAlias = NDArray[np.int64]

COHORTS_A_MESSAGE: Final = 500
OVERFLOW: Final = "__overflow__"

OUTCOME_CODE: Final = {outcome: code for code, outcome in enumerate(OUTCOMES)}
_OK, _DENIED, _ERROR, _TIMEOUT, _UNKNOWN = range(len(OUTCOMES))

SEQUENCED: Final = 8
INVERTED: Final = 16
DUPLICATE: Final = 32
VIOLATING: Final = 64
CACHED: Final = 128
GAP_ONLY: Final = 256
"""A row that stands for numbers that never came, not for a record."""
_OUTCOME_BITS: Final = 7

ABSENT: Final = -1
"""In `retried` and `delay`: the record does not say."""


class Minute:
    """The columns of one open minute; append to all of them for each row."""

    __slots__ = ("bits", "clauses", "count", "delay", "device", "expected", "gaps", "latency", "retried", "series")

    def __init__(self) -> None:
        self.series = array("l")
        self.device = array("q")
        self.bits = array("l")
        self.latency = array("d")
        self.count = array("l")
        self.retried = array("l")
        self.delay = array("q")
        self.expected = array("q")
        self.gaps = array("q")
        self.clauses: dict[int, dict[str, int]] = {}
        """By cohort, records that violate each clause."""

    def __len__(self) -> int:
        return len(self.series)


class SeriesTable:
    """Numbers for cohorts and for their operations, as the columns of a minute hold them.

    Past `cap` cohorts, those of an operator that are new are pooled in one overflow cohort of it.

    Attributes:
        overflowed: observations that were pooled.
    """

    def __init__(self, cap: int = 20_000) -> None:
        self._cap = cap
        self.cohorts: list[Cohort] = []
        self.operations: list[str] = []
        """Operation of each series."""
        self.cohort_of: list[int] = []
        """Cohort of each series."""
        self._cohort: dict[Cohort, int] = {}
        self._series: dict[tuple[str, str, str, str, str], int] = {}
        self.overflowed = 0

    def series(self, operator: str, device_class: str, firmware: str, environment: str, operation: str) -> int:
        key = (operator, device_class, firmware, environment, operation)
        found = self._series.get(key)
        if found is None:
            found = self._admit(Cohort(operator, device_class, firmware, environment), operation, key)
        return found

    def _admit(self, cohort: Cohort, operation: str, key: tuple[str, str, str, str, str]) -> int:
        number = self._cohort.get(cohort)
        if number is None and len(self.cohorts) >= self._cap and cohort.device_class != OVERFLOW:
            self.overflowed += 1
            return self.series(cohort.operator, OVERFLOW, OVERFLOW, "unknown", operation)
        if number is None:
            number = self._cohort[cohort] = len(self.cohorts)
            self.cohorts.append(cohort)
        self._series[key] = len(self.operations)
        self.operations.append(operation)
        self.cohort_of.append(number)
        return self._series[key]


def close(minute: Minute, table: SeriesTable, source: str, at: int, part: int) -> list[Windows]:
    """Sum a minute: one message an operator (more where it has many cohorts), in order of operator and cohort."""
    if not len(minute):
        return []
    series = _column(minute.series)
    cohort = np.array(table.cohort_of, dtype=np.int64)[series]
    device = _column(minute.device)
    rows = _Rows(minute, series, cohort, device)
    operations = rows.operations(table)
    by_operator: dict[str, list[tuple[Cohort, CohortWindow]]] = {}
    for number, window in rows.cohorts(table, operations).items():
        of = table.cohorts[number]
        by_operator.setdefault(of.operator, []).append((of, window))
    out = []
    for operator in sorted(by_operator):
        windows = [window for _, window in sorted(by_operator[operator], key=lambda pair: pair[0])]
        out += [
            Windows(source, at, operator, windows[first : first + COHORTS_A_MESSAGE], part)
            for first in range(0, len(windows), COHORTS_A_MESSAGE)
        ]
    return out


def _column(values: array[Any]) -> Ints:
    return np.frombuffer(values, dtype=np.int64) if values.itemsize == 8 else np.array(values, dtype=np.int64)


class _Units:
    """Device-minutes: rows of one group (series or cohort) and device."""

    def __init__(self, group: Ints, device: Ints) -> None:
        order = np.lexsort((device, group))
        new = np.concatenate(([True], (np.diff(group[order]) != 0) | (np.diff(device[order]) != 0)))
        self.of_row = np.empty(len(group), dtype=np.int64)
        self.of_row[order] = np.cumsum(new) - 1
        self.group = group[order][new]
        self.count = len(self.group)

    def rate(self, use: NDArray[np.bool_], weight: Ints, hits: Ints, groups: int) -> tuple[Ints, Ints, Ints]:
        """of, hits, squares by group in fixed point; `weight` and `hits` by row."""
        unit = self.of_row[use]
        rows = np.bincount(unit, minlength=self.count)
        total = np.bincount(unit, weights=weight[use], minlength=self.count)
        hit = np.bincount(unit, weights=hits[use], minlength=self.count)
        mean = total / np.maximum(rows, 1)
        share = hit / np.maximum(total, 1)
        return (
            self._sum(np.rint(mean * UNIT), groups),
            self._sum(np.rint(mean * share * UNIT), groups),
            self._sum(np.rint(mean * mean * UNIT), groups),
        )

    def _sum(self, values: NDArray[np.float64], groups: int) -> Ints:
        # Integers below 2^53: exact in float64, whatever the order.
        return np.bincount(self.group, weights=values, minlength=groups).astype(np.int64)

    def histogram(
        self, use: NDArray[np.bool_], value_ms: NDArray[np.float64], weight: Ints, group: Ints, groups: int
    ) -> tuple[list[tuple[tuple[int, ...], tuple[int, ...]]], Ints]:
        """(bins, weights) by group, and the sum of squared unit weights. A unit's rows share its mean weight."""
        unit = self.of_row[use]
        rows = np.bincount(unit, minlength=self.count)
        total = np.bincount(unit, weights=weight[use], minlength=self.count)
        mean = total / np.maximum(rows, 1)
        part = np.rint(weight[use] / np.maximum(rows, 1)[unit] * UNIT).astype(np.int64)
        bins = np.minimum(np.log(np.maximum(value_ms[use], 1.0)) / LATENCY_BIN, LATENCY_BINS - 1).astype(np.int64)
        key, where = np.unique(group[use] * LATENCY_BINS + bins, return_inverse=True)
        weights = np.bincount(where, weights=part, minlength=len(key)).astype(np.int64).tolist()
        at = np.searchsorted(key, np.arange(groups + 1) * LATENCY_BINS).tolist()
        names = (key % LATENCY_BINS).tolist()
        out = [(tuple(names[a:b]), tuple(weights[a:b])) for a, b in zip(at, at[1:], strict=False)]
        return out, self._sum(np.rint(mean * mean * UNIT), groups)


class _Rows:
    """A minute's rows as arrays."""

    def __init__(self, minute: Minute, series: Ints, cohort: Ints, device: Ints) -> None:
        self.series, self.cohort, self.device = series, cohort, device
        self.bits = _column(minute.bits)
        self.weight = _column(minute.count)
        self.retried = _column(minute.retried)
        self.latency = np.frombuffer(minute.latency, dtype=np.float64)
        self.delay = _column(minute.delay)
        self.expected = _column(minute.expected)
        self.gaps = _column(minute.gaps)
        self.clauses = minute.clauses
        self.outcome = self.bits & _OUTCOME_BITS
        self.is_record = (self.bits & GAP_ONLY) == 0
        self.is_duplicate = (self.bits & DUPLICATE) != 0
        self.is_accepted = self.is_record & ~self.is_duplicate

    def operations(self, table: SeriesTable) -> dict[int, dict[str, OperationWindow]]:
        """By cohort, its operations."""
        present, local = np.unique(self.series, return_inverse=True)
        groups = len(present)
        units = _Units(local, self.device)
        known = self.is_accepted & (self.outcome != _UNKNOWN)
        rates = {
            signal: units.rate(known, self.weight, np.where(self.outcome == code, self.weight, 0), groups)
            for signal, code in (("failure", _ERROR), ("denial", _DENIED), ("timeout", _TIMEOUT))
        }
        tells = self.is_accepted & (self.retried != ABSENT)
        rates["retry"] = units.rate(tells, self.weight, np.maximum(self.retried, 0), groups)
        timed = self.is_accepted & ((self.outcome == _OK) | (self.outcome == _UNKNOWN)) & (self.latency >= 0)
        histogram, squares = units.histogram(timed, self.latency, self.weight, local, groups)
        records = np.bincount(local[self.is_accepted], minlength=groups).tolist()
        attempts = np.bincount(local[self.is_accepted], weights=self.weight[self.is_accepted], minlength=groups)
        plain = {signal: [part.tolist() for part in parts] for signal, parts in rates.items()}
        out: dict[int, dict[str, OperationWindow]] = {}
        for i, number in enumerate(present.tolist()):
            if not records[i]:
                continue
            out.setdefault(table.cohort_of[number], {})[table.operations[number]] = OperationWindow(
                records=records[i],
                attempts=int(attempts[i]),
                rates={signal: Rate(of[i], hits[i], sq[i]) for signal, (of, hits, sq) in plain.items() if of[i]},
                bins=histogram[i][0],
                weights=histogram[i][1],
                latency_squares=int(squares[i]),
            )
        return out

    def cohorts(self, table: SeriesTable, operations: dict[int, dict[str, OperationWindow]]) -> dict[int, CohortWindow]:
        """All cohorts that have a row."""
        present, local = np.unique(self.cohort, return_inverse=True)
        groups = len(present)
        units = _Units(local, self.device)
        one = np.ones(len(local), dtype=np.int64)
        accepted, sequenced = self.is_accepted, self.is_accepted & ((self.bits & SEQUENCED) != 0)
        inverted = (self.bits & INVERTED) != 0
        violating = (self.bits & VIOLATING) != 0
        told = accepted & (self.delay != ABSENT) & ((self.bits & CACHED) == 0)
        rates = {
            "out_of_order": units.rate(sequenced, one, inverted.astype(np.int64), groups),
            "duplicate": units.rate(self.is_record, one, self.is_duplicate.astype(np.int64), groups),
            "gap": units.rate(self.expected > 0, self.expected, self.gaps, groups),
            "contract": units.rate(accepted, one, violating.astype(np.int64), groups),
        }
        histogram, squares = units.histogram(told, self.delay.astype(np.float64), one, local, groups)

        def total(use: NDArray[np.bool_], values: Ints | None = None) -> list[int]:
            weights = None if values is None else values[use]
            return np.bincount(local[use], weights=weights, minlength=groups).astype(np.int64).tolist()

        numbers: Sequence[list[int]] = (
            total(accepted),
            total(self.is_record & self.is_duplicate),
            total(accepted & ((self.bits & CACHED) != 0)),
            total(sequenced),
            total(sequenced & inverted),
            total(self.expected > 0, self.expected),
            total(self.gaps > 0, self.gaps),
            total(accepted & violating),
            total(told, self.delay),
            total(told),
        )
        plain = {signal: [part.tolist() for part in parts] for signal, parts in rates.items()}
        out: dict[int, CohortWindow] = {}
        for i, number in enumerate(present.tolist()):
            of = table.cohorts[number]
            records, duplicates, cached, judged, inversions, expected, gaps, bad, lag, lagged = (n[i] for n in numbers)
            out[number] = CohortWindow(
                device_class=of.device_class,
                firmware=of.firmware,
                environment=of.environment,
                records=records,
                duplicates=duplicates,
                cached=cached,
                sequenced=judged,
                inversions=inversions,
                expected=expected,
                gaps=gaps,
                violating=bad,
                clauses=dict(sorted(self.clauses.get(number, {}).items())),
                rates={signal: Rate(o[i], h[i], s[i]) for signal, (o, h, s) in plain.items() if o[i]},
                delay_bins=histogram[i][0],
                delay_weights=histogram[i][1],
                delay_squares=int(squares[i]),
                lag_sum_ms=lag,
                lag_records=lagged,
                operations=dict(sorted(operations.get(number, {}).items())),
            )
        return out
