"""The life of an incident: forming, firing, recovering, resolved. Every change is a record; nothing else is.

    forming -> firing or resolved (it came to nothing)
    firing -> recovering -> firing or resolved

The same scope and kind again within 24 h of `resolved` is the same incident. While a workaround hides it, what is said
of it is `suppressed`, and its life goes on behind that; when the workaround expires it is said as it is, and pages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec

from pipeline.incidents.hiding import come_out, hidden
from pipeline.intent import Severity
from pipeline.messages import Confidence, Contrast, Danger, Effect, Incident, LedgerEntry, Signal
from pipeline.workarounds import Registry, Workaround

Scope: TypeAlias = tuple[tuple[str, str], ...]

REOPEN_MS: Final = 24 * 3_600_000
KEEP_MS: Final = 8 * 24 * 3_600_000
"""Longer spans look back on what is over; so long a case is remembered."""
HIDEABLE: Final = ("firing", "recovering")
"""States that page or did; a workaround hides them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the detector says of a scope at one instant."""

    scope: Scope
    kind: str
    onset_at: int
    severity: Severity
    services: tuple[str, ...]
    signals: tuple[Signal, ...]
    evidence: float
    summary: str
    onset_from: int | None = None
    onset_until: int | None = None
    affected: int | None = None
    unaffected: int | None = None
    contrast: tuple[Contrast, ...] = ()
    ledger: tuple[LedgerEntry, ...] = ()
    confidence: Confidence | None = None
    dangers: tuple[Danger, ...] = ()
    effects: tuple[Effect, ...] = ()
    containment: tuple[str, ...] = ()
    runbooks: tuple[str, ...] = ()


@dataclass(slots=True)
class Case:
    """One incident as it is followed; `record` is what was said of it last."""

    incident_id: str
    finding: Finding
    state: str
    changed_at: int
    fired_at: int | None = None
    """When it began to fire, the last time if it was reopened; recovery is asked of what came after."""
    recovered_at: int | None = None
    """When the excess was last found gone; evidence from before belongs to this case still."""
    effects: dict[str, float] = field(default_factory=dict)
    """Size of the effect by channel when it was at its strongest, log scale: what recovery is measured against."""
    strength: float = 0.0
    """Nats of the strongest reading so far; a weaker one does not change what is said."""
    merged_into: str | None = None
    """The incident that explains this one as well."""
    parts: tuple[Scope, ...] = ()
    """Scopes that it was said of before it grew: where it began earlier."""
    hidden_by: str | None = None
    """The workaround that hid it when something was said of it last."""

    @property
    def scope(self) -> Scope:
        return self.finding.scope

    def effect_of(self, signal: str) -> float:
        """Largest effect in a signal, over operations; 0 where it is none of this case's."""
        return max((size for name, size in self.effects.items() if name.partition("/")[2] == signal), default=0.0)


class Incidents:
    """All cases that are open, that may be reopened, or that longer spans still look back on."""

    def __init__(self, workarounds: Iterable[Workaround] = ()) -> None:
        self._cases: list[Case] = []
        self._workarounds = Registry(workarounds)

    def __iter__(self) -> Iterator[Case]:
        return iter(self._cases)

    def snapshot(self) -> list[Any]:
        return [msgspec.to_builtins(case) for case in self._cases]

    def restore(self, state: list[Any]) -> None:
        self._cases = msgspec.convert(state, list[Case])

    def open(self) -> list[Case]:
        return [case for case in self._cases if case.state != "resolved"]

    def find(self, scope: Scope, kind: str) -> Case | None:
        """The newest case of a scope and kind, open or not."""
        for case in reversed(self._cases):
            if case.finding.scope == scope and case.finding.kind == kind:
                return case
        return None

    def begin(self, finding: Finding, state: str, at: int) -> tuple[Case, Incident]:
        """A case for a finding that has none open: a new one, or the one that was resolved less than 24 h ago."""
        self._cases = [case for case in self._cases if case.state != "resolved" or at - case.changed_at <= KEEP_MS]
        case = self.find(finding.scope, finding.kind)
        if case is None or (case.state == "resolved" and at - case.changed_at > REOPEN_MS):
            case = Case(_identity(finding, at), finding, state, at)
            self._cases.append(case)
        case.merged_into, case.parts = None, ()
        return case, self.change(case, state, at, finding)

    def review(self, at: int) -> list[Incident]:
        """Say anew what a workaround has begun, or ceased, to hide."""
        out = []
        for case in self._cases:
            if case.state in HIDEABLE and case.hidden_by != _id(self._hiding(case.finding, at)):
                since = case.changed_at
                out.append(self.change(case, case.state, at))
                # What is said of it has changed; what it is has not.
                case.changed_at = since
        return out

    def _hiding(self, found: Finding, at: int) -> Workaround | None:
        return self._workarounds.hiding(found.kind, found.scope, found.signals, at) if self._workarounds else None

    def change(self, case: Case, state: str, at: int, finding: Finding | None = None) -> Incident:
        """Move a case to a state (it may be in it already) and write the record."""
        case.finding = finding or case.finding
        if state == "firing" and (case.fired_at is None or case.state in ("forming", "resolved")):
            case.fired_at = at
        case.state, case.changed_at = state, at
        if state == "firing":
            case.recovered_at = None
        elif state in ("recovering", "resolved") and case.recovered_at is None:
            case.recovered_at = at
        found = case.finding
        hiding = self._hiding(found, at) if state in HIDEABLE else None
        case.hidden_by = _id(hiding)
        made = Incident(
            incident_id=case.incident_id,
            state=state,
            severity=str(found.severity),
            at=at,
            onset_at=found.onset_at,
            scope=dict(found.scope),
            services=list(found.services),
            signals=list(found.signals),
            kind=found.kind,
            evidence=found.evidence,
            summary=found.summary,
            onset_from=found.onset_from,
            onset_until=found.onset_until,
            affected=found.affected,
            unaffected=found.unaffected,
            contrast=list(found.contrast),
            ledger=list(found.ledger),
            confidence=found.confidence,
            merged_into=case.merged_into,
            dangers=list(found.dangers),
            effects=list(found.effects),
            containment=list(found.containment),
            runbooks=list(found.runbooks),
        )
        if hiding is not None:
            return hidden(made, hiding)
        expired = self._workarounds.expired(found.kind, found.scope, found.signals, at) if state in HIDEABLE else None
        return made if expired is None else come_out(made, expired)


def _id(workaround: Workaround | None) -> str | None:
    return None if workaround is None else workaround.id


def differs(old: Finding, new: Finding) -> bool:
    """Is the change worth a record while firing? Scope, severity, the leading signal, what follows from it, or which
    lines are broken or will be."""

    def leading(finding: Finding) -> tuple[str, str] | None:
        return (finding.signals[0].operation, finding.signals[0].signal) if finding.signals else None

    def told(finding: Finding) -> tuple[object, ...]:
        effects = {effect.service for effect in finding.effects}
        lines = {(one.threshold_id, one.broken, one.at is not None) for one in finding.dangers}
        return finding.scope, finding.severity, leading(finding), effects, lines

    return told(old) != told(new)


def _identity(finding: Finding, at: int) -> str:
    """The same for the same input: a function of what and when."""
    text = "\x1f".join([finding.kind, str(at), *(part for pair in finding.scope for part in pair)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
