"""What the work on a partition needs of Kafka, and no more: so that tests can crash it at every step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Final, Protocol, TypeAlias

from faust.types import TP

from pipeline.stream.transport import Committed, Fetched, Progress, TransportError

Header: TypeAlias = tuple[str, bytes]

MOST_PENDING: Final = 1_000
"""Unconfirmed messages of one partition's work before it waits: what bounds memory when the broker is slow."""


Record: TypeAlias = Fetched
"""A record of a partition, whichever client fetched it."""


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


class UndeliveredError(Exception):
    """A message was not taken; the work of which it is a result is done again after the next start."""


class Outbox:
    """Messages that were sent for one partition, until their delivery is known.

    A producer's `flush()` is no such barrier: Faust's returns with messages still queued, and only logs failures.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._pending: list[tuple[str, Awaitable[Delivered]]] = []

    async def send(
        self, topic: str, partition: int | None, key: bytes | None, value: bytes | None, headers: Sequence[Header] = ()
    ) -> None:
        try:
            self._pending.append((topic, await self._broker.send(topic, partition, key, value, headers)))
        except TransportError as error:
            raise _undelivered(topic, error) from error
        if len(self._pending) >= MOST_PENDING:
            await self.delivered()

    async def delivered(self) -> list[Delivered]:
        """Wait until all is delivered. Answers in the order of sending. Raises UndeliveredError."""
        pending, self._pending = self._pending, []
        answers = await asyncio.gather(*(delivery for _, delivery in pending), return_exceptions=True)
        delivered: list[Delivered] = []
        for (topic, _), answer in zip(pending, answers, strict=True):
            if isinstance(answer, TransportError):
                raise _undelivered(topic, answer) from answer
            if isinstance(answer, BaseException):
                raise answer
            delivered.append(answer)
        return delivered


def _undelivered(topic: str, error: Exception) -> UndeliveredError:
    return UndeliveredError(f"a message to {topic} was not delivered: {type(error).__name__}: {error}")
