"""Route: every change of an incident to the sinks, in the order of the log.

Who is told takes responsibility in one of two ways, and the commit says how far each has come:

- A sink keeps what should be (alerts, a page). It has done its part when it has taken a record: what it cannot deliver
  now it delivers later, and a worker that takes over makes it what it was from the newest record of each incident. Only
  an incident that nobody has heard of at all, and that is over by then, would be missed; its id is committed as owed.
- A courier delivers every record. Its position is committed where it lags behind that of the partition.

So the order is: told or delivered, then committed; a crash between the two tells again, which does no harm to a sink,
and of which the receiver of a courier can tell by the key that it comes with. A receiver that is away keeps nobody else
from being told, as the position of the partition goes on without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

import msgspec
from faust.types import TP

from pipeline.codec import decode
from pipeline.messages import Incident
from pipeline.stream.agents.courier import Courier, Delivery
from pipeline.stream.agents.holding import Holding
from pipeline.stream.agents.stage import ForeignMessageError
from pipeline.stream.broker import Broker, Record
from pipeline.stream.meters import RouteMeter
from pipeline.stream.names import source_of
from pipeline.stream.stamps import Seen, stamp_of
from pipeline.stream.transport import Committed

_NO_DELIVERIES: Final[Mapping[str, Delivery]] = {}


class Sink(Protocol):
    """Takes incidents to somewhere; see `pipeline.sinks`. It tries again by itself, and a repeat does no harm there."""

    async def restore(self, incidents: Sequence[Incident]) -> None: ...

    async def send(self, incident: Incident) -> None: ...

    async def close(self) -> None: ...


@runtime_checkable
class Owing(Protocol):
    """A sink that can say of which incidents nobody has heard yet, and be told so after a restart."""

    @property
    def owed(self) -> Sequence[str]: ...

    def owe(self, incidents: Sequence[Incident]) -> None: ...


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """Metadata of a commit. A few kB at most: Kafka takes 4096 bytes unless told otherwise.

    behind: positions of the couriers that have not come as far as the partition. owed: ids of incidents.
    """

    behind: dict[str, int] = {}
    owed: list[str] = []


class RouteHolding(Holding):
    """One partition of the incidents topic.

    sinks, deliveries: its own. They are closed with it, so that nobody goes on telling what another worker tells now.
    clock: seconds, monotonic.
    """

    def __init__(
        self,
        tp: TP,
        broker: Broker,
        *,
        sinks: Sequence[Sink],
        meter: RouteMeter,
        clock: Callable[[], float],
        deliveries: Mapping[str, Delivery] = _NO_DELIVERIES,
    ) -> None:
        super().__init__(tp, broker)
        self._sinks = sinks
        self._meter = meter
        self._clock = clock
        self._couriers = {
            name: Courier(tp, broker, each, self._decode, self._record) for name, each in deliveries.items()
        }
        self._seen = Seen()
        self._committed = Committed(-1, "")

    async def _open(self, committed: Committed | None, beginning: int) -> None:
        self.position = committed.offset if committed is not None else beginning
        self._committed = committed if committed is not None else Committed(beginning, "")
        progress = self._progress(committed)
        starts = {name: progress.behind.get(name, self.position) for name in self._couriers}
        newest: dict[str, Incident] = {}
        async for records in self._broker.read(self.tp, beginning, self.position):
            for record in records:
                origin = stamp_of(record.headers)
                if origin is not None:
                    self._seen.is_new(*origin)
                    for name, courier in self._couriers.items():
                        if record.offset < starts[name]:
                            courier.seen.is_new(*origin)
                if record.value is not None:
                    incident = self._decode(record)
                    newest[incident.incident_id] = incident
        for sink in self._sinks:
            await sink.restore(list(newest.values()))
            if isinstance(sink, Owing):
                sink.owe([newest[name] for name in progress.owed if name in newest])
        for name, courier in self._couriers.items():
            courier.begin(starts[name], self.position)

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
        for courier in self._couriers.values():
            courier.take(records, end)
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
        for courier in self._couriers.values():
            courier.check()
        await self._commit()

    async def _close(self) -> None:
        for courier in self._couriers.values():
            await courier.stop()
        await self._commit()

    async def _let_go(self) -> None:
        for courier in self._couriers.values():
            await courier.stop()
        for sink in self._sinks:
            await sink.close()

    async def _record(self) -> bool:
        """Commit; is the partition still ours?"""
        await self._in_turn(self._commit)
        return not self.fenced

    async def _commit(self) -> None:
        behind = {name: courier.at for name, courier in self._couriers.items() if courier.at < self.position}
        owed = list(dict.fromkeys(name for sink in self._sinks if isinstance(sink, Owing) for name in sink.owed))
        metadata = msgspec.json.encode(Progress(behind, owed)).decode() if behind or owed else ""
        wanted = Committed(self.position, metadata)
        if wanted != self._committed:
            await self._broker.commit(self.tp, wanted)
            self._committed = wanted

    def _progress(self, committed: Committed | None) -> Progress:
        if committed is None or not committed.metadata:
            return Progress()
        try:
            return msgspec.json.decode(committed.metadata, type=Progress)
        except msgspec.MsgspecError as error:
            place = source_of(self.tp.topic, self.tp.partition)
            msg = f"the commit of {place} was not made by this version of Seamwatch: {committed.metadata!r}"
            raise ForeignMessageError(msg) from error
