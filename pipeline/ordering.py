"""Duplicates, inversions, resets and gaps of a log. Bounded; the log alone decides.

A duplicate changes nothing. Everything else with a `seq` stands in one scope of its operator: its `seq_scope`, else its
session, else its device unless that device has been seen with sessions; each kind is a name space of its own.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.columns import Columns
from pipeline.gaps import Gaps, Missing, Owner, Scope
from pipeline.observation import Cohort

REMEMBER_MS: Final = 24 * 3_600_000
"""An event id is known at least so long (arrival clock), memory permitting."""

DUPLICATE: Final = 1
SEQUENCED: Final = 2
"""Judged for order: with a sequence, neither duplicate nor cached."""
INVERTED: Final = 4
"""Lower than the highest before."""
EXPECTED: Final = 8
"""Its number was expected, and has come for the first time."""
RESET: Final = 16
"""It begins a new count."""

_NAMED, _SESSION, _DEVICE = range(3)
_IN_SESSIONS: Final = -2
"""In place of a device's highest number: it counts within sessions. No number follows it."""

_Tables: TypeAlias = tuple[dict[str, int], dict[str, int], dict[str, int]]


class _Operator:
    """What is remembered of one operator, in two generations: what was in neither is forgotten.

    Attributes:
        ids: event ids. highest: number by scope, one table a name space.
    """

    __slots__ = ("highest", "highest_before", "ids", "ids_before")

    def __init__(self) -> None:
        # Dictionaries for sets: the garbage collector looks into every set, but not into what holds strings alone.
        self.ids: dict[str, None] = {}
        self.ids_before: dict[str, None] = {}
        self.highest: _Tables = ({}, {}, {})
        self.highest_before: _Tables = ({}, {}, {})

    def turn_ids(self) -> None:
        self.ids_before, self.ids = self.ids, {}

    def turn_scopes(self) -> None:
        self.highest_before, self.highest = self.highest, ({}, {}, {})


