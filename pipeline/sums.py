"""A minute's rows, summed: by operation and by cohort, all cohorts at once.

Windows are made of the sums part by part, as they are asked for: those of thousands of cohorts are more objects than
the processor's cache holds, and would be fetched from memory again to be written, and again to be dropped.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.clocks import NONE
from pipeline.contracts import CLAUSES, clause_id
from pipeline.messages import CohortWindow, OperationWindow
from pipeline.observation import Cohort
from pipeline.ordering import DUPLICATE, EXPECTED, INVERTED, SEQUENCED
from pipeline.rows import DENIED, ERROR, OK, SAYS_NOTHING, TIMEOUT, UNKNOWN, Rows
from pipeline.units import Ints, Share, Units

Operations: TypeAlias = Callable[[int, int], list[dict[str, OperationWindow]]]
"""Makes those of each cohort from one number up to another, exclusive."""
Cohorts: TypeAlias = Callable[[int, int], list[CohortWindow]]
"""Likewise."""


class Unfilled(NamedTuple):
    """Sequence numbers that never came: of which cohort and device, and how many."""

    cohort: Ints
    device: Ints
    missing: Ints


def operation_windows(rows: Rows, series: Ints, of_series: Sequence[tuple[int, str]]) -> Operations:
    """By cohort, its operations in order of their names; `of_series` has cohort and operation of each row's series, in
    ascending order."""
    if not len(series):
        return lambda first, end: [{} for _ in range(first, end)]
    accepted = (rows.flags & DUPLICATE) == 0
    known = accepted & (rows.outcome != UNKNOWN)
    tells = accepted & (rows.retries != SAYS_NOTHING)
    timed = accepted & ((rows.outcome == OK) | (rows.outcome == UNKNOWN)) & (rows.latency >= 0)
    weighed = _Weighing(rows.attempts, rows.attempts)
    units = Units(series, rows.device)
    of = units.sums(
        {
            "records": accepted,
            "attempts": weighed(accepted),
            "known": known,
            "known attempts": weighed(known),
            "failed": weighed(known & (rows.outcome == ERROR)),
            "denied": weighed(known & (rows.outcome == DENIED)),
            "timed out": weighed(known & (rows.outcome == TIMEOUT)),
            "telling": tells,
            "telling attempts": weighed(tells),
            # Of an aggregate only their sum is known: so many attempts at most were tried again.
            "retried": weighed(tells & (rows.retries > 0), np.minimum(rows.retries, rows.attempts)),
        }
    )
    rates = units.rates(
        {
            "failure": Share(of["known"], of["known attempts"], of["failed"]),
            "denial": Share(of["known"], of["known attempts"], of["denied"]),
            "timeout": Share(of["known"], of["known attempts"], of["timed out"]),
            "retry": Share(of["telling"], of["telling attempts"], of["retried"]),
        }
    )
    latency = units.histogram(timed, rows.latency, rows.attempts)
    total = units.totals({"records": of["records"], "attempts": of["attempts"]})

    def part(first: int, end: int) -> list[dict[str, OperationWindow]]:
        out: list[dict[str, OperationWindow]] = [{} for _ in range(first, end)]
        a, b = bisect_left(of_series, (first,)), bisect_left(of_series, (end,))
        counts = (total[name][a:b].tolist() for name in ("records", "attempts"))
        fields = zip(*counts, rates.part(a, b), *latency.part(a, b), strict=True)
        for (cohort, operation), (records, *others) in zip(of_series[a:b], fields, strict=True):
            if records:
                out[cohort - first][operation] = OperationWindow(records, *others)
        return out

    return part


def cohort_windows(
    names: Sequence[Cohort],
    rows: Rows,
    cohort: Ints,
    delay: Ints,
    unfilled: Unfilled,
    operations: Operations,
    versions: Sequence[dict[str, int]],
) -> Cohorts:
    """The window of each cohort; `cohort` and `delay` (or `pipeline.clocks.NONE`) are given by row, versions of the app
    by cohort.

    What came due and never came stands in rows of its own, after those of the records.
    """
    accepted = (rows.flags & DUPLICATE) == 0
    sequenced = (rows.flags & SEQUENCED) != 0
    inverted = (rows.flags & INVERTED) != 0
    violating = np.zeros(len(cohort), dtype=np.bool_)
    violating[rows.clause_row] = True
    violating &= accepted
    told = delay != NONE
    missing = unfilled.missing
    nothing, unmarked = np.zeros(len(missing), dtype=np.int64), np.zeros(len(missing), dtype=np.bool_)
    attempts = np.concatenate((rows.attempts, nothing))
    weighed = _Weighing(rows.attempts, attempts)
    units = Units(np.concatenate((cohort, unfilled.cohort)), np.concatenate((rows.device, unfilled.device)))

    def also(of_records: NDArray[Any], of_unfilled: NDArray[Any] = unmarked) -> NDArray[Any]:
        return np.concatenate((of_records, of_unfilled)) if len(missing) else of_records

    arrived, taken = also(np.ones(len(cohort), dtype=np.bool_)), also(accepted)
    in_sequence, before_its_turn, in_breach = also(sequenced), also(inverted), also(violating)
    of = units.sums(
        {
            "arrived": arrived,
            "arrived attempts": weighed(arrived),
            "repeated attempts": weighed(also(~accepted)),
            "records": taken,
            "attempts": weighed(taken),
            "violating": in_breach,
            "violating attempts": weighed(in_breach),
            "sequenced": in_sequence,
            "sequenced attempts": weighed(in_sequence),
            "inversions": before_its_turn,
            "inverted attempts": weighed(before_its_turn),
            "expected": also((rows.flags & EXPECTED) != 0, missing),
            "gaps": also(np.zeros(len(cohort), dtype=np.bool_), missing),
            "cached": also(accepted & rows.cached),
            "lag": also(told * delay, nothing),
            "told": also(told),
        }
    )
    rates = units.rates(
        {
            "out_of_order": Share(of["sequenced"], of["sequenced attempts"], of["inverted attempts"]),
            "duplicate": Share(of["arrived"], of["arrived attempts"], of["repeated attempts"]),
            "gap": Share(of["expected"], of["expected"], of["gaps"]),
            "contract": Share(of["records"], of["attempts"], of["violating attempts"]),
        }
    )
    delays = units.histogram(also(told), also(delay, nothing).astype(np.float64), attempts)
    total = units.totals(of)
    clauses = _clauses(rows, cohort, accepted, len(names))

    def part(first: int, end: int) -> list[CohortWindow]:
        sums = {name: counts[first:end].tolist() for name, counts in total.items()}
        of_rates, of_operations = rates.part(first, end), operations(first, end)
        bins, weights, squares = delays.part(first, end)
        return [
            CohortWindow(
                device_class=name.device_class,
                firmware=name.firmware,
                environment=name.environment,
                records=sums["records"][i],
                duplicates=sums["arrived"][i] - sums["records"][i],
                cached=sums["cached"][i],
                sequenced=sums["sequenced"][i],
                inversions=sums["inversions"][i],
                expected=sums["expected"][i],
                gaps=sums["gaps"][i],
                violating=sums["violating"][i],
                clauses=clauses[first + i],
                rates=of_rates[i],
                delay_bins=bins[i],
                delay_weights=weights[i],
                delay_squares=squares[i],
                lag_sum_ms=sums["lag"][i],
                lag_records=sums["told"][i],
                operations=of_operations[i],
                app_versions=versions[first + i],
            )
            for i, name in enumerate(names[first:end])
        ]

    return part


class _Weighing:
    """What marks weigh: by row, its attempts where they are set. Without an aggregate those are the marks themselves.

    Args:
        of_records: attempts by record, of which some may be aggregates. attempts: by row.
    """

    def __init__(self, of_records: Ints, attempts: Ints) -> None:
        self._single = bool((of_records == 1).all())
        self._attempts = attempts

    def __call__(self, marks: NDArray[np.bool_], weights: Ints | None = None) -> NDArray[Any]:
        """weights: instead of the attempts; 1 wherever the marks are set and a record is one attempt."""
        if self._single:
            return marks
        return marks * (self._attempts if weights is None else weights)


def _clauses(rows: Rows, cohort: Ints, accepted: NDArray[np.bool_], cohorts: int) -> list[dict[str, int]]:
    """By cohort, how many records violate each clause, in order of the clauses."""
    out: list[dict[str, int]] = [{} for _ in range(cohorts)]
    counts = accepted[rows.clause_row]
    cells, times = np.unique(cohort[rows.clause_row[counts]] * len(CLAUSES) + rows.clause[counts], return_counts=True)
    for cell, number in zip(cells.tolist(), times.tolist(), strict=True):
        out[cell // len(CLAUSES)][clause_id(cell % len(CLAUSES))] = number
    return out
