"""Ingest: records of one input partition to windows, ticks and rejects.

What a minute holds follows from the log alone: it ends with the record that moves the arrival clock out of it. Commits
name only such places, so that whoever goes on after a crash forms the same windows with the same stamps, and the next
stage drops those it has.

The exception is a partition that has fallen silent: it must not hold up all others until its next record comes, so its
open minute is cut off early. Where the cut was made does not follow from the log. Therefore it is committed *before*
anything of the cut minute is sent: Kafka refuses that commit from a worker that has lost the partition, and whoever
gets the partition next finds the cut in the commit and makes it at the same place.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, Protocol, overload

import msgspec
from faust.types import TP

from pipeline.codec import decode, encode
from pipeline.ingest import Totals
from pipeline.messages import Reject, Tick, Windows
from pipeline.operators.gate import RejectGate
from pipeline.records import RecordBatch
from pipeline.stream.agents.holding import Holding
from pipeline.stream.broker import Broker, Header, Record
from pipeline.stream.meters import IngestMeter
from pipeline.stream.names import Names, partition_of, source_of
from pipeline.stream.stamps import Stamp
from pipeline.stream.transport import Committed

PARTS_A_CUT: Final = 1 << 10
"""Parts of a minute that come after an early cut have numbers from here on; after a second cut, from twice this."""


class IngestStage(Protocol):
    """The pure stage; see `pipeline.ingest.Ingest`."""

    totals: Totals

    @property
    def boundary(self) -> int | None:
        """Position of the first record that has not been said; None: all have been."""
        ...

    @property
    def shortened(self) -> int:
        """Times that event ids were forgotten before their day was over, for lack of room."""
        ...

    def answers(self, batch: RecordBatch) -> Iterable[Windows | Tick | Reject]: ...

    def flush(self, idle: bool = True) -> list[Windows | Tick | Reject]: ...


class Mark(msgspec.Struct, frozen=True):
    """What a commit of an input partition says beside its offset.

    minute, cuts: the minute in which a cut was made last, and how many were made in it. idle: the partition was said to
    be idle, and has not spoken since. at: the offset from which records count to the part after that cut. cut: a cut
    has been decided at this offset and may not have been made yet.
    """

    minute: int = 0
    cuts: int = 0
    at: int = -1
    idle: bool = False
    cut: int | None = None


class _Letter(NamedTuple):
    """A message as it is sent; see `pipeline.stream.broker.Outbox.send`."""

    topic: str
    partition: int | None
    key: bytes
    body: bytes
    headers: Sequence[Header] = ()


class _Headers(Sequence[Sequence[Header]]):
    """Headers of records, looked at by the few formats that have something there."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, at: int) -> Sequence[Header]: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Sequence[Header]]: ...

    def __getitem__(self, at: int | slice) -> Sequence[Header] | Sequence[Sequence[Header]]:
        return _Headers(self._records[at]) if isinstance(at, slice) else self._records[at].headers


