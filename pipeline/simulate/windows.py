"""A world as the window messages of its minutes, without making events: what ingest would say, many times faster.

Attempts and what befalls them are drawn as for events; what is spared is the writing, reading and book-keeping of each
record. So a few things are simpler than they would be, and none of them matters to a detector: two visits of one
device in one minute are two units, a record that comes twice does so within its minute, device clocks are believed
without error, a number that is lost is missed five minutes after its visit, and a record whose firmware or environment
is spoilt stays with its cohort.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import CohortWindow, OperationWindow, Tick, Windows
from pipeline.simulate.chance import stream
from pipeline.simulate.durations import MINUTE_MS
from pipeline.simulate.faults import FIELDS
from pipeline.simulate.traffic import DENIED, ERROR, OK, TIMEOUT, draw_attempts, draw_visits
from pipeline.simulate.transport import flaw_of, flaw_parts, travel
from pipeline.simulate.units import Rates, Units, rate_messages
from pipeline.simulate.world import World

_MOST_MINUTES: Final = 60
_MOST_RECORDS: Final = 150_000
"""Drawn at a time; part of what a seed means."""

SOURCE: Final = "simulated"

_DUE_AFTER: Final = 5
"""Minutes after which a number that is missing counts as a gap."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Records, one row each, a visit's together and in order; also the lost ones, which are there to be missed."""

    visit: NDArray[np.int64]
    cohort: NDArray[np.int64]
    minute: NDArray[np.int64]
    """Of arrival, of the simulation."""
    operation: NDArray[np.int64]
    outcome: NDArray[np.int64]
    latency_ms: NDArray[np.float64]
    retries: NDArray[np.int64]
    delay_ms: NDArray[np.float64]
    cached: NDArray[np.bool_]
    arrives: NDArray[np.bool_]
    overtaken: NDArray[np.bool_]
    twice: NDArray[np.bool_]
    flaw: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> Self:
        return type(self)(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def joined(self, other: Self) -> Self:
        return type(self)(
            **{f.name: np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)}
        )


def simulate_windows(world: World, begin: int = 0) -> Iterator[Windows | Tick]:
    """The windows of every minute from `begin` on, an operator at a time, and a tick after each minute.

    What was under way when a later beginning came is left out: some of its records would arrive in the first minutes.
    """
    pending: _Rows | None = None
    layout = _Layout(world)
    block = world.block(_MOST_MINUTES, _MOST_RECORDS)
    for first in range(begin, world.minutes, block):
        rows = _rows(world, first, block)
        pending = rows if pending is None else pending.joined(rows)
        minutes = min(block, world.minutes - first)
        due = pending.minute < first + minutes
        yield from layout.messages(pending.take(np.flatnonzero(due)), first, minutes)
        pending = pending.take(np.flatnonzero(~due & (pending.minute < world.minutes)))


