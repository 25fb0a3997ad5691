"""Duplicates, inversions and gaps of one operator's records. Bounded; the log alone decides."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

GAP_AFTER_MS: Final = 5 * 60_000
"""A number still missing so long (arrival clock) after a higher one came is a gap."""
REMEMBER_MS: Final = 24 * 3_600_000
"""An event id is known at least so long, memory permitting."""
JUMP: Final = 100_000
"""A counter that leaps further than this has not lost records, it has changed its mind: a new count, `seq.jump`."""


class Order(NamedTuple):
    """What the sequence says of one record.

    sequenced: it is judged for order. inverted: it came after a higher one. expected: numbers that it accounts for.
    clause: violated, or None.
    """

    sequenced: bool
    inverted: bool
    expected: int
    clause: str | None


UNSEQUENCED: Final = Order(False, False, 0, None)
_IN_ORDER: Final = Order(True, False, 1, None)
_INVERTED: Final = Order(True, True, 0, None)
_FILLED: Final = Order(True, True, 1, None)
_CACHED: Final = Order(False, False, 0, None)
_CACHED_FILLED: Final = Order(False, False, 1, None)
_REPEATED: Final = Order(True, False, 0, None)
_RESET: Final = Order(True, False, 1, "seq.reset")
_JUMPED: Final = Order(True, False, 1, "seq.jump")


class Remembered:
    """Event ids of the last day, by their 64-bit hashes, in two generations.

    Each generation is kept for `REMEMBER_MS` after it was begun anew, or until it holds half of `cap`.

    Attributes:
        shortened: times that memory ran out before the day did.
    """

    def __init__(self, cap: int) -> None:
        self._half = max(1, cap // 2)
        self._young: set[int] = set()
        self._old: set[int] = set()
        self._begun: int | None = None
        self.shortened = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def is_new(self, event_id: str, now: int) -> bool:
        """Remember an id; was it unknown?"""
        key = hash(event_id)
        if key in self._young:
            return False
        new = key not in self._old
        # An old one is seen anew: its day begins again.
        if self._begun is None:
            self._begun = now
        elif now - self._begun > REMEMBER_MS:
            self._turn(now)
        elif len(self._young) >= self._half:
            self.shortened += 1
            self._turn(now)
        self._young.add(key)
        return new

    def _turn(self, now: int) -> None:
        self._old, self._young, self._begun = self._young, set(), now


class Opening:
    """Numbers that were skipped at once; those still missing when it is due are gaps."""

    __slots__ = ("device", "due", "ranges", "scope", "series")

    def __init__(self, due: int, series: int, device: int, scope: str, first: int, last: int) -> None:
        self.due = due
        self.series = series
        self.device = device
        self.scope = scope
        self.ranges = [(first, last)]

    def fill(self, number: int) -> bool:
        for i, (first, last) in enumerate(self.ranges):
            if first <= number <= last:
                self.ranges[i : i + 1] = [
                    part for part in ((first, number - 1), (number + 1, last)) if part[0] <= part[1]
                ]
                return True
        return False

    @property
    def missing(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)


class Sequences:
    """Counters of one name space (explicit scopes, sessions, or devices), the least recently seen forgotten past `cap`."""

    def __init__(self, cap: int) -> None:
        self._half = max(1, cap // 2)
        self._young: dict[str, int] = {}
        self._old: dict[str, int] = {}
        self._missing: dict[str, list[Opening]] = {}
        self._waiting: deque[Opening] = deque()

    def see(self, scope: str, seq: int, cached: bool, now: int, series: int, device: int) -> Order:
        """Take a number. `series` and `device` say to whom a gap will be counted."""
        highest = self._young.get(scope)
        if highest is None:
            highest = self._old.pop(scope, None)
            if highest is None:
                self._set(scope, seq)
                return _CACHED_FILLED if cached else _IN_ORDER
            self._set(scope, highest)
        if seq == highest + 1:
            self._young[scope] = seq
            return _CACHED_FILLED if cached else _IN_ORDER
        if seq > highest:
            self._young[scope] = seq
            if seq - highest > JUMP:
                self._missing.pop(scope, None)
                return _JUMPED
            opening = Opening(now + GAP_AFTER_MS, series, device, scope, highest + 1, seq - 1)
            self._missing.setdefault(scope, []).append(opening)
            self._waiting.append(opening)
            return _CACHED_FILLED if cached else _IN_ORDER
        if seq == highest:
            return _CACHED if cached else _REPEATED
        # What comes after it was due was missing for good.
        filled = any(opening.due > now and opening.fill(seq) for opening in self._missing.get(scope, ()))
        if seq <= 1 and not cached:
            self._young[scope] = seq
            # The numbers of the new count are others: they fill nothing of the old one's.
            self._missing.pop(scope, None)
            return _RESET
        if cached:
            return _CACHED_FILLED if filled else _CACHED
        return _FILLED if filled else _INVERTED

    def due(self, now: int) -> Iterator[Opening]:
        """Openings that have waited long enough at `now`; each is handed out once."""
        while self._waiting and self._waiting[0].due <= now:
            opening = self._waiting.popleft()
            others = self._missing.get(opening.scope, [])
            # A count that began anew has let go of the openings before it.
            if opening in others:
                others.remove(opening)
                if not others:
                    del self._missing[opening.scope]
            if opening.ranges:
                yield opening

    def _set(self, scope: str, highest: int) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[scope] = highest


class OperatorOrder:
    """All of one operator: its event ids, its three name spaces of sequences."""

    def __init__(self, remember: int, scopes: int) -> None:
        self.remembered = Remembered(remember)
        self._explicit = Sequences(scopes)
        self._sessions = Sequences(scopes)
        self._devices = Sequences(scopes)
        self._with_sessions: dict[str, None] = {}
        self._scopes = scopes

    def sequence(
        self,
        seq: int | None,
        seq_scope: str | None,
        session_id: str | None,
        device_id: str | None,
        cached: bool,
        now: int,
        series: int,
        device: int,
    ) -> Order:
        """Where a record stands in its sequence: of its scope, else its session, else its device.

        A device that has been seen with sessions counts within those; without one its numbers say nothing.
        """
        if session_id is not None and device_id is not None and device_id not in self._with_sessions:
            if len(self._with_sessions) >= self._scopes:
                del self._with_sessions[next(iter(self._with_sessions))]
            self._with_sessions[device_id] = None
        if seq is None:
            return UNSEQUENCED
        if seq_scope is not None:
            return self._explicit.see(seq_scope, seq, cached, now, series, device)
        if session_id is not None:
            return self._sessions.see(session_id, seq, cached, now, series, device)
        if device_id is not None and device_id not in self._with_sessions:
            return self._devices.see(device_id, seq, cached, now, series, device)
        return UNSEQUENCED

    def due(self, now: int) -> Iterator[Opening]:
        for sequences in (self._explicit, self._sessions, self._devices):
            yield from sequences.due(now)
