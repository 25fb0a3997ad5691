"""A set of 64-bit keys in one array: looked up and filled a batch at a time, 16 to 32 bytes a key."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.hashing import NOBODY, Hashes

_SMALLEST: Final = 1 << 10


class HashTable:
    """Keys by open addressing with linear probing, never more than half full. Keys must be hashes, none `NOBODY`.

    Args:
        values: whether a number is kept with each key.

    Attributes:
        keys: at each place the key that stands there, or `NOBODY`. values: at each place that has a key, its number.
    """

    def __init__(self, *, values: bool = False) -> None:
        self.keys = np.zeros(_SMALLEST, dtype=np.uint64)
        self.values = np.zeros(_SMALLEST if values else 0, dtype=np.int32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def find(self, keys: Hashes) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The place of each key and that it is there; of one that is not, a place that is free for it."""
        mask = len(self.keys) - 1
        at = (keys & np.uint64(mask)).astype(np.int64)
        here = self.keys[at]
        found = here == keys
        rows = np.flatnonzero(~found & (here != NOBODY))
        place, key = at[rows], keys[rows]
        while len(rows):
            place = (place + 1) & mask
            here = self.keys[place]
            same = here == key
            over = same | (here == NOBODY)
            at[rows[over]] = place[over]
            found[rows[same]] = True
            rows, place, key = rows[~over], place[~over], key[~over]
        return at, found

    def add(self, keys: Hashes, at: NDArray[np.int64], values: NDArray[np.int64] | None = None) -> None:
        """Add keys that are not here, none of them twice; `at`: the places that were found for them."""
        self._count += len(keys)
        if 2 * self._count > len(self.keys):
            self._grow()
            at, _ = self.find(keys)
        while len(keys):
            # Where several want one place the last has it; the others look for another.
            self.keys[at] = keys
            if values is not None:
                self.values[at] = values
            lost = np.flatnonzero(self.keys[at] != keys)
            keys = keys[lost]
            values = None if values is None else values[lost]
            at, _ = self.find(keys)

    def _grow(self) -> None:
        held = np.flatnonzero(self.keys)
        keys, values = self.keys[held], self.values[held].astype(np.int64) if len(self.values) else None
        size = len(self.keys)
        while size < 2 * self._count:
            size *= 2
        self.keys = np.zeros(size, dtype=np.uint64)
        self.values = np.zeros(size if values is not None else 0, dtype=np.int32)
        self._count -= len(keys)
        self.add(keys, self.find(keys)[0], values)


def first_of_each(keys: Hashes) -> NDArray[np.bool_]:
    """Which of these keys stand here for the first time."""
    first = np.ones(len(keys), dtype=np.bool_)
    ordered = np.sort(keys)
    if (ordered[1:] == ordered[:-1]).any():
        first[:] = False
        first[np.unique(keys, return_index=True)[1]] = True
    return first
