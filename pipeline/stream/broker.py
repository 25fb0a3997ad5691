"""What the work on a partition needs of Kafka, and no more: so that tests can crash it at every step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Final, Protocol, TypeAlias

from faust.types import TP

from pipeline.stream.transport import Committed, Progress

Header: TypeAlias = tuple[str, bytes]

MOST_PENDING: Final = 1_000
"""Unconfirmed messages of one partition's work before it waits: what bounds memory when the broker is slow."""


class Record(Protocol):
    """A record of a partition, whichever client fetched it. The timestamp is in ms."""

    @property
    def offset(self) -> int: ...

    @property
    def timestamp(self) -> int: ...

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Sequence[Header]: ...


class Delivered(Protocol):
    """Where a message went."""

    @property
    def offset(self) -> int: ...


class Broker(Protocol):
    """Kafka, as seen from the work on one partition."""

    async def send(
        self, topic: str, partition: int | None, key: bytes | None, value: bytes | None, headers: Sequence[Header]
    ) -> Awaitable[Delivered]:
        """Queue a message; the answer resolves when all replicas in sync have it, or raises when it failed for good."""
        ...

    async def commit(self, tp: TP, at: Committed) -> None:
        """Commit for the group. Raises FencedError when the partition is ours no longer."""
        ...

    async def progress(self, tp: TP) -> Progress | None:
        """How far an assigned partition has been read, asking its leader; None when that cannot be said."""
        ...

    def read(self, tp: TP, start: int, end: int | None) -> AsyncIterator[Sequence[Record]]:
        """Records of any partition from `start` to before `end` (None: the end of the log), outside the group."""
        ...


class Outbox:
    """Messages that were sent for one partition, until their delivery is known.

    A producer's `flush()` is no such barrier: Faust's returns with messages still queued, and only logs failures.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._pending: list[Awaitable[Delivered]] = []

    async def send(
        self, topic: str, partition: int | None, key: bytes | None, value: bytes | None, headers: Sequence[Header] = ()
    ) -> None:
        self._pending.append(await self._broker.send(topic, partition, key, value, headers))
        if len(self._pending) >= MOST_PENDING:
            await self.delivered()

    async def delivered(self) -> list[Delivered]:
        """Wait until all is delivered; raises what made one fail. Answers in the order of sending."""
        pending, self._pending = self._pending, []
        return list(await asyncio.gather(*pending))