class Ordering:
    """Judges the records of one log, in its order.

    Args:
        ids: event ids that are remembered at most, of all operators together; half of it is always.
        scopes: likewise; those not seen for the longest are forgotten.
        operators: likewise.
        gaps: leaps of counters that wait at once.

    Attributes:
        shortened: times that ids were forgotten before their day was over, for lack of room.
    """

    def __init__(
        self, *, ids: int = 4_000_000, scopes: int = 1_000_000, operators: int = 10_000, gaps: int = 200_000
    ) -> None:
        self._half_ids = max(ids // 2, 1)
        self._half_scopes = max(scopes // 2, 1)
        self._half_operators = max(operators // 2, 1)
        self._operators: dict[str, _Operator] = {}
        self._operators_before: dict[str, _Operator] = {}
        self._since: int | None = None
        """When the youngest generation of ids began."""
        self._scopes = 0
        """Scopes in the younger tables."""
        self._gaps = Gaps(gaps)
        self._missing: list[Missing] = []
        self.shortened = 0

    @property
    def forgotten_gaps(self) -> int:
        """Ranges of awaited numbers that were given up for lack of room."""
        return self._gaps.forgotten

    def judge(self, seen: Columns, clock: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Flags of each record, given the arrival clock at each."""
        self._make_room(int(clock[0]))
        operators = self._operators
        flags = bytearray(len(clock))
        rows = zip(
            seen.operator,
            seen.event_id,
            seen.device_id,
            seen.session_id,
            seen.seq,
            seen.seq_scope,
            seen.cached,
            strict=True,
        )
        for row, (name, event_id, device, session, seq, named, cached) in enumerate(rows):
            operator = operators.get(name)
            if operator is None:
                operator = self._recall(name)
            ids = operator.ids
            if event_id in ids:
                flags[row] = DUPLICATE
                continue
            ids[event_id] = None
            if event_id in operator.ids_before:
                # Seen again, its day begins again.
                flags[row] = DUPLICATE
                continue
            if session is not None and device is not None and operator.highest[_DEVICE].get(device) != _IN_SESSIONS:
                self._leave_to_sessions(name, operator, device)
            if seq is None:
                continue
            if named is not None:
                space, scope = _NAMED, named
            elif session is not None:
                space, scope = _SESSION, session
            elif device is not None:
                space, scope = _DEVICE, device
            else:
                continue
            highest = operator.highest[space]
            if highest.get(scope) == seq - 1:
                highest[scope] = seq
                flags[row] = EXPECTED if cached else EXPECTED | SEQUENCED
            else:
                flags[row] = self._place(seen, row, operator, (name, space, scope), int(clock[row]))
        self._missing += self._gaps.due(int(clock[-1]))
        return np.frombuffer(flags, dtype=np.uint8)

    def missing(self) -> list[Missing]:
        """Numbers that were found missing for good since this was asked last, in the order of their leaps."""
        missing, self._missing = self._missing, []
        return missing

    def _place(self, seen: Columns, row: int, operator: _Operator, scope: Scope, now: int) -> int:
        """Where a record stands that does not just follow the highest of its scope."""
        seq, cached = seen.seq[row] or 0, seen.cached[row]
        judged = 0 if cached else SEQUENCED
        highest = self._highest(operator, scope)
        if highest == _IN_SESSIONS:
            return 0
        if highest is None or seq > highest:
            operator.highest[scope[1]][scope[2]] = seq
            if highest is None:
                self._gaps.reset(scope)
            elif seq > highest + 1:
                cohort = Cohort(seen.operator[row], seen.device_class[row], seen.firmware[row], seen.environment[row])
                owner = Owner(cohort, seen.device_id[row], seen.session_id[row])
                self._gaps.await_numbers(scope, highest + 1, seq, now, owner)
            return judged | EXPECTED
        if seq == highest:
            return judged
        self._missing += self._gaps.due(now)
        came = self._gaps.fill(scope, seq)
        if seq <= 1 and not cached:
            # When 0 comes right after 1, the new count has had its 1: that it swapped with 0 must leave no gap.
            operator.highest[scope[1]][scope[2]] = max(seq, 1 if highest == 1 else 0)
            self._gaps.reset(scope)
            return judged | EXPECTED | RESET
        return judged | (EXPECTED if came else 0) | (0 if cached else INVERTED)

    def _highest(self, operator: _Operator, scope: Scope) -> int | None:
        """Highest number of a scope, made young again; None when it is new."""
        _, space, name = scope
        young = operator.highest[space]
        highest = young.get(name)
        if highest is None:
            self._scopes += 1
            highest = operator.highest_before[space].pop(name, None)
            if highest is not None:
                young[name] = highest
        return highest

    def _leave_to_sessions(self, name: str, operator: _Operator, device: str) -> None:
        scope = (name, _DEVICE, device)
        if self._highest(operator, scope) is not None:
            self._gaps.forget(scope)
        operator.highest[_DEVICE][device] = _IN_SESSIONS

    def _recall(self, name: str) -> _Operator:
        operator = self._operators_before.pop(name, None) or _Operator()
        self._operators[name] = operator
        return operator

    def _make_room(self, now: int) -> None:
        """Begin new generations where the younger one is full or a day old; what was only in the older one is gone."""
        if len(self._operators) >= self._half_operators:
            self._operators_before, self._operators = self._operators, {}
        operators = [*self._operators.values(), *self._operators_before.values()]
        if self._since is None:
            self._since = now
        full = sum(len(operator.ids) for operator in operators) >= self._half_ids
        if full or now - self._since >= REMEMBER_MS:
            self.shortened += now - self._since < REMEMBER_MS
            self._since = now
            for operator in operators:
                operator.turn_ids()
        if self._scopes >= self._half_scopes:
            self._scopes = 0
            for operator in operators:
                operator.turn_scopes()
