"""Xmidt's WRP, which carries RDK reports: msgpack or JSON around a payload."""

from __future__ import annotations

import binascii
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.operators.jsontext import UnusableRecordError

EVENT: Final = 4
"""`msg_type` of an event, the kind that reports come in."""


class Wrapped(NamedTuple):
    """payload: as it was. source: of the device, without `mac:` and what follows a slash; "" where it is not said."""

    payload: bytes
    source: str


def is_msgpack(value: bytes) -> bool:
    """A map of msgpack; no JSON begins with such a byte."""
    return bool(value) and (0x80 <= value[0] <= 0x8F or value[0] in (0xDE, 0xDF))


def of_msgpack(value: bytes) -> Wrapped:
    """Raises UnusableRecordError: it is no WRP event."""
    try:
        message = msgspec.msgpack.decode(value)
    # Bounded by itself: lengths are checked against what is there before anything is made, depth by the interpreter.
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError) as error:
        raise UnusableRecordError(reason="wrp.invalid", detail=f"not msgpack: {error}"[:200]) from error
    return of_message(message)


def of_message(message: Any) -> Wrapped:
    """Raises UnusableRecordError: it is no WRP event with a payload."""
    if not isinstance(message, dict) or message.get("msg_type") != EVENT:
        raise UnusableRecordError(reason="wrp.invalid", detail=f"msg_type is not {EVENT}", field="msg_type")
    payload = message.get("payload")
    if isinstance(payload, str):
        try:
            payload = binascii.a2b_base64(payload, strict_mode=True)
        except (binascii.Error, ValueError) as error:
            raise UnusableRecordError(
                reason="wrp.invalid", detail=f"the payload is not base64: {error}", field="payload"
            ) from error
    if not isinstance(payload, bytes) or not payload:
        raise UnusableRecordError(reason="wrp.invalid", detail="it has no payload", field="payload")
    source = message.get("source")
    device = source.split("/", 1)[0].removeprefix("mac:") if isinstance(source, str) else ""
    return Wrapped(payload, device)
