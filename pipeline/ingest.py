"""The ingest stage: one log of raw records in; cohort windows of a minute, rejects and progress out. Pure.

    records ──► adapter ──► arrival clock ──► duplicates and order ──► the open minute ──► Windows, Tick
                   └───────────────┴──► Reject

A batch is taken apart into columns and each step looks at all of it. A minute is closed when the arrival clock passes
its end, so windows are a function of the log alone, however it was cut into batches.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.arrival import NOT_STARTED, ArrivalClock
from pipeline.clocks import DeviceClocks
from pipeline.columns import Columns
from pipeline.contracts import NUMBER
from pipeline.gaps import Missing
from pipeline.hashing import Keys, device_key
from pipeline.messages import MINUTE_MS, Reject, Tick, Windows
from pipeline.observation import LATEST_MS, Observation
from pipeline.operators import Adapter, adapter_of
from pipeline.operators.adapter import Decoded, refusal
from pipeline.ordering import DUPLICATE, RESET, Ordering
from pipeline.records import RecordBatch
from pipeline.rows import Rows
from pipeline.series import Series
from pipeline.windows import Minute

Answer: TypeAlias = Windows | Tick | Reject
_Answers: TypeAlias = list[Iterable[Answer]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What an ingest stage keeps in memory at most.

    event_ids, gaps, names (devices, sessions, sequence scopes): over all operators of the log; what was not seen for
    the longest is forgotten. An event id takes 16 to 32 bytes, a name 60 to 120.
    cohorts, operations: in one minute; beyond, they are pooled. rows: of the open minute; beyond, it is sent in parts.
    """

    event_ids: int = 4_000_000
    names: int = 2_000_000
    gaps: int = 200_000
    cohorts: int = 20_000
    operations: int = 256
    rows: int = 500_000


_LIMITS: Final = Limits()

SAMPLED: Final = 31
"""Versions of the app are counted of the records whose arrival is divisible by this, in ms: one in 31, whatever the
grain of the clock. To look at all of them would cost more than they tell."""


@dataclass(slots=True)
class Totals:
    """What became of records: records = accepted + duplicates + rejected. One that is held back is not counted yet.

    first_at, last_at: the least and the greatest arrival of those accepted, ms since the epoch; None without one.
    """

    accepted: int = 0
    duplicates: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    unknown_fields: int = 0
    first_at: int | None = None
    last_at: int | None = None

    @property
    def records(self) -> int:
        return self.accepted + self.duplicates + self.rejected.total()


class _Refused(NamedTuple):
    """A record that the adapter refused. after: observations that came before it and are undecided."""

    after: int
    operator: str | None
    reason: str
    position: int


