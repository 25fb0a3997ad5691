"""Sequence numbers that were skipped: awaited for five minutes, then missing."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from pipeline.observation import Cohort

GAP_AFTER_MS: Final = 5 * 60_000
"""A number still missing so long (arrival clock) after a higher one came is a gap."""
MAX_RANGES: Final = 256
"""Ranges of awaited numbers in one scope; past it the lowest is forgotten, neither expected nor missing."""

Scope: TypeAlias = int
"""Number of a scope (`pipeline.numbers`)."""


class Owner(NamedTuple):
    """Whose gap it is: the cohort and the device of the record that came after it."""

    cohort: Cohort
    device_id: str | None
    session_id: str | None


class Missing(NamedTuple):
    """Numbers that never came. due: when that was decided, ms on the arrival clock."""

    due: int
    owner: Owner
    numbers: int


@dataclass(slots=True)
class _Wait:
    """Numbers skipped at once. end: the number that came instead; all of these are below it, later ones above."""

    due: int
    owner: Owner
    scope: Scope
    awaited: list[int]
    end: int


class Gaps:
    """The awaited numbers of all scopes, as ranges: a leap of a counter costs as much as one lost record.

    Args:
        cap: leaps that wait at once; past it the oldest is forgotten.

    Attributes:
        forgotten: ranges that were given up for lack of room.
    """

    def __init__(self, cap: int = 200_000) -> None:
        self._cap = cap
        self._queue: deque[_Wait] = deque()
        self._awaited: dict[Scope, list[int]] = {}
        """Of each scope the bounds of its ranges, ascending: first, end, first, end, ... with each end exclusive."""
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._queue)

    def await_numbers(self, scope: Scope, first: int, end: int, now: int, owner: Owner) -> None:
        """Wait for the numbers from `first` up to `end`, exclusive; all awaited before in this scope are lower."""
        awaited = self._awaited.setdefault(scope, [])
        awaited += (first, end)
        self._queue.append(_Wait(now + GAP_AFTER_MS, owner, scope, awaited, end))
        self._bound(awaited)
        if len(self._queue) > self._cap:
            self._close(self._queue.popleft())
            self.forgotten += 1

    def fill(self, scope: Scope, number: int) -> bool:
        """Whether the number was awaited; it is no more. What is due must have been taken first."""
        awaited = self._awaited.get(scope)
        if awaited is None:
            return False
        at = bisect_right(awaited, number)
        if at % 2 == 0:
            return False
        first, end = awaited[at - 1], awaited[at]
        awaited[at - 1 : at + 1] = [bound for a, b in ((first, number), (number + 1, end)) if a < b for bound in (a, b)]
        self._bound(awaited)
        return True

    def reset(self, scope: Scope) -> None:
        """The scope counts anew: what is still awaited of the old count is missing when due, whatever comes."""
        self._awaited.pop(scope, None)

    def reset_all(self, scopes: Iterable[Scope]) -> None:
        """These numbers are given to other scopes."""
        if self._awaited:
            for scope in self._awaited.keys() & set(scopes):
                self.reset(scope)

    def forget(self, scope: Scope) -> None:
        """The scope was none: nothing of it is missing."""
        self._awaited.pop(scope, []).clear()

    def due(self, now: int) -> list[Missing]:
        """What is missing for good when the clock stands at `now`; each is told once, in the order of the leaps."""
        out = []
        while self._queue and self._queue[0].due <= now:
            wait = self._queue.popleft()
            if numbers := self._close(wait):
                out.append(Missing(wait.due, wait.owner, numbers))
        return out

    def _close(self, wait: _Wait) -> int:
        """Stop waiting; how many of the numbers have not come."""
        awaited = wait.awaited
        upto = bisect_right(awaited, wait.end)
        numbers = sum(end - first for first, end in zip(awaited[0:upto:2], awaited[1:upto:2], strict=True))
        del awaited[:upto]
        if not awaited and self._awaited.get(wait.scope) is awaited:
            del self._awaited[wait.scope]
        return numbers

    def _bound(self, awaited: list[int]) -> None:
        if len(awaited) > 2 * MAX_RANGES:
            del awaited[:2]
            self.forgotten += 1
