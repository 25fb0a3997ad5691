"""Refused records as they were kept: read back from a file, grouped, and written so that they can be fed again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from pipeline.messages import Place, Reject
from pipeline.operators.adapter import LONGEST_REJECT
from pipeline.operators.payload import recorded

TOO_LONG: Final = "record.too_long"


class UnreadableRejectError(Exception):
    """A line that is no refused record as `replay --rejects` writes it."""


@dataclass(frozen=True, slots=True)
class Group:
    """Refused records of one reason: how many, of whom, and one to look at."""

    operator: str
    reason: str
    adapter: str
    count: int
    redrivable: int
    first: Place
    last: Place
    detail: str


class _Line(msgspec.Struct):
    reason: str
    place: str
    detail: str
    value: bytes
    field: str | None = None
    adapter: str = ""
    operator: str | None = None
    received_at: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


_decode: Final = msgspec.json.Decoder(_Line).decode


def reject_of(line: bytes) -> Reject:
    """Raises UnreadableRejectError."""
    try:
        read = _decode(line)
        origin, _, position = read.place.rpartition(":")
        place = Place(origin, int(position))
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise UnreadableRejectError(str(error)) from error
    return Reject(
        read.reason,
        read.field,
        place,
        read.detail,
        read.value,
        read.received_at,
        read.adapter,
        read.operator,
        read.headers,
    )


def is_whole(reject: Reject) -> bool:
    """Whether all of the record was kept; of one over the limit, only the beginning is."""
    return not (reject.reason == TOO_LONG and len(reject.value) >= LONGEST_REJECT)


def whose(reject: Reject) -> str:
    """Its operator, or where it came from."""
    return reject.operator or reject.place.origin.rsplit("/", 1)[0]


def grouped(rejects: Iterable[Reject]) -> list[Group]:
    """By operator, reason and what refused them; the largest group first."""
    found: dict[tuple[str, str, str], list[Any]] = {}
    for reject in rejects:
        key = whose(reject), reject.reason, reject.adapter
        kept = found.get(key)
        if kept is None:
            found[key] = [1, int(is_whole(reject)), reject, reject]
        else:
            kept[0] += 1
            kept[1] += is_whole(reject)
            kept[3] = reject
    groups = [
        Group(*key, count, redrivable, first.place, last.place, first.detail)
        for key, (count, redrivable, first, last) in found.items()
    ]
    return sorted(groups, key=lambda group: (-group.count, group.operator, group.reason))


def lines_again(rejects: Iterable[Reject]) -> Iterator[bytes]:
    """Records as lines of a file that can be replayed, in their order; what was cut off is left out."""
    for reject in rejects:
        if not is_whole(reject):
            continue
        bare = reject.adapter.startswith("canonical/") or not (
            reject.headers or reject.received_at is not None or b"\n" in reject.value
        )
        if bare:
            yield reject.value.rstrip(b"\n") + b"\n"
        else:
            topic = reject.place.origin.rsplit("/", 1)[0]
            yield recorded(reject.value, topic, reject.received_at, reject.headers) + b"\n"
