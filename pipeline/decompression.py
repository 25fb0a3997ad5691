"""Bytes as they stand on disk or come through a pipe to the bytes they mean: gzip and zstd by content, not by name.

What was decoded before a stream breaks is handed out before the break is raised: a truncated recording is still a
recording. That is why the libraries' file objects are not used; they lose what one call had decoded when it fails.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, Protocol

import zstandard

CHUNK: Final = 1 << 20
"""Most bytes that are read, or handed out, at once."""

_GZIP: Final = b"\x1f\x8b"
_GZIP_WITH_HEADER: Final = 31  # wbits of zlib: largest window, gzip's header and checksum
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE: Final = b"\x2a\x4d\x18"
_LONGEST_MAGIC: Final = 4


class Source(Protocol):
    """What bytes come from; an unbuffered file is one."""

    def read(self, size: int, /) -> bytes | None:
        """At most `size` bytes, as soon as there are any; none at the end."""


class BrokenStreamError(Exception):
    """A compressed stream is cut off or corrupt; all before the break has been handed out."""


def decompressed(source: Source) -> Iterator[bytes]:
    """The content of `source` in pieces of at most `CHUNK` bytes; several members or frames are one content.

    Raises:
        BrokenStreamError: after everything readable was yielded.
        OSError: from the source.
    """
    raw = _Input(source)
    magic = raw.peek(_LONGEST_MAGIC)
    if magic.startswith(_GZIP):
        return _gunzipped(raw)
    if _is_zstd(magic):
        return _unzstandardised(raw)
    return raw.rest()


class _Input:
    """A source with a look ahead."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._held = b""

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the end; they stay."""
        parts = [self._held]
        have = len(self._held)
        while have < size:
            part = self._source.read(CHUNK)
            if not part:
                break
            parts.append(part)
            have += len(part)
        self._held = b"".join(parts)
        return self._held[:size]

    def take(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the end."""
        found = self.peek(size)
        self._held = self._held[size:]
        return found

    def piece(self) -> bytes:
        """Some bytes, as they come; none at the end."""
        if self._held:
            held, self._held = self._held, b""
            return held
        return self._source.read(CHUNK) or b""

    def push_back(self, data: bytes) -> None:
        self._held = data + self._held

    def rest(self) -> Iterator[bytes]:
        while piece := self.piece():
            yield piece


def _gunzipped(raw: _Input) -> Iterator[bytes]:
    while magic := raw.peek(len(_GZIP)):
        if magic != _GZIP:
            if not _only_zeros(raw):
                msg = "what follows the gzip data is none"
                raise BrokenStreamError(msg)
            return
        yield from _gzip_member(raw)


def _gzip_member(raw: _Input) -> Iterator[bytes]:
    decoder = zlib.decompressobj(wbits=_GZIP_WITH_HEADER)
    while not decoder.eof:
        piece = raw.piece()
        if not piece:
            msg = "the gzip data is cut off"
            raise BrokenStreamError(msg)
        while piece and not decoder.eof:
            before = decoder.copy()
            try:
                out = decoder.decompress(piece, CHUNK)
            except zlib.error as error:
                yield _decoded_before_break(before, piece)
                msg = f"the gzip data is corrupt ({error})"
                raise BrokenStreamError(msg) from error
            if out:
                yield out
            piece = decoder.unconsumed_tail
    raw.push_back(decoder.unused_data)


def _decoded_before_break(decoder: zlib._Decompress, piece: bytes) -> bytes:
    """What a decoder yields of a piece that breaks it: byte for byte, as the call that fails yields nothing."""
    out = bytearray()
    try:
        for at in range(len(piece)):
            out += decoder.decompress(piece[at : at + 1])
    except zlib.error:
        pass
    return bytes(out)


def _only_zeros(raw: _Input) -> bool:
    """Tapes and block devices pad gzip data with zeros."""
    return all(not piece.strip(b"\0") for piece in raw.rest())


def _is_zstd(magic: bytes) -> bool:
    return magic == _ZSTD or (magic[1:] == _ZSTD_SKIPPABLE and 0x50 <= magic[0] <= 0x5F)


def _unzstandardised(raw: _Input) -> Iterator[bytes]:
    while magic := raw.peek(_LONGEST_MAGIC):
        if not _is_zstd(magic):
            msg = "what follows the zstd data is none"
            raise BrokenStreamError(msg)
        if magic == _ZSTD:
            yield from _zstd_frame(raw)
        else:
            size = int.from_bytes(_whole(raw, 8)[4:], "little")
            while size:
                size -= len(_whole(raw, min(size, CHUNK)))


def _zstd_frame(raw: _Input) -> Iterator[bytes]:
    """One frame, fed to the decoder a block at a time: a block that breaks it costs nothing of those before."""
    decoder = zstandard.ZstdDecompressor().decompressobj()
    try:
        for part in _zstd_parts(raw):
            out = decoder.decompress(part)
            # A block holds at most 128 KiB, so that no piece is larger than CHUNK.
            if out:
                yield out
    except zstandard.ZstdError as error:
        msg = f"the zstd data is corrupt ({error})"
        raise BrokenStreamError(msg) from error


def _zstd_parts(raw: _Input) -> Iterator[bytes]:
    """Header, blocks and checksum of a frame (RFC 8878, section 3.1.1)."""
    descriptor = _whole(raw, 5, consume=False)[4]
    single_segment = descriptor >> 5 & 1
    window = 1 - single_segment
    dictionary = (0, 1, 2, 4)[descriptor & 3]
    content_size = (single_segment, 2, 4, 8)[descriptor >> 6]
    yield _whole(raw, 5 + window + dictionary + content_size)
    last = False
    while not last:
        header = int.from_bytes(_whole(raw, 3, consume=False), "little")
        last = bool(header & 1)
        one_byte_repeated = header >> 1 & 3 == 1
        yield _whole(raw, 3 + (1 if one_byte_repeated else header >> 3))
    if descriptor >> 2 & 1:
        yield _whole(raw, 4)


def _whole(raw: _Input, size: int, *, consume: bool = True) -> bytes:
    found = raw.take(size) if consume else raw.peek(size)
    if len(found) < size:
        msg = "the zstd data is cut off"
        raise BrokenStreamError(msg)
    return found
