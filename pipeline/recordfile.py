"""Recorded streams: files of one record a line, read as one stream in the order given.

gzip and zstd are recognised by content; `-` is standard input. A byte-order mark at the start of a file is skipped.
Blank lines are no records, but count as lines. A file that is missing, cut off or corrupt ends there: what could be
read is handed out, the fault is kept, and the next file follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from pipeline.decompression import BrokenStreamError, decompressed
from pipeline.records import RecordBatch

STDIN: Final = "-"
LINES_A_BATCH: Final = 4_000
LONGEST: Final = 1 << 20
"""Bytes of a record, at most; of a longer line one more is handed out, so that whoever reads it sees that."""
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class InputFault:
    """Why a file could not be read to its end, and how many of its lines were."""

    name: str
    lines: int
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}" + (f", after line {self.lines}" if self.lines else "")


class RecordFiles:
    """The records of some files; iterating reads them, once.

    Attributes:
        faults: what could not be read, filled as it is found.
        bytes_read: of the files as they stand, compressed or not.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.faults: list[InputFault] = []
        self.bytes_read = 0

    def size(self) -> int | None:
        """Bytes there are to read; None where it cannot be said beforehand."""
        try:
            stats = [Path(name).stat() for name in self.names if name != STDIN]
        except OSError:
            return None
        return sum(stat.st_size for stat in stats) if len(stats) == len(self.names) else None

    def __iter__(self) -> Iterator[RecordBatch]:
        for name in self.names:
            lines = _Lines(printable(name))
            reason: str | None = None
            try:
                with _open(name) as file:
                    for piece in decompressed(_Counted(file, self)):
                        yield from lines.feed(piece)
            except BrokenStreamError as error:
                reason = str(error)
            except OSError as error:
                reason = f"cannot be read: {error.strerror}"
            yield from lines.finish()
            if reason is not None:
                self.faults.append(InputFault(lines.origin, lines.count, reason))


def printable(name: str) -> str:
    """A file name as text: bytes that are no UTF-8, which a name may hold, are replaced."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _open(name: str) -> FileIO:
    # Unbuffered, so that a pipe hands over what has come so far.
    return FileIO(0, closefd=False) if name == STDIN else FileIO(name)


class _Counted:
    """A source that says how far it is."""

    def __init__(self, file: FileIO, files: RecordFiles) -> None:
        self._file = file
        self._files = files

    def read(self, size: int, /) -> bytes | None:
        data = self._file.read(size)
        self._files.bytes_read += len(data or b"")
        return data


class _Lines:
    """Pieces of a file to batches of its lines. Of a line over the limit it holds just more than the limit: enough to
    see that it is too long."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.count = 0
        self._open = bytearray()
        """Beginning of the line that no piece has ended yet."""

    def feed(self, piece: bytes) -> Iterator[RecordBatch]:
        lines = piece.split(b"\n")
        self._extend(lines[0])
        if len(lines) == 1:
            return
        lines[0] = bytes(self._open)
        self._open = bytearray(lines.pop())
        for at in range(0, len(lines), LINES_A_BATCH):
            yield from self._batch(lines[at : at + LINES_A_BATCH])

    def finish(self) -> Iterator[RecordBatch]:
        """The last line, where no line feed ends it."""
        if self._open:
            last, self._open = bytes(self._open), bytearray()
            yield from self._batch([last])

    def _extend(self, part: bytes) -> None:
        # Pieces are no longer than the limit, so that only a line of several pieces can exceed it.
        self._open += part[: LONGEST + 1 - len(self._open)]

    def _batch(self, lines: list[bytes]) -> Iterator[RecordBatch]:
        first = self.count + 1
        self.count += len(lines)
        if first == 1:
            lines[0] = lines[0].removeprefix(_BYTE_ORDER_MARK)
        positions: Sequence[int] = range(first, first + len(lines))
        # White space sorts before whatever begins a record, so one look at the least line tells whether any is blank.
        if min(lines)[:1] <= b" ":
            kept = [(at, line) for at, line in zip(positions, lines, strict=True) if line.strip()]
            positions, lines = [at for at, _ in kept], [line for _, line in kept]
        if lines:
            yield RecordBatch(self.origin, positions, lines)
