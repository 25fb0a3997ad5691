"""What the pages show: the newest of everything, bounded."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.detect.evidence import Anchors, Evidence, FeedHealth
from pipeline.messages import Incident
from pipeline.web.cohorts import CohortBoard
from pipeline.workarounds import Workaround

MOST_INCIDENTS: Final = 500
"""Beyond, those go that were resolved first; then, those that changed first."""
MOST_CHANGES: Final = 50
"""Of one incident; beyond, the oldest goes that brought no other state, or else the second."""
MOST_FEEDS: Final = 200
"""Beyond, the one goes that has been silent longest."""


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


class Board:
    """Fed by the worker, read by the pages, on one event loop.

    Attributes:
        version: grows with every change.
        clock: the latest instant that any message spoke of, ms since the epoch; None before the first.
        announcement: what changed last among the incidents, for those who do not see it.
        cohorts: how the cohorts do.
        workarounds: what is known to be wrong, and pages nobody for the time being.
    """

    def __init__(self) -> None:
        self.version = 0
        self.clock: int | None = None
        self.announcement = ""
        self.cohorts = CohortBoard()
        self.workarounds: tuple[Workaround, ...] = ()
        self._courses: dict[str, Course] = {}
        self._feeds: OrderedDict[str, FeedHealth] = OrderedDict()
        self._changed = asyncio.Event()

    # -- what comes in -----------------------------------------------------------------------------------------------

    def incident(self, incident: Incident) -> None:
        """Take a record of the incidents topic; one from before the newest, said again after a crash, is left."""
        course = self._courses.get(incident.incident_id)
        changes = course.changes if course is not None else ()
        if incident in changes or (changes and incident.at < changes[-1].at):
            return
        if len(changes) >= MOST_CHANGES:
            repeat = next((at for at in range(1, len(changes)) if changes[at].state == changes[at - 1].state), 1)
            changes = changes[:repeat] + changes[repeat + 1 :]
        self._courses[incident.incident_id] = Course((*changes, incident))
        if len(self._courses) > MOST_INCIDENTS:
            self._forget_incident()
        self.announcement = f"{incident.state.capitalize()}: {incident.summary}"
        self._touch(incident.at)

    def evidence(self, evidence: Evidence) -> None:
        """Take what a baseline says of a minute."""
        self.cohorts.evidence(evidence)
        for operator, feed in evidence.feeds.items():
            self._feeds[operator] = feed
            self._feeds.move_to_end(operator)
        while len(self._feeds) > MOST_FEEDS:
            self._feeds.popitem(last=False)
        self._touch(evidence.minute)

    def anchors(self, anchors: Anchors) -> None:
        """Take what a baseline says of its anchors."""
        self.cohorts.anchors(anchors)
        self._touch(anchors.minute)

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
