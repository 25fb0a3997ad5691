"""Raises incidents for what stands out, and follows them: they grow, merge, recover, and are not raised again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.explain import Explainer
from pipeline.detect.history import SPANS, History, Span, Sums
from pipeline.detect.judge import FORMING_NATS, Found, Judge
from pipeline.detect.references import References
from pipeline.detect.verdict import Given, Verdict
from pipeline.incidents import telling
from pipeline.incidents.hold import may_move, next_state
from pipeline.incidents.life import Case, Incidents, Scope, differs
from pipeline.incidents.people import STRONGER
from pipeline.intent import Intent
from pipeline.messages import Incident

Floats: TypeAlias = NDArray[np.float64]

HOUR_MS: Final = 3_600_000
GONE: Final = 0.4
"""Recovering: the effect is surely below this part of what it was."""
BACK: Final = 0.7
FADES_MS: Final = 6 * 3_600_000
"""A pattern that formed and was not seen again for so long came to nothing."""
SHARPER: Final = 1.3
"""A reading that is stronger by this factor may change what is said of an incident."""
SWITCH_NATS: Final = 3.0
"""Another scope must explain an incident better by so much before it is named instead."""
LEAST_TELLING: Final = 6.0
"""Nats without which a span says nothing of an incident's scope."""
ECHO: Final = 0.35
"""Where a known incident's scope is touched, a deviation in the same signal is news only if what is left beside the
incident's own effect is at least this part of it: effects are never quite even."""
ECHO_WITHIN: Final = 0.7
"""The same for what lies wholly within it."""
MOST_PARTS: Final = 4
MOST_CASES: Final = 8
"""Known incidents whose effects are taken out before others are looked for."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A span that was judged just now."""

    span: Span
    verdict: Verdict
    totals: Sums


@dataclass(frozen=True, slots=True)
class _Recovery:
    """Whether the effect is surely gone, or surely back; what is seen now, and in which span."""

    gone: bool = False
    back: bool = False
    told: str = ""


