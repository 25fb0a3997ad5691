"""Messages as bytes: JSON that a person can read, tagged by type; arrays are nested lists."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, get_origin

import msgspec
import numpy as np

from pipeline.detect.evidence import Anchors, Evidence
from pipeline.messages import Incident, Reject, Tick, Windows

Message: TypeAlias = Windows | Tick | Reject | Evidence | Anchors | Incident


def _to_plain(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    msg = f"{type(value).__name__} cannot be sent"
    raise NotImplementedError(msg)


def _from_plain(kind: type, value: Any) -> object:
    if get_origin(kind) is np.ndarray:
        # NDArray[np.bool_] is ndarray[shape, dtype[np.bool_]]
        scalar = kind.__args__[1].__args__[0]  # type: ignore[attr-defined]  # numpy gives no public way to ask
        return np.array(value, dtype=scalar)
    msg = f"{kind} cannot be received"
    raise NotImplementedError(msg)


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_to_plain)
_DECODER: Final = msgspec.json.Decoder(Message, dec_hook=_from_plain)


def encode(message: Message) -> bytes:
    return _ENCODER.encode(message)


def decode(data: bytes) -> Message:
    """Raises msgspec.ValidationError for anything that is not a message of this version."""
    message: Message = _DECODER.decode(data)
    return message
