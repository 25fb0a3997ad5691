"""When did it happen? Which device clocks to believe, and what of a lag is skew and what is delay.

One report cannot tell a clock that is behind from a feed that is slow. A device's reports together can: the least lag
(arrival - device time) of one to two days is what neither the network nor a queue explains.

- Below zero: the clock is ahead by so much, as nothing arrives before it happens. Corrected.
- Ten minutes or more, with five records within a minute of it: the clock is behind; a slow feed does not hold so still.
  Corrected.
- Anything between is taken for the shortest way to us, and so for delay.

A record that is more than ten minutes earlier than that least lag allows is from the future: it is not believed and
moves nothing, until five in a row say so; then the clock was set, and a new least begins.

All of a minute is judged at once, when it is closed: the answer does not depend on the order within it.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import NUMBER
from pipeline.numbers import Ints, grown
from pipeline.observation import EARLIEST_MS, LATEST_MS

Bools: TypeAlias = NDArray[np.bool_]

DAY_MS: Final = 86_400_000
BEHIND_MS: Final = 10 * 60_000
"""A least lag of this much is a clock that is behind..."""
CONSTANT_MS: Final = 60_000
REPORTS: Final = 5
"""...once so many records came within `CONSTANT_MS` of it."""
JUMP_MS: Final = 10 * 60_000
"""A record earlier by this much than its device's other records allow is not believed."""
LONGEST_DELAY_MS: Final = 30 * DAY_MS
"""What is older on arrival comes from a clock that was never set."""

ABSENT: Final = -(2**63)
"""Stands for a time that a record does not have; no valid one has this value."""
NONE: Final = -1
"""Stands for a delay that cannot be told, and for no clause."""

_UPTIME_MS: Final = 10**11
"""Less than this (three years) is no date but time since start."""
_UNITS: Final = (1e3, 1e-3, 1e-6)
"""What makes milliseconds of seconds, micro- and nanoseconds."""
_UNKNOWN: Final = 2**62
"""Least lag of a device of which nothing is known; more than any."""


class Believed(NamedTuple):
    """By row: ms from the believed occurrence to arrival, and the number of the violated clause; or `NONE`."""

    delay: Ints
    clause: Ints


