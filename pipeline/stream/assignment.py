"""The partitions that this worker holds now: opened when the group assigns them, closed when it takes them back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeAlias

from faust.types import TP

from pipeline.stream.agents.holding import Holding
from pipeline.stream.broker import Broker
from pipeline.stream.transport import Batch, Committed

AT_ONCE: Final = 3
"""Partitions whose state is read back at the same time."""


class Group(Broker, Protocol):
    """A broker that can also be asked how the group stands at an assignment."""

    async def committed(self, partitions: frozenset[TP]) -> Mapping[TP, Committed]: ...

    async def beginnings(self, partitions: frozenset[TP]) -> Mapping[TP, int]: ...


Factory: TypeAlias = Callable[[TP, Broker], Holding]
"""Makes the work on a partition of one topic."""


class Assignment:
    """All holdings of this worker.

    Attributes:
        ready: every assigned partition has its state; false from a revocation until then.
        taken_at: when a batch was taken last, on `clock`.
    """

    def __init__(self, factories: Mapping[str, Factory], clock: Callable[[], float]) -> None:
        self._factories = factories
        self._clock = clock
        self._holdings: dict[TP, Holding] = {}
        self._generation = 0
        self.ready = False
        self.taken_at = clock()

    @property
    def partitions(self) -> frozenset[TP]:
        return frozenset(self._holdings)

    async def open(self, partitions: frozenset[TP], group: Group) -> None:
        """Take over `partitions`, reading back the state of each."""
        self._generation += 1
        generation = self._generation
        committed = await group.committed(partitions)
        beginnings = await group.beginnings(partitions)
        holdings = {tp: self._factories[tp.topic](tp, group) for tp in partitions}
        # A few at a time: a large state is there several times over while it is unpacked.
        turns = asyncio.Semaphore(AT_ONCE)

        async def take_over(tp: TP, holding: Holding) -> None:
            async with turns:
                await holding.open(committed.get(tp), beginnings[tp])

        await asyncio.gather(*(take_over(tp, holding) for tp, holding in holdings.items()))
        # It takes seconds, in which the group may have moved on.
        if generation == self._generation:
            self._holdings = holdings
            self.ready = True

    async def close(self) -> None:
        """Hand all partitions over; nothing that arrives for them later is taken."""
        self._generation += 1
        self.ready = False
        holdings, self._holdings = self._holdings, {}
        await asyncio.gather(*(holding.close() for holding in holdings.values()))

    def abandon(self) -> None:
        """After a failure: leave everything as it was committed last."""
        self._generation += 1
        self.ready = False
        self._holdings = {}

    async def take(self, batch: Batch) -> None:
        holding = self._holdings.get(batch.tp)
        if holding is not None:
            await holding.take(batch)
            self.taken_at = self._clock()

    async def tend(self) -> None:
        """What is due without input, on every partition."""
        now = self._clock()
        await asyncio.gather(*(holding.tend(now) for holding in self._holdings.values()))

    def starts(self) -> dict[TP, int]:
        """Where each partition goes on."""
        return {tp: holding.position for tp, holding in self._holdings.items()}
