"""Snapshots of a stage's state in a compacted topic, found again by what the group has committed.

A checkpoint, in this order:

1. What the stage has sent is delivered.
2. The snapshot is delivered: pieces of one MiB, compressed MessagePack of plain data, so that no state topic can ever
   run code. Their keys name the source and the position of the input up to which the state has seen it.
3. Position and place of the snapshot are committed together, as offset and metadata. From this moment on it counts.
4. The pieces of the snapshot before are buried with tombstones, for compaction to remove.

A crash before 3 leaves the last one in force, and pieces that nobody will ask for. There is no search at the start: the
commit says where the snapshot is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import zstandard
from faust.types import TP

from pipeline.stream.broker import Broker, Outbox
from pipeline.stream.names import source_of
from pipeline.stream.transport import Committed

PIECE: Final = 1 << 20
LARGEST: Final = 2 << 30
"""Bytes of a snapshot, uncompressed, that are accepted: a bound against corrupt data, not a limit of design."""


class LostStateError(Exception):
    """A snapshot that was committed cannot be read back."""


class Pointer(msgspec.Struct, frozen=True):
    """Where a snapshot is: metadata of a commit."""

    at: int
    """Offset of its first piece."""
    pieces: int


class Snapshot(msgspec.Struct, frozen=True):
    """What is known of a stage at a position of its input; plain data throughout."""

    version: int
    position: int
    sources: list[str]
    """Sources that the stage waits for."""
    seen: dict[str, list[int]]
    state: dict[str, Any]


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

    async def write(self, snapshot: Snapshot, input_tp: TP) -> int:
        """All four steps; bytes as written. Raises FencedError when the input is ours no longer."""
        await self.outbox.delivered()
        body = zstandard.compress(msgspec.msgpack.encode(snapshot), 3)
        pieces = [body[i : i + PIECE] for i in range(0, len(body), PIECE)]
        for number, piece in enumerate(pieces):
            await self.outbox.send(self.tp.topic, self.tp.partition, self._key(snapshot.position, number), piece)
        first = (await self.outbox.delivered())[0]
        pointer = Pointer(first.offset, len(pieces))
        await self.broker.commit(input_tp, Committed(snapshot.position, msgspec.json.encode(pointer).decode()))
        before, self._last = self._last, (snapshot.position, pointer)
        if before is not None and before[0] != snapshot.position:
            for number in range(before[1].pieces):
                await self.outbox.send(self.tp.topic, self.tp.partition, self._key(before[0], number), None)
        return len(body)

    async def load(self, committed: Committed) -> tuple[Snapshot, int]:
        """The snapshot that a commit points to, and its bytes as written. Raises LostStateError."""
        pointer = self._pointer(committed)
        wanted = {self._key(committed.offset, number): number for number in range(pointer.pieces)}
        pieces: dict[int, bytes] = {}
        async for records in self.broker.read(self.tp, pointer.at, None):
            for record in records:
                number = wanted.get(record.key or b"")
                if number is not None and record.value is not None:
                    pieces[number] = record.value
            if len(pieces) == pointer.pieces:
                break
        if len(pieces) != pointer.pieces:
            raise self._lost(committed, f"{pointer.pieces - len(pieces)} of its {pointer.pieces} pieces are gone")
        body = b"".join(pieces[number] for number in range(pointer.pieces))
        try:
            plain = zstandard.ZstdDecompressor().decompress(body, max_output_size=LARGEST)
            snapshot = msgspec.msgpack.decode(plain, type=Snapshot)
        except (zstandard.ZstdError, msgspec.MsgspecError) as error:
            raise self._lost(committed, f"it is not a snapshot: {error}") from error
        if snapshot.version != VERSION:
            raise self._lost(committed, f"it has version {snapshot.version}, and this program reads {VERSION}")
        self._last = committed.offset, pointer
        return snapshot, len(body)

    def _pointer(self, committed: Committed) -> Pointer:
        try:
            return msgspec.json.decode(committed.metadata, type=Pointer)
        except msgspec.MsgspecError as error:
            raise self._lost(committed, f"the commit does not say where it is: {committed.metadata!r}") from error

    def _key(self, position: int, number: int) -> bytes:
        return f"{self.name} {position} {number}".encode()

    def _lost(self, committed: Committed, why: str) -> LostStateError:
        place = source_of(self.tp.topic, self.tp.partition)
        return LostStateError(
            f"the state of {self.name} at offset {committed.offset}, in {place}, is lost: {why}; "
            "to begin anew, use another --prefix and --group"
        )
