"""The pure chain, put together once: what `replay`, drills and tests drive; the live agents drive the same stages.

    records ──Ingest──► Windows, Tick, Reject ──Baseline──► Evidence, Anchors, Tick ──Pattern──► Incident

Each stage is fed one message (ingest: one batch of records) and answers with the messages for the next. No stage reads
a clock or does I/O.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pipeline.detect.baseline import Baseline
from pipeline.detect.evidence import Anchors, Evidence, Learned
from pipeline.detect.pattern import Pattern
from pipeline.ingest import Ingest
from pipeline.intent import Intent
from pipeline.messages import Decision, Incident, Reject, Tick, Windows
from pipeline.operators import Adapter
from pipeline.records import RecordBatch


@dataclass(slots=True)
class Output:
    """What a batch brought about, in order."""

    rejects: list[Reject] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)


class Engine:
    """All stages in one process, over one stream.

    Args:
        learned: anchors to start with. Raises SnapshotError when they do not fit together.
        decisions: what persons decided; each counts when the arrival clock has come to it.
        listen: is told all that the baseline says, in its order.
    """

    def __init__(
        self,
        intent: Intent,
        source: str = "replay",
        adapter: str | Adapter = "canonical",
        learned: Iterable[Learned] = (),
        decisions: Iterable[Decision] = (),
        listen: Callable[[Evidence | Anchors | Tick], object] = lambda message: None,
    ) -> None:
        self.ingest = Ingest(source, adapter=adapter)
        self.baseline = Baseline([source])
        self.pattern = Pattern([self.baseline.name], intent)
        self._listen = listen
        self._decisions = deque(sorted(decisions, key=lambda decision: (decision.at, decision.decision_id)))
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
        while isinstance(message, Tick) and self._decisions and self._decisions[0].at < message.minute:
            self._feed(self._decisions.popleft(), out)
        self._feed(message, out)

    def _feed(self, message: Windows | Tick | Decision, out: Output) -> None:
        for found in self.baseline.feed(message):
            if isinstance(found, Evidence):
                out.evidence.append(found)
            assert isinstance(found, Evidence | Anchors | Tick)
            self._listen(found)
            out.incidents += self.pattern.feed(found)
