"""Observations to cohort windows of one minute. Per event nothing but counting; a minute is summed all at once.

Rows of the open minute stand in arrays. When it is closed, device-minutes are found by sorting and every cohort is
summed with a few array operations. All sums are integers, so that windows of one minute add up exactly, whoever made
them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, TypeAlias

import numpy as np

from pipeline.clocks import NONE, DeviceClocks
from pipeline.messages import Windows
from pipeline.observation import UNKNOWN, Cohort
from pipeline.ordering import DUPLICATE
from pipeline.rows import Rows
from pipeline.series import Name
from pipeline.sums import Cohorts, Unfilled, cohort_windows, operation_windows
from pipeline.units import Ints

COHORTS_A_MESSAGE: Final = 500
OVERFLOW: Final = "__overflow__"

_JOINED: Final = 128
"""Batches of rows that are made one."""

_MOST_VERSIONS: Final = 4_096
"""Of the app, over all series of a minute; those that come first in the log are kept."""
_VERSIONS_A_COHORT: Final = 16

_MOST_MISSING: Final = 1 << 32
"""A leap of a counter counts for so many numbers at most, so that sums stay within 64 bits."""

_Name: TypeAlias = tuple[str, str, str, str]
"""Of a cohort."""
_Cell: TypeAlias = tuple[int, str]
"""Number of a cohort, and an operation."""


class Minute:
    """The open minute of one log.

    Args:
        cohorts: kept apart at most; see `_Pool`.
        operations: likewise.

    Attributes:
        size: records so far.
        pooled: records whose cohort or operation was not kept apart, over all minutes.
    """

    def __init__(self, cohorts: int = 20_000, operations: int = 256) -> None:
        self._most_cohorts = cohorts
        self._most_operations = operations
        self.pooled = 0
        self._begin()

    def _begin(self) -> None:
        self._rows: list[Rows] = []
        self._recent: list[Rows] = []
        """That are not joined yet: what is done before the minute ends holds nobody up."""
        self._unfilled: list[tuple[_Name, int, int]] = []
        self._rejects: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._versions: Counter[tuple[int, str]] = Counter()
        self.size = 0

    def add(self, rows: Rows) -> None:
        """Count records."""
        self._recent.append(rows)
        self.size += len(rows.device)
        if len(self._recent) == _JOINED:
            self._rows.append(Rows.joined(self._recent))
            self._recent = []

    def add_missing(self, cohort: Cohort, device: int, numbers: int) -> None:
        """Count sequence numbers of a device that never came."""
        self._unfilled.append((cohort, device, min(numbers, _MOST_MISSING)))

    def add_versions(self, seen: Iterable[tuple[int, str]]) -> None:
        """Count versions of the app, each by the number of its record's series."""
        for one in seen:
            if one in self._versions or len(self._versions) < _MOST_VERSIONS:
                self._versions[one] += 1

    def add_reject(self, operator: str, reason: str) -> None:
        self._rejects[operator][reason] += 1

    def close(
        self,
        source: str,
        at: int,
        names: Sequence[Name],
        clocks: DeviceClocks,
        parts: Counter[str],
        *,
        full: bool = False,
    ) -> Iterator[Windows]:
        """Sum the minute that began `at`, and begin anew: messages in order of operator and cohort. The minute is
        summed at once; each message is made when it is asked for.

        Args:
            names: of the rows' series, by number.
            clocks: learns from the minute's records.
            parts: by operator, how many messages of this minute there have been; counts on.
            full: the minute is not over. What was rejected is told when it is: rejects have no place among its records
                that would not depend on where a batch ended.
        """
        spans, windows = self._summed(at, names, clocks)
        kept = self._rejects if full else {}
        told = {} if full else self._rejects
        messages = []
        for operator in sorted({*spans, *told}):
            begin, end = spans.get(operator, (0, 0))
            rejects = dict(sorted(told.get(operator, {}).items()))
            for first in range(begin, max(end, begin + 1), COHORTS_A_MESSAGE):
                some = (first, min(first + COHORTS_A_MESSAGE, end))
                messages.append((operator, some, parts[operator], {} if first > begin else rejects))
                parts[operator] += 1
        self._begin()
        self._rejects.update(kept)
        return (
            Windows(source, at, operator, windows(*some), part, rejects) for operator, some, part, rejects in messages
        )

    def _summed(
        self, at: int, of_series: Sequence[Name], clocks: DeviceClocks
    ) -> tuple[dict[str, tuple[int, int]], Cohorts]:
        """By operator, where its cohorts are, in order; and what makes the windows of these."""
        if not self.size and not self._unfilled:
            return {}, lambda _first, _end: []
        rows, delay = _believed(Rows.joined([*self._rows, *self._recent]), at, clocks)
        there, series = _apart(rows.series, len(of_series))
        keys = [of_series[number] for number in there]
        unfilled = self._unfilled
        versions: defaultdict[_Name, Counter[str]] = defaultdict(Counter)
        for (of, version), times in self._versions.items():
            versions[of_series[of][:4]][version] += times
        names = {key[:4] for key in keys} | {name for name, _, _ in unfilled}
        if len(names) > self._most_cohorts or len({key[4] for key in keys}) > self._most_operations:
            pool = _Pool(keys, series, self._most_cohorts, self._most_operations)
            self.pooled += pool.pooled
            keys, series = pool.keys, pool.series
            unfilled = [(pool.name(name), device, numbers) for name, device, numbers in unfilled]
            for name in [name for name in versions if pool.name(name) != name]:
                versions[pool.name(name)].update(versions.pop(name))
            names = {key[:4] for key in keys} | {name for name, _, _ in unfilled}
        ordered = sorted(names)
        number = {name: i for i, name in enumerate(ordered)}
        cells, series = _in_order([(number[key[:4]], key[4]) for key in keys], series)
        windows = cohort_windows(
            [Cohort(*name) for name in ordered],
            rows,
            np.array([cohort for cohort, _ in cells], dtype=np.int64)[series],
            delay,
            Unfilled(
                np.array([number[name] for name, _, _ in unfilled], dtype=np.int64),
                np.array([device for _, device, _ in unfilled], dtype=np.int64),
                np.array([numbers for _, _, numbers in unfilled], dtype=np.int64),
            ),
            operation_windows(rows, series, cells),
            [_most_frequent(versions.get(name)) for name in ordered],
        )
        spans, end = {}, 0
        for operator, group in groupby(ordered, key=itemgetter(0)):
            first, end = end, end + len(list(group))
            spans[operator] = (first, end)
        return spans, windows


