"""What a finding says to people: which signals, observed against expected, since when, of what shape, who is not
affected, and what each stretch of time added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.detect import onset
from pipeline.detect.breach import Breaches
from pipeline.detect.cascade import CAUSE_NATS, LATER_MS, Dependencies
from pipeline.detect.channels import EVERY, TAIL_QUANTILE
from pipeline.detect.dangers import Consequences
from pipeline.detect.history import SPANS, STEP_MS, History, Span, Sums
from pipeline.detect.judge import Judge
from pipeline.detect.onset import Change, Course
from pipeline.detect.references import References
from pipeline.detect.touch import telling
from pipeline.detect.verdict import Given
from pipeline.incidents import wording
from pipeline.incidents.life import Finding
from pipeline.intent import Intent
from pipeline.messages import Confidence, Contrast, Effect, LedgerEntry, Signal

Floats: TypeAlias = NDArray[np.float64]

SAY_NATS: Final = 1.5
"""A signal with less evidence of its own is not mentioned."""
MOST_SIBLINGS: Final = 4
"""Of each dimension, named as contrast."""
MOST_LEDGER: Final = 24
"""Stretches of the ledger, over all signals."""
LEAST_NATS: Final = 0.05
MOST_TEXTS: Final = 5
Z95: Final = 1.96
LOOKS: Final = (SPANS[-1], next(span for span in SPANS if span.name == "4h"))
YOUNG: Final = 1
"""A change that begins in the last so many entries is younger than they can tell."""


@dataclass(frozen=True, slots=True)
class _Look:
    """A span, and what is known of it: how signals went over time is asked of this."""

    span: Span
    given: Given


class Explainer:
    """Turns a node of a verdict into a finding."""

    def __init__(
        self, references: References, history: History, judge: Judge, intent: Intent, breaches: Breaches
    ) -> None:
        self._references = references
        self._history = history
        self._judge = judge
        self._intent = intent
        self._dependencies = Dependencies(intent)
        self._consequences = Consequences(intent, references, breaches)

    def finding(
        self, given: Given, totals: Sums, node: int, known: Sequence[int], net: float, lag_ms: Mapping[int, float]
    ) -> tuple[Finding, dict[str, float]]:
        """The finding, and the effect by channel that recovery will be measured against.

        `totals`: of the verdict's span. `known`: nodes of other incidents, taken out of longer spans as well.
        """
        lattice = given.verdict.lattice
        members = np.array(lattice.members[node])
        lag = float(np.mean([lag_ms.get(int(self._judge.rows[leaf]), 0.0) for leaf in members]))
        picked, suffering = self._caused(given, node, self._spoken(given, node), known)
        look, change, starts = self._change(node, picked[0], known)
        if suffering:  # since when is asked of what shows it best, the cause or what follows from it
            strongest = max(picked, key=lambda i: float(given.score[node, i]))
            look, change, starts = max(
                (look, change, starts), self._change(node, strongest, known), key=lambda item: item[1].gain
            )
        signals = self._signals(given, totals, node, picked, change)
        began, since, until = (int(starts[i] - lag) for i in (change.start, change.earliest, change.latest))
        operations = self._operations(given, signals, suffering)
        scope = lattice.scopes[node]
        contrast = self._contrast(given, totals, node, picked[0])
        others = len(lattice.cohorts) - len(members)
        effects = tuple(
            Effect(service, int(at - lag), [signals[picked.index(i)] for i in channels])
            for service, (at, channels) in suffering.items()
        )
        finding = Finding(
            scope=scope,
            kind="pattern",
            onset_at=began,
            severity=self._intent.severity_of(operations),
            services=self._dependencies.first(self._intent.services_of(operations), effects),
            signals=signals,
            evidence=round(net / float(np.log(10.0)), 2),
            summary=" ".join(
                [
                    wording.summary(scope, signals, began, len(members), others, contrast),
                    *([wording.suffering(list(suffering))] if suffering else []),
                ]
            ),
            onset_from=since,
            onset_until=until + look.span.grain_ms,
            affected=len(members),
            unaffected=others,
            contrast=contrast,
            ledger=self._ledger(given, node, picked, look, change.start),
            confidence=self._confidence(given, totals, node, picked, members, change.odds),
            effects=effects,
        )
        finding = self._consequences.complete(finding, self._now)
        effect = given.effect[node]
        return finding, {given.verdict.judged[i].name: float(effect[i]) for i in reversed(picked)}

    def standing(self, given: Given, totals: Sums, node: int, names: Iterable[str]) -> tuple[Signal, ...]:
        """What is observed and expected now of the channels with these names, the first of each signal."""
        members = np.array(given.verdict.lattice.members[node])
        index = {one.name: i for i, one in enumerate(given.verdict.judged)}
        out: dict[tuple[str, str], Signal] = {}
        for i in (index[name] for name in names if name in index):
            channel = given.verdict.judged[i].channel
            observed, expected = self._values(given, totals, members, i)
            ratio = _figures(observed / expected) if expected else None
            quantile = {"latency": 0.5, "tail": TAIL_QUANTILE}.get(channel.signal)
            values = "up", _figures(observed), _figures(expected), ratio, 0.0, "step", quantile
            out.setdefault(channel, Signal(channel.operation, channel.reported_signal, *values))
        return tuple(out.values())

    @property
    def _now(self) -> int:
        """The end of what has been judged, ms."""
        return (self._history.step or 0) * STEP_MS

    def _caused(
        self, given: Given, node: int, picked: Sequence[int], known: Sequence[int]
    ) -> tuple[list[int], dict[str, tuple[int, list[int]]]]:
        """Channels with causes before what may follow from them by the dependencies of the intent; and of each service
        that suffers, since when (ms), and its channels.

        A cause has evidence of its own, and is not seen to begin after its effect.
        """
        judged = given.verdict.judged
        of = {i: judged[i].channel.operation for i in picked}
        solid = [i for i in picked if of[i] != EVERY and given.score[node, i] >= CAUSE_NATS]
        if not self._dependencies.are_related(of[i] for i in solid):
            return list(picked), {}
        began: dict[int, tuple[int, int, int]] = {}
        for i in picked:
            _, change, starts = self._change(node, i, known)
            began[i] = int(starts[change.start]), int(starts[change.earliest]), int(starts[change.latest])
        causes: dict[int, list[int]] = {}
        for i in picked:
            before = [k for k in solid if k != i and began[k][1] <= began[i][2] + LATER_MS]
            if of[i] != EVERY:
                causes[i] = [k for k in before if self._dependencies.suffers(of[i], [of[k]])]
        suffering: dict[str, tuple[int, list[int]]] = {}
        for i in picked:
            for service in self._dependencies.suffers(of[i], [of[k] for k in causes.get(i, [])]):
                at, channels = suffering.get(service, (began[i][0], []))
                suffering[service] = min(at, began[i][0]), [*channels, i]
        roots = {k for held in causes.values() for k in held if not causes[k]}
        return sorted(picked, key=lambda i: (i not in roots, bool(causes.get(i)))), suffering

    def _change(self, node: int, channel: int, known: Sequence[int]) -> tuple[_Look, Change, NDArray[np.int64]]:
        """When the leading signal changed, seen on the longest span, or on a closer one where that shows it better or
        it is younger than the other's grain; and the starts of the entries."""
        best: tuple[_Look, Change, NDArray[np.int64]] | None = None
        for span in LOOKS:
            look = _Look(span, self._judge.verdict(span).given(known))
            course, starts = self._course(look, node, channel)
            change = onset.estimate(course)
            if best is not None:
                young = best[1].start >= len(best[2]) - YOUNG
                begins = change.start > 0 and change.gain > best[1].gain
            if best is None or young or begins:
                best = look, change, starts
        assert best is not None
        return best

    def _signals(
        self, given: Given, totals: Sums, node: int, picked: Sequence[int], change: Change
    ) -> tuple[Signal, ...]:
        judged = given.verdict.judged
        members = np.array(given.verdict.lattice.members[node])
        strength = np.maximum(given.score[node, picked], 0.0)
        total = float(strength.sum()) or 1.0
        kinds = {judged[i].channel.signal for i in picked}
        signals = []
        for i, nats in zip(picked, strength.tolist(), strict=True):
            channel = judged[i].channel
            observed, expected = self._values(given, totals, members, i)
            error = Z95 / float(max(given.c[node, i], 1e-12)) ** 0.5
            effect = float(given.effect[node, i])
            interval = [_figures(_factor(channel.is_shift, effect + sign * error)) for sign in (-1.0, 1.0)]
            tail = channel.signal == "tail"
            shape = "spread" if tail and "latency" not in kinds else "drift" if change.is_ramp else "step"
            signals.append(
                Signal(
                    operation=channel.operation,
                    signal=channel.reported_signal,
                    direction="up",
                    observed=_figures(observed),
                    expected=_figures(expected),
                    ratio=_figures(observed / expected) if expected else None,
                    share=round(nats / total, 3),
                    shape=shape,
                    quantile={"latency": 0.5, "tail": TAIL_QUANTILE}.get(channel.signal),
                    ratio_low=None if tail else interval[0],
                    ratio_high=None if tail else interval[1],
                )
            )
        return tuple(signals)

    def _spoken(self, given: Given, node: int) -> list[int]:
        """Channels worth a word, strongest first. A signal is said of all operations, or of those that show it; of an
        operation once, whether it stands out by itself or against the others."""
        judged = given.verdict.judged
        strength = given.score[node, :-1]
        best: dict[tuple[str, str], int] = {}
        for i, one in enumerate(judged):
            held = best.get(one.channel)
            if strength[i] >= SAY_NATS and (held is None or strength[i] > strength[held]):
                best[one.channel] = i
        keep = []
        for channel, i in best.items():
            pooled = best.get((EVERY, channel[1]))
            parts = [k for other, k in best.items() if other[1] == channel[1] and other[0] != EVERY]
            if self._dependencies.are_related(judged[k].channel.operation for k in parts):
                # What is one operation's and what another's is what a cause is told from its effect by.
                if channel[0] != EVERY:
                    keep.append(i)
                continue
            if channel[0] == EVERY and len(judged[i].columns) > 1:
                # Of one operation alone: then it is that one's.
                if len(parts) == 1 and strength[parts[0]] >= strength[i]:
                    continue
            elif pooled is not None and channel[0] != EVERY and (len(parts) > 1 or strength[i] < strength[pooled]):
                continue
            keep.append(i)
        keep = keep or [int(np.argmax(strength))]
        return sorted(keep, key=lambda i: -strength[i])

    def _operations(
        self, given: Given, signals: Sequence[Signal], suffering: Mapping[str, tuple[int, list[int]]]
    ) -> list[str]:
        """Operations that the signals touch, those of an effect among them; those judged over all operations touch all
        that the scope has."""
        names = {signal.operation for signal in telling(signals)}
        names |= {given.verdict.judged[i].channel.operation for _, channels in suffering.values() for i in channels}
        if EVERY in names:
            names |= {channel.operation for channel in self._references.channels}
        return sorted(names - {EVERY})

    def _values(self, given: Given, sums: Sums, members: NDArray[np.intp], channel: int) -> tuple[float, float]:
        """Observed and expected in the units of the wire: ms for latency, a share otherwise."""
        one = given.verdict.judged[channel]
        columns = np.array(one.columns, dtype=np.intp)
        cells, held = np.ix_(members, columns), np.ix_(self._judge.rows[members], columns)
        n, x, expected = sums.n[cells], sums.x[cells], sums.expected[cells]
        known = self._references.mass[held] > 0
        n, x, expected = n * known, x * known, expected * known
        total = max(float(n.sum()), 1e-12)
        if one.channel.signal not in ("latency", "tail", "delay"):
            return float(x.sum()) / total, float(expected.sum()) / total
        base = np.log(np.maximum(self._references.base_ms[held], 1e-3))
        base_ms = float(np.exp(np.sum(n * base) / total))
        if one.channel.signal == "tail":
            scale = float(np.sum(n * self._references.tail_scale[held]) / total)
            beyond = np.log(max(float(x.sum()), 1e-9) / max(float(expected.sum()), 1e-9))
            return base_ms * float(np.exp(scale * beyond)), base_ms
        return base_ms * float(np.exp((x - expected).sum() / total)), base_ms

    def _course(self, look: _Look, node: int, channel: int) -> tuple[Course, NDArray[np.int64]]:
        """How a channel went, as contrasts to siblings: what each entry adds to b of the node; and when each starts."""
        given, span = look.given, look.span
        v = given.verdict
        one = v.judged[channel]
        references, own = self._references, len(one.columns)
        bodies = references.bodies[np.isin(references.tails, one.columns)]
        columns = np.array([*one.columns, *one.against, *bodies], dtype=np.intp)
        series = self._history.series(self._judge.rows, columns, span)
        cells = np.ix_(self._judge.rows, columns)
        judged = slice(None, own + len(one.against))
        known = references.mass[cells][:, judged] > 0
        sums = series.sums
        expected = references.beyond_body(cells, sums.n, sums.x, sums.expected).expected[:, :, judged]
        off = np.where(known, sums.x[:, :, judged] - expected, 0.0)
        shift = bool(references.shift[columns[0]])
        units = np.where(known, sums.n[:, :, judged] if shift else expected, 0.0)
        weight, rest = units[:, :, :own].sum(axis=2), units[:, :, own:].sum(axis=2)
        residual = off[:, :, :own].sum(axis=2)
        if one.against:
            residual = residual - weight * np.divide(
                off[:, :, own:].sum(axis=2), rest, out=np.zeros_like(rest), where=rest > 0
            )
        total = np.maximum(weight.sum(axis=0), 1e-12)
        projection = v.solution.projection(node, channel) / total
        members = list(v.lattice.members[node])
        size = weight[:, members].sum(axis=1)
        info = size / max(float(size.sum()), 1e-12) * float(given.c[node, channel])
        return Course(residual @ projection, info), series.entries * series.grain_ms

    def _ledger(
        self, given: Given, node: int, picked: Sequence[int], look: _Look, first: int
    ) -> tuple[LedgerEntry, ...]:
        """By signal and stretch of time, what it added to the evidence of a change since entry `first`."""
        each = max(1, MOST_LEDGER // len(picked))
        out = []
        for i in picked:
            one = given.verdict.judged[i].channel
            course, starts = self._course(look, node, i)
            nats = course.nats(first)
            told = np.flatnonzero(np.abs(nats) >= LEAST_NATS)
            for part in np.array_split(told, min(each, len(told))) if len(told) else []:
                out.append(
                    LedgerEntry(
                        at=int(starts[part[0]]),
                        until=int(starts[part[-1]] + look.span.grain_ms),
                        operation=one.operation,
                        signal=one.reported_signal,
                        nats=round(float(nats[part].sum()), 2),
                    )
                )
        return tuple(sorted(out, key=lambda entry: (entry.at, entry.operation, entry.signal)))

    def _contrast(self, given: Given, totals: Sums, node: int, channel: int) -> tuple[Contrast, ...]:
        """Siblings: the same scope with another value of one dimension, the largest first; then all others."""
        lattice = given.verdict.lattice
        scope = dict(lattice.scopes[node])
        seen = {lattice.members[node]}
        out = []
        for dimension in scope:
            rest = tuple((name, value) for name, value in scope.items() if name != dimension)
            beside = [
                lattice.node[with_it]
                for with_it in lattice.node
                if len(with_it) == len(scope)
                and dict(with_it).get(dimension) not in (None, scope[dimension])
                and tuple(pair for pair in with_it if pair[0] != dimension) == rest
            ]
            weight = {
                other: float(given.verdict.residual.weight[list(lattice.members[other]), channel].sum())
                for other in beside
            }
            for other in sorted(beside, key=lambda other: -weight[other])[:MOST_SIBLINGS]:
                if weight[other] > 0 and lattice.members[other] not in seen:
                    seen.add(lattice.members[other])
                    out.append(self._beside(given, totals, lattice.scopes[other], lattice.members[other], channel))
        return tuple(out)

    def _beside(
        self, given: Given, totals: Sums, scope: Sequence[tuple[str, str]], members: Sequence[int], channel: int
    ) -> Contrast:
        observed, expected = self._values(given, totals, np.array(members), channel)
        ratio = _figures(observed / expected) if expected else None
        return Contrast(dict(scope), _figures(observed), _figures(expected), ratio, len(members))

    def _confidence(
        self,
        given: Given,
        totals: Sums,
        node: int,
        picked: Sequence[int],
        members: NDArray[np.intp],
        odds: float,
    ) -> Confidence:
        references = self._references
        plausible = self._judge.plausible(given, picked[:1])
        related = self._judge.related(node)
        share = np.exp(plausible[related] - plausible[related].max())
        rows = self._judge.rows[members].tolist()
        return Confidence(
            scope=round(float(np.exp(plausible[node] - plausible[related].max()) / share.sum()), 3),
            anchor_days=round(float(np.min(references.days[rows])), 2),
            borrowed=sorted({references.lender[row] for row in rows} - {"own"}),
            calibrated_weeks=round(self._judge.calibration.weeks, 2),
            shape_odds=round(odds / float(np.log(10.0)), 2),
            anchor_moved=self._moved(given, totals, members, picked[0]),
            accepted=_some(references.accepted, rows),
            doubts=_some(references.doubt, rows),
        )

    def _moved(self, given: Given, totals: Sums, members: NDArray[np.intp], channel: int) -> float | None:
        """What the anchors of a signal have moved since the first ones, as a factor; None without units."""
        columns = np.array(given.verdict.judged[channel].columns, dtype=np.intp)
        cells, held = np.ix_(members, columns), np.ix_(self._judge.rows[members], columns)
        n = np.where(self._references.mass[held] > 0, totals.n[cells], 0.0)
        level, first = self._references.level[held], self._references.first_level[held]
        if given.verdict.judged[channel].channel.is_shift:
            return _figures(float(np.exp(np.sum(n * (level - first)) / n.sum()))) if n.sum() > 0 else None
        before = float(np.sum(n * first))
        return _figures(float(np.sum(n * level)) / before) if before > 0 else None


def _some(texts: Mapping[int, str], rows: Sequence[int]) -> list[str]:
    """What is said of some rows, each once, the first few."""
    return list(dict.fromkeys(texts[row] for row in rows if row in texts))[:MOST_TEXTS]


def _factor(is_shift: bool, effect: float) -> float:
    return float(np.exp(effect)) if is_shift else max(1.0 + effect, 0.0)


def _figures(value: float) -> float:
    """Four significant figures: what a record says, and what two runs agree on."""
    return float(f"{value:.4g}")
