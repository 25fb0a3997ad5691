"""The pattern stage: evidence of all cohorts in, incidents out. It needs the whole view, and its input is small."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import msgspec

from models.snapshot import Plain, expect_version
from pipeline.detect.evidence import Anchors, Evidence, arrays_from_plain, arrays_to_plain
from pipeline.detect.feedwatch import FeedWatch
from pipeline.detect.follow import Follower
from pipeline.detect.history import BLOCKS, DAY_BLOCKS, STEP_MS, History
from pipeline.detect.judge import Judge
from pipeline.detect.references import References
from pipeline.detect.watermark import Watermark
from pipeline.incidents.life import Incidents
from pipeline.intent import Intent
from pipeline.messages import MINUTE_MS, Incident, Tick

VERSION: Final = 2
"""Of the snapshot."""


class Pattern:
    """Counts evidence, has it judged when a span is due, and answers with the changes of incidents.

    Args:
        sources: the baseline stages that feed the evidence.
        intent: severities and the budget.
    """

    def __init__(self, sources: Iterable[str], intent: Intent) -> None:
        self._intent = intent
        self._watermark = Watermark(sources)
        self._pending: dict[int, list[Evidence | Anchors]] = defaultdict(list)
        self._closed: int | None = None
        self._lag_ms: dict[int, float] = {}
        self._feeds = FeedWatch(intent)
        self.incidents = Incidents(intent.workarounds)
        self.references = References()
        self._history = History(self.references)
        self.judge = Judge(self.references, self._history, intent.false_pages_per_week)
        self._follower = Follower(self.references, self._history, self.judge, self.incidents, intent)

    @property
    def evidence(self) -> float:
        """log10 of the strongest evidence at the last judgement, 0 being the threshold."""
        return self._follower.evidence

    @property
    def has_judged(self) -> bool:
        """Since it was made or restored: before, `evidence` is of no judgement."""
        return self.judge.lattice is not None

    def feed(self, message: Evidence | Anchors | Tick) -> list[Incident]:
        """Take one message; answer with the changes of incidents that it brought about."""
        if not isinstance(message, Tick):
            self._pending[message.minute].append(message)
            return []
        upto = self._watermark.advance(message)
        if upto is None or (self._closed is not None and upto <= self._closed):
            return []
        out: list[Incident] = []
        for minute in sorted(minute for minute in self._pending if minute <= upto):
            out += self._advance(minute // STEP_MS)
            messages = sorted(self._pending.pop(minute), key=lambda item: (item.source, isinstance(item, Evidence)))
            for item in messages:
                if isinstance(item, Anchors):
                    self.references.take(item)
                else:
                    out += self._count(item)
        self._closed = upto
        out += self._advance((upto + MINUTE_MS) // STEP_MS)
        return out

    def _count(self, evidence: Evidence) -> list[Incident]:
        rows, columns = self.references.rows(evidence.cohorts), self.references.columns(evidence.channels)
        if evidence.cohorts:  # without any, arrays that came as JSON have lost their shape
            use = ~evidence.aside
            self._history.count(rows[use], columns, evidence.n[use], evidence.x[use])
        for row, lag in zip(rows.tolist(), evidence.lag_ms.tolist(), strict=True):
            self._lag_ms[row] = lag
        return self._feeds.judge(evidence, self.incidents) + self.incidents.review(evidence.minute)

    def _advance(self, step: int) -> list[Incident]:
        """Time has come to the beginning of `step`: close what is over, judge what is due."""
        before, opened = self._history.blocks_seen, self._history.step
        closed = self._history.advance(step)
        if closed is None:
            return []
        at, due = closed
        if not due or not self.judge.ready():
            return []
        seen = self._history.blocks_seen
        if seen != before and seen % (DAY_BLOCKS if 2 * DAY_BLOCKS <= seen < BLOCKS else BLOCKS) == 0:
            self.judge.measure(min(seen, BLOCKS))
        assert opened is not None
        self.judge.pass_time((step - opened) * STEP_MS, self._is_quiet())
        return self._follower.judge(due, at, self._lag_ms)

    def _is_quiet(self) -> bool:
        return not any(case.finding.kind == "pattern" and case.state == "firing" for case in self.incidents)

    def snapshot(self) -> Plain:
        """All that this stage knows, as plain data."""
        return {
            "version": VERSION,
            "watermark": self._watermark.snapshot(),
            "pending": [
                [minute, [msgspec.to_builtins(message, enc_hook=arrays_to_plain) for message in messages]]
                for minute, messages in sorted(self._pending.items())
            ],
            "closed": self._closed,
            "references": self.references.snapshot(),
            "history": self._history.snapshot(),
            "judge": self.judge.snapshot(),
            "lag_ms": [[row, lag] for row, lag in self._lag_ms.items()],
            "incidents": self.incidents.snapshot(),
            "evidence": self._follower.evidence,
        }

    def restore(self, state: Plain) -> None:
        """Become what a snapshot was taken of.

        Raises:
            SnapshotError: it is of another version.
        """
        expect_version(state, "a pattern stage", VERSION)
        self._watermark.restore(state["watermark"])
        self._pending = defaultdict(list)
        for minute, messages in state["pending"]:
            self._pending[minute] = [
                msgspec.convert(plain, Evidence | Anchors, dec_hook=arrays_from_plain) for plain in messages
            ]
        self._closed = state["closed"]
        self.references.restore(state["references"])
        self._history.restore(state["history"])
        self.judge.restore(state["judge"])
        self._lag_ms = dict(state["lag_ms"])
        self.incidents.restore(state["incidents"])
        self._follower.evidence = state["evidence"]
