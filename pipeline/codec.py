"""Messages as bytes: JSON that a person can read, tagged by type; arrays are nested lists."""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from pipeline.detect.evidence import Anchors, Evidence, Learned, arrays_from_plain, arrays_to_plain
from pipeline.messages import Action, Change, Decision, Incident, Proof, Reject, Tick, Windows

Message: TypeAlias = (
    Windows | Tick | Decision | Learned | Reject | Evidence | Anchors | Incident | Action | Change | Proof
)


_ENCODER: Final = msgspec.json.Encoder(enc_hook=arrays_to_plain)
_DECODER: Final = msgspec.json.Decoder(Message, dec_hook=arrays_from_plain)


def encode(message: Message) -> bytes:
    return _ENCODER.encode(message)


def decode(data: bytes) -> Message:
    """Raises msgspec.ValidationError for anything that is not a message of this version."""
    message: Message = _DECODER.decode(data)
    return message
