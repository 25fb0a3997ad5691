"""Devices, sessions and named scopes of a log as small numbers, so that what is known of each can stand in arrays."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.hashing import Hashes
from pipeline.hashtable import HashTable

Ints: TypeAlias = NDArray[np.int64]

_T = TypeVar("_T", bound=np.generic)

_SMALLEST: Final = 1 << 10


class Numbers:
    """Numbers by key; a number stays the same for as long as its key is remembered.

    Bounded by `cap`: each time half of it has been in use anew, keys that were not asked for since the time before are
    forgotten, and their numbers are given to others. So no two keys share one within `cap` / 2 that are asked for.

    Attributes:
        size: all numbers are below.
        turns: times that keys were forgotten.
    """

    def __init__(self, cap: int) -> None:
        self._half = max(cap // 2, 1)
        self._table = HashTable()
        self._number = np.zeros(len(self._table.keys), dtype=np.int32)
        """At each place of the table, the number of its key."""
        self._grown = 0
        self._young = np.zeros(_SMALLEST, dtype=np.bool_)
        """By number, whether it was asked for in this half."""
        self._used = 0
        """How many are young."""
        self._free: Ints = np.empty(0, dtype=np.int64)
        self.size = 0
        self.turns = 0

    def room(self) -> int:
        """How many may be asked for before some are forgotten; none when it is time for that (`turn`)."""
        return self._half - self._used

    def turn(self) -> Ints:
        """Forget what was not asked for since the last time; the numbers that are free now."""
        held = np.flatnonzero(self._table.keys)
        keys, numbers = self._table.keys[held], self._number[held]
        young = self._young[numbers]
        gone: Ints = numbers[~young].astype(np.int64)
        self._free = np.concatenate((self._free, gone))
        self._table, self._grown = HashTable(), 0
        self._number = np.zeros(len(self._table.keys), dtype=np.int32)
        self._add(keys[young], numbers[young])
        self._young[:] = False
        self._used = 0
        self.turns += 1
        return gone

    def of(self, keys: Hashes) -> Ints:
        """The number of each key; new keys get one."""
        at, found = self._table.find(keys)
        if not found.all():
            new = np.unique(keys[~found])
            self._add(new, self._take(len(new)))
            at, _ = self._table.find(keys)
        numbers: Ints = self._number[at].astype(np.int64)
        old = numbers[~self._young[numbers]]
        if len(old):
            self._young[old] = True
            self._used += len(np.unique(old))
        return numbers

    def _take(self, count: int) -> Ints:
        free = min(count, len(self._free))
        again, self._free = self._free[:free], self._free[free:]
        size = self.size + count - free
        new = np.arange(self.size, size, dtype=np.int64)
        self.size = size
        if size > len(self._young):
            self._young = grown(self._young, size, False)
        return np.concatenate((again, new))

    def _add(self, keys: Hashes, numbers: NDArray[np.integer[Any]]) -> None:
        before, held = self._table.keys, self._number
        self._table.add(keys)
        if self._table.grown != self._grown:
            self._grown = self._table.grown
            self._number = np.zeros(len(self._table.keys), dtype=np.int32)
            places = np.flatnonzero(before)
            self._number[self._table.find(before[places])[0]] = held[places]
        self._number[self._table.find(keys)[0]] = numbers


def grown(array: NDArray[_T], size: int, value: object) -> NDArray[_T]:
    """The array with room for `size`, and some; what is new holds `value`."""
    more = np.full(max(size, 2 * len(array)) - len(array), value, dtype=array.dtype)
    return np.concatenate((array, more))
