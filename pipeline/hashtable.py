"""A set of 64-bit keys in one array: looked up and filled a batch at a time, 16 to 32 bytes a key."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.hashing import NOBODY, Hashes

_SMALLEST: Final = 1 << 10


class HashTable:
    """Keys by open addressing with linear probing, never more than half full. Keys must be hashes, none `NOBODY`.

    Attributes:
        keys: at each place the key that stands there, or `NOBODY`. grown: times that all places were given anew.
    """

    def __init__(self) -> None:
        self.keys = np.zeros(_SMALLEST, dtype=np.uint64)
        self.grown = 0
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

    def add(self, keys: Hashes) -> None:
        """Add keys that are not here, none of them twice."""
        self._count += len(keys)
        if 2 * self._count > len(self.keys):
            before = self.keys[self.keys != NOBODY]
            size = len(self.keys)
            while size < 2 * self._count:
                size *= 2
            self.keys = np.zeros(size, dtype=np.uint64)
            self.grown += 1
            self._place(before)
        self._place(keys)

    def _place(self, keys: Hashes) -> None:
        while len(keys):
            at, found = self.find(keys)
            keys, at = keys[~found], at[~found]
            # Where several want one place the last has it; the others look again.
            self.keys[at] = keys


def first_of_each(keys: Hashes) -> NDArray[np.bool_]:
    """Which of these keys stand here for the first time."""
    first = np.ones(len(keys), dtype=np.bool_)
    ordered = np.sort(keys)
    if (ordered[1:] == ordered[:-1]).any():
        first[:] = False
        first[np.unique(keys, return_index=True)[1]] = True
    return first
