"""How fast each group of a threshold uses up what it is allowed: burn rates over several windows, and what they mean.

A burn rate is the share of bad attempts as a multiple of the allowed share. Alerts on several windows and burn rates
are those of the Google SRE workbook (chapter 5, "Alerting on SLOs", method 6): a fast burn over a short time, or a slow
one over a long time, and each confirmed by a window a twelfth as long, so that it ends soon after the burn does. There
the windows belong to a budget of 30 days, the longest being 3 days; here a line is drawn over its own window, so all
are scaled by window / 3 days where that is shorter. So the slowest rule is the line itself: over its window more than
the allowed share was bad. A faster one says so before the window is over: at 6 times after a twelfth of it, when half
of what is allowed is used up; at 14.4 times after a 72nd, when a fifth is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.snapshot import Plain, pack, unpack
from pipeline.intent import Threshold
from pipeline.messages import MINUTE_MS
from pipeline.observation import Cohort

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Group: TypeAlias = tuple[str, ...]
"""Values of `per`."""

HOUR_MS: Final = 60 * MINUTE_MS
WORKBOOK: Final = ((14.4, 1.0), (6.0, 6.0), (1.0, 72.0))
"""Burn rate and hours of the long window."""
LONGEST_MS: Final = 72 * HOUR_MS
CONFIRMED_BY: Final = 12
"""The short window is so many times shorter."""
SHORTEST_MS: Final = 5 * MINUTE_MS
"""Of a long window: a single bad minute is no breach."""
ENTRIES: Final = 864
"""Of a ring: the longest window at the grain of the workbook's shortest, 3 days in 5 minutes."""
LEAST_BAD: Final = 10.0
"""Bad attempts below which a share says nothing: its own error is a third."""
SURE: Final = 2.0
"""Standard deviations of a Poisson count by which the bad ones exceed what a rule allows."""
CALM: Final = 0.9
"""Of what is allowed: below it a line is kept again; what hovers about the line does not flap."""
TELLS: Final = 3.0
"""Bad attempts that are allowed in a window: with fewer it cannot tell that a line is kept."""
NEAR: Final = 0.8
"""Of what is allowed, over the whole window, from which on a line that is being crossed now is about to break."""
MOST_GROUPS: Final = 500
"""Of one threshold; idle ones make room, and one more than these is not watched."""


class Rule(NamedTuple):
    """burn: rate that fires. long, short: windows in entries of the ring."""

    burn: float
    long: int
    short: int


class State(NamedTuple):
    """What a threshold's groups do now, [groups] each.

    burning: a rule holds. near: about to. calm: kept again of late. kept: kept over the whole window. told: there is
    enough to tell. burn: rate over the whole window, or of the fastest rule that holds. long: entries that this is of.
    """

    burning: Flags
    near: Flags
    calm: Flags
    kept: Flags
    told: Flags
    burn: Floats
    long: NDArray[np.int64]


def rules_of(threshold: Threshold, grain_ms: int) -> tuple[Rule, ...]:
    """Fastest first; the last one is the line itself. More than half of what lies between the allowed share and
    everything is never asked for: a median can burn at twice its rate at the most."""
    scale = min(1.0, threshold.window_ms / LONGEST_MS)
    rules = []
    for burn, hours in WORKBOOK:
        long_ms = max(hours * HOUR_MS * scale, SHORTEST_MS)
        long = max(1, round(long_ms / grain_ms))
        rules.append(
            Rule(
                min(burn, (1.0 + 1.0 / threshold.allowed) / 2.0), long, max(1, round(long_ms / CONFIRMED_BY / grain_ms))
            )
        )
    return tuple(rules)


def over(of: Floats, bad: Floats, allowed: float) -> Flags:
    """Is the share of bad ones surely above what is allowed?"""
    usual = of * allowed
    return np.asarray((bad >= LEAST_BAD) & (bad > usual + SURE * np.sqrt(usual)))


