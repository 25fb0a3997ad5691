"""Devices, sessions and named scopes of a log as small numbers, so that what is known of each can stand in arrays."""

from __future__ import annotations

from typing import Final, TypeAlias, TypeVar

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
        self._table = HashTable(values=True)
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
        keys, numbers = self._table.keys[held], self._table.values[held].astype(np.int64)
        young = self._young[numbers]
        gone = numbers[~young]
        self._free = np.concatenate((self._free, gone))
        self._table = HashTable(values=True)
        keys = keys[young]
        self._table.add(keys, self._table.find(keys)[0], numbers[young])
        self._young[:] = False
        self._used = 0
        self.turns += 1
        return gone

    def of(self, keys: Hashes) -> Ints:
        """The number of each key; new keys get one."""
        at, found = self._table.find(keys)
        numbers = self._table.values[at].astype(np.int64)
        rows = np.flatnonzero(~found)
        if len(rows):
            new, first, which = np.unique(keys[rows], return_index=True, return_inverse=True)
            given = self._take(len(new))
            self._table.add(new, at[rows[first]], given)
            numbers[rows] = given[which]
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


def grown(array: NDArray[_T], size: int, value: object) -> NDArray[_T]:
    """The array with room for `size`, and some; what is new holds `value`."""
    more = np.full(max(size, 2 * len(array)) - len(array), value, dtype=array.dtype)
    return np.concatenate((array, more))
