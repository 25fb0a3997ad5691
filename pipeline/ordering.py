"""Duplicates, inversions, resets and gaps of a log. Bounded; the log alone decides.

A duplicate changes nothing. Everything else with a `seq` stands in one scope of its operator: its `seq_scope`, else its
session, else its device unless that device has been seen with sessions; each kind is a name space of its own.

Nearly all scopes just count on in a batch, and are judged all at once; what does not is judged record by record.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import Columns
from pipeline.eventids import EventIds
from pipeline.gaps import Gaps, Missing, Owner
from pipeline.hashing import NOBODY, Keys
from pipeline.numbers import Ints, Numbers, grown
from pipeline.observation import Cohort
from pipeline.rows import integers

DUPLICATE: Final = 1
SEQUENCED: Final = 2
"""Judged for order: with a sequence, neither duplicate nor cached."""
INVERTED: Final = 4
"""Lower than the highest before."""
EXPECTED: Final = 8
"""Its number was expected, and has come for the first time."""
RESET: Final = 16
"""It begins a new count."""

_NONE: Final = -1
"""In place of a number: there is none."""
_IN_SESSIONS: Final = -2
"""In place of a device's highest number: it counts within sessions."""
_NEW: Final = -3
"""In place of the highest number of a scope that has had none."""


