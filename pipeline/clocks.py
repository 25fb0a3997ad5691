"""Which clock to believe: the arrival clock of a log, and when a device's own says that something happened."""

from __future__ import annotations

from typing import Final, NamedTuple

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

AHEAD_MS: Final = HOUR_MS
"""A record further ahead of the arrival clock moves it only when others agree."""
AGREEING: Final = 5
"""So many records after it, to within `AHEAD_MS`."""

FUTURE_MS: Final = 5 * 60_000
"""A device clock further ahead of arrival than this violates `clock.future`; it is corrected all the same."""
BEHIND_MS: Final = 10 * 60_000
"""A device none of whose records ever came sooner than this has a clock that is behind, not a slow feed..."""
BEHIND_RECORDS: Final = 5
"""...once so many have been seen."""
JUMP_MS: Final = HOUR_MS

_SECONDS: Final = range(10**9, 10**10)
_EARLIEST_MS: Final = 10**11
_LATEST_MS: Final = 10**14


class Believed(NamedTuple):
    """delay_ms: how long the record took to arrive, None where no clock tells. clauses: violated ones."""

    delay_ms: int | None
    clauses: tuple[str, ...]


_UNTOLD: Final = Believed(None, ())


def implausible(instant: int) -> str | None:
    """The clause that a device time violates by its magnitude alone."""
    if _EARLIEST_MS <= instant < _LATEST_MS:
        return None
    return "clock.uptime" if 0 <= instant < _SECONDS.start else "clock.unit"


class DeviceClocks:
    """Skew of devices as a rolling minimum of arrival - occurrence, over one to two days of the arrival clock.

    One report cannot tell skew from delay. A minimum below zero is a clock ahead; one that stays above `BEHIND_MS` a
    clock behind; anything between is taken for delay, as the shortest way to us is short. Bounded: past `cap` devices
    those that were not seen lately are forgotten.
    """

    def __init__(self, cap: int = 1_000_000) -> None:
        self._cap = cap
        self._day = 0
        self._now: dict[str, tuple[int, int]] = {}
        self._before: dict[str, tuple[int, int]] = {}

    def believe(self, device: str | None, arrival: int, occurred_at: int | None, sent_at: int | None) -> Believed:
        """The delay of a record. Only a time of occurrence is corrected for skew; a time of sending is taken as it is."""
        clauses: tuple[str, ...] = ()
        if occurred_at is not None:
            clause = implausible(occurred_at)
            if clause is None:
                return self._corrected(device, arrival, occurred_at)
            clauses = (clause,)
        if sent_at is not None and implausible(sent_at) is None:
            return Believed(max(arrival - sent_at, 0), clauses)
        return Believed(None, clauses) if clauses else _UNTOLD

    def _corrected(self, device: str | None, arrival: int, occurred_at: int) -> Believed:
        lag = arrival - occurred_at
        clauses: tuple[str, ...] = ("clock.future",) if lag < -FUTURE_MS else ()
        if device is None:
            return Believed(max(lag, 0), clauses)
        if arrival // DAY_MS > self._day or len(self._now) >= self._cap // 2:
            self._day = max(arrival // DAY_MS, self._day)
            self._before, self._now = self._now, {}
        least, count = self._now.get(device) or self._before.get(device) or (lag, 0)
        if lag < least - JUMP_MS:
            clauses = (*clauses, "clock.jump")
            count = 0
        least = min(lag, least)
        self._now[device] = (least, count + 1)
        if least < 0 or (least > BEHIND_MS and count >= BEHIND_RECORDS):
            return Believed(lag - least, clauses)
        return Believed(lag, clauses)


class ArrivalClock:
    """The running maximum of arrival times; it never goes back, and one wild record does not move it.

    A record more than an hour ahead is held. When the next `AGREEING` records agree with it to within an hour, there was
    a real gap: all are let through and the clock moves. When one does not, those held are refused.
    """

    def __init__(self) -> None:
        self.now: int | None = None
        self._held: list[tuple[int, object]] = []

    @property
    def holding(self) -> bool:
        return bool(self._held)

    @property
    def first_held(self) -> object | None:
        return self._held[0][1] if self._held else None

    def take(self, arrival: int, item: object) -> tuple[list[tuple[int, object]], list[tuple[int, object]]]:
        """Records to let through, in order, and records refused; the one given may be in neither (it is held)."""
        if self.now is None or arrival <= self.now + AHEAD_MS:
            refused, self._held = self._held, []
            self.now = arrival if self.now is None else max(self.now, arrival)
            return [(arrival, item)], refused
        refused = []
        if self._held and abs(arrival - self._held[0][0]) > AHEAD_MS:
            refused, self._held = self._held, []
        self._held.append((arrival, item))
        if len(self._held) <= AGREEING:
            return [], refused
        through, self._held = self._held, []
        self.now = max(arrival for arrival, _ in through)
        return through, refused

    def give_up(self) -> list[tuple[int, object]]:
        """The log has ended: what is held is refused, as nobody came to agree."""
        refused, self._held = self._held, []
        return refused
