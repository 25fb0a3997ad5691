"""The arrival clock of a log: the time that all windows follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

AHEAD_MS: Final = 3_600_000
"""A record further ahead of the clock than this moves it only when others agree."""
WITNESSES: Final = 5
"""So many records, the next ones, to within `AHEAD_MS`."""
NOT_STARTED: Final = -1
"""The clock at a record that was refused before it was started."""


class ArrivalClock:
    """The running maximum of arrival times. It never goes back, and no single wild record moves it.

    A record more than an hour ahead of the clock is decided when the next five are known: if all of them agree with it
    to within an hour, there was a real gap and the clock moves; else the record is refused. The first record of a log
    starts the clock, unless it lies more than an hour ahead of each of the next five: then it is the wild one, and
    without this exception everything after it would be late for ever.

    Attributes:
        now: ms since the epoch; None before the first record.
    """

    def __init__(self) -> None:
        self.now: int | None = None

    def start(self, at: int) -> None:
        """Begin here, if nothing has begun yet: whoever gave this record cannot wait for the next five."""
        if self.now is None:
            self.now = at

    def admit(
        self, arrivals: NDArray[np.int64], walls: NDArray[np.int64] | None = None, *, last: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The clock at each of these records, in order, and which of them are refused.

        Both answers may be shorter than `arrivals`: what is missing cannot be decided before more records are known,
        and must be given again then, first.

        Args:
            walls: the broker's wall clock at each, live; a record more than an hour ahead of it is refused whatever
                others say.
            last: no more records will come; what is undecided is refused, as nobody came to agree.
        """
        if self.now is None or not len(arrivals):
            return self._weigh(arrivals.tolist(), None if walls is None else walls.tolist(), last)
        clock = np.maximum.accumulate(np.maximum(arrivals, self.now))
        before = np.empty_like(clock)
        before[0] = self.now
        before[1:] = clock[:-1]
        if walls is not None:
            before = np.minimum(before, walls)
        if (arrivals - before).max() > AHEAD_MS:
            return self._weigh(arrivals.tolist(), None if walls is None else walls.tolist(), last)
        self.now = int(clock[-1])
        return clock, np.zeros(len(clock), dtype=np.bool_)

    def _weigh(
        self, arrivals: Sequence[int], walls: Sequence[int] | None, last: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        clock: list[int] = []
        refused: list[bool] = []
        for index, at in enumerate(arrivals):
            verdict: bool | None = walls is not None and at > walls[index] + AHEAD_MS
            if not verdict and (self.now is None or at > self.now + AHEAD_MS):
                verdict = self._is_wild(at, arrivals[index + 1 : index + 1 + WITNESSES], last)
            if verdict is None:
                break
            if not verdict:
                self.now = at if self.now is None else max(self.now, at)
            clock.append(NOT_STARTED if self.now is None else self.now)
            refused.append(verdict)
        return np.array(clock, dtype=np.int64), np.array(refused, dtype=np.bool_)

    def _is_wild(self, at: int, following: Sequence[int], last: bool) -> bool | None:
        """Whether a record that would start or leap the clock is refused; None when that cannot be said yet."""
        complete = len(following) == WITNESSES
        if self.now is None:
            if not complete and not last:
                return None
            return complete and all(at - other > AHEAD_MS for other in following)
        if any(abs(at - other) > AHEAD_MS for other in following):
            return True
        if complete:
            return False
        return True if last else None
