"""Raises incidents for what stands out, and follows them: they grow, merge, recover, and are not raised again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from pipeline.changes import HOUR_MS
from pipeline.detect.breach import Breaches
from pipeline.detect.cascade import Dependencies, joined
from pipeline.detect.dangers import grown
from pipeline.detect.explain import Explainer
from pipeline.detect.history import SPANS, History, Span
from pipeline.detect.judge import FORMING_NATS, Found, Judge
from pipeline.detect.known import LEAST_TELLING, MOST_CASES, Known
from pipeline.detect.recovery import Seen, recovery_of
from pipeline.detect.references import References
from pipeline.detect.verdict import Given
from pipeline.incidents import telling
from pipeline.incidents.hold import may_move, next_state
from pipeline.incidents.life import Case, Finding, Incidents, Scope, differs
from pipeline.incidents.people import STRONGER
from pipeline.intent import Intent
from pipeline.messages import Incident

FADES_MS: Final = 6 * HOUR_MS
"""A pattern that formed and was not seen again for so long came to nothing."""
SHARPER: Final = 1.3
"""A reading that is stronger by this factor may change what is said of an incident."""
SWITCH_NATS: Final = 3.0
"""Another scope must explain an incident better by so much before it is named instead."""
MOST_PARTS: Final = 4


class Follower:
    """Incidents of kind `pattern`.

    Attributes:
        evidence: log10 of the strongest evidence at the last judgement, 0 being the threshold.
    """

    def __init__(
        self,
        references: References,
        history: History,
        judge: Judge,
        incidents: Incidents,
        intent: Intent,
        breaches: Breaches,
    ) -> None:
        self._history = history
        self._judge = judge
        self._incidents = incidents
        self._explainer = Explainer(references, history, judge, intent, breaches)
        self._dependencies = Dependencies(intent)
        self._known = Known(judge, incidents, self._dependencies)
        self.evidence = 0.0

    def judge(self, due: Sequence[Span], at: int, lag_ms: Mapping[int, float]) -> list[Incident]:
        """Judge the spans that are due; the changes of incidents that this brings about."""
        out: list[Incident] = []
        self.evidence = -9.0
        latest: list[Seen] = []
        for span in due:
            totals = self._history.totals(self._judge.rows, span)
            seen = Seen(span, self._judge.verdict(span, totals), totals)
            latest.append(seen)
            out += self._search(seen, at, lag_ms)
            out += self._louder(seen, at, lag_ms)
        out += self._follow(at, latest, lag_ms)
        return out

    def _search(self, seen: Seen, at: int, lag_ms: Mapping[int, float]) -> list[Incident]:
        """Raise what stands out, one after the other, each time with what is known taken out."""
        out: list[Incident] = []
        days = self._judge.days(seen.span)
        passed: list[int] = []
        """Nodes that an incident would grow to, and must not yet."""
        quiet = all(case.is_muted(at) for case in self._known.within(seen.span, at))
        for _ in range(MOST_CASES):
            cases = self._known.within(seen.span, at)
            known = self._known.nodes(cases) + passed
            given = seen.verdict.given(known)
            found = self._judge.strongest(given, seen.span, days, self._known.news(given, cases))
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

    def _raise(
        self, seen: Seen, given: Given, known: list[int], found: Found, at: int, lag_ms: Mapping[int, float]
    ) -> list[Incident] | None:
        """Begin a case for a finding, move the one that is forming, or let one that is open grow into it; None: one
        would grow into it, and its scope is held."""
        lattice = given.verdict.lattice
        channels = self._judge.channels_of(given, found.node, found.channel)
        node = self._best(given, found.node, channels)
        inside = [case for case in self._known.open() if self._known.is_part(case, node, given, channels)]
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
        if case is not None and case.state == "forming":
            finding = grown(case.finding, finding)
        strength = float(given.score[node, found.channel])
        cause = self._cause_of(finding, node)
        if cause is not None:
            return self._suffer(cause, finding, effects, strength, at)
        followers = self._followers(finding, node) if state == "firing" else []
        for other in followers:
            finding = self._joined(finding, other.finding, strength, other.strength)
        case, record = self._incidents.begin(finding, state, at, self._known.split_from(node, channels))
        case.effects = effects
        case.strength = strength
        for other in followers:
            self._take_in(case, other.scope, other.effects)
        return [record, *(self._merged(other, case, at) for other in followers)]

    # -- causes and effects ------------------------------------------------------------------------------------------

    def _cause_of(self, finding: Finding, node: int) -> Case | None:
        """The open incident that a finding follows from."""
        near = (case for case in self._known.open() if self._known.is_comparable(case, node))
        return next((case for case in near if self._dependencies.follows(finding, case.finding)), None)

    def _followers(self, finding: Finding, node: int) -> list[Case]:
        """Open incidents that follow from a finding: their cause has come to light."""
        near = (case for case in self._known.open() if self._known.is_comparable(case, node))
        return [case for case in near if self._dependencies.follows(case.finding, finding)]

    def _joined(self, cause: Finding, effect: Finding, strength: float, other: float) -> Finding:
        services = self._dependencies.follows(effect, cause)
        part = other / max(strength + other, 1e-9)
        return grown(effect, joined(cause, effect, services, part)) if services else cause

    def _suffer(
        self, cause: Case, finding: Finding, effects: Mapping[str, float], strength: float, at: int
    ) -> list[Incident]:
        """What follows from an open incident is no incident of its own."""
        new = grown(cause.finding, self._joined(cause.finding, finding, cause.strength, strength))
        self._take_in(cause, finding.scope, effects)
        if not differs(cause.finding, new):
            return []
        return [self._incidents.change(cause, cause.state, at, new, cause.why)]

    def _take_in(self, cause: Case, scope: Scope, effects: Mapping[str, float]) -> None:
        """An effect's scope is explained from now on, and has to recover as well."""
        if scope != cause.scope:
            cause.parts = tuple(dict.fromkeys((*cause.parts, scope)))[-MOST_PARTS:]
        for name, size in effects.items():
            cause.effects.setdefault(name, size)

    # -- growing -----------------------------------------------------------------------------------------------------

    def _louder(self, seen: Seen, at: int, lag_ms: Mapping[int, float]) -> list[Incident]:
        """Raise again what a person has silenced, when other signals stand out there, or the same surely stronger."""
        out: list[Incident] = []
        lattice = self._known.lattice
        for case in list(self._incidents):
            node = lattice.node.get(case.scope)
            if case.finding.kind != "pattern" or node is None or not case.is_muted(at):
                continue
            if self._incidents.find(case.scope, "pattern") is not case:  # raised again since, as another
                continue
            known = self._known.others(case, seen.span, at)
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

    def _grow(
        self,
        seen: Seen,
        known: list[int],
        inside: list[Case],
        node: int,
        found: Found,
        at: int,
        lag_ms: Mapping[int, float],
    ) -> list[Incident]:
        """One incident grows to the wider scope; the others within it are explained by it."""
        parts = self._known.nodes(inside)
        others = [other for other in known if other not in parts]
        given = seen.verdict.given(others)
        finding, effects = self._explainer.finding(given, seen.totals, node, others, found.net, lag_ms)
        first = min(inside, key=lambda case: case.fired_at or 0)
        finding = grown(first.finding, finding)
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
        lattice = self._known.lattice
        members = set(lattice.members[lattice.node[into.scope]])
        out = []
        for case in self._known.open():
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

    def _follow(self, at: int, latest: Sequence[Seen], lag_ms: Mapping[int, float]) -> list[Incident]:
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
            found = recovery_of(case, at, latest, partial(self._known.others, case, at=at), self._explainer)
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

    def _refresh(self, case: Case, at: int, latest: Sequence[Seen], lag_ms: Mapping[int, float]) -> list[Incident]:
        """While firing, a scope that explains clearly better is named instead, and a clearly stronger reading may
        sharpen what is said; a weaker one changes nothing."""
        lattice = self._known.lattice
        node = lattice.node.get(case.scope)
        if node is None or not latest:
            return []
        channels = self._known.led_by(case)
        givens = [(seen, seen.verdict.given(self._known.others(case, seen.span, at))) for seen in latest]
        seen, given = max(givens, key=lambda item: float(item[1].score[node].max()))
        strongest = float(given.score[node].max())
        lead = self._lead(given, node, channels)
        better = self._best(given, node, lead)
        plausible = self._judge.plausible(given, lead)
        tells = given.explains(lead)[node] >= max(LEAST_TELLING, case.strength / 2.0)
        free = may_move(case.moves, at - case.moved_at)
        moved = bool(free and tells and better != node and plausible[better] >= plausible[node] + SWITCH_NATS)
        joining = [item for item in givens if self._known.joins(case, item[1], node)]
        if strongest < SHARPER * case.strength and not moved and not joining:
            return []
        if joining and not moved:
            seen, given = joining[-1]
        node = better if moved else node
        case.strength = max(case.strength, strongest)
        channel = int(np.argmax(given.score[node]))
        net = float(given.score[node, channel] - self._judge.toll(SPANS[-1])[node, channel])
        known = self._known.others(case, seen.span, at)
        finding, effects = self._explainer.finding(given, seen.totals, node, known, net, lag_ms)
        finding = grown(case.finding, finding)
        if moved:
            case.effects = effects
        elif case.finding.effects and finding.signals[0].operation not in self._dependencies.roots(case.finding):
            # A reading in which the cause does not show as well takes nothing back.
            finding = replace(case.finding, severity=finding.severity, dangers=finding.dangers)
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
