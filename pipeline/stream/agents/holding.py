"""A partition that this worker holds, and the work on it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import ParamSpec

from faust.types import TP

from pipeline.stream.broker import Broker, Outbox, Record
from pipeline.stream.transport import Batch, Committed, FencedError

_P = ParamSpec("_P")


class Holding(ABC):
    """From assignment to revocation of one partition.

    `open` once, then `take` and `tend` as they come, `close` at the end; never two at the same time. Once the group has
    gone on without us (`fenced`), nothing is done any more: whoever has the partition now does it.

    Attributes:
        tp: the partition.
        position: offset of the next record to take.
    """

    def __init__(self, tp: TP, broker: Broker) -> None:
        self.tp = tp
        self.position = 0
        self.fenced = False
        self._broker = broker
        self._outbox = Outbox(broker)
        self._turn = asyncio.Lock()

    async def open(self, committed: Committed | None, beginning: int) -> None:
        """Find state and position. `committed` is what the group remembers; `beginning`, the oldest offset there is."""
        await self._in_turn(self._open, committed, beginning)

    async def take(self, batch: Batch) -> None:
        """Take what fits of a batch: what was taken before is passed over, and what would leave a hole is refused."""
        await self._in_turn(self._take_rest, batch)

    async def tend(self, now: float) -> None:
        """Do what is due without input; `now` is a monotonic clock in seconds."""
        await self._in_turn(self._tend, now)

    async def close(self) -> None:
        """Hand over: bring what was done to a point from which another worker can go on without doing it again."""
        await self._in_turn(self._close)
        self.fenced = True
        await self._let_go()

    async def _in_turn(self, work: Callable[_P, Awaitable[None]], *args: _P.args, **kwargs: _P.kwargs) -> None:
        async with self._turn:
            if not self.fenced:
                try:
                    await work(*args, **kwargs)
                except FencedError:
                    self.fenced = True

    async def _let_go(self) -> None:  # noqa: B027  # most hold nothing
        """Let go of what must not outlive the partition, whether it was handed over in order or lost."""

    async def _take_rest(self, batch: Batch) -> None:
        if batch.start <= self.position < batch.end:
            records = batch.records
            if batch.start < self.position:
                records = [record for record in records if record.offset >= self.position]
            await self._take(records, batch.end)

    @abstractmethod
    async def _open(self, committed: Committed | None, beginning: int) -> None: ...

    @abstractmethod
    async def _take(self, records: Sequence[Record], end: int) -> None:
        """Take `records`, none of which was taken before, and set the position to `end`."""

    @abstractmethod
    async def _tend(self, now: float) -> None: ...

    @abstractmethod
    async def _close(self) -> None: ...
