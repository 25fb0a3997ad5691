"""Whether what an incident is about is surely gone, or surely back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.changes import HOUR_MS
from pipeline.detect.explain import Explainer
from pipeline.detect.history import SPANS, Span, Sums
from pipeline.detect.verdict import Verdict
from pipeline.incidents import telling
from pipeline.incidents.life import Case

GONE: Final = 0.4
"""Recovering: the effect is surely below this part of what it was."""
BACK: Final = 0.7
ASKED: Final = frozenset(span.name for span in SPANS if HOUR_MS <= span.ms <= 24 * HOUR_MS)


@dataclass(frozen=True, slots=True)
class Seen:
    """A span that was judged just now."""

    span: Span
    verdict: Verdict
    totals: Sums


@dataclass(frozen=True, slots=True)
class Recovery:
    """Whether the effect is surely gone, or surely back; what is seen now, and in which span."""

    gone: bool = False
    back: bool = False
    told: str = ""


def recovery_of(
    case: Case, at: int, latest: Sequence[Seen], others: Callable[[Span], list[int]], explainer: Explainer
) -> Recovery:
    """Asked of the shortest span that can tell, of those that began after the case had fired.

    others: nodes of the incidents beside it that a span's data belong to.
    """
    if case.fired_at is None:
        return Recovery()
    for seen in latest:
        node = seen.verdict.lattice.node.get(case.scope)
        if node is None or seen.span.name not in ASKED or at - seen.span.ms < case.fired_at:
            continue
        given = seen.verdict.given(others(seen.span))
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
            seen_now = explainer.standing(given, seen.totals, node, tells) if gone else ()
            return Recovery(gone, back, telling.back(seen_now, f"{seen.span.ms // HOUR_MS} h"))
    return Recovery()
