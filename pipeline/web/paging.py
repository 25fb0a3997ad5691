"""A page of a sorted list, and a cursor for the next one. A cursor names the last item shown by its place in the order,
so that what comes or goes meanwhile neither repeats nor skips what stays where it is."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class CursorError(ValueError):
    """Not a cursor of this list."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """total: of all pages. next: cursor of the next page; None on the last."""

    items: list[T]
    total: int
    next: str | None


def page(items: Sequence[T], place: Callable[[T], tuple[Any, ...]], limit: int, cursor: str | None) -> Page[T]:
    """`items` ascend by `place`, a tuple of numbers and text that no two items share.

    Raises:
        CursorError: the cursor is of no list, or of one in another order.
    """
    first = 0
    if cursor is not None:
        after = _read(cursor)
        try:
            first = bisect_right(items, after, key=place)
        except TypeError as error:
            msg = "the cursor is of a list in another order"
            raise CursorError(msg) from error
    shown = list(items[first : first + limit])
    more = first + len(shown) < len(items)
    return Page(shown, len(items), _write(place(shown[-1])) if more and shown else None)


def _write(place: tuple[Any, ...]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def _read(cursor: str) -> tuple[Any, ...]:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = msgspec.json.decode(raw, type=tuple[float | str, ...])
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        msg = "not a cursor that was given here"
        raise CursorError(msg) from error
    return found
