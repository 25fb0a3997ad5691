"""Kafka in memory, for crashing the work on a partition at every step it takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from faust.types import TP

from pipeline.stream.broker import Header
from pipeline.stream.transport import Batch, Committed, FencedError, Progress


class CrashError(Exception):
    """The process was killed here."""


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    offset: int


@dataclass(slots=True)
class MemoryKafka:
    """What outlives a worker: logs, commits, and the generation of the group.

    `visible`: how much of a log can be read already; all of it where nothing is said.
    """

    logs: dict[TP, list[MemoryRecord]] = field(default_factory=lambda: defaultdict(list))
    commits: dict[TP, Committed] = field(default_factory=dict)
    visible: dict[TP, int] = field(default_factory=dict)
    generation: int = 0

    def append(
        self,
        tp: TP,
        value: bytes | None,
        timestamp: int = 0,
        key: bytes | None = None,
        headers: Sequence[Header] = (),
    ) -> None:
        log = self.logs[tp]
        log.append(MemoryRecord(len(log), timestamp, key, value, headers))

    def end(self, tp: TP) -> int:
        return self.visible.get(tp, len(self.logs[tp]))

    def batch(self, tp: TP, start: int, size: int) -> Batch | None:
        records = self.logs[tp][start : min(start + size, self.end(tp))]
        return Batch(tp, start, start + len(records), records) if records else None

    def join(self, fuse: int | None = None) -> MemoryBroker:
        """A worker joins: those before it have lost the partition. It dies after `fuse` steps."""
        self.generation += 1
        return MemoryBroker(self, self.generation, fuse)


@dataclass(frozen=True, slots=True, eq=False)
class _InFlight:
    """A message in the producer's buffer: it arrives when somebody waits for it, and is lost with its process."""

    broker: MemoryBroker
    tp: TP
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]

    def __await__(self) -> Generator[Any, None, Sent]:
        return self._arrive().__await__()

    async def _arrive(self) -> Sent:
        return self.broker.deliver(self.tp, self.key, self.value, self.headers)


class MemoryBroker:
    """Kafka as one worker sees it. A step is taken whole or not at all; the worker may die on either side of it."""

    def __init__(self, kafka: MemoryKafka, generation: int, fuse: int | None) -> None:
        self.kafka = kafka
        self._generation = generation
        self._fuse = fuse

    def _burn(self) -> None:
        if self._fuse is not None:
            self._fuse -= 1
            if self._fuse < 0:
                raise CrashError

    async def send(
        self, topic: str, partition: int | None, key: bytes | None, value: bytes | None, headers: Sequence[Header]
    ) -> Awaitable[Sent]:
        return _InFlight(self, TP(topic, partition or 0), key, value, headers)

    def deliver(self, tp: TP, key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> Sent:
        self._burn()
        log = self.kafka.logs[tp]
        log.append(MemoryRecord(len(log), 0, key, value, headers))
        return Sent(len(log) - 1)

    async def commit(self, tp: TP, at: Committed) -> None:
        self._burn()
        if self._generation != self.kafka.generation:
            raise FencedError
        self.kafka.commits[tp] = at
        self._burn()

    async def progress(self, tp: TP) -> Progress:
        end = self.kafka.end(tp)
        return Progress(end, end, end)

    async def read(self, tp: TP, start: int, end: int | None) -> AsyncIterator[Sequence[MemoryRecord]]:
        records = self.kafka.logs[tp][start:end]
        for i in range(0, len(records), 7):
            yield records[i : i + 7]

    async def committed(self, partitions: frozenset[TP]) -> dict[TP, Committed]:
        return {tp: self.kafka.commits[tp] for tp in partitions if tp in self.kafka.commits}

    async def beginnings(self, partitions: frozenset[TP]) -> dict[TP, int]:
        return dict.fromkeys(partitions, 0)
