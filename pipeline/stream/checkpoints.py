"""Snapshots of a stage's state in a compacted topic, found again by what the group has committed.

A checkpoint, in this order:

1. What the stage has sent is delivered.
2. The snapshot is delivered: pieces of less than one MiB (what a broker takes unless told otherwise), compressed
   MessagePack of plain data, so that no state topic can ever run code. Their keys name the source, the position of the
   input up to which the state has seen it, and the writer: pieces of two workers, one of which does not know yet that
   it has lost the partition, never mix.
3. Position and place of the snapshot are committed together, as offset and metadata. From this moment on it counts.
4. The pieces of the snapshot before are buried with tombstones, for compaction to remove.

A crash before 3 leaves the last one in force, and behind it pieces that nobody will ask for; a crash before 4, the one
before it. Whoever has the partition next finds either when it loads what is in force, and buries them. There is no
search at the start: the commit says where the snapshot is.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import zstandard
from faust.types import TP

from pipeline.stream.broker import Broker, Outbox
from pipeline.stream.names import source_of
from pipeline.stream.transport import Committed

PIECE: Final = 1_000_000
LARGEST: Final = 2 << 30
"""Bytes of a snapshot, uncompressed, that are accepted: a bound against corrupt data, not a limit of design."""

SMALL: Final = 1 << 20
"""Bytes that are not worth a thread."""


class LostStateError(Exception):
    """A snapshot that was committed cannot be read back, or not be taken up."""


class Pointer(msgspec.Struct, frozen=True):
    """Where a snapshot is: metadata of a commit."""

    at: int
    """Offset of its first piece."""
    pieces: int
    writer: str = ""
    before: tuple[int, int, str] | None = None
    """Position, pieces and writer of the snapshot that was in force before: it may not have been buried."""


class Snapshot(msgspec.Struct, frozen=True):
    """What is known of a stage at a position of its input; plain data throughout."""

    version: int
    position: int
    sources: list[str]
    """Sources that the stage waits for."""
    seen: dict[str, list[int]]
    state: dict[str, Any]
    former: list[str] = []
    """Sources that it waited for once; what they have sent may still be on its way."""


VERSION: Final = 1


@dataclass(slots=True)
class Checkpoints:
    """Snapshots of one stage instance.

    Attributes:
        name: the instance, e.g. `windows/3`; begins the keys.
        tp: where its snapshots go.
    """

    broker: Broker
    outbox: Outbox
    name: str
    tp: TP
    _last: tuple[int, Pointer] | None = None
    _left: list[bytes] = field(default_factory=list)
    """Keys of pieces that are to be buried."""
    _writer: str = field(default_factory=lambda: secrets.token_hex(4))

    async def write(self, position: int, snapshot: Callable[[], Snapshot], input_tp: TP) -> int:
        """All four steps; bytes as written. Raises FencedError when the input is ours no longer.

        snapshot: takes it, when it is wanted; it is let go of as soon as it is bytes, because it may be large.
        """
        left, self._left = self._left, []
        for key in left:
            await self.outbox.send(self.tp.topic, self.tp.partition, key, None)
        await self.outbox.delivered()
        body = await _compressed(msgspec.msgpack.encode(snapshot()))
        pieces = range(0, len(body), PIECE)
        for number, start in enumerate(pieces):
            key = self._key(position, self._writer, number)
            await self.outbox.send(self.tp.topic, self.tp.partition, key, body[start : start + PIECE])
        first = (await self.outbox.delivered())[0]
        before = (self._last[0], self._last[1].pieces, self._last[1].writer) if self._last is not None else None
        pointer = Pointer(first.offset, len(pieces), self._writer, before)
        await self.broker.commit(input_tp, Committed(position, msgspec.json.encode(pointer).decode()))
        self._last = position, pointer
        for key in self._keys(before):
            await self.outbox.send(self.tp.topic, self.tp.partition, key, None)
        return len(body)

    async def load(self, committed: Committed) -> tuple[Snapshot, int]:
        """The snapshot that a commit points to, and its bytes as written. Raises LostStateError."""
        pointer = self._pointer(committed)
        wanted = {self._key(committed.offset, pointer.writer, number): number for number in range(pointer.pieces)}
        pieces: dict[int, bytes] = {}
        # Whatever else is there lies behind what is in force, and will never be: this worker has the partition now.
        left = dict.fromkeys(self._keys(pointer.before), True)
        ours = f"{self.name} ".encode()
        async for records in self.broker.read(self.tp, pointer.at, None):
            for record in records:
                key = record.key or b""
                number = wanted.get(key)
                if number is not None and record.value is not None:
                    pieces[number] = record.value
                elif number is None and key.startswith(ours):
                    left[key] = record.value is not None
        if len(pieces) != pointer.pieces:
            raise self._lost(committed, f"{pointer.pieces - len(pieces)} of its {pointer.pieces} pieces are gone")
        body = b"".join(pieces[number] for number in range(pointer.pieces))
        try:
            plain = await _decompressed(body)
            snapshot = msgspec.msgpack.decode(plain, type=Snapshot)
        except (zstandard.ZstdError, msgspec.MsgspecError) as error:
            raise self._lost(committed, f"it is not a snapshot: {error}") from error
        if snapshot.version != VERSION:
            raise self._lost(committed, f"it has version {snapshot.version}, and this program reads {VERSION}")
        self._last = committed.offset, pointer
        self._left = [key for key, alive in left.items() if alive]
        return snapshot, len(body)

    def _pointer(self, committed: Committed) -> Pointer:
        try:
            return msgspec.json.decode(committed.metadata, type=Pointer)
        except msgspec.MsgspecError as error:
            raise self._lost(committed, f"the commit does not say where it is: {committed.metadata!r}") from error

    def _keys(self, of: tuple[int, int, str] | None) -> list[bytes]:
        if of is None:
            return []
        position, pieces, writer = of
        return [self._key(position, writer, number) for number in range(pieces)]

    def _key(self, position: int, writer: str, number: int) -> bytes:
        return f"{self.name} {position} {writer} {number}".encode()

    def _lost(self, committed: Committed, why: str) -> LostStateError:
        place = source_of(self.tp.topic, self.tp.partition)
        return LostStateError(
            f"the state of {self.name} at offset {committed.offset}, in {place}, is lost: {why}; "
            "to begin anew, use another --prefix and --group"
        )


async def _compressed(plain: bytes) -> bytes:
    if len(plain) < SMALL:
        return zstandard.compress(plain, 3)
    # The compressor lets go of the interpreter, so that records are taken meanwhile.
    return await asyncio.to_thread(zstandard.compress, plain, 3)


async def _decompressed(body: bytes) -> bytes:
    def work() -> bytes:
        return zstandard.ZstdDecompressor().decompress(body, max_output_size=LARGEST)

    return work() if len(body) < SMALL else await asyncio.to_thread(work)