class DeviceClocks:
    """The least lags of devices, by their numbers (`pipeline.numbers`)."""

    def __init__(self) -> None:
        self._day = 0
        # Since midnight, and on the day before; how many records were near; how many in a row came too early.
        self._least = np.empty(0, dtype=np.int64)
        self._least_before = np.empty(0, dtype=np.int64)
        self._near = np.empty(0, dtype=np.int32)
        self._near_before = np.empty(0, dtype=np.int32)
        self._early = np.empty(0, dtype=np.int8)
        self._place = np.empty(0, dtype=np.int32)
        """Scratch: where a device stands among those of a minute."""

    def forget(self, devices: Ints) -> None:
        """These numbers have been given to other devices."""
        known = devices[devices < len(self._least)]
        self._least[known] = self._least_before[known] = _UNKNOWN
        self._near[known] = self._near_before[known] = self._early[known] = 0

    def believe(self, now: int, device: Ints, arrival: Ints, occurred: Ints, sent: Ints, fresh: Bools) -> Believed:
        """Judge the records of a minute that begins at `now`, on the arrival clock.

        Args:
            device: numbers; below zero is nobody known.
            arrival, occurred, sent: ms since the epoch, the latter two may be `ABSENT`.
            fresh: records to judge by; others (cached) get no delay and are only looked at for what they violate.
        """
        self._turn(now // DAY_MS)
        has_occurred, has_sent = occurred != ABSENT, sent != ABSENT
        tells_occurred = has_occurred & (occurred >= EARLIEST_MS) & (occurred <= LATEST_MS)
        tells_sent = has_sent & (sent >= EARLIEST_MS) & (sent <= LATEST_MS)
        clause = np.full(len(device), NONE, dtype=np.int64)
        for wrong, time in ((has_occurred & ~tells_occurred, occurred), (has_sent & ~tells_sent, sent)):
            at = np.flatnonzero(wrong & (clause == NONE))
            if len(at):
                clause[at] = _magnitude(time[at], arrival[at])
        delay = np.full(len(device), NONE, dtype=np.int64)
        rows = np.flatnonzero(fresh & (tells_occurred | tells_sent))
        if len(rows):
            arrival = arrival[rows]
            since_occurred = np.where(tells_occurred[rows], arrival - occurred[rows], _UNKNOWN)
            since_sent = np.where(tells_sent[rows], arrival - sent[rows], _UNKNOWN)
            # Sending is nearer to arrival, so it says more about the clock; what is asked for is the occurrence.
            lag = np.where(tells_occurred[rows], since_occurred, since_sent)
            delay[rows], violated = self._delays(device[rows], lag, np.minimum(since_occurred, since_sent))
            clause[rows] = np.where(clause[rows] == NONE, violated, clause[rows])
        return Believed(delay, clause)

    def _delays(self, device: Ints, lag: Ints, shortest: Ints) -> tuple[Ints, Ints]:
        skew = np.zeros(len(device), dtype=np.int64)
        clause = np.full(len(device), NONE, dtype=np.int64)
        known = device >= 0
        future = ~known & (lag < -JUMP_MS)
        if known.any():
            skew[known], future[known], jumped = self._learn(device[known], shortest[known])
            clause[np.flatnonzero(known)[jumped]] = NUMBER["clock.jump"]
        delay = np.maximum(lag - skew, 0)
        past = delay > LONGEST_DELAY_MS
        clause[past] = NUMBER["clock.past"]
        clause[future] = NUMBER["clock.future"]
        delay[past | future] = NONE
        return delay, clause

    def _learn(self, device: Ints, lag: Ints) -> tuple[Ints, Bools, Bools]:
        """Skew of each record's device, records from the future, records by which a clock was found to be set anew."""
        self._grow(int(device.max()) + 1)
        who, of = self._apart(device)
        floor = np.minimum(self._least[who], self._least_before[who])
        early = lag < np.where(floor < _UNKNOWN, floor - JUMP_MS, -_UNKNOWN)[of]
        earlies = np.bincount(of[early], minlength=len(who))
        usual = np.bincount(of[~early], minlength=len(who))
        run = np.where(usual > 0, 0, self._early[who] + earlies)
        was_set = run >= REPORTS
        self._early[who] = np.where(was_set, 0, run)
        anew = who[was_set]
        self._least[anew] = self._least_before[anew] = _UNKNOWN
        self._near[anew] = self._near_before[anew] = 0
        jumped = early & was_set[of]
        counted = ~early | jumped
        least = self._least[who]
        np.minimum.at(least, of[counted], lag[counted])
        near = np.where(least < self._least[who] - CONSTANT_MS, 0, self._near[who])
        near += np.bincount(of[counted & (lag <= least[of] + CONSTANT_MS)], minlength=len(who))
        self._least[who], self._near[who] = least, near
        before = self._least_before[who]
        floor = np.minimum(least, before)
        still = np.where(least <= floor + CONSTANT_MS, near, 0)
        still += np.where(before <= floor + CONSTANT_MS, self._near_before[who], 0)
        skew = np.where((floor < 0) | ((floor >= BEHIND_MS) & (still >= REPORTS) & (floor < _UNKNOWN)), floor, 0)
        return skew[of], early & ~jumped, jumped

    def _apart(self, device: Ints) -> tuple[Ints, NDArray[np.int32]]:
        """The devices, each once, and which of these each row is of. As numbers are small, nothing need be sorted."""
        rows = np.arange(len(device), dtype=np.int32)
        self._place[device] = rows
        who = device[self._place[device] == rows]
        self._place[who] = rows[: len(who)]
        return who, self._place[device]

    def _turn(self, day: int) -> None:
        if day <= self._day:
            return
        if day == self._day + 1:
            self._least_before, self._near_before = self._least, self._near
        else:
            self._least_before = np.full(len(self._least), _UNKNOWN, dtype=np.int64)
            self._near_before = np.zeros(len(self._near), dtype=np.int32)
        self._least = np.full(len(self._least_before), _UNKNOWN, dtype=np.int64)
        self._near = np.zeros(len(self._near_before), dtype=np.int32)
        self._day = day

    def _grow(self, size: int) -> None:
        if size > len(self._least):
            self._least = grown(self._least, size, _UNKNOWN)
            self._least_before = grown(self._least_before, size, _UNKNOWN)
            self._near = grown(self._near, size, 0)
            self._near_before = grown(self._near_before, size, 0)
            self._early = grown(self._early, size, 0)
            self._place = grown(self._place, size, 0)


def _magnitude(time: Ints, arrival: Ints) -> Ints:
    """The clause that a time violates that lies outside of all calendars."""
    near = np.zeros(len(time), dtype=np.bool_)
    for scale in _UNITS:
        near |= np.abs(time * scale - arrival) <= LONGEST_DELAY_MS
    uptime = (time >= 0) & (time < _UPTIME_MS)
    return np.where(
        near, NUMBER["clock.unit"], np.where(uptime, NUMBER["clock.uptime"], NUMBER["clock.implausible"])
    ).astype(np.int64)
