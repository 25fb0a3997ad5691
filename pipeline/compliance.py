"""Who keeps which clause: violations by operator and clause over time, out of the windows that ingest makes.

    Windows ──► Compliance.add ──► rows(): share, trend, first seen, and where it is worst

Shares are among accepted records; what was refused stands as a clause of its own, among all that came.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pipeline.contracts import CLAUSES
from pipeline.messages import MINUTE_MS, Windows
from pipeline.observation import Cohort

REFUSED: Final = "rejected"
"""In place of a clause: records that could not be used at all."""
MOST_BUCKETS: Final = 512
"""Stretches of time that are told apart; when there are more, two become one."""
_CLEARLY: Final = 3.0
"""Standard errors between two shares that are not the same."""


@dataclass(frozen=True, slots=True)
class Row:
    """One operator and one clause.

    records: that could have violated it. share: of those that did. before, after: shares in the first and second half
    of the time seen. trend: `new` (not in the first half), `rising`, `falling`, `gone`, `steady`, or `unknown` where
    there is only one stretch of time. first_at, last_at: minutes in which it was violated, ms since the epoch.
    worst: the cohort with the greatest share, and that share.
    """

    operator: str
    clause: str
    gravity: str
    sentence: str
    violations: int
    records: int
    share: float
    before: float | None
    after: float | None
    trend: str
    first_at: int
    last_at: int
    worst: Cohort | None = None
    worst_share: float | None = None


@dataclass(slots=True)
class _Operator:
    records: Counter[int] = field(default_factory=Counter)
    """By stretch of time."""
    violations: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    by_cohort: Counter[Cohort] = field(default_factory=Counter)
    by_cohort_and_clause: Counter[tuple[Cohort, str]] = field(default_factory=Counter)


class Compliance:
    """Adds up windows, in any order."""

    def __init__(self) -> None:
        self._operators: defaultdict[str, _Operator] = defaultdict(_Operator)
        self._width = MINUTE_MS
        self._buckets: set[int] = set()

    def add(self, windows: Windows) -> None:
        one = self._operators[windows.operator]
        at = self._bucket(windows.minute)
        for window in windows.cohorts:
            cohort = Cohort(windows.operator, window.device_class, window.firmware, window.environment)
            one.records[at] += window.records
            one.by_cohort[cohort] += window.records
            for clause, times in window.clauses.items():
                self._count(one, clause, at, windows.minute, times)
                one.by_cohort_and_clause[cohort, clause] += times
        for times in windows.rejects.values():
            self._count(one, REFUSED, at, windows.minute, times)

    def rows(self) -> Iterator[Row]:
        """By operator, the greatest share first."""
        middle = self._middle()
        for name, one in sorted(self._operators.items()):
            found = [self._row(name, one, clause, middle) for clause in one.violations]
            yield from sorted(found, key=lambda row: (-row.share, row.clause))

    def operators(self) -> dict[str, int]:
        """Records of each operator."""
        return {name: one.records.total() for name, one in sorted(self._operators.items())}

    def _bucket(self, minute: int) -> int:
        at = minute // self._width
        self._buckets.add(at)
        while len(self._buckets) > MOST_BUCKETS:
            self._width *= 2
            self._buckets = {bucket // 2 for bucket in self._buckets}
            for one in self._operators.values():
                one.records = _halved(one.records)
                for clause, counts in one.violations.items():
                    one.violations[clause] = _halved(counts)
            at = minute // self._width
        return at

    def _count(self, one: _Operator, clause: str, at: int, minute: int, times: int) -> None:
        one.violations[clause][at] += times
        first, last = one.spans.get(clause, (minute, minute))
        one.spans[clause] = min(first, minute), max(last, minute)

    def _middle(self) -> int | None:
        """The first stretch of the second half; None where time cannot be halved."""
        if len(self._buckets) < 2:
            return None
        return (min(self._buckets) + max(self._buckets) + 1) // 2

    def _row(self, operator: str, one: _Operator, clause: str, middle: int | None) -> Row:
        counts = one.violations[clause]
        of = one.records + one.violations[REFUSED] if clause == REFUSED else one.records
        violations, records = counts.total(), of.total()
        before = after = None
        trend = "unknown"
        if middle is not None:
            early, late = _part(counts, middle), _part(of, middle)
            before, after = _share(early[0], late[0]), _share(early[1], late[1])
            trend = _trend(early, late)
        known = CLAUSES.get(clause)
        worst = max(
            (
                (times / one.by_cohort[cohort], cohort)
                for (cohort, it), times in one.by_cohort_and_clause.items()
                if it == clause
            ),
            default=None,
        )
        return Row(
            operator=operator,
            clause=clause,
            gravity=str(known.gravity) if known else "serious",
            sentence=known.sentence if known else "A record can be used.",
            violations=violations,
            records=records,
            share=violations / records if records else 1.0,
            before=before,
            after=after,
            trend=trend,
            first_at=one.spans[clause][0],
            last_at=one.spans[clause][1],
            worst=worst[1] if worst else None,
            worst_share=worst[0] if worst else None,
        )


def _halved(counts: Counter[int]) -> Counter[int]:
    out: Counter[int] = Counter()
    for at, times in counts.items():
        out[at // 2] += times
    return out


def _part(counts: Counter[int], middle: int) -> tuple[int, int]:
    """Before the middle, and from it on."""
    early = sum(times for at, times in counts.items() if at < middle)
    return early, counts.total() - early


def _share(part: int, of: int) -> float | None:
    return part / of if of else None


def _trend(violations: tuple[int, int], records: tuple[int, int]) -> str:
    (x, y), (n, m) = violations, records
    if not n or not m:
        return "unknown"
    pooled = (x + y) / (n + m)
    error = math.sqrt(max(pooled * (1 - pooled), 0.0) * (1 / n + 1 / m))
    change = y / m - x / n
    if error == 0 or abs(change) <= _CLEARLY * error:
        return "steady"
    if change > 0:
        return "new" if not x else "rising"
    return "gone" if not y else "falling"
