"""Names as 64-bit keys: what is remembered of a log is looked up a batch at a time, and no text is kept for it.

A key is the hash that Python has of a text (SipHash, salted anew in every process, so that nobody can look for texts
that collide), mixed with what the text is the name of. Two different names share a key with a chance of 2⁻⁶⁴: with four
million that are remembered, one record in 4 × 10¹² meets one. No key leaves the process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import Columns

Hashes: TypeAlias = NDArray[np.uint64]

NOBODY: Final = 0
"""Stands for a name that is absent; no name has this key."""

_EVENT, _NAMED, _SESSION, _DEVICE = (hash(f"{__name__}.{space}") for space in ("event", "scope", "session", "device"))


class Keys(NamedTuple):
    """Keys of some records, each within its operator; `NOBODY` where the record does not have the name.

    The last three are name spaces of their own.
    """

    event: Hashes
    device: Hashes
    session: Hashes
    named: Hashes

    @classmethod
    def of(cls, seen: Columns, operator: Hashes) -> Self:
        """Keys of records; operator: the hash of the operator of each (`hashed`)."""
        return cls(
            event=_within(operator, _EVENT, hashed(seen.event_id)),
            device=_optional(seen.device_id, operator, _DEVICE),
            session=_optional(seen.session_id, operator, _SESSION),
            named=_optional(seen.seq_scope, operator, _NAMED),
        )

    def part(self, first: int, end: int) -> Keys:
        """Those from `first` up to `end`, exclusive."""
        return Keys(*(column[first:end] for column in self))


def hashed(texts: Sequence[str | None]) -> Hashes:
    """The hash of each text."""
    return np.fromiter(map(hash, texts), dtype=np.int64, count=len(texts)).view(np.uint64)


def device_key(operator: str, device: str | None, session: str | None) -> int:
    """The key of a device, or of its session where it has no name, as in `Keys`."""
    space, name = (_SESSION, session) if device is None else (_DEVICE, device)
    return NOBODY if name is None else int(_within(hashed([operator]), space, hashed([name]))[0])


def _optional(names: Sequence[str | None], operator: Hashes, space: int) -> Hashes:
    absent = names.count(None)
    if absent == len(names):
        return np.zeros(len(names), dtype=np.uint64)
    keys = _within(operator, space, hashed(names))
    if absent:
        keys[[name is None for name in names]] = NOBODY
    return keys


def _within(operator: Hashes, space: int, name: Hashes) -> Hashes:
    # Exclusive or keeps all that is random in both: hashes of the same name under two operators are as good as two.
    keys = operator ^ name ^ np.uint64(space & (2**64 - 1))
    keys[keys == NOBODY] = 1
    return keys