def _rows(world: World, first: int, minutes: int) -> _Rows:
    conditions = world.conditions(first, minutes)
    visits = draw_visits(world, conditions, stream(world.seed, "visits", first))
    attempts = draw_attempts(world, conditions, visits, stream(world.seed, "attempts", first))
    journeys = travel(world, conditions, visits, attempts, stream(world.seed, "way", first), lambda received: received)
    overtaken, twice = np.zeros((2, len(attempts.visit)), dtype=np.bool_)
    overtaken[journeys.overtaken] = True
    twice[journeys.twice] = True
    return _Rows(
        visit=attempts.visit,
        cohort=attempts.cohort,
        minute=(journeys.received // MINUTE_MS).astype(np.int64),
        operation=attempts.operation,
        outcome=attempts.outcome,
        latency_ms=attempts.latency_ms,
        retries=attempts.retries,
        delay_ms=journeys.received - attempts.at,
        cached=journeys.cached,
        arrives=journeys.arrives,
        overtaken=overtaken,
        twice=twice,
        flaw=journeys.flaw,
    )


class _Layout:
    """Turns rows into messages. A cell is a cohort's minute, numbered minute × cohorts + column within the block."""

    def __init__(self, world: World) -> None:
        self._world = world
        order = np.argsort(world.operator, kind="stable")
        self._cohorts = [world.cohorts[index] for index in order]
        self._column = np.empty(len(order), dtype=np.int64)
        self._column[order] = np.arange(len(order))
        self._names = [operation.name for operation in world.fleet.operations]
        # What comes due in the next minutes: units, hits, numbers expected, numbers missing.
        self._missed = np.zeros((4, _DUE_AFTER * len(order)), dtype=np.int64)

    def messages(self, rows: _Rows, first: int, minutes: int) -> Iterator[Windows | Tick]:
        width = len(self._cohorts)
        cells = minutes * width
        cell = (rows.minute - first) * width + self._column[rows.cohort]
        missed = self._due(rows, cell, cells)
        refused = rows.arrives & np.isin(rows.flaw, _REFUSED)
        seen = np.flatnonzero(rows.arrives & ~refused)
        windows = self._windows(rows.take(seen), cell[seen], cells, missed)
        rejects = Counter(cell[refused].tolist())
        for minute in range(minutes):
            at = self._world.start_ms + (first + minute) * MINUTE_MS
            for operator, columns in groupby(range(width), lambda column: self._cohorts[column].operator):
                numbers = [minute * width + column for column in columns]
                cohorts = [window for number in numbers if (window := windows[number]) is not None]
                count = sum(rejects[number] for number in numbers) if rejects else 0
                if cohorts or count:
                    yield Windows(SOURCE, at, operator, cohorts, rejects={_REFUSAL: count} if count else {})
            yield Tick(SOURCE, at)

    def _due(self, rows: _Rows, cell: NDArray[np.int64], cells: int) -> NDArray[np.int64]:
        """(4, cell): units, hits, numbers expected, numbers missing; keeps what comes due after the block.

        A number that comes was expected, and one that does not come is missing some minutes later: alone in its unit.
        """
        later = _DUE_AFTER * len(self._cohorts)
        came, lost = (np.flatnonzero(~rows.cached & (rows.arrives == arrives)) for arrives in (True, False))
        come = Units.of_visits(rows.visit[came], cell[came]).rates(came[:0], cells)
        missed = Units.of_visits(rows.visit[lost], cell[lost]).rates(np.arange(len(lost)), cells)
        expected, missing = (np.bincount(cell[part], minlength=cells) for part in (came, lost))
        whole = np.concatenate([self._missed, np.zeros((4, cells), dtype=np.int64)], axis=1)
        whole[:, later:] += np.stack([missed.of, missed.hits, missing, missing])
        whole[0, :cells] += come.of
        whole[2, :cells] += expected
        self._missed = whole[:, cells:]
        return whole[:, :cells]

    def _windows(
        self, rows: _Rows, cell: NDArray[np.int64], cells: int, missed: NDArray[np.int64]
    ) -> list[CohortWindow | None]:
        """(cell,): its window, None where nothing happened."""
        units = Units.of_visits(rows.visit, cell)
        fresh = np.flatnonzero(~rows.cached)
        dated = np.flatnonzero(~rows.cached & ~np.isin(rows.flaw, _TIMELESS))
        spoilt = np.isin(rows.flaw, _VIOLATIONS)
        records = np.bincount(cell, minlength=cells)
        busy = np.flatnonzero(records + missed[2])

        def count(where: NDArray[np.bool_]) -> list[int]:
            counts: list[int] = np.bincount(cell[where], minlength=cells)[busy].tolist()
            return counts

        rates = {
            "out_of_order": units.only(fresh).rates(np.flatnonzero(rows.overtaken[fresh]), cells),
            "duplicate": units.copies(np.flatnonzero(rows.twice), cells),
            "gap": Rates(missed[0], missed[1]),
            "contract": units.rates(np.flatnonzero(spoilt), cells),
        }
        lag = np.bincount(cell[dated], np.floor(rows.delay_ms[dated]), minlength=cells)
        operations = self._operations(rows, units, cells)
        clauses = _clauses(rows.flaw, cell)
        windows: list[CohortWindow | None] = [None] * cells
        for (
            number,
            seen,
            twice,
            cached,
            sequenced,
            behind,
            expected,
            gaps,
            violating,
            shares,
            delays,
            late,
            timed,
        ) in zip(
            busy.tolist(),
            records[busy].tolist(),
            count(rows.twice),
            count(rows.cached),
            count(~rows.cached),
            count(rows.overtaken & ~rows.cached),
            missed[2][busy].tolist(),
            missed[3][busy].tolist(),
            count(spoilt),
            rate_messages(rates, busy),
            units.only(dated).histograms(rows.delay_ms[dated], cells).messages(busy),
            lag[busy].astype(np.int64).tolist(),
            np.bincount(cell[dated], minlength=cells)[busy].tolist(),
            strict=True,
        ):
            cohort = self._cohorts[number % len(self._cohorts)]
            windows[number] = CohortWindow(
                cohort.device_class,
                cohort.firmware,
                cohort.environment,
                seen,
                duplicates=twice,
                cached=cached,
                sequenced=sequenced,
                inversions=behind,
                expected=expected,
                gaps=gaps,
                violating=violating,
                clauses=clauses.get(number, {}),
                rates=shares,
                delay_bins=delays[0],
                delay_weights=delays[1],
                delay_squares=delays[2],
                lag_sum_ms=late,
                lag_records=timed,
                operations=operations.get(number, {}),
            )
        return windows

    def _operations(self, rows: _Rows, whole: Units, cells: int) -> dict[int, dict[str, OperationWindow]]:
        """Of every cell with records, the window of every operation among them."""
        kinds = len(self._names)
        places = cells * kinds
        units = whole.split(rows.operation, kinds)
        known = np.flatnonzero(~np.isin(rows.flaw, _OUTCOMELESS))
        counted = np.flatnonzero(~np.isin(rows.flaw, _UNCOUNTED))
        timed = np.flatnonzero((rows.outcome == OK) & ~np.isin(rows.flaw, _UNTIMED))
        judged, tried = units.only(known), units.only(counted)
        records = np.bincount(units.place[units.unit], minlength=places)
        busy = np.flatnonzero(records)
        rates = {
            "failure": judged.rates(np.flatnonzero(rows.outcome[known] == ERROR), places),
            "denial": judged.rates(np.flatnonzero(rows.outcome[known] == DENIED), places),
            "timeout": judged.rates(np.flatnonzero(rows.outcome[known] == TIMEOUT), places),
            "retry": tried.rates(np.flatnonzero(rows.retries[counted] > 0), places),
        }
        found: dict[int, dict[str, OperationWindow]] = {}
        for place, number, shares, (bins, weights, squares) in zip(
            busy.tolist(),
            records[busy].tolist(),
            rate_messages(rates, busy),
            units.only(timed).histograms(rows.latency_ms[timed], places).messages(busy),
            strict=True,
        ):
            window = OperationWindow(number, number, shares, bins, weights, squares)
            held = found.get(place // kinds)
            if held is None:
                found[place // kinds] = {self._names[place % kinds]: window}
            else:
                held[self._names[place % kinds]] = window
        return found


def _clauses(flaw: NDArray[np.int64], cell: NDArray[np.int64]) -> dict[int, dict[str, int]]:
    """Of every cell with violations, how many records violate which clause."""
    rows = np.flatnonzero(np.isin(flaw, _VIOLATIONS))
    found: dict[int, dict[str, int]] = {}
    for number, each in zip(cell[rows].tolist(), flaw[rows].tolist(), strict=True):
        field, _ = flaw_parts(each)
        clause = f"enum.{field}" if field in ("outcome", "environment") else f"field.{field}"
        held = found.setdefault(number, {})
        held[clause] = held.get(clause, 0) + 1
    return found


def _both(field: str) -> list[int]:
    return [flaw_of(field, "bad"), flaw_of(field, "missing")]


_REFUSED: Final = _both("device_class")
_REFUSAL: Final = "device_class.absent"
_TIMELESS: Final = _both("occurred_at")
_OUTCOMELESS: Final = _both("outcome")
_UNCOUNTED: Final = _both("retries")
_UNTIMED: Final = _both("latency_ms")
_VIOLATIONS: Final = [flaw_of(field, "bad") for field in FIELDS if field != "device_class"]
