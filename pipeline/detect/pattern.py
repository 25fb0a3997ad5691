"""The pattern stage: evidence of all cohorts in, incidents out. It needs the whole view, and its input is small."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.season import SLOT_MS, SLOTS
from models.snapshot import Plain, expect_version, pack, unpack
from pipeline.detect.evidence import Anchors, Evidence, arrays_from_plain, arrays_to_plain
from pipeline.detect.explain import Explainer, SpanSums
from pipeline.detect.feedwatch import FeedWatch
from pipeline.detect.history import BLOCKS, SPANS, STEP_MS, STEPS, Ring, Span
from pipeline.detect.judge import Judged, Reading, Residuals, Verdict, judged_channels, residuals
from pipeline.detect.lattice import Lattice
from pipeline.detect.moods import MEASURED_SPANS, Moods
from pipeline.detect.references import References
from pipeline.detect.watermark import Watermark
from pipeline.incidents.life import Case, Incidents, differs
from pipeline.intent import Intent
from pipeline.messages import MINUTE_MS, Incident, Tick

Floats: TypeAlias = NDArray[np.float64]
Latest: TypeAlias = dict[str, tuple[Verdict, SpanSums]]

VERSION: Final = 1
"""Of the snapshot."""
_OPEN: Final = ("_step_n", "_step_x", "_block_n", "_block_x")
WEEK_MS: Final = 7 * 24 * 3_600_000
OVERSAMPLING: Final = 3.0
"""A span is judged so many times in its own length, and more: what that costs in false alarms, as a factor."""
FORMING_NATS: Final = 3.0
"""So far below the threshold a pattern is said to form."""
NEAR_NATS: Final = 2.0
"""Scopes this close to the best explain it as well; the shallowest is named."""
FULL_DAYS: Final = 1.0
"""An anchor younger than this knows no shape of the day and cannot judge."""
GONE: Final = 0.4
"""Recovering: the effect is surely below this part of what it was."""
BACK: Final = 0.7
STEADY_MS: Final = 3_600_000
"""Recovering for so long is resolved."""
FADES_MS: Final = 6 * 3_600_000
"""A pattern that formed and was not seen again for so long came to nothing."""
SHARPER: Final = 1.3
"""A reading that is stronger by this factor may change what is said of an incident."""
MOST_CASES: Final = 8
"""Known incidents whose effects are taken out before others are looked for."""


class Pattern:
    """Judges all spans, scopes and signals inside one budget, and follows what it found.

    Args:
        sources: the baseline stages that feed the evidence.
        intent: severities and the budget.
    """

    def __init__(self, sources: Iterable[str], intent: Intent) -> None:
        self._intent = intent
        self._watermark = Watermark(sources)
        self._pending: dict[int, list[Evidence | Anchors]] = defaultdict(list)
        self._closed: int | None = None
        self._references = References()
        self._steps = Ring(STEPS, STEP_MS)
        self._blocks = Ring(BLOCKS, SLOT_MS)
        self._step_n, self._step_x = np.zeros((0, 0)), np.zeros((0, 0))
        self._block_n, self._block_x = np.zeros((0, 0)), np.zeros((0, 0))
        self._step: int | None = None
        self._blocks_seen = 0
        self._moods = Moods()
        self._lattice: Lattice | None = None
        self._leaf_rows: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self._judged: list[Judged] = []
        self._judged_of = 0
        """Number of channels that `_judged` was made of."""
        self._lag_ms: dict[int, float] = {}
        self._feeds = FeedWatch(intent)
        self.incidents = Incidents(intent.workarounds)
        self.evidence = 0.0
        """log10 of the strongest evidence at the last judgement, 0 being the threshold."""

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
            out += self._advance(minute // (STEP_MS // MINUTE_MS * MINUTE_MS))
            messages = sorted(self._pending.pop(minute), key=lambda item: (item.source, isinstance(item, Evidence)))
            for item in messages:
                if isinstance(item, Anchors):
                    self._references.take(item)
                else:
                    out += self._count(item)
        self._closed = upto
        out += self._advance((upto + MINUTE_MS) // STEP_MS)
        return out

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
            "references": self._references.snapshot(),
            "steps": self._steps.snapshot(),
            "blocks": self._blocks.snapshot(),
            "open": {name: pack(getattr(self, name)) for name in _OPEN},
            "step": self._step,
            "blocks_seen": self._blocks_seen,
            "moods": self._moods.snapshot(),
            "lag_ms": [[row, lag] for row, lag in self._lag_ms.items()],
            "incidents": self.incidents.snapshot(),
            "evidence": self.evidence,
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
        self._references.restore(state["references"])
        self._steps.restore(state["steps"])
        self._blocks.restore(state["blocks"])
        for name in _OPEN:
            setattr(self, name, unpack(state["open"][name]))
        self._step = state["step"]
        self._blocks_seen = state["blocks_seen"]
        self._moods.restore(state["moods"])
        self._lag_ms = dict(state["lag_ms"])
        self.incidents.restore(state["incidents"])
        self.evidence = state["evidence"]
        self._lattice = None

    def _count(self, evidence: Evidence) -> list[Incident]:
        rows, columns = self._references.rows(evidence.cohorts), self._references.columns(evidence.channels)
        shape = self._references.level.shape
        if self._step_n.shape != shape:
            self._step_n, self._step_x = _grown(self._step_n, shape), _grown(self._step_x, shape)
            self._block_n, self._block_x = _grown(self._block_n, shape), _grown(self._block_x, shape)
        if evidence.cohorts:  # without any, arrays that came as JSON have lost their shape
            use = ~evidence.aside
            cells = np.ix_(rows[use], columns)
            self._step_n[cells] += evidence.n[use]
            self._step_x[cells] += evidence.x[use]
        for row, lag in zip(rows.tolist(), evidence.lag_ms.tolist(), strict=True):
            self._lag_ms[row] = lag
        return self._feeds.judge(evidence, self.incidents) + self.incidents.review(evidence.minute)

    def _advance(self, step: int) -> list[Incident]:
        """Time has come to the beginning of `step`: close what is over."""
        if self._step is None:
            self._step = step
        if step <= self._step:
            return []
        closed, self._step = self._step, step
        shape = self._references.level.shape
        if self._step_n.shape != shape:
            self._step_n, self._step_x = _grown(self._step_n, shape), _grown(self._step_x, shape)
            self._block_n, self._block_x = _grown(self._block_n, shape), _grown(self._block_x, shape)
        self._steps.fit(*shape)
        self._steps.push(closed, self._step_n, self._step_x)
        self._block_n += self._step_n
        self._block_x += self._step_x
        self._step_n[:] = 0.0
        self._step_x[:] = 0.0
        per_block = SLOT_MS // STEP_MS
        block_over = step // per_block > closed // per_block
        if block_over:
            self._blocks.fit(*shape)
            self._blocks.push(closed // per_block, self._block_n, self._block_x)
            self._block_n[:] = 0.0
            self._block_x[:] = 0.0
            self._blocks_seen += 1
        at = (closed + 1) * STEP_MS
        due = [
            span
            for span in SPANS
            if (block_over and self._blocks_seen >= span.length if span.of_blocks else (closed + 1) % span.every == 0)
        ]
        if not due or not self._ready():
            return []
        if block_over and self._blocks_seen % BLOCKS == 0:
            self._measure_moods()
        return self._judge(due, at)

    def _ready(self) -> bool:
        """Bring the lattice up to the cohorts that have an anchor; is there anything to judge?"""
        references = self._references
        known = (references.days >= FULL_DAYS) & (references.mass > 0).any(axis=1)
        rows = np.flatnonzero(known)
        if len(rows) == 0:
            return False
        if self._lattice is None or len(rows) != len(self._leaf_rows):
            order = sorted(rows.tolist(), key=lambda row: references.cohorts[row])
            self._leaf_rows = np.array(order, dtype=np.intp)
            self._lattice = Lattice(references.cohorts[row] for row in order)
        if len(references.channels) != self._judged_of:
            self._judged_of = len(references.channels)
            self._judged = judged_channels(references.channels)
        return True

    # -- sums over spans ---------------------------------------------------------------------------------------------

    def _sums(self, span: Span) -> SpanSums:
        """What was counted and expected over a span, by leaf and column; by day as well where it has several."""
        ring = self._blocks if span.of_blocks else self._steps
        n, x, entries = ring.last(span.length)
        rows = self._leaf_rows
        units, hits = n[:, rows].astype(np.float64), x[:, rows].astype(np.float64)
        expected = np.empty_like(units)
        for i, entry in enumerate(entries.tolist()):
            middle = entry * ring.grain_ms + ring.grain_ms // 2
            expected[i] = self._references.expected(rows, units[i], self._references.shape(middle))
        return SpanSums(units, hits, expected, entries, ring.grain_ms)

    def _residuals(self, n: Floats, x: Floats, expected: Floats) -> Residuals:
        references, rows = self._references, self._leaf_rows
        return residuals(self._judged, n, x, expected, references.spread[rows], references.mass[rows], references.shift)

    def _measure_moods(self) -> None:
        """Over the reference week: how far does each level wander, on blocks of two hours, four hours and a day?"""
        assert self._lattice is not None
        sums = self._sums(SPANS[-1])
        for name, length in MEASURED_SPANS.items():
            count = BLOCKS // length
            by_signal: dict[str, list[Residuals]] = defaultdict(list)
            for block in range(count):
                part = slice(block * length, (block + 1) * length)
                found = self._residuals(sums.n[part].sum(0), sums.x[part].sum(0), sums.expected[part].sum(0))
                by_signal["all"].append(found)
            value = np.stack([one.value for one in by_signal["all"]])
            sampling = np.stack([one.sampling for one in by_signal["all"]])
            for signal in {one.channel.signal for one in self._judged}:
                columns = [i for i, one in enumerate(self._judged) if one.channel.signal == signal]
                guess = float(self._moods.day(signal)[-1])
                stacked = [np.concatenate([array[:, :, i] for i in columns]) for array in (value, sampling)]
                variance = self._lattice.components.fit(stacked[0], stacked[1], guess)
                # The level was fitted on the same days: what is left of them is too calm by this much.
                self._moods.measured[signal, name] = (variance * count / (count - 1), count)

    # -- judging -----------------------------------------------------------------------------------------------------

    def _judge(self, due: list[Span], at: int) -> list[Incident]:
        assert self._lattice is not None
        out: list[Incident] = []
        self.evidence = -9.0
        latest: Latest = {}
        for span in due:
            sums = self._sums(span)
            residual = self._residuals(sums.n.sum(0), sums.x.sum(0), sums.expected.sum(0))
            days = self._by_day(sums) if span.ms > 24 * 3_600_000 else None
            for _ in range(MOST_CASES):
                verdict = self._verdict(span, residual, at)
                latest[span.name] = (verdict, sums)
                found = self._strongest(verdict, span, days)
                if found is None:
                    break
                node, channel, net = found
                self.evidence = max(self.evidence, net / math.log(10.0))
                fired = self._raise(verdict, sums, node, channel, net, at)
                out += fired
                if net < 0.0:
                    break
        out += self._follow(at, latest)
        return out

    def _verdict(self, span: Span, residual: Residuals, at: int) -> Verdict:
        assert self._lattice is not None
        signals = [one.channel.signal for one in self._judged]
        variances = self._moods.variances(signals, span.name)
        days = float(np.median(self._references.days[self._leaf_rows]))
        day = np.stack([self._moods.day(signal) for signal in signals])
        return Verdict(
            self._lattice, self._judged, residual, variances + day / max(days, 1.0), self._explained(span, at)
        )

    def _explained(self, span: Span, at: int) -> list[int]:
        """Nodes of incidents that this span's data belong to: those that fire or recover, and past ones (that may be
        forming again) it still looks back on."""
        assert self._lattice is not None
        nodes = []
        for case in self.incidents:
            if case.finding.kind != "pattern" or case.fired_at is None:
                continue
            since = case.recovered_at
            if case.state in ("resolved", "forming") and since is not None and at - span.ms >= since:
                continue
            node = self._lattice.node.get(case.scope)
            if node is not None:
                nodes.append(node)
        return nodes[-MOST_CASES:]

    def _by_day(self, sums: SpanSums) -> Residuals:
        """Residuals of whole days at every half day: the units that the cap takes out."""
        found = []
        for first in range(0, len(sums.n) - SLOTS + 1, SLOTS // 2):
            part = slice(first, first + SLOTS)
            found.append(self._residuals(sums.n[part].sum(0), sums.x[part].sum(0), sums.expected[part].sum(0)))
        return Residuals(*(np.stack([getattr(one, name) for one in found]) for name in ("value", "sampling", "weight")))

    def _price(self, span: Span) -> float:
        """Nats that a span must pay: it is judged so many times a week, and the budget is for all of them together."""
        return float(np.log(len(SPANS) * OVERSAMPLING * (WEEK_MS / span.ms) / self._intent.false_pages_per_week))

    def _strongest(self, verdict: Verdict, span: Span, days: Residuals | None) -> tuple[int, int, float] | None:
        """Node, channel and net evidence (nats above the threshold) of the strongest finding worth a word."""
        assert self._lattice is not None
        kinds = np.array([one.log_weight for one in self._judged])
        weak = np.log1p(-np.exp(kinds).sum())
        net = verdict.score + self._lattice.log_weight[:, None] + np.append(kinds, weak)[None, :] - self._price(span)
        candidates = np.argwhere(net > -FORMING_NATS)
        best: tuple[int, int, float] | None = None
        for node, channel in sorted(candidates.tolist(), key=lambda at: -net[at[0], at[1]]):
            if best is not None and net[node, channel] <= best[2]:
                break
            capped = verdict.capped(node, channel, days)
            value = float(net[node, channel] - verdict.score[node, channel] + capped)
            if value > -FORMING_NATS and (best is None or value > best[2]):
                best = (node, channel, value)
        return best

    def _raise(self, verdict: Verdict, sums: SpanSums, node: int, channel: int, net: float, at: int) -> list[Incident]:
        """Begin a case for a finding, or move the one that is forming."""
        assert self._lattice is not None
        node = self._simplest(verdict.score[:, channel], node)
        explainer = Explainer(self._lattice, self._references, self._leaf_rows, self._intent)
        finding, effects = explainer.finding(verdict, sums, verdict.reading(node, True), net, self._lag_ms)
        state = "firing" if net >= 0.0 else "forming"
        case = self.incidents.find(finding.scope, "pattern")
        if case is not None and case.state in ("firing", "recovering"):
            return []
        if case is not None and case.state == state == "forming":
            case.effects = effects
            case.changed_at = at
            return []
        case, record = self.incidents.begin(finding, state, at)
        case.effects = effects
        case.strength = float(verdict.score[node, channel])
        return [record]

    def _simplest(self, score: Floats, node: int, best: bool = False) -> int:
        """The shallowest scope, above or below `node`, that explains as much as it does, within `NEAR_NATS`.

        With `best`, as much as the best of those above does: an incident grows, it does not flit between its parts.
        """
        assert self._lattice is not None
        members = set(self._lattice.members[node])
        related = [
            other
            for other in np.flatnonzero(score >= score[node] - NEAR_NATS).tolist()
            if members <= (own := set(self._lattice.members[other])) or (own <= members and not best)
        ]
        if best:
            top = max(score[other] for other in related)
            related = [other for other in related if score[other] >= top - NEAR_NATS]
        return int(min(related, key=lambda other: (self._lattice_depth(other), -score[other])))

    def _lattice_depth(self, node: int) -> int:
        assert self._lattice is not None
        return int(self._lattice.depth[node])

    # -- following ---------------------------------------------------------------------------------------------------

    def _follow(self, at: int, latest: Latest) -> list[Incident]:
        """See what has become of open cases, by the spans that were judged just now."""
        out: list[Incident] = []
        for case in self.incidents.open():
            if case.finding.kind != "pattern":
                continue
            if case.state == "forming":
                if at - case.changed_at > FADES_MS:
                    out.append(self.incidents.change(case, "resolved", at))
                continue
            gone, back = self._recovered(case, at, latest)
            if case.state == "firing" and gone:
                out.append(self.incidents.change(case, "recovering", at))
            elif case.state == "recovering" and back:
                out.append(self.incidents.change(case, "firing", at))
            elif case.state == "recovering" and gone and at - case.changed_at >= STEADY_MS:
                out.append(self.incidents.change(case, "resolved", at))
            elif case.state == "firing" and (record := self._refresh(case, at, latest)) is not None:
                out.append(record)
        return out

    def _recovered(self, case: Case, at: int, latest: Latest) -> tuple[bool, bool]:
        """Is the effect surely gone, or surely back? Asked of the shortest span that can tell, after it fired."""
        assert self._lattice is not None
        node = self._lattice.node.get(case.scope)
        if node is None or case.fired_at is None:
            return False, False
        for span in SPANS[1:4]:
            found = latest.get(span.name)
            if found is None or at - span.ms < case.fired_at:
                continue
            verdict, _ = found
            tells, gone, back = False, True, False
            for i, one in enumerate(verdict.judged):
                was = case.effects.get(f"{one.channel.operation}/{one.channel.signal}")
                if was is None:
                    continue
                c = verdict.plain_c[node, i]
                if c <= 0.0:
                    continue
                now, error = verdict.plain_b[node, i] / c, c**-0.5
                if error > was / 3.0:
                    continue
                tells = True
                gone &= bool(now + error < GONE * was)
                back |= bool(now - error > BACK * was)
            if tells:
                return gone, back
        return False, False

    def _refresh(self, case: Case, at: int, latest: Latest) -> Incident | None:
        """While firing, a clearly stronger reading may sharpen scope and signals; a weaker one changes nothing."""
        assert self._lattice is not None
        node = self._lattice.node.get(case.scope)
        if node is None:
            return None
        seen = [(verdict.reading(node, False), verdict, sums) for verdict, sums in latest.values()]
        reading, verdict, sums = max(seen, key=lambda item: item[0].strongest)
        if reading.strongest < SHARPER * case.strength:
            return None
        channel = int(np.argmax(reading.score))
        better = self._simplest(verdict.plain_score(channel), node, best=True)
        taken = self.incidents.find(self._lattice.scopes[better], "pattern")
        if better != node and taken is None:
            reading = verdict.reading(better, False)
        case.strength = reading.strongest
        explainer = Explainer(self._lattice, self._references, self._leaf_rows, self._intent)
        finding, effects = explainer.finding(verdict, sums, reading, self._net(reading, channel), self._lag_ms)
        for name, effect in effects.items():
            case.effects[name] = max(case.effects.get(name, 0.0), effect)
        if not differs(case.finding, finding):
            return None
        return self.incidents.change(case, "firing", at, finding)

    def _net(self, reading: Reading, channel: int) -> float:
        """Nats above the threshold of the longest span, for a reading that need not pass it any more."""
        assert self._lattice is not None
        weight = self._lattice.log_weight[reading.node] + self._judged[channel].log_weight
        return float(reading.score[channel] + weight - self._price(SPANS[-1]))


def _grown(array: Floats, shape: tuple[int, ...]) -> Floats:
    grown = np.zeros(shape)
    grown[: array.shape[0], : array.shape[1]] = array
    return grown
