"""Which cohorts have a row of their own. The set is open, memory is not.

Of one operator, class and environment so many firmwares are kept apart at most; past that, and past the cap of the
stage, the one that was not heard of for longest makes room when it has been idle for a day, and else the newcomer is
counted in an overflow cohort, which is shown and not judged. In a crowd (a firmware string with a serial number in it)
a name must have sent some records before it has a row, so that strings that come once do not fill the rows.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, TypeAlias

from models.snapshot import Plain
from pipeline.observation import UNKNOWN, Cohort

OVERFLOW: Final = "__overflow__"
IDLE_MS: Final = 24 * 3_600_000
PROBATION_RECORDS: Final = 20
MOST_ON_PROBATION: Final = 4096
_Group: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Bounds:
    """At most so many are kept apart: cohorts and operators of a stage, groups (class and environment) of an operator,
    firmwares of a group. From the crowded number on a newcomer is on probation."""

    cohorts: int = 20_000
    operators: int = 1_000
    groups: int = 1_000
    crowded_groups: int = 200
    firmwares: int = 200
    crowded_firmwares: int = 32


class Roster:
    """Who has a row, and when each was heard of last.

    Attributes:
        seen: by row, the last minute.
    """

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.bounds = bounds or Bounds()
        self.seen: list[int] = []
        self._groups: dict[_Group, list[int]] = {}
        self._operators: dict[str, set[_Group]] = {}
        self._probation: OrderedDict[Cohort, int] = OrderedDict()

    def may_enter(self, cohort: Cohort, records: int) -> bool:
        """Has a cohort without a row sent enough for one? (In a crowd it must have.)"""
        group, bounds = _group(cohort), self.bounds
        of_operator = self._operators.get(cohort.operator, set())
        if len(self._groups.get(group, ())) < bounds.crowded_firmwares and (
            group in of_operator or len(of_operator) < bounds.crowded_groups
        ):
            return True
        sent = self._probation.pop(cohort, 0) + records
        if sent >= PROBATION_RECORDS:
            return True
        self._probation[cohort] = sent
        if len(self._probation) > MOST_ON_PROBATION:
            self._probation.popitem(last=False)
        return False

    def place(self, cohort: Cohort, minute: int) -> int | None:
        """The row that a newcomer gets: the number of rows for a new one, that of an idle cohort, or None."""
        if is_overflow(cohort):
            return len(self.seen)
        bounds, rows = self.bounds, self._groups.get(_group(cohort), [])
        of_operator = self._operators.get(cohort.operator)
        if of_operator is None and len(self._operators) >= bounds.operators:
            return None
        if of_operator is not None and not rows and len(of_operator) >= bounds.groups:
            return None
        if len(rows) >= bounds.firmwares:
            return self._idle(rows, minute)
        if len(self.seen) >= bounds.cohorts:
            return self._idle(range(len(self.seen)), minute)
        return len(self.seen)

    def _idle(self, rows: list[int] | range, minute: int) -> int | None:
        oldest = min(rows, key=lambda row: (self.seen[row], row))
        return oldest if minute - self.seen[oldest] >= IDLE_MS else None

    def enter(self, cohort: Cohort, row: int, minute: int, old: Cohort | None) -> None:
        """A cohort has got a row, in place of `old` if that is given."""
        if old is not None:
            left = self._groups[_group(old)]
            left.remove(row)
            if not left:
                del self._groups[_group(old)]
                self._operators[old.operator].discard(_group(old))
                if not self._operators[old.operator]:
                    del self._operators[old.operator]
            self.seen[row] = minute
        else:
            self.seen.append(minute)
        self._groups.setdefault(_group(cohort), []).append(row)
        self._operators.setdefault(cohort.operator, set()).add(_group(cohort))

    def group(self, cohort: Cohort) -> list[int]:
        """Rows of the cohort's operator, class and environment."""
        return self._groups.get(_group(cohort), [])

    def overflow(self, cohort: Cohort) -> Cohort:
        """Where a cohort without a row is counted: by operator, class and environment, as long as there is room."""
        if _group(cohort) in self._groups:
            return cohort._replace(firmware=OVERFLOW)
        operator = cohort.operator if cohort.operator in self._operators else OVERFLOW
        return Cohort(operator, OVERFLOW, OVERFLOW, UNKNOWN)

    def snapshot(self) -> Plain:
        return {"seen": list(self.seen), "probation": [[*cohort, sent] for cohort, sent in self._probation.items()]}

    def restore(self, state: Plain, cohorts: list[Cohort]) -> None:
        """Take up a snapshot; `cohorts` by row."""
        self.seen = list(state["seen"])
        self._probation = OrderedDict((Cohort(*cohort), sent) for *cohort, sent in state["probation"])
        self._groups, self._operators = {}, {}
        for row, cohort in enumerate(cohorts):
            self._groups.setdefault(_group(cohort), []).append(row)
            self._operators.setdefault(cohort.operator, set()).add(_group(cohort))


def is_overflow(cohort: Cohort) -> bool:
    return cohort.firmware == OVERFLOW


def _group(cohort: Cohort) -> _Group:
    return cohort.operator, cohort.device_class, cohort.environment
