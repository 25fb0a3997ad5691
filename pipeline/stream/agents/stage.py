"""Baseline and pattern: a stage whose state is a function of its input partition up to a position.

What it sends is stamped with the offset that brought it about, so that work done again after a crash is recognised.
State and position are written together (`checkpoints`), so that every message is counted once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias

import msgspec
from faust.types import TP

from pipeline.codec import Message, decode, encode
from pipeline.messages import Tick
from pipeline.stream.agents.holding import Holding
from pipeline.stream.broker import Broker, Record
from pipeline.stream.checkpoints import VERSION, Checkpoints, LostStateError, Snapshot
from pipeline.stream.meters import StageMeter
from pipeline.stream.names import source_of
from pipeline.stream.stamps import Seen, Stamp, stamp_of
from pipeline.stream.transport import Committed

SPARING: Final = 20.0
"""A checkpoint that took t seconds is not followed by another within this many t."""


class Stage(Protocol):
    """A pure stage; see `pipeline.detect`."""

    def feed(self, message: Any) -> Sequence[Any]: ...

    def snapshot(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


Address: TypeAlias = tuple[str, int | None, bytes]
"""Topic, partition and key to which a message goes."""


class ForeignMessageError(Exception):
    """Something in one of Seamwatch's own topics that Seamwatch did not write."""


class StageHolding(Holding):
    """One partition of the windows or evidence topic.

    Args:
        name: this instance as a source, e.g. `windows/3`.
        sources: whom it waits for.
        may_change: whether these may be others than when its state was written: inputs come and go. Otherwise keys have
            moved to other partitions, and what is known of them is not here.
        stage: makes the pure stage.
        state: where its snapshots go.
        address: where each message of the stage goes.
        also: where a copy of it goes for people to read; None: nowhere.
        checkpoint_s: seconds between checkpoints.
        stagger: part of that time by which this one's checkpoints are shifted, 0 to 1.
        clock: seconds, monotonic.
        watch: shown every message that is taken.
    """

    def __init__(
        self,
        tp: TP,
        broker: Broker,
        *,
        name: str,
        sources: Sequence[str],
        may_change: bool,
        stage: Callable[[], Stage],
        state: TP,
        address: Callable[[Any], Address],
        checkpoint_s: float,
        stagger: float,
        meter: StageMeter,
        clock: Callable[[], float],
        watch: Callable[[Message], None] | None = None,
        also: Callable[[Any], Address | None] = lambda _: None,
    ) -> None:
        super().__init__(tp, broker)
        self._name = name
        self._also = also
        self._sources = sorted(sources)
        self._former: set[str] = set()
        self._may_change = may_change
        self._stage = stage()
        self._address = address
        self._checkpoint_s = checkpoint_s
        self._stagger = stagger
        self._meter = meter
        self._clock = clock
        self._watch = watch
        self._checkpoints = Checkpoints(broker, self._outbox, name, state)
        self._seen = Seen()
        self._written = 0
        """Position of the last checkpoint."""
        self._due: float | None = None

    async def _open(self, committed: Committed | None, beginning: int) -> None:
        self.position = self._written = beginning
        if committed is not None:
            snapshot, size = await self._checkpoints.load(committed)
            self._meter.kept(size)
            self._former = {*snapshot.sources, *snapshot.former}.difference(self._sources)
            if snapshot.sources != self._sources and not self._may_change:
                raise LostStateError(_changed(self._name, snapshot.sources, self._sources))
            self._stage.restore(snapshot.state)
            self._seen = Seen(snapshot.seen)
            self.position = self._written = snapshot.position

    async def _take(self, records: Sequence[Record], end: int) -> None:
        for record in records:
            origin = stamp_of(record.headers)
            if origin is None:
                raise self._foreign(record, "it has no stamp")
            if self._seen.is_new(*origin):
                message = self._decode(record)
                if not (isinstance(message, Tick) and message.source in self._former):
                    await self._feed(message, record.offset)
        self.position = end

    async def _feed(self, message: Message, offset: int) -> None:
        began = self._clock()
        said = self._stage.feed(message)
        self._meter.fed(self._clock() - began, offset + 1 - self._written)
        if self._watch is not None:
            self._watch(message)
        for number, answer in enumerate(said):
            header, body, copy = [Stamp(offset, 0, number).header(self._name)], encode(answer), self._also(answer)
            for topic, partition, key in [self._address(answer), *([] if copy is None else [copy])]:
                await self._outbox.send(topic, partition, key, body, header)

    def _decode(self, record: Record) -> Message:
        try:
            return decode(record.value or b"")
        except msgspec.MsgspecError as error:
            raise self._foreign(record, str(error)) from error

    def _foreign(self, record: Record, why: str) -> ForeignMessageError:
        place = f"{source_of(self.tp.topic, self.tp.partition)} offset {record.offset}"
        return ForeignMessageError(f"{place} holds what this version of Seamwatch did not write: {why}")

    async def _tend(self, now: float) -> None:
        if self._due is None:
            self._due = now + self._checkpoint_s * self._stagger
        if now >= self._due:
            began = self._clock()
            await self._checkpoint()
            self._due = now + max(self._checkpoint_s, SPARING * (self._clock() - began))

    async def _checkpoint(self) -> None:
        if self.position != self._written:
            self._meter.kept(await self._checkpoints.write(self.position, self._snapshot, self.tp))
            self._written = self.position

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            VERSION, self.position, self._sources, self._seen.snapshot(), self._stage.snapshot(), sorted(self._former)
        )

    async def _close(self) -> None:
        await self._checkpoint()
        await self._outbox.delivered()

    async def _let_go(self) -> None:
        self._meter.gone()


def _changed(name: str, before: Sequence[str], now: Sequence[str]) -> str:
    gone, come = sorted(set(before) - set(now)), sorted(set(now) - set(before))
    said = [f"without {', '.join(gone)}"] * bool(gone) + [f"with {', '.join(come)}"] * bool(come)
    return f"the sources of {name} have changed since its state was written: now {' and '.join(said)}"
