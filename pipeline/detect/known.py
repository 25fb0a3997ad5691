"""The incidents that are known, as the lattice has them: which a span's data belong to, and what would be news."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.cascade import Dependencies
from pipeline.detect.channels import EVERY
from pipeline.detect.history import Span
from pipeline.detect.judge import Judge
from pipeline.detect.lattice import Lattice
from pipeline.detect.verdict import Given
from pipeline.incidents.life import Case, Incidents, Scope

LEAST_TELLING: Final = 6.0
"""Nats without which a span says nothing of an incident's scope."""
ECHO: Final = 0.35
"""Where a known incident's scope is touched, a deviation in the same signal is news only if what is left beside the
incident's own effect is at least this part of it: effects are never quite even."""
ECHO_WITHIN: Final = 0.7
"""The same for what lies wholly within it."""
MOST_CASES: Final = 8
"""Known incidents whose effects are taken out before others are looked for."""


class Known:
    """Incidents of kind `pattern`, and how scopes and signals of others stand to theirs. Changes nothing."""

    def __init__(self, judge: Judge, incidents: Incidents, dependencies: Dependencies) -> None:
        self._judge = judge
        self._incidents = incidents
        self._dependencies = dependencies

    @property
    def lattice(self) -> Lattice:
        lattice = self._judge.lattice
        assert lattice is not None
        return lattice

    def open(self) -> list[Case]:
        """Those that fire or recover."""
        return [
            case
            for case in self._incidents
            if case.finding.kind == "pattern" and case.state in ("firing", "recovering")
        ]

    def within(self, span: Span, at: int) -> list[Case]:
        """Those that a span's data belong to: what fires or recovers, past ones (that may be forming again) it still
        looks back on, and those that are not to be raised again."""
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

    def nodes(self, cases: Sequence[Case]) -> list[int]:
        """Of their scopes and of those that they have taken in, each once."""
        nodes = (self.lattice.node.get(scope) for case in cases for scope in (case.scope, *case.parts))
        return list(dict.fromkeys(node for node in nodes if node is not None))

    def others(self, case: Case, span: Span, at: int) -> list[int]:
        """Nodes of the incidents beside a case."""
        nodes = self.nodes([other for other in self.within(span, at) if other is not case])
        own = self.lattice.node.get(case.scope)
        return [node for node in nodes if node != own]

    def news(self, given: Given, cases: Sequence[Case]) -> NDArray[np.bool_] | None:
        """[nodes, judged + 1] what would be news beside these incidents, see `ECHO`; None: all."""
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
            roots = self._dependencies.roots(case.finding)
            least = np.where(within, ECHO_WITHIN, ECHO)[touched]
            for k, one in enumerate(judged):
                was = case.effect_of(one.channel.signal)
                # A cause may be small beside what follows from it, and is news whatever its size.
                own = one.channel.operation
                if was > 0 and not any(self._dependencies.suffers(root, [own]) for root in roots):
                    news[touched, k] &= given.effect[touched, k] >= least * was
        return news

    def is_comparable(self, case: Case, node: int) -> bool:
        """Does one of the scopes lie within the other? A cause may be confined to a part of what is seen to suffer, and
        what suffers may be seen in a part only."""
        own = self.lattice.node.get(case.scope)
        if own is None:
            return False
        mine, its = set(self.lattice.members[own]), set(self.lattice.members[node])
        return mine <= its or its <= mine

    def is_part(self, case: Case, node: int, given: Given, channels: Sequence[int]) -> bool:
        """Is an open incident within a wider scope that stands out in the same signals?"""
        lattice = given.verdict.lattice
        own = lattice.node.get(case.scope)
        if own is None or own == node or not set(lattice.members[own]) < set(lattice.members[node]):
            return False
        roots = self._dependencies.roots(case.finding)
        if any(self._dependencies.suffers(self._judge.judged[k].channel.operation, roots) for k in channels):
            return False  # it follows from the incident, and does not widen it
        return self._shares(case, channels)

    def split_from(self, node: int, channels: Sequence[int]) -> tuple[str, Scope] | None:
        """The open incident that was said of a scope as well before it narrowed, and of which one then."""
        members = set(self.lattice.members[node])
        for case in self.open():
            if not self._shares(case, channels):
                continue
            for scope in case.left:
                before = self.lattice.node.get(scope)
                if before is not None and members < set(self.lattice.members[before]):
                    return case.incident_id, scope
        return None

    def joins(self, case: Case, given: Given, node: int) -> bool:
        """Has the cause of an incident come to light in its very scope, or has a service begun to suffer with it?"""
        if not self._dependencies:
            return False
        known = {name.partition("/")[0] for name in case.effects}
        seen = {
            one.channel.operation
            for one, nats in zip(self._judge.judged, given.score[node].tolist(), strict=False)
            if nats >= LEAST_TELLING and one.channel.operation != EVERY
        }
        return bool(seen - known) and self._dependencies.are_related(seen | known)

    def led_by(self, case: Case) -> list[int]:
        """The channels of a case; of a cascade those of its cause, which its scope is asked of."""
        mine = [i for i, one in enumerate(self._judge.judged) if one.name in case.effects]
        roots = self._dependencies.roots(case.finding)
        led = [i for i in mine if self._judge.judged[i].channel.operation in roots]
        return led if led and case.finding.effects else mine

    def _shares(self, case: Case, channels: Sequence[int]) -> bool:
        """Has a case an effect in one of these channels' signals?"""
        return any(case.effect_of(self._judge.judged[k].channel.signal) > 0 for k in channels)