class Follower:
    """Incidents of kind `pattern`.

    Attributes:
        evidence: log10 of the strongest evidence at the last judgement, 0 being the threshold.
    """

    def __init__(
        self, references: References, history: History, judge: Judge, incidents: Incidents, intent: Intent
    ) -> None:
        self._history = history
        self._judge = judge
        self._incidents = incidents
        self._budget = intent.false_pages_per_week
        self._explainer = Explainer(references, history, judge, intent)
        self.evidence = 0.0

    def judge(self, due: Sequence[Span], at: int, lag_ms: Mapping[int, float]) -> list[Incident]:
        """Judge the spans that are due; the changes of incidents that this brings about."""
        out: list[Incident] = []
        self.evidence = -9.0
        latest: list[_Seen] = []
        for span in due:
            totals = self._history.totals(self._judge.rows, span)
            seen = _Seen(span, self._judge.verdict(span, totals), totals)
            latest.append(seen)
            out += self._search(seen, at, lag_ms)
            out += self._louder(seen, at, lag_ms)
        out += self._follow(at, latest, lag_ms)
        return out

    def _search(self, seen: _Seen, at: int, lag_ms: Mapping[int, float]) -> list[Incident]:
        """Raise what stands out, one after the other, each time with what is known taken out."""
        out: list[Incident] = []
        days = self._judge.days(seen.span)
        passed: list[int] = []
        """Nodes that an incident would grow to, and must not yet."""
        quiet = all(case.is_muted(at) for case in self._cases(seen.span, at))
        for _ in range(MOST_CASES):
            cases = list(self._cases(seen.span, at))
            known = self._nodes(cases) + passed
            given = seen.verdict.given(known)
            found = self._judge.strongest(given, seen.span, days, self._news(given, cases))
            if found is None:
                break
            sighted = self._judge.sight(found, at) if quiet else None
            quiet = False
            self.evidence = max(self.evidence, found.net / math.log(10.0))
            if found.net <= -FORMING_NATS:
                break
            raised = self._raise(seen, given, known, found, at, lag_ms)
            if raised is None:
                passed.append(found.node)
                continue
            out += raised
            case = self._incidents.by_id(raised[0].incident_id) if raised else None
            if case is not None and case.sighted is None:
                case.sighted = sighted
            if not raised or found.net < 0.0:
                break
        return out

    def _cases(self, span: Span, at: int) -> list[Case]:
        """Incidents that this span's data belong to: those that fire or recover, past ones (that may be forming again)
        it still looks back on, and those that are not to be raised again."""
        found = []
        for case in self._incidents:
            if case.finding.kind != "pattern" or case.merged_into is not None:
                continue
            if case.is_muted(at):
                found.append(case)
                continue
            since = case.recovered_at
            if case.fired_at is None:
                continue
            if case.state in ("resolved", "forming") and since is not None and at - span.ms >= since:
                continue
            found.append(case)
        return found[-MOST_CASES:]

    def _nodes(self, cases: Sequence[Case]) -> list[int]:
        lattice = self._judge.lattice
        assert lattice is not None
        nodes = (lattice.node.get(scope) for case in cases for scope in (case.scope, *case.parts))
        return list(dict.fromkeys(node for node in nodes if node is not None))

    def _news(self, given: Given, cases: Sequence[Case]) -> NDArray[np.bool_] | None:
        """[nodes, judged + 1] what would be news beside the known incidents, see `ECHO`; None: all."""
        if not cases:
            return None
        lattice = given.verdict.lattice
        news = np.ones(given.score.shape, dtype=np.bool_)
        judged = self._judge.judged
        for case in cases:
            node = lattice.node.get(case.scope)
            if node is None:
                continue
            inside = lattice.structure.membership @ lattice.indicator(node)
            touched, within = inside > 0, inside == lattice.size
            news[touched, -1] = False
            least = np.where(within, ECHO_WITHIN, ECHO)[touched]
            for k, one in enumerate(judged):
                was = case.effect_of(one.channel.signal)
                if was > 0:
                    news[touched, k] &= given.effect[touched, k] >= least * was
        return news

    def _raise(
        self, seen: _Seen, given: Given, known: list[int], found: Found, at: int, lag_ms: Mapping[int, float]
    ) -> list[Incident] | None:
        """Begin a case for a finding, move the one that is forming, or let one that is open grow into it; None: one
        would grow into it, and its scope is held."""
        lattice = given.verdict.lattice
        channels = self._judge.channels_of(given, found.node, found.channel)
        node = self._best(given, found.node, channels)
        inside = [case for case in self._open() if self._is_part(case, node, given, channels)]
        if inside and found.net >= 0.0:
            oldest = min(inside, key=lambda case: case.fired_at or 0)
            if not may_move(oldest.moves, at - oldest.moved_at):
                return None
            return self._grow(seen, known, inside, node, found, at, lag_ms)
        scope = lattice.scopes[node]
        case = self._incidents.find(scope, "pattern")
        if case is not None and case.state in ("firing", "recovering"):
            return []
        state = "firing" if found.net >= 0.0 else "forming"
        finding, effects = self._explainer.finding(given, seen.totals, node, known, found.net, lag_ms)
        if case is not None and case.state == state == "forming":
            case.effects = effects
            case.changed_at = at
            return []
        case, record = self._incidents.begin(finding, state, at, self._split_from(node, channels))
        case.effects = effects
        case.strength = float(given.score[node, found.channel])
        return [record]

    def _split_from(self, node: int, channels: Sequence[int]) -> tuple[str, Scope] | None:
        """The open incident that was said of a scope as well before it narrowed, and of which one then."""
        lattice = self._judge.lattice
        assert lattice is not None
        members = set(lattice.members[node])
        for case in self._open():
            if not any(case.effect_of(self._judge.judged[k].channel.signal) > 0 for k in channels):
                continue
            for scope in case.left:
                before = lattice.node.get(scope)
                if before is not None and members < set(lattice.members[before]):
                    return case.incident_id, scope
        return None

    def _louder(self, seen: _Seen, at: int, lag_ms: Mapping[int, float]) -> list[Incident]:
        """Raise again what a person has silenced, when other signals stand out there, or the same surely stronger."""
        out: list[Incident] = []
        lattice = self._judge.lattice
        assert lattice is not None
        for case in list(self._incidents):
            node = lattice.node.get(case.scope)
            if case.finding.kind != "pattern" or node is None or not case.is_muted(at):
                continue
            if self._incidents.find(case.scope, "pattern") is not case:  # raised again since, as another
                continue
            known = self._others(case, seen.span, at)
            given = seen.verdict.given(known)
            news = np.zeros(given.score.shape, dtype=np.bool_)
            for k, one in enumerate(self._judge.judged):
                was, error = case.effect_of(one.channel.signal), float(max(given.c[node, k], 1e-12)) ** -0.5
                news[node, k] = was <= 0 or given.effect[node, k] - error >= STRONGER * was
            found = self._judge.strongest(given, seen.span, self._judge.days(seen.span), news)
            if found is None or found.net < 0.0:
                continue
            leads = self._judge.channels_of(given, found.node, found.channel)
            same = any(case.effect_of(self._judge.judged[k].channel.signal) > 0 for k in leads)
            why = telling.louder([self._judge.judged[k].channel for k in leads], same)
            finding, case.effects = self._explainer.finding(given, seen.totals, node, known, found.net, lag_ms)
            case.strength = float(given.score[node, found.channel])
            out.append(self._incidents.begin(finding, "firing", at, why=why)[1])
        return out

    def _best(self, given: Given, node: int, channels: Sequence[int]) -> int:
        """The scope, above or below `node`, that explains the deviation most plausibly."""
        related = self._judge.related(node)
        return int(related[np.argmax(self._judge.plausible(given, channels)[related])])

    def _open(self) -> list[Case]:
        return [
            case
            for case in self._incidents
            if case.finding.kind == "pattern" and case.state in ("firing", "recovering")
        ]

    def _is_part(self, case: Case, node: int, given: Given, channels: Sequence[int]) -> bool:
        """Is an open incident within a wider scope that stands out in the same signals?"""
        lattice = given.verdict.lattice
        own = lattice.node.get(case.scope)
        if own is None or own == node or not set(lattice.members[own]) < set(lattice.members[node]):
            return False
        return any(case.effect_of(self._judge.judged[k].channel.signal) > 0 for k in channels)

    def _grow(
        self,
        seen: _Seen,
        known: list[int],
        inside: list[Case],
        node: int,
        found: Found,
        at: int,
        lag_ms: Mapping[int, float],
    ) -> list[Incident]:
        """One incident grows to the wider scope; the others within it are explained by it."""
        parts = self._nodes(inside)
        others = [other for other in known if other not in parts]
        given = seen.verdict.given(others)
        finding, effects = self._explainer.finding(given, seen.totals, node, others, found.net, lag_ms)
        first = min(inside, key=lambda case: case.fired_at or 0)
        first.effects = effects
        first.strength = float(given.score[node].max())
        first.parts = tuple(dict.fromkeys(scope for case in inside for scope in (*case.parts, case.scope)))[
            -MOST_PARTS:
        ]
        why = telling.grown([case.scope for case in inside])
        out = [self._incidents.change(first, "firing", at, finding, why)]
        return out + self._merge(first, at)

    def _merge(self, into: Case, at: int) -> list[Incident]:
        """Incidents of the same signals within the scope of `into` are over: it explains them."""
        lattice = self._judge.lattice
        assert lattice is not None
        members = set(lattice.members[lattice.node[into.scope]])
        out = []
        for case in self._open():
            node = lattice.node.get(case.scope)
            if case is into or node is None or not set(lattice.members[node]) <= members:
                continue
            if any(into.effect_of(name.partition("/")[2]) > 0 for name in case.effects):
                out.append(self._merged(case, into, at))
        return out

    def _merged(self, case: Case, into: Case, at: int) -> Incident:
        case.merged_into = into.incident_id
        return self._incidents.change(case, "resolved", at, why=telling.merged(into.incident_id))

    # -- following ---------------------------------------------------------------------------------------------------

    def _follow(self, at: int, latest: Sequence[_Seen], lag_ms: Mapping[int, float]) -> list[Incident]:
        """See what has become of open cases, by the spans that were judged just now."""
        out: list[Incident] = []
        for case in self._incidents.open():
            if case.finding.kind != "pattern" or case.state == "resolved":  # it may have been merged meanwhile
                continue
            if case.state == "forming":
                if at - case.changed_at > FADES_MS:
                    why = telling.faded(FADES_MS // HOUR_MS)
                    out.append(self._incidents.change(case, "resolved", at, why=why))
                continue
            found = self._recovered(case, at, latest)
            state = next_state(case.state, at - case.since, case.relapses, gone=found.gone, back=found.back)
            if state is not None:
                out.append(self._incidents.change(case, state, at, why=found.told if found.gone else ""))
                if state == "resolved":
                    self.forget(case)
            elif case.state == "firing":
                out += self._refresh(case, at, latest, lag_ms)
        return out

    def forget(self, case: Case) -> None:
        """What an incident explains is no evidence of another, nor of how days are."""
        lattice = self._judge.lattice
        node = lattice.node.get(case.scope) if lattice is not None else None
        if lattice is not None and node is not None and case.recovered_at is not None:
            rows = self._judge.rows[list(lattice.members[node])]
            self._history.forget(rows, case.finding.onset_at, case.recovered_at)

    def _others(self, case: Case, span: Span, at: int) -> list[int]:
        """Nodes of the incidents beside a case."""
        nodes = self._nodes([other for other in self._cases(span, at) if other is not case])
        lattice = self._judge.lattice
        assert lattice is not None
        own = lattice.node.get(case.scope)
        return [node for node in nodes if node != own]

    def _recovered(self, case: Case, at: int, latest: Sequence[_Seen]) -> _Recovery:
        """Is the effect surely gone, or surely back? Asked of the shortest span that can tell, after it fired."""
        lattice = self._judge.lattice
        assert lattice is not None
        node = lattice.node.get(case.scope)
        if node is None or case.fired_at is None:
            return _Recovery()
        asked = {span.name for span in SPANS if HOUR_MS <= span.ms <= 24 * HOUR_MS}
        for seen in latest:
            if seen.span.name not in asked or at - seen.span.ms < case.fired_at:
                continue
            given = seen.verdict.given(self._others(case, seen.span, at))
            tells: list[str] = []
            gone, back = True, False
            for i, one in enumerate(seen.verdict.judged):
                was = case.effects.get(one.name)
                c = float(given.c[node, i])
                if was is None or c <= 0.0:
                    continue
                now, error = float(given.effect[node, i]), c**-0.5
                if error > was / 3.0:
                    continue
                tells.append(one.name)
                gone &= now + error < GONE * was
                back |= now - error > BACK * was
            if tells:
                seen_now = self._explainer.standing(given, seen.totals, node, tells) if gone else ()
                return _Recovery(gone, back, telling.back(seen_now, f"{seen.span.ms // HOUR_MS} h"))
        return _Recovery()

    def _refresh(self, case: Case, at: int, latest: Sequence[_Seen], lag_ms: Mapping[int, float]) -> list[Incident]:
        """While firing, a scope that explains clearly better is named instead, and a clearly stronger reading may
        sharpen what is said; a weaker one changes nothing."""
        lattice = self._judge.lattice
        assert lattice is not None
        node = lattice.node.get(case.scope)
        if node is None or not latest:
            return []
        channels = [i for i, one in enumerate(self._judge.judged) if one.name in case.effects]
        givens = [(seen, seen.verdict.given(self._others(case, seen.span, at))) for seen in latest]
        seen, given = max(givens, key=lambda item: float(item[1].score[node].max()))
        strongest = float(given.score[node].max())
        lead = self._lead(given, node, channels)
        better = self._best(given, node, lead)
        plausible = self._judge.plausible(given, lead)
        tells = given.explains(lead)[node] >= max(LEAST_TELLING, case.strength / 2.0)
        free = may_move(case.moves, at - case.moved_at)
        moved = bool(free and tells and better != node and plausible[better] >= plausible[node] + SWITCH_NATS)
        if strongest < SHARPER * case.strength and not moved:
            return []
        node = better if moved else node
        case.strength = max(case.strength, strongest)
        channel = int(np.argmax(given.score[node]))
        net = float(given.score[node, channel] - self._judge.toll(SPANS[-1])[node, channel])
        known = self._others(case, seen.span, at)
        finding, effects = self._explainer.finding(given, seen.totals, node, known, net, lag_ms)
        if moved:
            case.effects = effects
        for name, effect in effects.items():
            case.effects[name] = max(case.effects.get(name, 0.0), effect)
        if not differs(case.finding, finding):
            return []
        taken = self._incidents.find(finding.scope, "pattern")
        if moved and taken is not None and taken is not case and taken.state in ("firing", "recovering"):
            return [self._merged(case, taken, at)]
        why = case.why
        if moved:
            why = telling.moved(case.scope, finding.scope)
            if set(lattice.members[node]) < set(lattice.members[lattice.node[case.scope]]):
                case.left = (*case.left, case.scope)[-MOST_PARTS:]
        out = [self._incidents.change(case, "firing", at, finding, why)]
        return out + (self._merge(case, at) if moved else [])

    def _lead(self, given: Given, node: int, channels: Sequence[int]) -> list[int]:
        """Of the case's channels the strongest of each kind: what its scope is asked of."""
        best: dict[str, int] = {}
        for k in channels:
            kind = self._judge.judged[k].kind
            if kind not in best or given.score[node, k] > given.score[node, best[kind]]:
                best[kind] = k
        return list(best.values())
