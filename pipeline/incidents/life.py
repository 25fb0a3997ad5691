"""The life of an incident: forming, firing, recovering, resolved. Every change is a record; nothing else is.

    forming -> firing or resolved (it came to nothing)
    firing -> recovering -> firing or resolved

The same scope and kind again within 24 h of `resolved` is the same incident. While a workaround hides it, what is said
of it is `suppressed`, and its life goes on behind that; when the workaround expires it is said as it is, and pages.
What recovers behind a workaround is not called resolved before that: the workaround may be why.

A record may be repeated in its state: when what is known of the incident has changed, or a person has done something
about it (`people`). Only `change` moves an incident; `say` does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec

from pipeline.changes import TELLING_FIT, ChangeBook
from pipeline.incidents import telling
from pipeline.incidents.hiding import come_out, hidden, out_of_sight
from pipeline.intent import Severity
from pipeline.messages import Action, Change, Confidence, Contrast, Incident, LedgerEntry, RelatedChange, Signal
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
    forming_at: int | None = None
    """When it was first said, first fired, was first acknowledged, began to recover and was called resolved last."""
    first_fired_at: int | None = None
    acknowledged_at: int | None = None
    recovering_at: int | None = None
    resolved_at: int | None = None
    since: int = 0
    """When it came into its state."""
    said_at: int = 0
    """Time of the newest record."""
    relapses: int = 0
    """Times that it fired again, see `hold`."""
    moves: int = 0
    moved_at: int = 0
    """Times that its scope became another, and when that was last."""
    why: str = ""
    """What the newest record says beside the finding."""
    is_back: bool = False
    """It is resolved because the excess is gone, and not because another explains it or a person said so."""
    actions: tuple[Action, ...] = ()
    verdict: str | None = None
    muted_until: int | None = None
    """Resolved because a person said so: until then it is not raised again, unless clearly stronger."""
    sighted: str | None = None
    """Under which name the calibration has counted it among the sightings of quiet times."""
    left: tuple[Scope, ...] = ()
    """Wider scopes that it was said of before it narrowed."""
    split_from: str | None = None
    """The incident that was said of this scope as well before it narrowed."""

    def is_muted(self, at: int) -> bool:
        return self.muted_until is not None and at < self.muted_until

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
        self.changes = ChangeBook()

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

    def by_id(self, incident_id: str) -> Case | None:
        return next((case for case in reversed(self._cases) if case.incident_id == incident_id), None)

    def begin(
        self, finding: Finding, state: str, at: int, split_from: tuple[str, Scope] | None = None, why: str = ""
    ) -> tuple[Case, Incident]:
        """A case for a finding that has none open: a new one, or the one that was resolved less than 24 h ago.

        split_from: the incident that was said of this scope as well, and the scope that it had then. why: a sentence
        beside the finding.
        """
        self._cases = [
            case
            for case in self._cases
            if case.state != "resolved" or at - case.changed_at <= KEEP_MS or case.hidden_by is not None
        ]
        case = self.find(finding.scope, finding.kind)
        if case is None or (case.state == "resolved" and at - case.changed_at > REOPEN_MS and case.hidden_by is None):
            case = Case(_identity(finding, at), finding, state, at, since=at, forming_at=at)
            self._cases.append(case)
        case.merged_into, case.parts, case.left = None, (), ()
        if split_from is not None and split_from[0] != case.incident_id:
            case.split_from, why = split_from[0], telling.split(*split_from)
        return case, self.change(case, state, at, finding, why)

    def review(self, at: int) -> list[Incident]:
        """Say anew what a workaround has begun, or ceased, to hide."""
        out = []
        for case in self._cases:
            # What was resolved in sight is over, whatever workaround there may be for it now.
            open_or_hidden = case.state in HIDEABLE or (case.is_back and case.hidden_by is not None)
            if open_or_hidden and case.hidden_by != _id(self._hiding(case, at)):
                out.append(self.say(case, at))
        return out

    def learn(self, change: Change, now: int | None) -> list[Incident]:
        """Take a change that somebody told; what it adds to the incidents that are said of is said."""
        if not self.changes.add(change, now) or now is None:
            return []
        firing = [case for case in self._cases if case.state in HIDEABLE]
        told = [case for case in firing if any(one.change == change for one in self._related(case.finding))]
        return [self.say(case, now) for case in told]

    def _related(self, found: Finding) -> list[RelatedChange]:
        return self.changes.related(found.scope, found.services, found.onset_at, found.onset_from, found.onset_until)

    def _hiding(self, case: Case, at: int) -> Workaround | None:
        found = case.finding
        if not self._workarounds or not (case.state in HIDEABLE or case.is_back):
            return None
        return self._workarounds.hiding(found.kind, found.scope, found.signals, at)

    def change(self, case: Case, state: str, at: int, finding: Finding | None = None, why: str = "") -> Incident:
        """Move a case to a state (it may be in it already) and write the record; `why`: a sentence beside it."""
        before = case.state
        if finding is not None and finding.scope != case.scope:
            case.moves, case.moved_at = case.moves + 1, at
        case.finding = finding or case.finding
        if state != before:
            case.since = at
            if before in ("recovering", "resolved") and case.first_fired_at is not None and state != "resolved":
                case.relapses += 1
        case.is_back = state == "resolved" and before in HIDEABLE and not case.merged_into and not case.is_muted(at)
        if state == "firing":
            if case.fired_at is None or before in ("forming", "resolved"):
                case.fired_at = at
            if case.first_fired_at is None:
                case.first_fired_at = at
            case.recovered_at = case.recovering_at = None
        elif state in ("recovering", "resolved") and case.recovered_at is None:
            case.recovered_at = at
        if state == "recovering" != before:
            case.recovering_at = at
        if state != "resolved":
            case.resolved_at = case.muted_until = None
        case.state, case.changed_at, case.why = state, at, why
        return self.say(case, at)

    def say(self, case: Case, at: int) -> Incident:
        """The record of a case as it is; it is not moved."""
        at = case.said_at = max(at, case.said_at)
        found = case.finding
        hiding = self._hiding(case, at)
        was_hidden_by, case.hidden_by = case.hidden_by, _id(hiding)
        if case.state == "resolved" and hiding is None:
            if case.is_back and was_hidden_by is not None:
                case.why = f"{case.why} {telling.no_longer_behind(was_hidden_by)}"
            if case.resolved_at is None:
                case.resolved_at = at
        changes = self._related(found)
        summary = [found.summary]
        if case.state in ("forming", "firing") and changes and changes[0].fit >= TELLING_FIT:
            summary.append(telling.preceded(changes[0]))
        if case.why:
            summary.append(case.why)
        made = Incident(
            incident_id=case.incident_id,
            state=case.state,
            severity=str(found.severity),
            at=at,
            onset_at=found.onset_at,
            scope=dict(found.scope),
            services=list(found.services),
            signals=list(found.signals),
            kind=found.kind,
            evidence=found.evidence,
            summary=" ".join(summary),
            onset_from=found.onset_from,
            onset_until=found.onset_until,
            affected=found.affected,
            unaffected=found.unaffected,
            contrast=list(found.contrast),
            ledger=list(found.ledger),
            confidence=found.confidence,
            merged_into=case.merged_into,
            forming_at=case.forming_at,
            fired_at=case.first_fired_at,
            acknowledged_at=case.acknowledged_at,
            recovering_at=case.recovering_at,
            resolved_at=case.resolved_at,
            actions=list(case.actions),
            verdict=case.verdict,
            changes=changes,
            split_from=case.split_from,
        )
        if hiding is not None:
            return out_of_sight(made, hiding) if case.state == "resolved" else hidden(made, hiding)
        if case.state not in HIDEABLE:
            return made
        expired = self._workarounds.expired(found.kind, found.scope, found.signals, at)
        return made if expired is None else come_out(made, expired)


def _id(workaround: Workaround | None) -> str | None:
    return None if workaround is None else workaround.id


def differs(old: Finding, new: Finding) -> bool:
    """Is the change worth a record while firing? Scope, severity or the leading signal changed."""

    def leading(finding: Finding) -> tuple[str, str] | None:
        return (finding.signals[0].operation, finding.signals[0].signal) if finding.signals else None

    return (old.scope, old.severity, leading(old)) != (new.scope, new.severity, leading(new))


def _identity(finding: Finding, at: int) -> str:
    """The same for the same input: a function of what and when."""
    text = "\x1f".join([finding.kind, str(at), *(part for pair in finding.scope for part in pair)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