class Burn:
    """The counts of one threshold by group, as far back as its rules look."""

    def __init__(self, threshold: Threshold) -> None:
        self.threshold = threshold
        longest = max(min(threshold.window_ms, LONGEST_MS), SHORTEST_MS)
        self.grain_ms = MINUTE_MS * max(1, -(-longest // (ENTRIES * MINUTE_MS)))
        self.rules = rules_of(threshold, self.grain_ms)
        self.size = self.rules[-1].long + 1
        self.groups: list[Group] = []
        self.entry: int | None = None
        """Index (time / grain) of the entry that is open."""
        self._row: dict[Group, int] = {}
        # Sums since the beginning: [2 (attempts, bad), groups], and as they were at the end of each entry.
        self._sum: Floats = np.zeros((2, 0))
        self._ring: Floats = np.zeros((self.size, 2, 0))

    def concerns(self, cohort: Cohort) -> bool:
        return all(getattr(cohort, name) == value for name, value in self.threshold.scope.items())

    def group_of(self, cohort: Cohort) -> Group:
        return tuple(getattr(cohort, name) for name in self.threshold.per)

    def count(self, cohorts: Sequence[Cohort], attempts: Floats, bad: Floats) -> None:
        """[cohorts] each, in the open entry."""
        rows = np.array([self._admit(cohort) for cohort in cohorts], dtype=np.intp)
        use = (rows >= 0) & (attempts > 0)
        np.add.at(self._sum[0], rows[use], attempts[use])
        np.add.at(self._sum[1], rows[use], bad[use])

    def _admit(self, cohort: Cohort) -> int:
        if not self.concerns(cohort):
            return -1
        group = self.group_of(cohort)
        row = self._row.get(group)
        if row is None:
            if len(self.groups) >= MOST_GROUPS:
                return self._instead(group)
            row = self._row[group] = len(self.groups)
            self.groups.append(group)
            self._sum = np.concatenate((self._sum, np.zeros((2, 1))), axis=1)
            self._ring = np.concatenate((self._ring, np.zeros((self.size, 2, 1))), axis=2)
        return row

    def _instead(self, group: Group) -> int:
        """Take the place of a group that has been idle as far back as anybody looks; -1: there is none."""
        idle = np.flatnonzero(self._sum[0] == self._ring[:, 0].min(axis=0))
        if not len(idle):
            return -1
        row = int(idle[0])
        del self._row[self.groups[row]]
        self.groups[row], self._row[group] = group, row
        self._sum[:, row] = self._ring[:, :, row] = 0.0
        return row

    def open(self, minute: int) -> None:
        """Time has come to a minute: what is over before it is over. Call it before the minute is counted."""
        entry = minute // self.grain_ms
        if self.entry is not None:
            for passed in range(max(self.entry, entry - self.size), entry):
                self._ring[passed % self.size] = self._sum
        self.entry = entry if self.entry is None else max(self.entry, entry)

    def close(self, minute: int) -> State | None:
        """A minute has been counted; what the groups do when that ends an entry."""
        self.open(minute)
        if (minute + MINUTE_MS) % self.grain_ms:
            return None
        last = minute // self.grain_ms
        self._ring[last % self.size] = self._sum
        self.entry = last + 1
        return self._state(last)

    def window(self, last: int, entries: int) -> Floats:
        """[2, groups] attempts and bad ones of the entries up to `last`."""
        return np.asarray(self._ring[last % self.size] - self._ring[(last - entries) % self.size])

    def _state(self, last: int) -> State:
        allowed = self.threshold.allowed
        line = self.rules[-1]
        whole, lately = self.window(last, line.long), self.window(last, line.short)
        burn = _burn(whole, allowed)
        long = np.full(len(self.groups), line.long)
        burning = np.zeros(len(self.groups), dtype=np.bool_)
        for rule in reversed(self.rules):
            far, near = self.window(last, rule.long), self.window(last, rule.short)
            holds = over(far[0], far[1], allowed * rule.burn) & (_burn(near, allowed) >= rule.burn)
            burning |= holds
            burn, long = np.where(holds, _burn(far, allowed), burn), np.where(holds, rule.long, long)
        return State(
            burning=burning,
            near=~burning & (_burn(whole, allowed) >= NEAR) & over(lately[0], lately[1], allowed),
            calm=self._calm(last),
            kept=(whole[0] > 0) & (_burn(whole, allowed) < 1.0),
            told=whole[0] * allowed >= 1.0,
            burn=burn,
            long=long,
        )

    def _calm(self, last: int) -> Flags:
        """Is the line kept again? Asked of the line's short window, or of one as long as it takes to tell: among a few
        attempts none is bad by chance."""
        line = self.rules[-1]
        asked, calm = np.zeros((2, len(self.groups)), dtype=np.bool_)
        entries = line.short
        while not asked.all():
            counts = self.window(last, entries)
            tells = ~asked & ((counts[0] * self.threshold.allowed >= TELLS) | (entries == line.long))
            calm |= tells & (counts[0] > 0) & (_burn(counts, self.threshold.allowed) < CALM)
            asked |= tells
            entries = min(2 * entries, line.long)
        return calm

    def since(self, group: int, last: int) -> int:
        """When it began, ms: the excess over what is allowed, summed up, was never lower than then (Page 1954)."""
        entries = np.arange(last - self.rules[-1].long, last + 1)
        sums = self._ring[entries % self.size, :, group]
        excess = sums[:, 1] - self.threshold.allowed * sums[:, 0]
        lowest = len(excess) - 1 - int(np.argmin(excess[::-1]))
        return int(entries[lowest] + 1) * self.grain_ms

    def snapshot(self) -> Plain:
        return {
            "line": _line_of(self.threshold),
            "groups": [list(group) for group in self.groups],
            "entry": self.entry,
            "sum": pack(self._sum),
            "ring": pack(self._ring),
        }

    def restore(self, state: Plain) -> None:
        """Take up what was counted against the same line; of another line nothing is known."""
        if state["line"] != _line_of(self.threshold):
            return
        self.groups = [tuple(group) for group in state["groups"]]
        self._row = {group: row for row, group in enumerate(self.groups)}
        self.entry = state["entry"]
        self._sum, self._ring = unpack(state["sum"]), unpack(state["ring"])


def _burn(counts: Floats, allowed: float) -> Floats:
    """0 where nothing was attempted."""
    return np.asarray(np.divide(counts[1], counts[0] * allowed, out=np.zeros(counts.shape[1]), where=counts[0] > 0))


def _line_of(threshold: Threshold) -> list[Any]:
    """What makes counts those of this line and no other."""
    return [
        threshold.operation,
        threshold.signal,
        threshold.allowed,
        threshold.limit_ms,
        threshold.window_ms,
        list(threshold.per),
        sorted([name, value] for name, value in threshold.scope.items()),
    ]
