"""The pure chain, put together once: what `replay`, drills and tests drive; the live agents drive the same stages.

    records ──Ingest──► Windows, Tick, Reject ──Baseline──► Evidence, Anchors, Change, Tick ──Pattern──► Incident

Each stage is fed one message (ingest: one batch of records) and answers with the messages for the next. No stage reads
a clock or does I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from pipeline.detect.baseline import Baseline
from pipeline.detect.evidence import Evidence, Learned
from pipeline.detect.pattern import Pattern
from pipeline.ingest import Ingest
from pipeline.intent import Intent
from pipeline.messages import Action, Change, Decision, Incident, Reject, Tick, Windows
from pipeline.operators import Adapter
from pipeline.records import RecordBatch

Told: TypeAlias = Decision | Action | Change


def identity_of(told: Told) -> str:
    """What makes it count once."""
    if isinstance(told, Decision):
        return told.decision_id
    return told.action_id if isinstance(told, Action) else told.change_id


@dataclass(slots=True)
class Output:
    """What a batch brought about, in order."""

    rejects: list[Reject] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    vain: list[Action] = field(default_factory=list)
    """Actions about an incident that there was not."""


class Engine:
    """All stages in one process, over one stream.

    Args:
        learned: anchors to start with. Raises SnapshotError when they do not fit together.
        decisions: what people decided, did, or told of; each counts when the arrival clock has come to it.
    """

    def __init__(
        self,
        intent: Intent,
        source: str = "replay",
        adapter: str | Adapter = "canonical",
        learned: Iterable[Learned] = (),
        decisions: Iterable[Told] = (),
    ) -> None:
        self.ingest = Ingest(source, adapter=adapter)
        self.baseline = Baseline([source], thresholds=intent.thresholds)
        self.pattern = Pattern([self.baseline.name], intent)
        self._told = deque(sorted(decisions, key=lambda one: (one.at, identity_of(one))))
        for each in learned:
            self.baseline.feed(each)

    def feed(self, batch: RecordBatch) -> Output:
        """Take records in arrival order."""
        return self._run(self.ingest.feed(batch))

    def finish(self) -> Output:
        """The stream has ended: close the minute that is open."""
        return self._run(self.ingest.flush())

    def _run(self, messages: Iterable[Windows | Tick | Reject]) -> Output:
        out = Output()
        for message in messages:
            if isinstance(message, Reject):
                out.rejects.append(message)
                continue
            self.windows(message, out)
        return out

    def windows(self, message: Windows | Tick, out: Output) -> None:
        """Take what an ingest stage said."""
        while isinstance(message, Tick) and self._told and self._told[0].at < message.minute:
            self._tell(self._told.popleft(), out)
        self._feed(message, out)

    def _tell(self, told: Told, out: Output) -> None:
        if isinstance(told, Decision):
            self._feed(told, out)
            return
        if isinstance(told, Action) and not self.pattern.knows(told):
            out.vain.append(told)
        out.incidents += self.pattern.feed(told)

    def _feed(self, message: Windows | Tick | Decision, out: Output) -> None:
        for found in self.baseline.feed(message):
            if isinstance(found, Evidence):
                out.evidence.append(found)
            out.incidents += self.pattern.feed(found)
