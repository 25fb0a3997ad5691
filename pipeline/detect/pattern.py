"""The pattern stage: evidence of all cohorts in, incidents out. It needs the whole view, and its input is small."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import msgspec

from models.snapshot import Plain, expect_version
from pipeline.detect.breach import Breaches
from pipeline.detect.dangers import Consequences
from pipeline.detect.evidence import Anchors, Evidence, arrays_from_plain, arrays_to_plain
from pipeline.detect.feedwatch import FeedWatch
from pipeline.detect.follow import Follower
from pipeline.detect.history import BLOCKS, DAY_BLOCKS, STEP_MS, History
from pipeline.detect.judge import Judge
from pipeline.detect.references import References
from pipeline.detect.watermark import Watermark
from pipeline.detect.weights import Weights
from pipeline.incidents import people
from pipeline.incidents.life import Case, Incidents, differs
from pipeline.intent import Intent, Severity
from pipeline.messages import MINUTE_MS, Action, Change, Incident, Tick

VERSION: Final = 2
"""Of the snapshot."""
MOST_TOLD: Final = 10_000
"""Actions that are remembered, so that one that comes twice counts once."""


class Pattern:
    """Counts evidence, has it judged when a span is due, and answers with the changes of incidents.

    Args:
        sources: the baseline stages that feed the evidence.
        intent: severities and the budget.
    """

    def __init__(self, sources: Iterable[str], intent: Intent) -> None:
        self._intent = intent
        self._watermark = Watermark(sources)
        self._pending: dict[int, list[Evidence | Anchors | Change]] = defaultdict(list)
        self._closed: int | None = None
        self._lag_ms: dict[int, float] = {}
        self._told: dict[str, None] = {}
        """Actions that count once: the last ones."""
        self._feeds = FeedWatch(intent)
        self.incidents = Incidents(intent.workarounds)
        self.references = References()
        self._history = History(self.references)
        self.judge = Judge(self.references, self._history, intent.false_pages_per_week, Weights(intent))
        self.breaches = Breaches(intent, self.references, self.incidents)
        self._consequences = Consequences(intent, self.references, self.breaches)
        self._follower = Follower(self.references, self._history, self.judge, self.incidents, intent, self.breaches)

    @property
    def evidence(self) -> float:
        """log10 of the strongest evidence at the last judgement, 0 being the threshold."""
        return self._follower.evidence

    @property
    def has_judged(self) -> bool:
        """Since it was made or restored: before, `evidence` is of no judgement."""
        return self.judge.lattice is not None

    def feed(self, message: Evidence | Anchors | Tick | Action | Change) -> list[Incident]:
        """Take one message; answer with the changes of incidents that it brought about.

        What people do, or tell of, counts at once. What a baseline has seen for the first time waits for its minute.
        """
        if isinstance(message, Action):
            return self._act(message)
        if isinstance(message, Change):
            if not message.inferred:
                return self.incidents.learn(message, self._now)
            self._pending[message.at].append(message)
            return []
        if not isinstance(message, Tick):
            self._pending[message.minute].append(message)
            return []
        upto = self._watermark.advance(message)
        if upto is None or (self._closed is not None and upto <= self._closed):
            return []
        out: list[Incident] = []
        for minute in sorted(minute for minute in self._pending if minute <= upto):
            out += self._advance(minute // STEP_MS)
            for item in sorted(self._pending.pop(minute), key=_order):
                if isinstance(item, Change):
                    self.incidents.changes.add(item, minute)
                elif isinstance(item, Anchors):
                    self.references.take(item)
                else:
                    out += self._count(item)
            out += self._watch_lines(minute)
        self._closed = upto
        out += self._advance((upto + MINUTE_MS) // STEP_MS)
        return out

    @property
    def _now(self) -> int | None:
        """The arrival clock: the end of the minute that was closed last, ms."""
        return None if self._closed is None else self._closed + MINUTE_MS

    def knows(self, action: Action) -> bool:
        """Is there the incident that an action is about?"""
        return self.incidents.by_id(action.incident_id) is not None

    def _act(self, action: Action) -> list[Incident]:
        case, now = self.incidents.by_id(action.incident_id), self._now
        if case is None or now is None or action.action_id in self._told or people.fault(action) is not None:
            return []
        self._told[action.action_id] = None
        while len(self._told) > MOST_TOLD:
            del self._told[next(iter(self._told))]
        self._heed(action, case, now)
        record = people.act(self.incidents, case, action, now)
        if action.verb == "accept" and case.finding.kind == "pattern":
            self._follower.forget(case)
        return [record]

    def _heed(self, action: Action, case: Case, now: int) -> None:
        """What a person says of an incident that fired is news of false alarms, or that there was none."""
        if case.first_fired_at is None or case.finding.kind != "pattern":
            return
        pages = 1.0 if case.finding.severity is Severity.PAGE else 0.0
        calibration = self.judge.calibration
        if action.verb == people.FALSE_ALARM and case.verdict != people.FALSE_ALARM:
            calibration.sight(case.sighted or case.incident_id, now)
            calibration.false_pages += pages
        elif action.verb == "confirm":
            if case.verdict == people.FALSE_ALARM:
                calibration.false_pages = max(0.0, calibration.false_pages - pages)
            if case.sighted is not None:
                calibration.take_back(case.sighted, now)
                case.sighted = None

    def _count(self, evidence: Evidence) -> list[Incident]:
        rows, columns = self.references.rows(evidence.cohorts), self.references.columns(evidence.channels)
        if evidence.cohorts:  # without any, arrays that came as JSON have lost their shape
            use = ~evidence.aside
            self._history.count(rows[use], columns, evidence.n[use], evidence.x[use])
        for row, lag in zip(rows.tolist(), evidence.lag_ms.tolist(), strict=True):
            self._lag_ms[row] = lag
        self.breaches.count(evidence)
        return self._feeds.judge(evidence, self.incidents) + self.incidents.review(evidence.minute)

    def _watch_lines(self, minute: int) -> list[Incident]:
        """All of a minute has been counted: which lines of the intent are broken, and which patterns break them?"""
        out = self.breaches.close(minute)
        if not self.breaches.is_burning:
            return out
        for case in self.incidents.open():
            if case.finding.kind != "pattern" or case.state != "firing":
                continue
            now = self._consequences.again(case.finding)
            if differs(case.finding, now):
                out.append(self.incidents.change(case, "firing", minute + MINUTE_MS, now, case.why))
            else:
                case.finding = now
        return out

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
            "changes": [msgspec.to_builtins(change) for change in self.incidents.changes.snapshot()],
            "told": list(self._told),
            "evidence": self._follower.evidence,
            "breaches": self.breaches.snapshot(),
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
                msgspec.convert(plain, Evidence | Anchors | Change, dec_hook=arrays_from_plain) for plain in messages
            ]
        self._closed = state["closed"]
        self.references.restore(state["references"])
        self._history.restore(state["history"])
        self.judge.restore(state["judge"])
        self._lag_ms = dict(state["lag_ms"])
        self.incidents.restore(state["incidents"])
        self.incidents.changes.restore(msgspec.convert(state.get("changes", []), list[Change]))
        self._told = dict.fromkeys(state.get("told", []))
        self._follower.evidence = state["evidence"]
        if "breaches" in state:  # a state of before there were any
            self.breaches.restore(state["breaches"])


def _order(item: Evidence | Anchors | Change) -> tuple[int, str]:
    """Within a minute: what was seen first, then by source its anchors, then its evidence."""
    if isinstance(item, Change):
        return 0, item.change_id
    return 1, f"{item.source}\x00{int(isinstance(item, Evidence))}"
