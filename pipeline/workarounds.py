"""What is known to be wrong, whose it is, and until when it pages nobody. Pure; the file is `pipeline.config`'s.

An active workaround keeps incidents within its scope from paging, not from being seen: their state is `suppressed`, and
their summary says which workaround hides them. When it expires, what it hid comes out again as if it were new, and
pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.messages import Signal

DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Workaround:
    """One entry of the registry.

    scope: dimensions and their values; an incident is within it when it has each of them. signals, operations: what it
    tolerates; empty is everything. most: deviations beyond this ratio (or below its inverse) are not tolerated; None:
    whatever the size. opened_at, expires_at: ms since the epoch.
    """

    id: str
    owner: str
    reason: str
    scope: Mapping[str, str]
    opened_at: int
    expires_at: int
    signals: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("pattern", "breach", "feed")
    most: float | None = None
    link: str | None = None

    def is_active(self, at: int) -> bool:
        return self.opened_at <= at < self.expires_at


class Registry:
    """All workarounds of a deployment."""

    def __init__(self, workarounds: Iterable[Workaround] = ()) -> None:
        self._all = tuple(workarounds)

    def __iter__(self) -> Iterator[Workaround]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def hiding(
        self, kind: str, scope: Sequence[tuple[str, str]], signals: Sequence[Signal], at: int
    ) -> Workaround | None:
        """The workaround that hides an incident at a time: the first that is active and tolerates all of it."""
        return next((one for one in self._all if one.is_active(at) and _fits(one, kind, scope, signals)), None)

    def expired(
        self, kind: str, scope: Sequence[tuple[str, str]], signals: Sequence[Signal], at: int
    ) -> Workaround | None:
        """The workaround that hid such an incident last, and has expired: whom it concerns now."""
        gone = [one for one in self._all if one.expires_at <= at and _fits(one, kind, scope, signals)]
        return max(gone, key=lambda one: one.expires_at, default=None)


def _fits(one: Workaround, kind: str, scope: Sequence[tuple[str, str]], signals: Sequence[Signal]) -> bool:
    return _covers(one, kind, scope) and all(_tolerates(one, signal) for signal in signals)


def _covers(one: Workaround, kind: str, scope: Sequence[tuple[str, str]]) -> bool:
    """An incident that is wider than the workaround is not hidden by it: it says something else."""
    said = dict(scope)
    return kind in one.kinds and all(said.get(dimension) == value for dimension, value in one.scope.items())


def _tolerates(one: Workaround, deviation: Signal) -> bool:
    if one.signals and deviation.signal not in one.signals:
        return False
    if one.operations and deviation.operation not in ("*", *one.operations):
        return False
    if one.most is None or deviation.ratio is None:
        return True
    return 1 / one.most <= deviation.ratio <= one.most


@dataclass(frozen=True, slots=True)
class Debt:
    """What is owed: how many workarounds there are, and how old. Ages in days."""

    active: int
    expired: int
    oldest_days: float
    soonest_days: float | None
    """Until the next one expires; None without one that is active."""


def debt(workarounds: Iterable[Workaround], at: int) -> Debt:
    known = list(workarounds)
    active = [one for one in known if one.is_active(at)]
    expired = [one for one in known if one.expires_at <= at]
    owed = active + expired
    return Debt(
        active=len(active),
        expired=len(expired),
        oldest_days=max(((at - one.opened_at) / DAY_MS for one in owed), default=0.0),
        soonest_days=min(((one.expires_at - at) / DAY_MS for one in active), default=None),
    )
