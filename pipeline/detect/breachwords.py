"""What a breach says to people."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log
from typing import Final, NamedTuple

from pipeline.incidents import wording
from pipeline.incidents.life import Finding, Scope
from pipeline.intent import Intent, Severity, Threshold
from pipeline.messages import Danger, Signal

RANK: Final = (Severity.PAGE, Severity.TICKET, Severity.LOG)


class Broken(NamedTuple):
    """A line and what was counted of it in the breach's scope over the last `over_ms`."""

    threshold: Threshold
    attempts: float
    bad: float
    burn: float
    since: int
    over_ms: int
    tail_scale: float
    """Slope of the upper tail of the latency, log scale; 0: not known."""
    broken: bool

    @property
    def share(self) -> float:
        return self.bad / self.attempts if self.attempts > 0 else 0.0

    @property
    def observed(self) -> float | None:
        """In the units of the wire. Of a latency the quantile that the line is about, by the tail that the anchors
        have; counted is only how many are beyond the limit."""
        limit = self.threshold.limit_ms
        if limit is None:
            return _figures(self.share)
        if self.tail_scale <= 0 or self.share <= 0:
            return None
        return _figures(limit * exp(self.tail_scale * log(self.share / self.threshold.allowed)))

    @property
    def expected(self) -> float:
        return _figures(self.threshold.allowed if self.threshold.limit_ms is None else self.threshold.limit_ms)


def finding_of(intent: Intent, scope: Scope, lines: Sequence[Broken], affected: int, others: int) -> Finding:
    """A finding of some lines, the gravest first."""
    by_name = {service.name: service for service in intent.services}

    def severity(one: Broken) -> Severity:
        return by_name[one.threshold.service].priority.severity

    lines = sorted(lines, key=lambda one: (not one.broken, RANK.index(severity(one)), -one.burn))
    total = sum(one.burn for one in lines) or 1.0
    touched = {one.threshold.service for one in lines}
    services = [service for service in intent.services if service.name in touched]
    return Finding(
        scope=scope,
        kind="breach",
        onset_at=min(one.since for one in lines),
        severity=min(map(severity, lines), key=RANK.index),
        services=tuple(service.name for service in services),
        signals=tuple(_signal(one, one.burn / total) for one in lines),
        evidence=_evidence(lines),
        summary=_summary(scope, lines),
        affected=affected,
        unaffected=others,
        dangers=tuple(
            Danger(
                service=one.threshold.service,
                line=line_of(one.threshold),
                place=one.threshold.place or BUILT_IN,
                threshold_id=one.threshold.threshold_id,
                broken=one.broken,
                burn=_figures(one.burn),
            )
            for one in lines
        ),
        containment=tuple(dict.fromkeys(service.containment for service in services if service.containment)),
        runbooks=tuple(dict.fromkeys(service.runbook for service in services if service.runbook)),
    )


BUILT_IN: Final = "built-in intent"


def line_of(threshold: Threshold) -> str:
    """A line as its author would quote it."""
    if threshold.line:
        return threshold.line
    over = f"over {_duration(threshold.window_ms)}"
    if threshold.limit_ms is None:
        return f"{threshold.operation} {threshold.signal} <= {100 * threshold.allowed:.3g} % {over}"
    quantile = 100 * (1 - threshold.allowed)
    return f"{threshold.operation} {threshold.signal} p{quantile:.4g} <= {threshold.limit_ms:.4g} ms {over}"


def _signal(one: Broken, share: float) -> Signal:
    observed, expected = one.observed, one.expected
    return Signal(
        operation=one.threshold.operation,
        signal=one.threshold.signal,
        direction="up",
        observed=observed,
        expected=expected,
        ratio=_figures(observed / expected) if observed is not None and expected > 0 else None,
        share=round(share, 3),
        shape="step",
        quantile=one.threshold.quantile,
    )


def _summary(scope: Scope, lines: Sequence[Broken]) -> str:
    """For whom, which line, by how much, how fast, since when."""
    lead, threshold = lines[0], lines[0].threshold
    more = f"; and {len(lines) - 1} more line{'s' if len(lines) > 2 else ''}" if len(lines) > 1 else ""
    bad = f"{100 * lead.share:.3g} % " + (
        f"take longer than {threshold.limit_ms:.4g} ms" if threshold.limit_ms is not None else "are hit"
    )
    place = f" ({threshold.place})" if threshold.place else ""
    state = "is broken" if lead.broken else "is about to break"
    return (
        f"{wording.name(scope)}: {line_of(threshold)}{place} {state}: {bad} in "
        f"the last {_duration(lead.over_ms)}, {100 * threshold.allowed:.3g} % are allowed ({lead.burn:.1f} times that, "
        f"since {wording.instant(lead.since)}){more}."
    )


def _evidence(lines: Sequence[Broken]) -> float:
    """log10 of the likelihood ratio of the share counted against the one allowed, of the clearest line."""
    nats = [0.0]
    for one in lines:
        usual = one.attempts * one.threshold.allowed
        if one.bad > usual > 0:
            nats.append(one.bad * log(one.bad / usual) + usual - one.bad)
    return round(max(nats) / log(10.0), 2)


def _duration(ms: int) -> str:
    for unit, length in (("d", 86_400_000), ("h", 3_600_000)):
        if ms % length == 0:
            return f"{ms // length}{unit}"
    return f"{round(ms / 60_000)}m"


def _figures(value: float) -> float:
    return float(f"{value:.4g}")
