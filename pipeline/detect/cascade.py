"""What follows from what: a service's trouble becomes that of the services that depend on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from pipeline.detect.channels import EVERY
from pipeline.incidents import wording
from pipeline.incidents.life import Finding
from pipeline.intent import Intent
from pipeline.messages import Effect

CAUSE_NATS: Final = 4.0
"""Evidence of its own that a cause must have: an effect that stands alone has none."""
LATER_MS: Final = 1_800_000
"""A cause may be seen to begin so much after its effect: two steps of a quarter of an hour."""


class Dependencies:
    """Which operations' trouble becomes which services', by `depends_on`, over any number of steps."""

    def __init__(self, intent: Intent) -> None:
        self._order = [service.name for service in intent.services]
        self._of: dict[str, frozenset[str]] = {}
        """Services of an operation."""
        for service in intent.services:
            for operation in service.operations:
                self._of[operation] = self._of.get(operation, frozenset()) | {service.name}
        direct = {service.name: set(service.depends_on) for service in intent.services}
        self._causes: dict[str, frozenset[str]] = {name: _closure(name, direct) for name in direct}

    def __bool__(self) -> bool:
        return any(self._causes.values())

    def services_of(self, operation: str) -> frozenset[str]:
        return self._of.get(operation, frozenset())

    def suffers(self, operation: str, causes: Iterable[str]) -> list[str]:
        """Services of an operation whose trouble may be that of any of the `causes`' operations, in the order of the
        intent. An operation that is the cause's as well is the cause itself."""
        named = set().union(*(self.services_of(cause) for cause in causes))
        own = self.services_of(operation)
        if own & named:
            return []
        return [name for name in self._order if name in own and self._causes[name] & named]

    def causes_of(self, operation: str, among: Iterable[str]) -> list[str]:
        """Those operations of `among` that an operation's trouble may come from."""
        return [other for other in among if self.suffers(operation, [other])]

    def are_related(self, operations: Iterable[str]) -> bool:
        """Is any of them a cause of another?"""
        all_of_them = list(operations)
        return any(self.causes_of(operation, all_of_them) for operation in all_of_them)

    def first(self, services: Iterable[str], effects: Sequence[Effect]) -> tuple[str, ...]:
        """Services touched: those that are only effects last, else in the order given."""
        late = {effect.service for effect in effects}
        names = list(services)
        return (*(name for name in names if name not in late), *(name for name in names if name in late))

    def roots(self, finding: Finding) -> list[str]:
        """Operations that a finding is of, without those that only suffer with it."""
        late = {one.service for one in finding.effects}
        names = dict.fromkeys(signal.operation for signal in finding.signals)
        return [name for name in names if name == EVERY or not late or not self.services_of(name) <= late]

    def follows(self, effect: Finding, cause: Finding) -> list[str]:
        """Services of `effect` that may suffer from `cause`: led by one of their operations, with no sign of the cause
        in it, and not begun before."""
        roots = self.roots(cause)
        touched = {one.operation for one in effect.signals}
        if EVERY in touched or any(self.suffers(lead, [other]) for lead in roots for other in touched):
            return []
        until = effect.onset_until if effect.onset_until is not None else effect.onset_at
        since = cause.onset_from if cause.onset_from is not None else cause.onset_at
        if not roots or since > until + LATER_MS or touched & set(roots):
            return []
        return self.suffers(effect.signals[0].operation, roots)


def joined(cause: Finding, effect: Finding, services: Sequence[str], part: float) -> Finding:
    """The finding of a cause with another one that follows from it, as what `services` suffer.

    part: the effect's, of the evidence of both.
    """
    scaled = [
        msgspec.structs.replace(signal, share=round(signal.share * weight, 3))
        for finding, weight in ((cause, 1.0 - part), (effect, part))
        for signal in finding.signals
    ]
    told = {one.service for one in cause.effects}
    effects = (
        *cause.effects,
        *(Effect(name, effect.onset_at, list(effect.signals)) for name in services if name not in told),
    )
    dangers = {(one.threshold_id, one.line): one for one in (*effect.dangers, *cause.dangers)}
    text = wording.summary(
        cause.scope, scaled, cause.onset_at, cause.affected or 0, cause.unaffected or 0, cause.contrast
    )
    return replace(
        cause,
        signals=tuple(scaled),
        services=tuple(dict.fromkeys((*cause.services, *effect.services))),
        effects=effects,
        dangers=tuple(sorted(dangers.values(), key=lambda one: (not one.broken, one.at is None, one.at or 0))),
        containment=tuple(dict.fromkeys((*cause.containment, *effect.containment))),
        runbooks=tuple(dict.fromkeys((*cause.runbooks, *effect.runbooks))),
        summary=f"{text} {wording.suffering([one.service for one in effects])}",
    )


def _closure(name: str, direct: dict[str, set[str]]) -> frozenset[str]:
    """All that a service depends on; itself is none of it, even in a circle."""
    found: set[str] = set()
    ahead = list(direct[name])
    while ahead:
        one = ahead.pop()
        if one not in found and one in direct:
            found.add(one)
            ahead += direct[one]
    return frozenset(found - {name})
