"""What adapters remember of the records before: bounded, the least recently written goes first."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

Kept = TypeVar("Kept")

ROOM: Final = 200_000


class Recall(Generic[Kept]):
    """A table in two generations: what was in neither is forgotten. At most `room` entries, at least half of it.

    Keys are what records say, before anybody has looked at it. One with a list or an object where a name should stand
    is not remembered; its record is refused for it, or loses the field, by those who look.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._half = max(room // 2, 1)
        self._now: dict[Hashable, Kept] = {}
        self._before: dict[Hashable, Kept] = {}

    def get(self, key: Hashable) -> Kept | None:
        if not _is_name(key):
            return None
        kept = self._now.get(key)
        if kept is None and self._before:
            kept = self._before.pop(key, None)
            if kept is not None:
                self.put(key, kept)
        return kept

    def put(self, key: Hashable, kept: Kept) -> None:
        if not _is_name(key):
            return
        if len(self._now) >= self._half and key not in self._now:
            self._before, self._now = self._now, {}
        self._now[key] = kept

    def __len__(self) -> int:
        return len(self._now) + len(self._before)


def _is_name(key: Hashable) -> bool:
    """A tuple is only as hashable as what is in it, which its type does not say."""
    try:
        hash(key)
    except TypeError:
        return False
    return True
