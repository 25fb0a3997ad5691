"""A record's payload out of what carried it: compression that the sender chose, and the lines of a recording.

On disk, a line of a recording is what `kcat -J` writes of a Kafka record, so that it keeps the broker's time, topic
and headers; or the bare payload. Binary payloads stand there in base64, as `payload_base64`.

    {"topic": "acme.cmcd", "partition": 0, "offset": 7, "ts": 1790000001250, "headers": ["k", "v"], "payload": "…"}
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson
import zstandard

from pipeline.observation import EARLIEST_MS, LATEST_MS
from pipeline.operators.jsontext import BYTE_ORDER_MARK, MAX_BYTES, MAX_DEPTH, UnusableRecordError
from pipeline.records import RecordBatch

MAX_INFLATED: Final = 4 << 20
"""Bytes of a payload once it is inflated: no bomb costs more."""

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_LARGEST_WINDOW: Final = 8 << 20
_PIECE: Final = 128
_MOST_FRAMES: Final = 64
"""Of one payload: each costs a copy of what follows it."""
_TOO_MANY: Final = f"in more than {_MOST_FRAMES} pieces"


class Record(NamedTuple):
    """timestamp: when the broker had it, ms since the epoch; None where nobody can say. topic: "" on a bare line."""

    value: bytes
    timestamp: int | None
    headers: Sequence[tuple[str, bytes]]
    topic: str = ""


def record_of(batch: RecordBatch, index: int) -> Record:
    """One record of a batch, inflated.

    Raises:
        UnusableRecordError: too long, or its compression is broken.
    """
    value = batch.values[index]
    if len(value) > MAX_BYTES:
        raise UnusableRecordError(reason="record.too_long", detail=f"longer than {MAX_BYTES} bytes")
    if batch.timestamps is None:
        record = _unwrapped(value)
    else:
        headers = batch.headers[index] if batch.headers is not None else ()
        record = Record(value, plausible(batch.timestamps[index]), headers)
    if record.value.startswith((_GZIP, _ZSTD)):
        record = record._replace(value=inflated(record.value))
    return record


def plausible(at: object) -> int | None:
    """An instant in ms since the epoch, if it is one between 2000 and 2100."""
    return at if isinstance(at, int) and not isinstance(at, bool) and EARLIEST_MS <= at <= LATEST_MS else None


def inflated(value: bytes) -> bytes:
    """What gzip or zstd packed.

    Raises:
        UnusableRecordError: it is corrupt, does not end, or is over `MAX_INFLATED`.
    """
    try:
        out, ended = _gunzipped(value) if value.startswith(_GZIP) else _unzstd(value)
    except (zlib.error, zstandard.ZstdError) as error:
        raise UnusableRecordError(reason="payload.corrupt", detail=f"cannot be inflated: {error}") from error
    if len(out) > MAX_INFLATED:
        raise UnusableRecordError(reason="record.too_long", detail=f"longer than {MAX_INFLATED} bytes when inflated")
    if not ended:
        raise UnusableRecordError(reason="payload.truncated", detail="its compressed form does not end")
    return out


def _gunzipped(value: bytes) -> tuple[bytes, bool]:
    out = b""
    for _ in range(_MOST_FRAMES):
        member = zlib.decompressobj(wbits=31)
        out += member.decompress(value, MAX_INFLATED + 1 - len(out))
        if not member.eof or len(out) > MAX_INFLATED:
            return out, member.eof
        # Members may follow each other; what is not one is padding.
        value = member.unused_data
        if not value.startswith(_GZIP):
            return out, True
    raise zlib.error(_TOO_MANY)


def _unzstd(value: bytes) -> tuple[bytes, bool]:
    # In small pieces: a few bytes may stand for a block of 128 KiB, and there is no limit to give.
    packer = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    frame = packer.decompressobj()
    out = bytearray()
    at = frames = 0
    while at < len(value):
        out += frame.decompress(value[at : at + _PIECE])
        at += _PIECE
        if len(out) > MAX_INFLATED:
            return bytes(out), False
        if frame.eof:
            rest = frame.unused_data + value[at:]
            if not rest.startswith(_ZSTD):
                return bytes(out), True
            frames += 1
            if frames == _MOST_FRAMES:
                raise zlib.error(_TOO_MANY)
            value, at, frame = rest, 0, packer.decompressobj()
    return bytes(out), False


def _unwrapped(line: bytes) -> Record:
    """A line of a recording."""
    bare = Record(line.removeprefix(BYTE_ORDER_MARK), None, ())
    if not (b'"payload' in line and line.lstrip(b"\xef\xbb\xbf ").startswith(b"{")):
        return bare
    if line.count(b"{") + line.count(b"[") > 64 * MAX_DEPTH:
        return bare
    try:
        document: Any = orjson.loads(bare.value)
    except orjson.JSONDecodeError:
        return bare
    if not isinstance(document, dict) or "ts" not in document:
        return bare
    text, packed = document.get("payload"), document.get("payload_base64")
    if isinstance(text, str):
        value = text.encode()
    elif isinstance(packed, str):
        try:
            value = binascii.a2b_base64(packed, strict_mode=True)
        except (binascii.Error, ValueError) as error:
            raise UnusableRecordError(reason="payload.corrupt", detail=f"payload_base64: {error}") from error
    else:
        return bare
    topic = document.get("topic")
    return Record(
        value,
        plausible(document["ts"]),
        _headers(document.get("headers")),
        topic if isinstance(topic, str) else "",
    )


def recorded(value: bytes, topic: str, timestamp: int | None, headers: Sequence[tuple[str, bytes]] = ()) -> bytes:
    """A record as a line of a recording, the way back of what is read here."""
    document: dict[str, Any] = {"topic": topic, "ts": timestamp}
    if headers:
        document["headers"] = [part for name, said in headers for part in (name, said.decode("utf-8", "replace"))]
    try:
        document["payload"] = value.decode()
    except UnicodeDecodeError:
        document["payload_base64"] = binascii.b2a_base64(value, newline=False).decode()
    return orjson.dumps(document)


def _headers(listed: object) -> list[tuple[str, bytes]]:
    """kcat writes names and values one after the other."""
    if not isinstance(listed, list):
        return []
    names, values = listed[::2], listed[1::2]
    return [
        (name, value.encode())
        for name, value in zip(names, values, strict=False)
        if isinstance(name, str) and isinstance(value, str)
    ]
