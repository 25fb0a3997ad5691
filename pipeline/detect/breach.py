"""Incidents of kind `breach`: a line of the intent is crossed. And what incidents of other kinds have to know of lines.

    forming -> firing -> recovering -> resolved

Forming: over its whole window a line is nearly used up, and it is being crossed now. Firing: a rule of burn rates
holds (`burn.py`). Recovering: lately the line is kept again. Resolved: it is kept over its whole window again. Lines
that break on the same scope are one incident. What a pattern explains (without its cohorts the line would hold) is no
incident of its own: the pattern says that the line is broken, and is as grave as that. A breach that was there first
goes over into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.snapshot import Plain
from pipeline.detect.breachwords import Broken, finding_of
from pipeline.detect.burn import NEAR, Burn, Group, State, over
from pipeline.detect.channels import EVERY, Channel
from pipeline.detect.evidence import Evidence
from pipeline.detect.narrow import narrow
from pipeline.detect.projection import Crossing, crossing
from pipeline.detect.references import References
from pipeline.detect.tally import Tally
from pipeline.incidents.life import Case, Finding, Incidents, Scope
from pipeline.intent import Intent
from pipeline.messages import MINUTE_MS, Incident
from pipeline.observation import DIMENSIONS, Cohort

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

STEADY_MS: Final = 10 * MINUTE_MS
"""Recovering for less is not resolved."""
RECENT_MS: Final = 24 * 3_600_000
"""What cohorts weigh in a group is read off so long a time."""
OPEN: Final = ("firing", "recovering")


class Run(msgspec.Struct):
    """A line that is, or was until lately, broken for some of its groups; part of one incident."""

    threshold_id: str
    groups: list[Group]
    incident_id: str
    scope: Scope
    since: int


class Breaches:
    """Watches the thresholds of an intent."""

    def __init__(self, intent: Intent, references: References, incidents: Incidents) -> None:
        self._intent = intent
        self._references = references
        self._incidents = incidents
        self.burns = {one.threshold_id: Burn(one) for one in intent.thresholds}
        self._column = {threshold_id: column for column, threshold_id in enumerate(self.burns)}
        self._tally = Tally(list(self.burns))
        self._now: dict[str, State] = {}
        """What the groups of a threshold did when an entry ended last."""
        self._runs: list[Run] = []

    def count(self, evidence: Evidence) -> None:
        """Take a minute of a baseline. Telemetry that is known to be bad, or comes late, is of another time, and is
        not counted; what cannot be kept apart is not either."""
        if not self.burns or evidence.attempts is None or evidence.bad is None or not evidence.cohorts:
            return
        known = [name for name in evidence.thresholds if name in self.burns]
        here = [evidence.thresholds.index(name) for name in known]
        use = ~evidence.aside & ~np.array([_is_late(evidence, cohort) for cohort in evidence.cohorts], dtype=np.bool_)
        cohorts = [cohort for cohort, used in zip(evidence.cohorts, use.tolist(), strict=True) if used]
        counts = np.zeros((2, len(cohorts), len(self.burns)))
        there = [self._column[name] for name in known]
        counts[0][:, there], counts[1][:, there] = evidence.attempts[use][:, here], evidence.bad[use][:, here]
        self._tally.open(evidence.minute)
        self._tally.count(cohorts, *counts)
        for name, column in zip(known, there, strict=True):
            self.burns[name].open(evidence.minute)
            self.burns[name].count(cohorts, counts[0][:, column], counts[1][:, column])

    def close(self, minute: int) -> list[Incident]:
        """All of a minute has been counted."""
        fresh = []
        for name, burn in self.burns.items():
            state = burn.close(minute)
            if state is not None:
                self._now[name] = state
                fresh.append(name)
        at = minute + MINUTE_MS
        if not fresh:
            return [] if self.burns else self._follow(at)  # lines that the intent has no longer are kept
        out = self._follow(at)
        for name in fresh:
            out += self._begin(name, at)
        return out

    @property
    def is_burning(self) -> bool:
        """Is any line broken?"""
        return any(bool(state.burning.any()) for state in self._now.values())

    # -- what others ask ---------------------------------------------------------------------------------------------

    def burn_by(self, threshold_id: str, scope: Scope) -> tuple[float | None, bool]:
        """Burn rate of the groups that a scope touches, the highest; is one of them broken because of that scope?"""
        state, groups = self._now.get(threshold_id), self._touched(threshold_id, scope)
        if state is None or not groups:
            return None, False
        burn = max(float(state.burn[row]) for row in groups)
        broken = any(state.burning[row] and self._is_because_of(threshold_id, [row], scope) for row in groups)
        return burn, broken

    def crossing(self, threshold_id: str, scope: Scope, began: int, now: int) -> Crossing | None:
        """When the line will break if what drifts in a scope goes on: the soonest of its groups."""
        burn = self.burns[threshold_id]
        starts, of, bad = self._tally.course(self._column[threshold_id])
        if len(starts) == 0:
            return None
        inside = self._within(scope)
        found = []
        for row in self._touched(threshold_id, scope):
            group = self._of_groups(burn, [row])
            own, rest = group & inside, group & ~inside
            recent = starts >= now - RECENT_MS
            units = [float(of[recent][:, part].sum()) for part in (own, rest)]
            if units[0] <= 0:
                continue
            part = units[0] / sum(units)
            others = float(bad[recent][:, rest].sum()) / units[1] if units[1] > 0 else 0.0
            allowed = (burn.threshold.allowed - (1.0 - part) * others) / part
            length = int(starts[1] - starts[0]) if len(starts) > 1 else 0
            at = crossing(starts, length, of[:, own].sum(axis=1), bad[:, own].sum(axis=1), began, now, allowed)
            if at is not None:
                found.append(at)
        return min(found, key=lambda one: one.at, default=None)

    # -- cohorts and groups ------------------------------------------------------------------------------------------

    def _within(self, scope: Scope) -> Flags:
        """[cohorts of the tally]"""
        return np.array([_contains(scope, cohort) for cohort in self._tally.cohorts], dtype=np.bool_)

    def _touched(self, threshold_id: str, scope: Scope) -> list[int]:
        """Groups of a threshold that have cohorts in a scope; those that came since an entry ended are not told yet."""
        burn, state = self.burns[threshold_id], self._now.get(threshold_id)
        if state is None:
            return []
        named = {burn.group_of(c) for c in self._tally.cohorts if burn.concerns(c) and _contains(scope, c)}
        return [row for row, group in enumerate(burn.groups[: len(state.burn)]) if group in named]

    def _of_groups(self, burn: Burn, rows: Iterable[int]) -> Flags:
        """[cohorts of the tally] those of some groups."""
        groups = {burn.groups[row] for row in rows}
        return np.array(
            [burn.concerns(cohort) and burn.group_of(cohort) in groups for cohort in self._tally.cohorts],
            dtype=np.bool_,
        )

    def _is_because_of(self, threshold_id: str, rows: Sequence[int], scope: Scope) -> bool:
        """Would the line hold without the cohorts of a scope?"""
        burn, state = self.burns[threshold_id], self._now[threshold_id]
        ms = int(max(state.long[row] for row in rows)) * burn.grain_ms
        of, bad = self._tally.lately(self._column[threshold_id], ms)
        group, inside = self._of_groups(burn, rows), self._within(scope)
        rest, allowed = group & ~inside, burn.threshold.allowed
        held = bool(over(of[rest].sum(), bad[rest].sum(), allowed))
        own = group & inside
        return not held and bool(bad[own].sum() > allowed * of[own].sum())

    def _explained_by(self, threshold_id: str, rows: Sequence[int]) -> Case | None:
        """The open pattern that explains why the line is broken for some groups."""
        operation = self.burns[threshold_id].threshold.operation
        for case in self._incidents:
            if case.finding.kind != "pattern" or case.state not in OPEN or case.merged_into is not None:
                continue
            touched = {signal.operation for signal in case.finding.signals}
            if touched & {operation, EVERY} and self._is_because_of(threshold_id, rows, case.scope):
                return case
        return None

    # -- incidents ---------------------------------------------------------------------------------------------------

    def _rows(self, run: Run) -> list[int]:
        groups = self.burns[run.threshold_id].groups
        rows = (groups.index(group) for group in run.groups if group in groups)
        return [row for row in rows if row < len(self._now[run.threshold_id].burn)]

    def _follow(self, at: int) -> list[Incident]:
        # What a person has ended is followed no longer.
        over = {case.incident_id for case in self._incidents if case.state == "resolved"}
        self._runs = [run for run in self._runs if run.incident_id not in over]
        out = []
        for case in [one for one in self._incidents if one.finding.kind == "breach" and one.state != "resolved"]:
            runs = [run for run in self._runs if run.incident_id == case.incident_id]
            record = self._move(case, runs, at)
            if record is not None:
                out.append(record)
            if case.state == "resolved":
                self._runs = [run for run in self._runs if run.incident_id != case.incident_id]
        return out

    def _move(self, case: Case, runs: Sequence[Run], at: int) -> Incident | None:
        burning = self._any(runs, "burning")
        calm, kept = self._all(runs, "calm"), self._all(runs, "kept")
        if burning:
            broken = [run for run in runs if self._any([run], "burning")]
            by = [self._explained_by(run.threshold_id, self._rows(run)) for run in broken]
            if by and by[0] is not None and all(one is not None for one in by):
                case.merged_into = by[0].incident_id
                return self._incidents.change(case, "resolved", at)
            if case.state != "firing":
                return self._incidents.change(case, "firing", at, self._finding(case.scope, runs))
        elif case.state == "forming" and self._fades(runs):
            return self._incidents.change(case, "resolved", at)
        elif case.state == "firing" and calm:
            return self._incidents.change(case, "recovering", at)
        elif case.state == "recovering" and calm and kept and at - case.changed_at >= self._steady(runs):
            return self._incidents.change(case, "resolved", at)
        return None

    def _any(self, runs: Sequence[Run], what: str) -> bool:
        return any(getattr(self._now[run.threshold_id], what)[row] for run in runs for row in self._rows(run))

    def _all(self, runs: Sequence[Run], what: str) -> bool:
        return all(getattr(self._now[run.threshold_id], what)[row] for run in runs for row in self._rows(run))

    def _fades(self, runs: Sequence[Run]) -> bool:
        """Is the line no longer nearly used up? Asked of its whole window: what hovers about it is said once."""
        return all(self._now[run.threshold_id].burn[row] < NEAR for run in runs for row in self._rows(run))

    def _steady(self, runs: Sequence[Run]) -> int:
        burns = [self.burns[run.threshold_id] for run in runs]
        return max([STEADY_MS, *(burn.rules[-1].short * burn.grain_ms for burn in burns)])

    def _begin(self, name: str, at: int) -> list[Incident]:
        """Groups of a threshold that are in no incident yet: all of them together where all are broken."""
        state = self._now[name]
        mine = [run for run in self._runs if run.threshold_id == name]
        held = {row for run in mine for row in self._rows(run)}
        firing = {row for run in mine if self._case(run).state == "firing" for row in self._rows(run)}
        broken = {row for row in np.flatnonzero(state.burning).tolist() if row not in firing}
        broken = {row for row in broken if self._explained_by(name, [row]) is None}
        told = set(np.flatnonzero(state.told).tolist())
        out: list[Incident] = []
        if broken and len(told) > 1 and told <= firing | broken:
            return self._join(name, sorted(told | broken | firing), mine, at)
        for row in sorted(broken - held):
            out += self._raise(name, [row], "firing", at)
        for row in np.flatnonzero(state.near).tolist():
            if row not in held and self._explained_by(name, [row]) is None:
                out += self._raise(name, [row], "forming", at)
        return out

    def _case(self, run: Run) -> Case:
        return next(case for case in self._incidents if case.incident_id == run.incident_id)

    def _join(self, name: str, rows: Sequence[int], mine: Sequence[Run], at: int) -> list[Incident]:
        """A line is broken wherever it is asked for: one incident, that of the first; it takes the others in."""
        if len(mine) == 1 and set(rows) <= set(self._rows(mine[0])):
            return []
        scope = self._narrow(name, rows, _ordered(self.burns[name].threshold.scope))
        first = min(mine, key=lambda run: (self._case(run).state != "firing", run.since), default=None)
        old = [self._case(run) for run in mine]
        self._runs = [run for run in self._runs if run.threshold_id != name]
        left = {run.incident_id for run in self._runs}
        there = self._open_at(scope)
        if first is not None and there is None and first.incident_id not in left:
            case = self._case(first)
            run = self._run(name, rows, case.incident_id, scope)
            run.since = min(run.since, first.since)
            out = [self._incidents.change(case, "firing", at, self._finding(scope, [run]))]
        else:
            out = self._raise(name, rows, "firing", at, scope)
            if not out:
                return []
            case = self._case(self._runs[-1])
        for other in dict.fromkeys(one.incident_id for one in old):
            gone = next(one for one in old if one.incident_id == other)
            if gone is not case and other not in left:
                gone.merged_into = case.incident_id
                out.append(self._incidents.change(gone, "resolved", at))
        return out

    def _raise(self, name: str, rows: Sequence[int], state: str, at: int, scope: Scope | None = None) -> list[Incident]:
        """Begin an incident, or add the line to the one that there is of its scope."""
        burn = self.burns[name]
        if scope is None:
            group = dict(zip(burn.threshold.per, burn.groups[rows[0]], strict=True))
            scope = self._narrow(name, rows, _ordered({**burn.threshold.scope, **group}))
        if self._is_silenced(scope, at):
            return []
        case = self._open_at(scope)
        run = self._run(name, rows, "" if case is None else case.incident_id, scope)
        runs = [one for one in self._runs if one.incident_id == run.incident_id]
        finding = self._finding(scope, runs)
        if case is None:
            case, record = self._incidents.begin(finding, state, at)
            run.incident_id = case.incident_id
            return [record]
        if state == "forming":
            return []
        return [self._incidents.change(case, "firing", at, finding)]

    def _run(self, name: str, rows: Sequence[int], incident_id: str, scope: Scope) -> Run:
        burn = self.burns[name]
        assert burn.entry is not None
        since = min(burn.since(row, burn.entry - 1) for row in rows)
        run = Run(name, [burn.groups[row] for row in rows], incident_id, scope, since)
        self._runs.append(run)
        return run

    def _is_silenced(self, scope: Scope, at: int) -> bool:
        """A person has said of this scope's lines that they are no matter, for the time being."""
        case = self._incidents.find(scope, "breach")
        return case is not None and case.is_muted(at)

    def _open_at(self, scope: Scope) -> Case | None:
        case = self._incidents.find(scope, "breach")
        return case if case is not None and case.state != "resolved" else None

    def _narrow(self, name: str, rows: Sequence[int], base: Scope) -> Scope:
        burn, state = self.burns[name], self._now[name]
        ms = int(max(state.long[row] for row in rows)) * burn.grain_ms
        of, bad = self._tally.lately(self._column[name], ms)
        return narrow(base, self._tally.cohorts, self._of_groups(burn, rows), of, bad, burn.threshold.allowed)

    def _finding(self, scope: Scope, runs: Sequence[Run]) -> Finding:
        inside = self._within(scope)
        lines = []
        for run in runs:
            burn, state, rows = self.burns[run.threshold_id], self._now[run.threshold_id], self._rows(run)
            worst = max(rows, key=lambda row: float(state.burn[row]))
            ms = int(state.long[worst]) * burn.grain_ms
            of, bad = self._tally.lately(self._column[run.threshold_id], ms)
            pick = inside & self._of_groups(burn, rows)
            lines.append(
                Broken(
                    threshold=burn.threshold,
                    attempts=float(of[pick].sum()),
                    bad=float(bad[pick].sum()),
                    burn=float(state.burn[worst]),
                    since=run.since,
                    over_ms=ms,
                    tail_scale=self._tail_scale(burn.threshold.operation, of * pick),
                    broken=any(bool(state.burning[row]) for row in rows),
                )
            )
        return finding_of(self._intent, scope, lines, int(inside.sum()), int((~inside).sum()))

    def _tail_scale(self, operation: str, weight: Floats) -> float:
        """Slope of the upper tail on the log scale, of the cohorts by weight; 0 where it is not known."""
        rows = self._references.rows(self._tally.cohorts)
        column = self._references.columns([Channel(operation, "latency")])
        scale = self._references.tail_scale[rows, column]
        weight = np.where(scale > 0, weight, 0.0)
        return float(weight @ scale / weight.sum()) if weight.sum() > 0 else 0.0

    # -- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> Plain:
        return {
            "burns": {name: burn.snapshot() for name, burn in self.burns.items()},
            "now": {name: _state_to_plain(state) for name, state in self._now.items()},
            "tally": self._tally.snapshot(),
            "runs": [msgspec.to_builtins(run) for run in self._runs],
        }

    def restore(self, state: Plain) -> None:
        """Take up what was counted against lines that are still the same."""
        for name, held in state["burns"].items():
            if name in self.burns:
                self.burns[name].restore(held)
                if name in state["now"] and self.burns[name].entry is not None:
                    self._now[name] = _state_from_plain(state["now"][name])
        self._tally.restore(state["tally"])
        self._runs = [msgspec.convert(run, Run) for run in state["runs"] if run["threshold_id"] in self._now]


def _contains(scope: Scope, cohort: Cohort) -> bool:
    return all(getattr(cohort, name) == value for name, value in scope)


def _ordered(pairs: Mapping[str, str]) -> Scope:
    return tuple((name, pairs[name]) for name in DIMENSIONS if name in pairs)


def _is_late(evidence: Evidence, cohort: Cohort) -> bool:
    feed = evidence.feeds.get(cohort.operator)
    if feed is None:
        return False
    part = feed.parts.get(cohort.device_class)
    return feed.late_since is not None or (part is not None and part.late_since is not None)


def _state_to_plain(state: State) -> list[list[float]]:
    return [part.tolist() for part in state]


def _state_from_plain(plain: list[list[float]]) -> State:
    kinds = (np.bool_, np.bool_, np.bool_, np.bool_, np.bool_, np.float64, np.int64)
    return State(*(np.array(part, dtype=kind) for part, kind in zip(plain, kinds, strict=True)))