def _most_frequent(versions: Counter[str] | None) -> dict[str, int]:
    """The most frequent ones; of equals, the first in order."""
    if not versions:
        return {}
    return dict(sorted(versions.items(), key=lambda one: (-one[1], one[0]))[:_VERSIONS_A_COHORT])


def _in_order(cells: Sequence[_Cell], series: Ints) -> tuple[list[_Cell], Ints]:
    """The cells in order, and which of these each row is of."""
    order = sorted(range(len(cells)), key=cells.__getitem__)
    place = np.empty(len(cells), dtype=np.int64)
    place[order] = np.arange(len(cells))
    return [cells[i] for i in order], place[series]


def _apart(series: Ints, size: int) -> tuple[list[int], Ints]:
    """The numbers that occur, ascending, and the place among these of each; all are below `size`."""
    place = np.zeros(size, dtype=np.int64)
    place[series] = 1
    there = np.flatnonzero(place)
    place[there] = np.arange(len(there))
    return there.tolist(), place[series]


def _believed(rows: Rows, at: int, clocks: DeviceClocks) -> tuple[Rows, Ints]:
    """The rows with what their clocks violate, and the delay of each, or `NONE`."""
    taken = np.flatnonzero((rows.flags & DUPLICATE) == 0)
    believed = clocks.believe(
        at, rows.device[taken], rows.arrival[taken], rows.occurred[taken], rows.sent[taken], ~rows.cached[taken]
    )
    delay = np.full(len(rows.device), NONE, dtype=np.int64)
    delay[taken] = believed.delay
    wrong = np.flatnonzero(believed.clause != NONE)
    if len(wrong):
        rows = rows._replace(
            clause_row=np.concatenate((rows.clause_row, taken[wrong])),
            clause=np.concatenate((rows.clause, believed.clause[wrong])),
        )
    return rows, delay


class _Pool:
    """Too many cohorts or operations for one minute: those with the fewest records are put together.

    A cohort goes to the overflow firmware of its operator, class and environment, where a cohort of those is kept; else
    to the overflow cohort of its operator, or of an overflow operator where no cohort of its own is kept.
    Decided when the minute is over, so that it hangs on the minute's records and not on their order.

    Attributes:
        keys, series: the series that are left, and that of each row. pooled: rows concerned.
    """

    def __init__(self, keys: Sequence[Name], series: Ints, cohorts: int, operations: int) -> None:
        records = np.bincount(series, minlength=len(keys)).tolist()
        by_cohort: Counter[_Name] = Counter()
        by_operation: Counter[str] = Counter()
        for key, times in zip(keys, records, strict=True):
            by_cohort[key[:4]] += times
            by_operation[key[4]] += times
        self._cohorts = _most(by_cohort, cohorts)
        self._operators = {name[0] for name in self._cohorts}
        self._groups = {(name[0], name[1], name[3]) for name in self._cohorts}
        kept = _most(by_operation, operations)
        numbers: dict[Name, int] = {}
        renamed = []
        self.pooled = 0
        for key, times in zip(keys, records, strict=True):
            now = (*self.name(key[:4]), key[4] if key[4] in kept else OVERFLOW)
            renamed.append(numbers.setdefault(now, len(numbers)))
            self.pooled += times if now != key else 0
        self.keys = list(numbers)
        self.series: Ints = np.array(renamed, dtype=np.int64)[series]

    def name(self, cohort: _Name) -> _Name:
        """Under which name a cohort is counted."""
        if cohort in self._cohorts:
            return cohort
        operator, device_class, _, environment = cohort
        if (operator, device_class, environment) in self._groups:
            return (operator, device_class, OVERFLOW, environment)
        return (cohort[0] if cohort[0] in self._operators else OVERFLOW, OVERFLOW, OVERFLOW, UNKNOWN)


def _most(counts: Counter[Any], most: int) -> set[Any]:
    """The most frequent names; of equals, the first in order."""
    return set(sorted(counts, key=lambda name: (-counts[name], name))[:most])