class Ordering:
    """Judges the records of one log, in its order, and numbers their devices.

    Args:
        ids: event ids that are remembered at most, of all operators together; half of it is always.
        names: devices, sessions and named scopes, likewise; those not seen for the longest are forgotten.
        gaps: leaps of counters that wait at once.
    """

    def __init__(self, *, ids: int = 4_000_000, names: int = 2_000_000, gaps: int = 200_000) -> None:
        self._ids = EventIds(ids)
        self._numbers = Numbers(names)
        self._highest: Ints = np.empty(0, dtype=np.int64)
        """By number of a scope, its highest sequence number."""
        self._gaps = Gaps(gaps)
        self._missing: list[Missing] = []
        self._forgotten: list[Ints] = []
        self._anonymous = 0

    @property
    def shortened(self) -> int:
        """Times that event ids were forgotten before their day was over, for lack of room."""
        return self._ids.shortened

    @property
    def forgotten_gaps(self) -> int:
        """Ranges of awaited numbers that were given up for lack of room."""
        return self._gaps.forgotten

    @property
    def turns(self) -> int:
        """Times that devices, sessions and scopes were forgotten for lack of room."""
        return self._numbers.turns

    def judge(self, seen: Columns, keys: Keys, clock: NDArray[np.int64]) -> tuple[NDArray[np.uint8], Ints]:
        """Flags of each record and the number of its device, given the arrival clock at each.

        A record without a device is its session's; one without either is nobody's and has a number below zero of its
        own. A number stays with its device for as long as that is remembered (`forgotten`).
        """
        flags = np.zeros(len(clock), dtype=np.uint8)
        device = np.empty(len(clock), dtype=np.int64)
        sequence = integers(seen.seq, _NONE)
        cached = np.array(seen.cached, dtype=np.bool_)
        first = 0
        while first < len(clock):
            # In so many pieces as generations begin, so that the answer does not hang on how the log is cut.
            end = first + min(self._ids.room(clock[first:]), self._room())
            piece = slice(first, end)
            flags[piece], device[piece] = self._judge(
                _Piece(seen, keys.part(first, end), first, sequence[piece], cached[piece], clock)
            )
            first = end
        self._missing += self._gaps.due(int(clock[-1]))
        return flags, device

    def missing(self) -> list[Missing]:
        """Numbers that were found missing for good since this was asked last, in the order of their leaps."""
        missing, self._missing = self._missing, []
        return missing

    def number(self, key: int) -> int:
        """Of the device that has this key (`pipeline.hashing.device_key`)."""
        if key == NOBODY:
            return int(self._nobodies(1)[0])
        self._room()
        return int(self._number(np.array([key], dtype=np.uint64))[0])

    def forgotten(self) -> list[Ints]:
        """Numbers that lost their device since this was asked last: what is kept under them is not of the next one."""
        numbers, self._forgotten = self._forgotten, []
        return numbers

    def _room(self) -> int:
        """How many records may be taken before names are forgotten; a record asks for two at most."""
        if self._numbers.room() < 2:
            gone = self._numbers.turn()
            self._highest[gone] = _NEW
            self._gaps.reset_all(gone.tolist())
            self._forgotten.append(gone)
        return max(self._numbers.room() // 2, 1)

    def _number(self, keys: NDArray[np.uint64]) -> Ints:
        numbers = self._numbers.of(keys)
        if self._numbers.size > len(self._highest):
            self._highest = grown(self._highest, self._numbers.size, _NEW)
        return numbers

    def _nobodies(self, count: int) -> Ints:
        first = self._anonymous + 1
        self._anonymous += count
        return -np.arange(first, first + count)

    def _judge(self, piece: _Piece) -> tuple[NDArray[np.uint8], Ints]:
        keys = piece.keys
        flags = self._ids.repeated(keys.event).astype(np.uint8)
        whose = np.where(keys.device != NOBODY, keys.device, keys.session)
        device = self._device(whose)
        fresh = flags == 0
        scope_key = np.where(keys.session != NOBODY, keys.session, keys.device)
        scope_key = np.where(keys.named != NOBODY, keys.named, scope_key)
        counts = np.flatnonzero(fresh & (piece.sequence != _NONE) & (scope_key != NOBODY))
        scope = device[counts]
        other = np.flatnonzero(scope_key[counts] != whose[counts])
        if len(other):
            scope[other] = self._number(scope_key[counts[other]])
        leaving = np.flatnonzero(fresh & (keys.session != NOBODY) & (keys.device != NOBODY))
        leaving = leaving[self._highest[device[leaving]] != _IN_SESSIONS]
        if len(leaving):
            if np.isin(scope, device[leaving]).any():
                # The same device with and without a session: what comes first decides.
                self._one_by_one(piece, flags, counts, scope, leaving, device)
                return flags, device
            for number in device[leaving].tolist():
                self._leave_to_sessions(number)
        self._count_on(piece, flags, counts, scope)
        return flags, device

    def _device(self, keys: NDArray[np.uint64]) -> Ints:
        nobody = keys == NOBODY
        if not nobody.any():
            return self._number(keys)
        device = np.empty(len(keys), dtype=np.int64)
        device[~nobody] = self._number(keys[~nobody])
        device[nobody] = self._nobodies(int(np.count_nonzero(nobody)))
        return device

    def _count_on(self, piece: _Piece, flags: NDArray[np.uint8], rows: Ints, scope: Ints) -> None:
        """Judge the records at `rows`, of these scopes."""
        if not len(rows):
            return
        # By scope and, within one, in the order of the log: both in one integer, sorted ten times as fast as by two.
        bits = len(rows).bit_length()
        order = np.sort((scope << bits) + np.arange(len(rows))) & ((1 << bits) - 1)
        rows, scope = rows[order], scope[order]
        sequence = piece.sequence[rows]
        begins = np.ones(len(rows), dtype=np.bool_)
        np.not_equal(scope[1:], scope[:-1], out=begins[1:])
        before = np.empty_like(sequence)
        before[1:] = sequence[:-1]
        before[begins] = self._highest[scope[begins]]
        counts_on = (sequence == before + 1) | (begins & (before == _NEW))
        judged = np.where(piece.cached[rows], EXPECTED, EXPECTED | SEQUENCED).astype(np.uint8)
        starts = np.flatnonzero(begins)
        if counts_on.all():
            flags[rows] = judged
            self._highest[scope[starts]] = sequence[np.append(starts[1:], len(rows)) - 1]
            return
        group = np.cumsum(begins) - 1
        good = np.logical_and.reduceat(counts_on, starts)
        counted = good[group]
        flags[rows[counted]] = judged[counted]
        last = np.append(starts[1:], len(rows)) - 1
        self._highest[scope[starts[good]]] = sequence[last[good]]
        left = ~counted & (before[starts] != _IN_SESSIONS)[group]
        order = np.argsort(rows[left])
        for row, number in zip(rows[left][order].tolist(), scope[left][order].tolist(), strict=True):
            flags[row] = self._place(piece, row, number)

    def _one_by_one(
        self, piece: _Piece, flags: NDArray[np.uint8], rows: Ints, scope: Ints, leaving: Ints, device: Ints
    ) -> None:
        scopes = dict(zip(rows.tolist(), scope.tolist(), strict=True))
        leaves = set(leaving.tolist())
        for row in sorted({*scopes, *leaves}):
            if row in leaves:
                self._leave_to_sessions(int(device[row]))
            if row in scopes:
                flags[row] = self._place(piece, row, scopes[row])

    def _place(self, piece: _Piece, row: int, scope: int) -> int:
        """Where a record stands that may not just follow the highest of its scope."""
        sequence, cached = int(piece.sequence[row]), bool(piece.cached[row])
        judged = 0 if cached else SEQUENCED
        highest = int(self._highest[scope])
        if highest == _IN_SESSIONS:
            return 0
        if highest == _NEW or sequence > highest:
            self._highest[scope] = sequence
            if highest != _NEW and sequence > highest + 1:
                now = int(piece.clock[piece.first + row])
                self._gaps.await_numbers(scope, highest + 1, sequence, now, piece.owner(row))
            return judged | EXPECTED
        if sequence == highest:
            return judged
        self._missing += self._gaps.due(int(piece.clock[piece.first + row]))
        came = self._gaps.fill(scope, sequence)
        if sequence <= 1 and not cached:
            # When 0 comes right after 1, the new count has had its 1: that it swapped with 0 must leave no gap.
            self._highest[scope] = max(sequence, 1 if highest == 1 else 0)
            self._gaps.reset(scope)
            return judged | EXPECTED | RESET
        return judged | (EXPECTED if came else 0) | (0 if cached else INVERTED)

    def _leave_to_sessions(self, device: int) -> None:
        if self._highest[device] != _NEW:
            self._gaps.forget(device)
        self._highest[device] = _IN_SESSIONS


class _Piece:
    """Some records of a batch, from `first` on; `sequence` and `cached` are theirs, `seen` and `clock` of all."""

    __slots__ = ("cached", "clock", "first", "keys", "seen", "sequence")

    def __init__(
        self, seen: Columns, keys: Keys, first: int, sequence: Ints, cached: NDArray[np.bool_], clock: Ints
    ) -> None:
        self.seen = seen
        self.keys = keys
        self.first = first
        self.sequence = sequence
        self.cached = cached
        self.clock = clock

    def owner(self, row: int) -> Owner:
        seen, at = self.seen, self.first + row
        cohort = Cohort(seen.operator[at], seen.device_class[at], seen.firmware[at], seen.environment[at])
        return Owner(cohort, seen.device_id[at], seen.session_id[at])