class IngestHolding(Holding):
    """One input partition.

    Args:
        stage: makes the pure stage.
        windows: number of partitions of the windows topic.
        idle_after_s: seconds of silence at the end of the log until the partition is said to be idle.
        gate: says when so much is refused that the intake has to stop; None: never.
        rejects: number of partitions of the rejects topic; None: they are not asked what was refused before.
        lookback: records before the committed offset that are read back to know duplicates and order again.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        tp: TP,
        broker: Broker,
        names: Names,
        *,
        stage: Callable[[], IngestStage],
        windows: int,
        idle_after_s: float,
        lookback: int,
        meter: IngestMeter,
        clock: Callable[[], float],
        gate: RejectGate | None = None,
        rejects: int | None = None,
    ) -> None:
        super().__init__(tp, broker)
        self._rejects = rejects
        self._gate = gate
        self._stopped = False
        """Too much was refused: nothing more is taken here, and what waits is not lost."""
        self._names = names
        self._stage = stage()
        self._source = source_of(tp.topic, tp.partition)
        self._windows = windows
        self._idle_after_s = idle_after_s
        self._lookback = lookback
        self._meter = meter
        self._clock = clock
        self._mark = Mark()
        self._committed: Committed | None = None
        self._boundary = 0
        self._minute = -1
        """Of the last message that was sent; what is sent next in it has the next number."""
        self._number = 0
        self._parts: Counter[str] = Counter()
        """Of that minute, by operator."""
        self._cut_at = -1
        """Position of the last cut: nothing has come since when it is the position."""
        self._said: int | None = None
        """What the stage says of minutes up to this one was said before."""
        self._heard_at = math.inf
        """When something came last, or it was assigned: of a fleet that begins, the partition that comes a moment after
        the others would miss their minutes if what is empty were idle at once."""

    async def _open(self, committed: Committed | None, beginning: int) -> None:
        self.position = self._boundary = self._cut_at = committed.offset if committed is not None else beginning
        self._committed = committed
        if committed is not None and committed.metadata:
            self._mark = msgspec.json.decode(committed.metadata, type=Mark)
        await self._recall(max(beginning, self.position - self._lookback))
        if self._mark.cut is not None and self._mark.cut <= self.position:
            await self._make_cut()
        elif self._mark.idle:
            # Committed before it was said, so it may not have been.
            await self._say_idle()
        self._heard_at = self._clock()

    async def _recall(self, start: int) -> None:
        """Show the stage what was before the position, so that it knows duplicates and order; what it says was said."""
        refused = await self._refused(start)
        async for records in self._broker.read(self.tp, start, self.position):
            kept = [record for record in records if record.offset not in refused]
            if kept:
                self._stage.answers(self._batch(kept))
        over = [message.minute for message in self._stage.flush(idle=False) if isinstance(message, Tick)]
        if over and self.position != self._mark.at:
            # The minute before has been closed by the record here. The stage does not know, and will close it anew.
            self._said = max(over)

    async def _refused(self, start: int) -> set[int]:
        """Offsets of records that were refused as a whole, and so never counted.

        They may be read well now, after a fix: recalled, they would be taken for counted, and what is redriven of them
        for a repeat.
        """
        found: set[int] = set()
        if self._rejects is None or start >= self.position:
            return found
        place = TP(self._names.rejects, partition_of(self._source, self._rejects))
        async for records in self._broker.read(place, 0, None):
            for record in records:
                reject = decode(record.value or b"")
                if isinstance(reject, Reject) and reject.place.origin == self._source and not reject.partly:
                    found.add(reject.place.position)
        return found

    async def _take(self, records: Sequence[Record], end: int) -> None:
        if self._stopped:
            return
        if self._mark.idle and records:
            self._mark = msgspec.structs.replace(self._mark, idle=False)
            await self._emit([Tick(self._source, self._mark.minute)])
        cut = self._mark.cut
        if cut is not None and self.position < cut <= end:
            await self._feed([record for record in records if record.offset < cut], cut)
            await self._make_cut()
            records = [record for record in records if record.offset >= cut]
            if records:
                await self._take(records, end)
                return
        else:
            await self._feed(records, end)
        self._heard_at = self._clock()

    async def _feed(self, records: Sequence[Record], end: int) -> None:
        if records:
            began = self._clock()
            unknown_before, shortened_before = self._stage.totals.unknown_fields, self._stage.shortened
            # Written as they are made; nothing is sent before all are, so that the stage is done with the batch.
            letters, refused = self._letters(self._stage.answers(self._batch(records)))
            unknown = self._stage.totals.unknown_fields - unknown_before
            shortened = self._stage.shortened - shortened_before
            self._meter.fed(len(records), unknown, shortened, self._clock() - began)
            if self._gate is not None and self._gate.count(len(records), refused):
                self._stopped = True
                self._meter.stopped()
            await self._send(letters)
        self.position = end
        boundary = self._stage.boundary
        self._boundary = end if boundary is None else boundary

    def _batch(self, records: Sequence[Record]) -> RecordBatch:
        first, last = records[0].offset, records[-1].offset
        without_hole = last - first == len(records) - 1
        return RecordBatch(
            origin=self._source,
            positions=range(first, last + 1) if without_hole else [record.offset for record in records],
            values=[record.value or b"" for record in records],
            timestamps=[record.timestamp for record in records],
            headers=_Headers(records),
        )

    async def _emit(self, messages: Iterable[Windows | Tick | Reject]) -> None:
        await self._send(self._letters(messages)[0])

    async def _send(self, letters: Iterable[_Letter]) -> None:
        for letter in letters:
            await self._outbox.send(*letter)

    def _letters(self, messages: Iterable[Windows | Tick | Reject]) -> tuple[list[_Letter], int]:
        """What is to be sent, and how many messages were rejects."""
        letters: list[_Letter] = []
        refused = 0
        for message in messages:
            if isinstance(message, Reject):
                refused += 1
                place = None if self._rejects is None else partition_of(self._source, self._rejects)
                letters.append(_Letter(self._names.rejects, place, self._source.encode(), encode(message)))
            elif self._was_said(message.minute):
                continue
            elif isinstance(message, Windows):
                stamp = self._next_stamp(message.minute)
                body = encode(msgspec.structs.replace(message, part=self._next_part(message.operator, stamp.cut)))
                partition = partition_of(message.operator, self._windows)
                header = [stamp.header(self._source)]
                letters.append(_Letter(self._names.windows, partition, message.operator.encode(), body, header))
            else:
                letters += self._to_all(message, self._next_stamp(message.minute))
            self._meter.said(message)
        return letters, refused

    def _was_said(self, minute: int) -> bool:
        return self._said is not None and minute <= self._said

    def _to_all(self, tick: Tick, stamp: Stamp) -> list[_Letter]:
        key, body, header = self._source.encode(), encode(tick), [stamp.header(self._source)]
        return [_Letter(self._names.windows, partition, key, body, header) for partition in range(self._windows)]

    def _next_stamp(self, minute: int) -> Stamp:
        if minute != self._minute:
            self._begin(minute)
        self._number += 1
        return Stamp(minute, self._mark.cuts if minute == self._mark.minute else 0, self._number)

    def _next_part(self, operator: str, cut: int) -> int:
        """Counted anew after a cut: how many there were before it, whoever goes on after a crash does not know."""
        self._parts[operator] += 1
        return cut * PARTS_A_CUT + self._parts[operator] - 1

    def _begin(self, minute: int) -> None:
        self._minute, self._number, self._parts = minute, 0, Counter()

    async def _tend(self, now: float) -> None:
        silent = now - self._heard_at >= self._idle_after_s
        if self._stopped and not self._mark.idle and self._mark.cut is None:
            # It must not hold up the others; where it stopped is committed, and whoever is started next goes on there.
            await self._fall_silent()
        elif silent and not self._mark.idle and self._mark.cut is None:
            progress = await self._broker.progress(self.tp)
            if progress is not None and progress.delivered == self.position and progress.position == progress.end:
                await self._fall_silent()
        await self._commit()

    async def _fall_silent(self) -> None:
        if self._cut_at == self.position:
            # Nothing is open: there is nothing to cut, only to say.
            self._mark = _after_cut(self._mark, self._mark.minute, self._boundary)
            await self._commit()
            await self._say_idle()
        else:
            self._mark = msgspec.structs.replace(self._mark, cut=self.position)
            await self._commit()
            await self._make_cut()

    async def _make_cut(self) -> None:
        """Close the open minute here; everything up to the position has been said then."""
        messages = self._stage.flush(idle=True)
        await self._emit(messages)
        ticks = [message.minute for message in messages if isinstance(message, Tick)]
        boundary = self._stage.boundary
        self._boundary = self.position if boundary is None else boundary
        self._cut_at = self.position
        self._mark = _after_cut(self._mark, max(ticks, default=self._mark.minute), self._boundary)
        if not ticks:
            # Nothing that was read has had a time.
            await self._say_idle()
        self._begin(-1)
        await self._commit()

    async def _say_idle(self) -> None:
        tick = Tick(self._source, self._mark.minute, idle=True)
        await self._send(self._to_all(tick, Stamp(self._mark.minute, self._mark.cuts, 0)))
        self._begin(-1)

    async def _commit(self) -> None:
        await self._outbox.delivered()
        at = Committed(self._boundary, msgspec.json.encode(self._mark).decode())
        if at != self._committed:
            await self._broker.commit(self.tp, at)
            self._committed = at

    async def _close(self) -> None:
        await self._commit()

    async def _let_go(self) -> None:
        self._meter.gone()


def _after_cut(mark: Mark, minute: int, at: int) -> Mark:
    return Mark(minute, mark.cuts + 1 if minute == mark.minute else 1, at, idle=True)
