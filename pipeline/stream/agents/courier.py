"""Every change of an incident, one after another, to one that must have each of them, however long it is away.

The log is the queue: what has been delivered is a position in it, which the route agent commits. In memory there are
the next few records at most; while the receiver is away the rest stays in the topic, and is read back from there. So
nobody else waits, and nothing is lost that Kafka still has: of a compacted topic, the newest of each incident at least.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from faust.types import TP

from pipeline.messages import Incident
from pipeline.stream.broker import Broker, Record
from pipeline.stream.kafka import ReadError
from pipeline.stream.stamps import Seen, stamp_of

HELD: Final = 256
HELD_BYTES: Final = 8 << 20
"""Of one partition, in memory."""
GRACE_S: Final = 2.0
"""At the end, for the delivery that is under way."""
_AGAIN_S: Final = 5.0
_LOG: Final = logging.getLogger(__name__)


class Delivery(Protocol):
    """Brings single changes to one receiver; see `pipeline.sinks.webhook`."""

    async def deliver(self, incident: Incident, value: bytes) -> None:
        """Return when the receiver has it, or has refused it for good; try again until then. value: as in the topic."""

    def waiting(self, count: int) -> None:
        """So many changes at most are not delivered."""

    async def close(self) -> None:
        """Let go of everything."""


class Courier:
    """Deliveries of one partition of the incidents topic.

    Args:
        record: commits how far it has come, and says whether the partition is still ours. Asked for after each
            delivery, so that a crash repeats one at most, and a worker that is no longer meant makes one at most.

    Attributes:
        at: offset of the next record to deliver: whatever is before it has been.
        seen: what was delivered, so that a record that stands twice in the log is told once.
    """

    def __init__(
        self,
        tp: TP,
        broker: Broker,
        delivery: Delivery,
        decode: Callable[[Record], Incident],
        record: Callable[[], Awaitable[bool]],
    ) -> None:
        self.at = 0
        self.seen = Seen()
        self._tp = tp
        self._broker = broker
        self._delivery = delivery
        self._decode = decode
        self._record = record
        self._held: deque[Record] = deque()
        self._bytes = 0
        self._end = 0
        """Up to where the log is known to go."""
        self._behind = False
        """There is more before `_end` than what is held."""
        self._more = asyncio.Event()
        self._ending = False
        self._task: asyncio.Task[None] | None = None

    def begin(self, at: int, end: int) -> None:
        """Deliver from `at` on, of a log that goes up to `end` so far."""
        self.at, self._end = min(at, end), end
        self._behind = self.at < end
        self._more.set()
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"courier {self._tp.partition}")

    def take(self, records: Sequence[Record], end: int) -> None:
        """Records that follow in the log, up to `end`. Raises what has ended the deliveries, if anything has."""
        self.check()
        for record in records:
            size = len(record.value or b"")
            self._behind = self._behind or len(self._held) >= HELD or self._bytes + size > HELD_BYTES
            if self._behind:
                break
            self._held.append(record)
            self._bytes += size
        self._end = end
        self._more.set()

    def check(self) -> None:
        """Raises what has ended the deliveries: a mistake of ours, as what receivers do does not."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()

    async def stop(self) -> None:
        """Finish what is under way, if that is quickly done. What was not delivered is so after the next start."""
        self._ending = True
        self._more.set()
        # Nothing has begun, or has ended already: a partition is let go of after it was handed over.
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=GRACE_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            await self._delivery.close()

    async def _run(self) -> None:
        while not self._ending:
            self._delivery.waiting(self._end - self.at)
            if self._held:
                record = self._held[0]
                await self._deliver(record)
                self._held.popleft()
                self._bytes -= len(record.value or b"")
                await self._recorded()
            elif self._behind:
                await self._read_on()
            else:
                # All that was held is delivered; what is left of the log up to its end are no records.
                self.at = self._end
                self._delivery.waiting(0)
                self._more.clear()
                await self._more.wait()

    async def _read_on(self) -> None:
        """Deliver what could not be held, a piece at a time."""
        until = min(self._end, self.at + HELD)
        try:
            records = [record async for piece in self._broker.read(self._tp, self.at, until) for record in piece]
        except ReadError as error:
            _LOG.warning("%s; trying again in %.0f s", error, _AGAIN_S)
            await asyncio.sleep(_AGAIN_S)
            return
        for record in records:
            await self._deliver(record)
            if self._ending:
                return
            await self._recorded()
        self.at = until
        self._behind = until < self._end

    async def _recorded(self) -> None:
        # Whoever ends us records it, and waits for us before that.
        if not self._ending and not await self._record():
            self._ending = True

    async def _deliver(self, record: Record) -> None:
        if record.value is not None:
            origin = stamp_of(record.headers)
            # Looked at before and noted after: a delivery that is broken off has not been made.
            if origin is None or not self.seen.has(*origin):
                await self._delivery.deliver(self._decode(record), record.value)
            if origin is not None:
                self.seen.is_new(*origin)
        self.at = record.offset + 1
