"""Which event ids a log has had: exact for a day on the arrival clock, memory permitting."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.hashing import Hashes
from pipeline.hashtable import HashTable, first_of_each

REMEMBER_MS: Final = 24 * 3_600_000
"""An event id is known at least so long (arrival clock), memory permitting."""


class EventIds:
    """Ids in two generations: what was in no record since the older one began is forgotten.

    Args:
        cap: ids that are remembered at most; half of it is always.

    Attributes:
        shortened: times that ids were forgotten before their day was over, for lack of room.
    """

    def __init__(self, cap: int) -> None:
        self._half = max(cap // 2, 1)
        self._young, self._old = HashTable(), HashTable()
        self._since: int | None = None
        """When the younger generation began."""
        self.shortened = 0

    def room(self, clock: NDArray[np.int64]) -> int:
        """How many of the next records, at these times, may be taken before another generation begins; at least 1.

        Begins one if it is time. Where one begins hangs on the records alone, not on how they are cut into batches.
        """
        now = int(clock[0])
        if self._since is None:
            self._since = now
        if len(self._young) >= self._half or now - self._since >= REMEMBER_MS:
            self.shortened += now - self._since < REMEMBER_MS
            self._since = now
            self._young, self._old = HashTable(), self._young
        in_time = len(clock)
        if clock[-1] - self._since >= REMEMBER_MS:
            in_time = int(np.searchsorted(clock, self._since + REMEMBER_MS))
        return min(in_time, self._half - len(self._young))

    def repeated(self, keys: Hashes) -> NDArray[np.bool_]:
        """Which of these were seen before, here or earlier; no more than there is room for."""
        at, repeated = self._young.find(keys)
        rows = np.flatnonzero(~repeated)
        fresh = keys[rows]
        first = first_of_each(fresh)
        if not first.all():
            repeated[rows[~first]] = True
            rows, fresh = rows[first], fresh[first]
        if len(self._old):
            # Seen again, its day begins again.
            _, repeated[rows] = self._old.find(fresh)
        self._young.add(fresh, at[rows])
        return repeated
