"""Route: every change of an incident to the sinks, in the order of the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
from faust.types import TP

from pipeline.codec import decode
from pipeline.messages import Incident
from pipeline.stream.agents.holding import Holding
from pipeline.stream.agents.stage import ForeignMessageError
from pipeline.stream.broker import Broker, Record
from pipeline.stream.meters import RouteMeter
from pipeline.stream.names import source_of
from pipeline.stream.stamps import Seen, stamp_of
from pipeline.stream.transport import Committed


class Sink(Protocol):
    """Takes incidents to somewhere; see `pipeline.sinks`. It tries again by itself, and a repeat does no harm there."""

    async def restore(self, incidents: Sequence[Incident]) -> None: ...

    async def send(self, incident: Incident) -> None: ...

    async def close(self) -> None: ...


class RouteHolding(Holding):
    """One partition of the incidents topic.

    sinks: its own. They are closed with it, so that nobody goes on refreshing what another worker tells of now. clock:
    seconds, monotonic.
    """

    def __init__(
        self, tp: TP, broker: Broker, *, sinks: Sequence[Sink], meter: RouteMeter, clock: Callable[[], float]
    ) -> None:
        super().__init__(tp, broker)
        self._sinks = sinks
        self._meter = meter
        self._clock = clock
        self._seen = Seen()
        self._committed = -1

    async def _open(self, committed: Committed | None, beginning: int) -> None:
        self.position = committed.offset if committed is not None else beginning
        self._committed = self.position
        newest: dict[str, Incident] = {}
        async for records in self._broker.read(self.tp, beginning, self.position):
            for record in records:
                if record.value is not None:
                    incident = self._decode(record)
                    newest[incident.incident_id] = incident
        for sink in self._sinks:
            await sink.restore(list(newest.values()))

    async def _take(self, records: Sequence[Record], end: int) -> None:
        for record in records:
            if record.value is None:
                continue
            origin = stamp_of(record.headers)
            if origin is None or self._seen.is_new(*origin):
                began = self._clock()
                incident = self._decode(record)
                for sink in self._sinks:
                    await sink.send(incident)
                self._meter.fed(self._clock() - began)
        self.position = end

    def _decode(self, record: Record) -> Incident:
        place = f"{source_of(self.tp.topic, self.tp.partition)} offset {record.offset}"
        try:
            message = decode(record.value or b"")
        except msgspec.MsgspecError as error:
            msg = f"{place} holds what this version of Seamwatch did not write: {error}"
            raise ForeignMessageError(msg) from error
        if not isinstance(message, Incident):
            msg = f"{place} holds {type(message).__name__}, not an incident"
            raise ForeignMessageError(msg)
        return message

    async def _tend(self, now: float) -> None:
        await self._commit()

    async def _close(self) -> None:
        await self._commit()

    async def _let_go(self) -> None:
        for sink in self._sinks:
            await sink.close()

    async def _commit(self) -> None:
        if self.position != self._committed:
            await self._broker.commit(self.tp, Committed(self.position, ""))
            self._committed = self.position
