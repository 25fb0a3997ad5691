"""What the pages show: the newest of everything, bounded."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pipeline.detect.evidence import Anchors, Evidence, FeedHealth
from pipeline.intent import Intent, default
from pipeline.messages import Change, Incident, Proof
from pipeline.operators import Profile
from pipeline.web.cohorts import CohortBoard
from pipeline.web.feeds import FeedTrends
from pipeline.workarounds import Workaround

MOST_INCIDENTS: Final = 1_000
"""Beyond, those go that were resolved first; then, those that changed first."""
MOST_CHANGES: Final = 50
"""Of one incident; beyond, the oldest goes that brought no other state, or else the second."""
MOST_FEEDS: Final = 200
"""Beyond, the one goes that has been silent longest."""
MOST_KNOWN_CHANGES: Final = 2_000
"""Deployments and the like; beyond, the oldest goes."""
MOST_PROOFS: Final = 500


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
        feeds_before: how the feeds did, block by block.
        intent: what matters, and what is known to be wrong; `use` changes it.
        profiles: what is configured of the operators of input topics.
        doubt: why what is shown may be old or incomplete; None while nothing says so.
    """

    def __init__(self, intent: Intent | None = None, profiles: Iterable[Profile] = ()) -> None:
        self.version = 0
        self.clock: int | None = None
        self.announcement = ""
        self.cohorts = CohortBoard()
        self.feeds_before = FeedTrends()
        self.intent = intent if intent is not None else default()
        self.profiles = {profile.name: profile for profile in profiles}
        self.doubt: str | None = None
        self._courses: dict[str, Course] = {}
        self._feeds: OrderedDict[str, FeedHealth] = OrderedDict()
        self._changes: dict[str, Change] = {}
        self._proofs: dict[str, Proof] = {}
        self._changed = asyncio.Event()

    @property
    def workarounds(self) -> tuple[Workaround, ...]:
        return self.intent.workarounds

    # -- what comes in -----------------------------------------------------------------------------------------------

    def take(self, message: object) -> None:
        """Take whatever a topic holds; what is not shown is passed over."""
        match message:
            case Evidence():
                self.evidence(message)
            case Anchors():
                self.anchors(message)
            case Incident():
                self.incident(message)
            case Change():
                self.change(message)
            case Proof():
                self.proof(message)

    def use(self, intent: Intent) -> None:
        """Go by another intent from now on."""
        self.intent = intent
        self._touch(self.clock)

    def doubted(self, why: str | None) -> None:
        """Say why what is shown may be old, or that it no longer is."""
        if why != self.doubt:
            self.doubt = why
            self._touch(self.clock)

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
        self.feeds_before.take(evidence)
        while len(self._feeds) > MOST_FEEDS:
            self._feeds.popitem(last=False)
        self._touch(evidence.minute)

    def anchors(self, anchors: Anchors) -> None:
        """Take what a baseline says of its anchors."""
        self.cohorts.anchors(anchors)
        self._touch(anchors.minute)

    def change(self, change: Change) -> None:
        """Take a change that was told of or first seen; the same id says the same."""
        if change.change_id in self._changes:
            return
        self._changes[change.change_id] = change
        if len(self._changes) > MOST_KNOWN_CHANGES:
            oldest = min(self._changes.values(), key=lambda one: (one.at, one.change_id))
            del self._changes[oldest.change_id]
        self._touch(self.clock)

    def proof(self, proof: Proof) -> None:
        """Take what a drill has shown."""
        known = self._proofs.get(proof.service)
        if (known is None or known.at <= proof.at) and (known is not None or len(self._proofs) < MOST_PROOFS):
            self._proofs[proof.service] = proof
            self._touch(self.clock)

    # -- what is shown -----------------------------------------------------------------------------------------------

    def incidents(self) -> list[Course]:
        """All incidents, the one that changed last first."""
        return sorted(self._courses.values(), key=lambda course: (-course.newest.at, course.newest.incident_id))

    def course(self, incident_id: str) -> Course | None:
        return self._courses.get(incident_id)

    def feeds(self) -> dict[str, FeedHealth]:
        """By operator, by name."""
        return dict(sorted(self._feeds.items()))

    def changes(self) -> list[Change]:
        """Those that are known, the newest first."""
        return sorted(self._changes.values(), key=lambda one: (-one.at, one.change_id))

    def proofs(self) -> dict[str, Proof]:
        """The newest by service."""
        return dict(sorted(self._proofs.items()))

    async def changed(self, version: int) -> int:
        """Wait until there is something newer than `version`; answers with the version that there is."""
        while self.version == version:
            await self._changed.wait()
        return self.version

    # ----------------------------------------------------------------------------------------------------------------

    def _touch(self, at: int | None) -> None:
        if at is not None:
            self.clock = at if self.clock is None else max(self.clock, at)
        self.version += 1
        waiting, self._changed = self._changed, asyncio.Event()
        waiting.set()

    def _forget_incident(self) -> None:
        def order(course: Course) -> tuple[bool, int, str]:
            newest = course.newest
            return newest.state != "resolved", newest.at, newest.incident_id

        del self._courses[min(self._courses.values(), key=order).newest.incident_id]
