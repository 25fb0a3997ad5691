"""The ingest stage: one log of raw records in; cohort windows of a minute, rejects and progress out. Pure.

adapter -> arrival clock -> duplicates and order -> believed clocks -> the open minute's columns. A minute is closed when
the arrival clock passes its end, so windows are a function of the log alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pipeline.clocks import AHEAD_MS, ArrivalClock, DeviceClocks
from pipeline.messages import MINUTE_MS, Reject, Tick, Windows
from pipeline.observation import Observation
from pipeline.operators import ADAPTERS
from pipeline.operators.adapter import Decoded, reject
from pipeline.ordering import OperatorOrder
from pipeline.records import RecordBatch
from pipeline.windows import (
    ABSENT,
    CACHED,
    DUPLICATE,
    GAP_ONLY,
    INVERTED,
    OUTCOME_CODE,
    SEQUENCED,
    VIOLATING,
    Minute,
    SeriesTable,
    close,
)

Answer: TypeAlias = Windows | Tick | Reject


@dataclass(frozen=True, slots=True)
class Limits:
    """What an ingest stage keeps in memory at most: event ids and sequences an operator, devices, cohorts."""

    event_ids: int = 4_000_000
    scopes: int = 1_000_000
    devices: int = 1_000_000
    cohorts: int = 20_000


@dataclass(slots=True)
class Totals:
    """What became of records; records = accepted + duplicates + rejected, but for those that are still held.

    first_at, last_at: the arrival clock at the first and the last record that was let through; None without one.
    """

    records: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    unknown_fields: int = 0
    first_at: int | None = None
    last_at: int | None = None


class _Item:
    """A decoded record that is held back: what is needed to let it through, or to refuse it."""

    __slots__ = ("batch", "index", "observation", "violations")

    def __init__(
        self, batch: RecordBatch, index: int, observation: Observation, violations: tuple[str, ...] | None
    ) -> None:
        self.batch = batch
        self.index = index
        self.observation = observation
        self.violations = violations


class Ingest:
    """Reads one log.

    Args:
        source: its name, as the next stage knows it.
        adapter: the wire format.
        limits: what is kept in memory.
    """

    def __init__(self, source: str, *, adapter: str = "canonical", limits: Limits | None = None) -> None:
        self.source = source
        self.totals = Totals()
        self._limits = limits or Limits()
        self._adapter = ADAPTERS[adapter]()
        self._clock = ArrivalClock()
        self._devices = DeviceClocks(self._limits.devices)
        self._orders: dict[str, OperatorOrder] = {}
        self._table = SeriesTable(self._limits.cohorts)
        self._minute = Minute()
        self._opened: int | None = None
        self._part = 0
        self._anonymous = 0
        self._first_of_minute: int | None = None

    @property
    def boundary(self) -> int | None:
        """Position of the first record that is not in a closed minute or is held; None: all that was read is closed."""
        held = self._clock.first_held
        if self._first_of_minute is None and isinstance(held, _Item):
            return held.batch.positions[held.index]
        return self._first_of_minute

    @property
    def shortened(self) -> int:
        """Times that memory forgot event ids before their day was over."""
        return sum(order.remembered.shortened for order in self._orders.values())

    @property
    def overflowed(self) -> int:
        """Observations pooled because there were too many cohorts."""
        return self._table.overflowed

    def feed(self, batch: RecordBatch) -> list[Answer]:
        """Take records in the order of the log."""
        out: list[Answer] = []
        decoded = self._adapter.decode(batch)
        totals = self.totals
        totals.records += len(batch.values)
        totals.unknown_fields += decoded.unknown_fields
        for refused in decoded.rejects:
            totals.rejected[refused.reason] += 1
            out.append(refused)
        clock = self._clock
        timestamps = batch.timestamps
        violations = decoded.violations
        take = self._take
        for i, (observation, arrival, index) in enumerate(
            zip(decoded.observations, decoded.arrivals, decoded.where, strict=True)
        ):
            now = clock.now
            if (
                now is not None
                and arrival <= now + AHEAD_MS
                and not clock.holding
                and (timestamps is None or arrival <= timestamps[index] + AHEAD_MS)
            ):
                if arrival > now:
                    clock.now = arrival
                    if arrival >= self._end:
                        self._close(arrival, out)
                take(observation, arrival, batch.positions[index], violations.get(i) if violations else None)
            else:
                self._unusual(decoded, batch, i, out)
        return out

    def flush(self, idle: bool = False) -> list[Answer]:
        """Close the open minute early: the log has ended, or is idle and must not hold others up.

        An idle log may go on: a further part of the same minute is then sent under a higher `part`. What is held for a
        wild arrival time is refused at the end of a log only.
        """
        out: list[Answer] = []
        if not idle:
            self._refuse(self._clock.give_up(), out)
        if self._opened is None:
            out.append(Tick(self.source, 0, idle))
            return out
        for opening in self._due(self._clock.now or 0):
            self._gap(opening)
        out += close(self._minute, self._table, self.source, self._opened, self._part)
        self._minute = Minute()
        self._part += 1
        self._first_of_minute = None
        out.append(Tick(self.source, self._opened, idle))
        return out

    # -- one record --------------------------------------------------------------------------------------------------

    def _unusual(self, decoded: Decoded, batch: RecordBatch, i: int, out: list[Answer]) -> None:
        """The first record, one far ahead of the clock, or one that comes while such are held."""
        index, arrival = decoded.where[i], decoded.arrivals[i]
        item = _Item(batch, index, decoded.observations[i], decoded.violations.get(i))
        if batch.timestamps is not None and arrival > batch.timestamps[index] + AHEAD_MS:
            self._refuse([(arrival, item)], out)
            return
        through, refused = self._clock.take(arrival, item)
        self._refuse(refused, out)
        for at, held in through:
            assert isinstance(held, _Item)
            if self._opened is None:
                self._open(at)
            elif at >= self._end:
                self._close(at, out)
            self._take(held.observation, at, held.batch.positions[held.index], held.violations)

    def _refuse(self, held: list[tuple[int, object]], out: list[Answer]) -> None:
        for at, item in held:
            assert isinstance(item, _Item)
            self.totals.rejected["received_at.ahead"] += 1
            detail = f"received_at {at} is more than an hour ahead, and no five records after it agree"
            out.append(reject(item.batch, item.index, "received_at.ahead", "received_at", detail))

    def _take(self, seen: Observation, arrival: int, position: int, violations: tuple[str, ...] | None) -> None:
        totals = self.totals
        operator = seen.operator
        order = self._orders.get(operator)
        if order is None:
            order = self._orders[operator] = OperatorOrder(self._limits.event_ids, self._limits.scopes)
        series = self._table.series(operator, seen.device_class, seen.firmware, seen.environment, seen.operation)
        now = self._clock.now or arrival
        if totals.first_at is None:
            totals.first_at = now
        totals.last_at = now
        if self._first_of_minute is None:
            self._first_of_minute = position
        name = seen.device_id or seen.session_id
        if name is None:
            self._anonymous += 1
            device = -self._anonymous
        else:
            device = hash(name) & _POSITIVE
        minute = self._minute
        bits = OUTCOME_CODE[seen.outcome]
        retries = seen.retries
        latency = seen.latency_ms
        count = seen.count
        if not order.remembered.is_new(seen.event_id, now):
            totals.duplicates += 1
            bits |= DUPLICATE
            delay, expected = ABSENT, 0
        else:
            totals.accepted += 1
            clauses = violations or ()
            place = order.sequence(
                seen.seq, seen.seq_scope, seen.session_id, seen.device_id, seen.cached, now, series, device
            )
            expected = place.expected
            if place.sequenced:
                bits |= INVERTED | SEQUENCED if place.inverted else SEQUENCED
            if place.clause is not None:
                clauses = (*clauses, place.clause)
            occurred_at, sent_at = seen.occurred_at, seen.sent_at
            delay = ABSENT
            if occurred_at is not None or sent_at is not None:
                believed = self._devices.believe(seen.device_id, arrival, occurred_at, sent_at)
                if believed.delay_ms is not None:
                    delay = believed.delay_ms
                if believed.clauses:
                    clauses = (*clauses, *believed.clauses)
            if seen.cached:
                bits |= CACHED
            if clauses:
                bits |= VIOLATING
                counts = minute.clauses.setdefault(self._table.cohort_of[series], {})
                for clause in set(clauses):
                    counts[clause] = counts.get(clause, 0) + 1
        minute.series.append(series)
        minute.device.append(device)
        minute.bits.append(bits)
        minute.latency.append(-1.0 if latency is None else latency)
        minute.count.append(count)
        minute.retried.append(ABSENT if retries is None else min(retries, count))
        minute.delay.append(delay)
        minute.expected.append(expected)
        minute.gaps.append(0)

    # -- minutes -----------------------------------------------------------------------------------------------------

    @property
    def _end(self) -> int:
        return (self._opened or 0) + MINUTE_MS

    def _open(self, at: int) -> None:
        self._opened = at // MINUTE_MS * MINUTE_MS
        self._part = 0

    def _close(self, at: int, out: list[Answer]) -> None:
        """The clock has come to `at`, past the open minute: close it. Gaps that came due since count in it."""
        assert self._opened is not None
        for opening in self._due(at // MINUTE_MS * MINUTE_MS):
            self._gap(opening)
        out += close(self._minute, self._table, self.source, self._opened, self._part)
        self._minute = Minute()
        self._first_of_minute = None
        self._open(at)
        out.append(Tick(self.source, (self._opened or 0) - MINUTE_MS))

    def _due(self, now: int) -> list[tuple[int, int, int]]:
        """Series, device and missing numbers of the gaps that are due, in an order that the log alone decides."""
        return [
            (opening.series, opening.device, opening.missing)
            for _, order in sorted(self._orders.items())
            for opening in order.due(now)
        ]

    def _gap(self, gap: tuple[int, int, int]) -> None:
        series, device, missing = gap
        minute = self._minute
        minute.series.append(series)
        minute.device.append(device)
        minute.bits.append(GAP_ONLY)
        minute.latency.append(-1.0)
        minute.count.append(1)
        minute.retried.append(ABSENT)
        minute.delay.append(ABSENT)
        minute.expected.append(missing)
        minute.gaps.append(missing)


_POSITIVE: Final = (1 << 63) - 1
"""Hashes of names are kept positive; anonymous records count down from -1."""