@dataclass(slots=True)
class _Queue:
    """Records that the arrival clock has not decided, in the order of the log.

    batches, indices: where each observation was. violations: by number of the observation. walls: the broker's time of
    each record, empty on disk. several: some record gave more than one observation.
    """

    observations: list[Observation] = field(default_factory=list)
    arrivals: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    batches: list[RecordBatch] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    violations: dict[int, tuple[str, ...]] = field(default_factory=dict)
    refused: list[_Refused] = field(default_factory=list)
    walls: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    several: bool = False

    def add(self, batch: RecordBatch, decoded: Decoded) -> None:
        before = len(self.observations)
        self.several = decoded.several or (self.several and before > 0)
        self.observations += decoded.observations
        arrivals = np.fromiter(decoded.arrivals, dtype=np.int64, count=len(decoded.arrivals))
        self.arrivals = np.concatenate((self.arrivals, arrivals)) if before else arrivals
        self.batches += [batch] * len(decoded.where)
        self.indices += decoded.where
        for number, violated in decoded.violations.items():
            self.violations[before + number] = violated
        for index, operator, reject in decoded.rejects:
            after = before + bisect_left(decoded.where, index)
            self.refused.append(_Refused(after, operator, reject.reason, batch.positions[index]))
        if batch.timestamps is not None:
            # Kafka writes -1 where nobody gave a time; that bounds nothing.
            stamps = np.fromiter(batch.timestamps, dtype=np.int64, count=len(batch.values))
            stamps = np.where(stamps >= 0, stamps, LATEST_MS)
            if len(decoded.where) != len(stamps) or decoded.rejects:
                stamps = stamps[np.fromiter(decoded.where, dtype=np.int64, count=len(decoded.where))]
            self.walls = np.concatenate((self.walls, stamps)) if before else stamps

    def take(self, number: int) -> _Queue:
        """The first observations, and what was refused among them; they are no longer here."""
        taken = _Queue(
            self.observations[:number],
            self.arrivals[:number],
            self.batches[:number],
            self.indices[:number],
            {row: violated for row, violated in self.violations.items() if row < number},
            [refused for refused in self.refused if refused.after <= number],
        )
        del self.observations[:number], self.batches[:number], self.indices[:number]
        self.arrivals, self.walls = self.arrivals[number:], self.walls[number:]
        self.violations = {row - number: it for row, it in self.violations.items() if row >= number}
        self.refused = [it._replace(after=it.after - number) for it in self.refused if it.after > number]
        return taken

    def without(self, unwanted: NDArray[np.bool_]) -> _Queue:
        """The observations that are not marked."""
        kept = np.flatnonzero(~unwanted).tolist()
        number = {row: i for i, row in enumerate(kept)}
        return _Queue(
            [self.observations[row] for row in kept],
            self.arrivals[~unwanted],
            [self.batches[row] for row in kept],
            [self.indices[row] for row in kept],
            {number[row]: violated for row, violated in self.violations.items() if row in number},
        )

    def decide(self, arrival: ArrivalClock, last: bool) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The clock at each observation and which are refused, as far as that can be said; see `ArrivalClock.admit`.

        Those of one record came together: they are one witness, not several.
        """
        walls = self.walls if len(self.walls) else None
        if not self.several:
            return arrival.admit(self.arrivals, walls, last=last)
        new = np.ones(len(self.arrivals), dtype=np.bool_)
        indices = np.fromiter(self.indices, dtype=np.int64, count=len(self.indices))
        batches = np.fromiter(map(id, self.batches), dtype=np.int64, count=len(self.batches))
        new[1:] = (np.diff(indices) != 0) | (np.diff(batches) != 0) | (np.diff(self.arrivals) != 0)
        firsts = np.flatnonzero(new)
        clock, wild = arrival.admit(self.arrivals[firsts], None if walls is None else walls[firsts], last=last)
        each = np.diff(np.append(firsts, len(self.arrivals)))[: len(clock)]
        return np.repeat(clock, each), np.repeat(wild, each)

    def position(self, number: int) -> int:
        return self.batches[number].positions[self.indices[number]]


class Ingest:
    """Reads one log.

    Args:
        source: its name, as the next stage knows it.
        adapter: the wire format, by its name or with what is known of the operator.
        limits: what is kept in memory.
    """

    def __init__(self, source: str, *, adapter: str | Adapter = "canonical", limits: Limits = _LIMITS) -> None:
        self.source = source
        self.totals = Totals()
        self._limits = limits
        self._adapter = adapter_of(adapter) if isinstance(adapter, str) else adapter
        self._queue = _Queue()
        self._arrival = ArrivalClock()
        self._ordering = Ordering(ids=limits.event_ids, names=limits.names, gaps=limits.gaps)
        self._series = Series()
        self._clocks = DeviceClocks()
        self._minute = Minute(limits.cohorts, limits.operations)
        self._parts: Counter[str] = Counter()
        self._missing: deque[Missing] = deque()
        """Found missing for good, not yet counted."""
        self._at: int | None = None
        """Start of the open minute; None before the first record."""
        self._first: int | None = None
        """Position of the first record in it that has not been sent."""

    @property
    def boundary(self) -> int | None:
        """Position of the first record that has not been said (of the open minute, or held); None: all have been."""
        if self._first is None and self._queue.observations:
            return self._queue.position(0)
        return self._first

    @property
    def shortened(self) -> int:
        """Times that event ids were forgotten before their day was over, for lack of room."""
        return self._ordering.shortened

    @property
    def overflowed(self) -> int:
        """Records whose cohort or operation was pooled, as there were too many in their minute."""
        return self._minute.pooled

    def feed(self, batch: RecordBatch) -> list[Answer]:
        """Take records in the order of the log."""
        return list(self.answers(batch))

    def answers(self, batch: RecordBatch) -> Iterator[Answer]:
        """As `feed`, but windows are made a message at a time, when they are asked for: whoever writes each and drops
        it has it in the processor's cache. The records are taken all the same."""
        decoded = self._adapter.decode(batch)
        self.totals.unknown_fields += decoded.unknown_fields
        out: _Answers = []
        for _, _, reject in decoded.rejects:
            self.totals.rejected[reject.reason] += 1
            out.append([reject])
        self._queue.add(batch, decoded)
        self._let_through(out)
        return chain.from_iterable(out)

    def flush(self, idle: bool = False) -> list[Answer]:
        """Close the open minute early: the log has ended, or is idle and must not hold others up.

        An idle log may go on: a further part of the same minute is then sent under a higher `part`, and what is held
        for a wild arrival stays held. At the end of a log it is refused.
        """
        out: _Answers = []
        if idle and len(self._queue.arrivals):
            self._arrival.start(int(self._queue.arrivals[0]))
        self._let_through(out, last=not idle)
        if self._at is not None:
            self._count_missing(self._at + MINUTE_MS)
            out.append(self._close(self._at))
            out.append([Tick(self.source, self._at, idle)])
        self._first = None
        return list(chain.from_iterable(out))

    def _let_through(self, out: _Answers, last: bool = False) -> None:
        """Ask the arrival clock about the queue, and count what it has decided."""
        before, whose = self._arrival.now, self._adapter.whose
        clock, wild = self._queue.decide(self._arrival, last)
        taken = self._queue.take(len(clock))
        refused = [
            (before if not it.after else int(clock[it.after - 1]), it.operator or whose, it.reason, it.position)
            for it in taken.refused
        ]
        for number in np.flatnonzero(wild).tolist():
            reject = _ahead(taken, number, self._adapter.version)
            self.totals.rejected[reject.reason] += 1
            out.append([reject])
            operator = taken.observations[number].operator
            refused.append((int(clock[number]), operator, reject.reason, taken.position(number)))
        if wild.any():
            taken, clock = taken.without(wild), clock[~wild]
        at_work: defaultdict[int, list[tuple[str | None, str, int]]] = defaultdict(list)
        for now, who, reason, position in refused:
            # Before the clock was started there is no minute to count in.
            if now is not None and now != NOT_STARTED:
                at_work[now // MINUTE_MS * MINUTE_MS].append((who, reason, position))
        self._count(taken, clock, at_work, out)

    def _count(
        self,
        taken: _Queue,
        clock: NDArray[np.int64],
        refused: Mapping[int, Sequence[tuple[str | None, str, int]]],
        out: _Answers,
    ) -> None:
        """Count records minute by minute; refused: operator, reason and position, by minute."""
        parts: dict[int, tuple[int, int]] = {}
        if len(clock):
            rows, versions = self._judge(taken, clock)
            minute = clock // MINUTE_MS * MINUTE_MS
            starts = [0, *(np.flatnonzero(np.diff(minute)) + 1).tolist(), len(clock)]
            parts = {int(minute[first]): (first, end) for first, end in pairwise(starts)}
        for at in sorted({*parts, *refused}):
            self._move_to(at, out)
            positions = [position for _, _, position in refused.get(at, ())]
            for operator, reason, _ in refused.get(at, ()):
                if operator is not None:
                    self._minute.add_reject(operator, reason)
            if at in parts:
                first, end = parts[at]
                positions.append(taken.position(first))
            if self._first is None:
                self._first = min(positions)
            if at in parts:
                self._fill(rows, versions, first, end, at, out)

    def _fill(
        self,
        rows: Rows,
        versions: Sequence[tuple[int, int, str]],
        first: int,
        end: int,
        at: int,
        out: _Answers,
    ) -> None:
        """Add records to the open minute; a part is full after so many records, wherever the batch ends."""
        while first < end:
            until = min(end, first + self._limits.rows - self._minute.size)
            self._minute.add(rows.part(first, until))
            if versions:
                some = versions[bisect_left(versions, (first,)) : bisect_left(versions, (until,))]
                self._minute.add_versions((series, version) for _, series, version in some)
            first = until
            if self._minute.size >= self._limits.rows:
                out.append(self._close(at, full=True))

    def _close(self, at: int, full: bool = False) -> Iterator[Windows]:
        return self._minute.close(self.source, at, self._series.names, self._clocks, self._parts, full=full)

    def _judge(self, taken: _Queue, clock: NDArray[np.int64]) -> tuple[Rows, list[tuple[int, int, str]]]:
        """Rows of records; and row, series and version of the app of a sample of them, in order of rows."""
        seen = Columns.of(taken.observations)
        if not self._minute.size:
            self._series.trim()
        series = self._series.numbers(seen)
        flags, device = self._ordering.judge(seen, Keys.of(seen, self._series.operators(series)), clock)
        self._missing.extend(self._ordering.missing())
        for numbers in self._ordering.forgotten():
            self._clocks.forget(numbers)
        violated = [(row, NUMBER[clause]) for row, clauses in taken.violations.items() for clause in clauses]
        violated += [(row, NUMBER["seq.reset"]) for row in np.flatnonzero(flags & RESET).tolist()]
        rows = Rows.of(seen, series, device, flags, taken.arrivals, sorted(violated))
        totals = self.totals
        duplicates = int(np.count_nonzero(flags & DUPLICATE))
        totals.duplicates += duplicates
        totals.accepted += len(clock) - duplicates
        if duplicates < len(clock):
            accepted = rows.arrival[(flags & DUPLICATE) == 0]
            first, last = int(accepted.min()), int(accepted.max())
            totals.first_at = first if totals.first_at is None else min(first, totals.first_at)
            totals.last_at = last if totals.last_at is None else max(last, totals.last_at)
        return rows, _versions(seen.app_version, rows)

    def _move_to(self, at: int, out: _Answers) -> None:
        """Close the open minute if another begins, and those between in which something came due."""
        if self._at is None:
            self._at = at
        if at <= self._at:
            return
        while self._at < at:
            self._count_missing(self._at + MINUTE_MS)
            out.append(self._close(self._at))
            self._parts.clear()
            later = self._missing[0].due // MINUTE_MS * MINUTE_MS if self._missing else at
            self._at = min(later, at)
        self._first = None
        out.append([Tick(self.source, at - MINUTE_MS)])

    def _count_missing(self, end: int) -> None:
        """Count what was due before `end` in the open minute."""
        while self._missing and self._missing[0].due < end:
            _, (cohort, device, session), numbers = self._missing.popleft()
            number = self._ordering.number(device_key(cohort.operator, device, session))
            self._minute.add_missing(cohort, number, numbers)


def _versions(said: Sequence[str | None], rows: Rows) -> list[tuple[int, int, str]]:
    if said.count(None) == len(said):
        return []
    sampled = np.flatnonzero((rows.arrival % SAMPLED == 0) & ((rows.flags & DUPLICATE) == 0))
    picked = zip(sampled.tolist(), rows.series[sampled].tolist(), strict=True)
    return [(row, series, version) for row, series in picked if (version := said[row]) is not None]


def _ahead(queue: _Queue, number: int, adapter: str) -> Reject:
    batch, index = queue.batches[number], queue.indices[number]
    at = int(queue.arrivals[number])
    detail = f"received_at {at} is more than an hour ahead of the log, and the five records after it do not agree"
    operator = queue.observations[number].operator
    return refusal(batch, index, "received_at.ahead", "received_at", detail, operator, adapter).reject
