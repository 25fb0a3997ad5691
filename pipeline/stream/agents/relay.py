"""Relay: known changes, as people and their tools tell of them, into the log of the evidence.

There they stand among the evidence, stamped with their place in the changes topic, so that the pattern stage takes each
once and at the same place whenever that log is read again. What cannot be read goes to the rejects, with reason and
place; it stops nobody. What a baseline has seen for the first time is in the evidence already: its copy here is for
people to read, and is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from faust.types import TP

from pipeline.changes import fault
from pipeline.codec import encode
from pipeline.messages import Change, Reject
from pipeline.operators.adapter import refusal
from pipeline.records import RecordBatch
from pipeline.stream.agents.holding import Holding
from pipeline.stream.broker import Broker, Record
from pipeline.stream.names import Names, partition_of, source_of
from pipeline.stream.stamps import Stamp, stamp_of
from pipeline.stream.transport import Committed

ADAPTER: Final = "change/1"
INVALID: Final = "change.invalid"


class RelayHolding(Holding):
    """One partition of the changes topic.

    Args:
        evidence: partition of the evidence topic that has the pattern stage.
        rejects: number of partitions of the rejects topic.
    """

    def __init__(self, tp: TP, broker: Broker, names: Names, *, evidence: int, rejects: int) -> None:
        super().__init__(tp, broker)
        self._names = names
        self._source = source_of("changes", tp.partition)
        self._evidence = evidence
        self._rejects = rejects
        self._committed = -1

    async def _open(self, committed: Committed | None, beginning: int) -> None:
        self.position = self._committed = committed.offset if committed is not None else beginning

    async def _take(self, records: Sequence[Record], end: int) -> None:
        for record in records:
            found = self._read(record)
            if isinstance(found, Reject):
                place = partition_of(self._source, self._rejects)
                await self._outbox.send(self._names.rejects, place, self._source.encode(), encode(found))
            elif not found.inferred:
                header = [Stamp(record.offset, 0, 0).header(self._source)]
                await self._outbox.send(
                    self._names.evidence, self._evidence, self._source.encode(), encode(found), header
                )
        self.position = end

    def _read(self, record: Record) -> Change | Reject:
        try:
            # Whoever writes here need not say that it is a change.
            change = msgspec.json.decode(record.value or b"", type=Change)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return self._refused(record, None, str(error))
        wrong = fault(change)
        if wrong is None and change.inferred and stamp_of(record.headers) is None:
            wrong = "inferred: only Seamwatch infers a change; leave it out"
        if wrong is not None:
            return self._refused(record, wrong.partition(":")[0], wrong)
        return change

    def _refused(self, record: Record, field: str | None, why: str) -> Reject:
        batch = RecordBatch(
            origin=source_of(self.tp.topic, self.tp.partition),
            positions=[record.offset],
            values=[record.value or b""],
            timestamps=[record.timestamp],
            headers=[record.headers],
        )
        return refusal(batch, 0, INVALID, field, why, adapter=ADAPTER).reject

    async def _tend(self, now: float) -> None:
        await self._commit()

    async def _close(self) -> None:
        await self._commit()

    async def _commit(self) -> None:
        if self.position != self._committed:
            at = self.position
            await self._outbox.delivered()
            await self._broker.commit(self.tp, Committed(at, ""))
            self._committed = at
