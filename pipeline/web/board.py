"""What the pages show: the newest of everything, bounded."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.channels import COHORT_RATES, OPERATION_RATES, SHIFTS
from pipeline.detect.evidence import Evidence, FeedHealth
from pipeline.messages import MINUTE_MS, Incident
from pipeline.observation import Cohort

Floats: TypeAlias = NDArray[np.float64]

SIGNALS: Final = ("latency", *OPERATION_RATES, *COHORT_RATES, "delay")
"""Columns of the cohorts; a signal of operations is pooled over them."""
HALF_LIFE_MIN: Final = 30.0
"""What a minute reported counts half after so long: one minute of one cohort says little."""
LEAST_UNITS: Final = 0.5
"""Faded below this, a reading says nothing any more."""

MOST_INCIDENTS: Final = 500
"""Beyond, those go that were resolved first; then, those that changed first."""
MOST_CHANGES: Final = 50
"""Of one incident; beyond, the oldest but the first go."""
MOST_COHORTS: Final = 5_000
"""Beyond, the one goes that has been silent longest."""
MOST_FEEDS: Final = 200

_COLUMN: Final = {signal: column for column, signal in enumerate(SIGNALS)}


@dataclass(frozen=True, slots=True)
class Course:
    """An incident and how it came here: every change, oldest first; the last one is its state."""

    changes: tuple[Incident, ...]

    @property
    def newest(self) -> Incident:
        return self.changes[-1]

    @property
    def state_since(self) -> int:
        """When it came to the state that it is in, ms since the epoch."""
        return self.turns[-1].at

    @property
    def turns(self) -> list[Incident]:
        """The changes that brought another state."""
        before = [None, *(change.state for change in self.changes)]
        return [change for change, state in zip(self.changes, before, strict=False) if change.state != state]


@dataclass(frozen=True, slots=True)
class Reading:
    """One signal of a cohort over the last while, fading.

    n: units. observed, expected: shares; None for a shift, of which the ratio alone is known here.
    """

    n: float
    observed: float | None
    expected: float | None
    ratio: float


@dataclass(frozen=True, slots=True)
class CohortView:
    """A cohort as it was at `minute`, when it last reported. A signal that its anchor does not know yet has no reading.

    aside: its telemetry is known to be bad, and is not counted.
    """

    cohort: Cohort
    minute: int
    aside: bool
    readings: dict[str, Reading]


@dataclass(slots=True)
class _Row:
    minute: int = -1
    aside: bool = False
    sums: Floats = field(default_factory=lambda: np.zeros((3, len(SIGNALS))))
    """[n, x, expected] by signal."""


class Board:
    """Fed by the worker, read by the pages, on one event loop.

    Attributes:
        version: grows with every change.
        clock: the latest instant that any message spoke of, ms since the epoch; None before the first.
        announcement: what changed last among the incidents, for those who do not see it.
    """

    def __init__(self) -> None:
        self.version = 0
        self.clock: int | None = None
        self.announcement = ""
        self._courses: dict[str, Course] = {}
        self._cohorts: OrderedDict[Cohort, _Row] = OrderedDict()
        self._feeds: OrderedDict[str, FeedHealth] = OrderedDict()
        self._changed = asyncio.Event()

    # -- what comes in -----------------------------------------------------------------------------------------------

    def incident(self, incident: Incident) -> None:
        """Take a record of the incidents topic; the same one again changes nothing."""
        course = self._courses.get(incident.incident_id)
        changes = course.changes if course is not None else ()
        if incident in changes:
            return
        if len(changes) >= MOST_CHANGES:
            changes = (changes[0], *changes[2:])
        self._courses[incident.incident_id] = Course((*changes, incident))
        if len(self._courses) > MOST_INCIDENTS:
            self._forget_incident()
        self.announcement = f"{incident.state.capitalize()}: {incident.summary}"
        self._touch(incident.at)

    def evidence(self, evidence: Evidence) -> None:
        """Take what a baseline says of a minute."""
        sums = _by_signal(evidence)
        for index, cohort in enumerate(evidence.cohorts):
            self._count(cohort, evidence.minute, bool(evidence.aside[index]), sums[:, index])
        for operator, feed in evidence.feeds.items():
            self._feeds[operator] = feed
            self._feeds.move_to_end(operator)
        while len(self._feeds) > MOST_FEEDS:
            self._feeds.popitem(last=False)
        self._touch(evidence.minute)

    async def restore(self, incidents: Sequence[Incident]) -> None:
        """As a sink: take up what was told before."""
        for incident in incidents:
            self.incident(incident)

    async def send(self, incident: Incident) -> None:
        """As a sink: take a change."""
        self.incident(incident)

    async def close(self) -> None:
        """As a sink: nothing is held."""

    # -- what is shown -----------------------------------------------------------------------------------------------

    def incidents(self) -> list[Course]:
        """All incidents, the one that changed last first."""
        return sorted(self._courses.values(), key=lambda course: (-course.newest.at, course.newest.incident_id))

    def course(self, incident_id: str) -> Course | None:
        return self._courses.get(incident_id)

    def cohorts(self) -> list[CohortView]:
        """All cohorts, by name."""
        return [
            CohortView(cohort, row.minute, row.aside, _readings(row.sums))
            for cohort, row in sorted(self._cohorts.items())
        ]

    def feeds(self) -> dict[str, FeedHealth]:
        """By operator, by name."""
        return dict(sorted(self._feeds.items()))

    async def changed(self, version: int) -> int:
        """Wait until there is something newer than `version`; answers with the version that there is."""
        while self.version == version:
            await self._changed.wait()
        return self.version

    # ----------------------------------------------------------------------------------------------------------------

    def _touch(self, at: int) -> None:
        self.clock = at if self.clock is None else max(self.clock, at)
        self.version += 1
        waiting, self._changed = self._changed, asyncio.Event()
        waiting.set()

    def _forget_incident(self) -> None:
        def order(course: Course) -> tuple[bool, int, str]:
            newest = course.newest
            return newest.state != "resolved", newest.at, newest.incident_id

        del self._courses[min(self._courses.values(), key=order).newest.incident_id]

    def _count(self, cohort: Cohort, minute: int, aside: bool, sums: Floats) -> None:
        row = self._cohorts.get(cohort)
        if row is None:
            row = self._cohorts[cohort] = _Row()
            if len(self._cohorts) > MOST_COHORTS:
                self._cohorts.popitem(last=False)
        if minute <= row.minute:
            # Said again after a crash.
            return
        if row.minute >= 0:
            row.sums *= 0.5 ** ((minute - row.minute) / MINUTE_MS / HALF_LIFE_MIN)
        row.minute, row.aside = minute, aside
        if not aside:
            row.sums += sums
        self._cohorts.move_to_end(cohort)


def _by_signal(evidence: Evidence) -> Floats:
    """[n, x, expected] by cohort and signal: [3, cohorts, signals]."""
    out = np.zeros((3, len(evidence.cohorts), len(SIGNALS)))
    # An anchor that knows no level yet expects exactly nothing; what is held against it would look like a deviation.
    known = evidence.expected != 0.0
    for column, channel in enumerate(evidence.channels):
        place = _COLUMN.get(channel.signal)
        if place is not None:
            for sums, values in zip(out, (evidence.n, evidence.x, evidence.expected), strict=True):
                sums[:, place] += np.where(known[:, column], values[:, column], 0.0)
    return out


def _readings(sums: Floats) -> dict[str, Reading]:
    out = {}
    for signal, column in _COLUMN.items():
        n, x, expected = (float(value) for value in sums[:, column])
        if n < LEAST_UNITS:
            continue
        if signal in SHIFTS:
            out[signal] = Reading(n, None, None, math.exp((x - expected) / n))
        else:
            out[signal] = Reading(n, x / n, expected / n, x / expected)
    return out
