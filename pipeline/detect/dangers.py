"""What a finding means by the intent: how grave it is, which lines it endangers and when, what to do first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from pipeline.detect.breach import Breaches
from pipeline.detect.breachwords import BUILT_IN, RANK, line_of
from pipeline.detect.channels import EVERY
from pipeline.detect.references import References
from pipeline.detect.touch import telling
from pipeline.incidents import wording
from pipeline.incidents.life import Finding
from pipeline.intent import Intent, Service, Severity, Threshold
from pipeline.messages import Danger, Signal

FAR: Final = 1 << 62


class Consequences:
    """Reads findings by an intent, and by what has been counted against its lines."""

    def __init__(self, intent: Intent, references: References, breaches: Breaches) -> None:
        self._intent = intent
        self._references = references
        self._breaches = breaches

    def complete(self, finding: Finding, now: int) -> Finding:
        """The finding with severity, dangers, containment and runbooks."""
        services = [by_name for by_name in self._intent.services if by_name.name in finding.services]
        services.sort(key=lambda service: finding.services.index(service.name))
        dangers = self._dangers(finding, services, now)
        return replace(
            finding,
            severity=self._severity(_telling(finding), dangers),
            dangers=dangers,
            containment=tuple(dict.fromkeys(one.containment for one in services if one.containment)),
            runbooks=tuple(dict.fromkeys(one.runbook for one in services if one.runbook)),
        )

    def again(self, finding: Finding) -> Finding:
        """The same finding, when lines may have broken, or hold again, since."""
        dangers = []
        for danger in finding.dangers:
            if danger.threshold_id is not None and danger.threshold_id in self._breaches.burns:
                burn, broken = self._breaches.burn_by(danger.threshold_id, finding.scope)
                broken = broken or danger.broken  # what has been said stays said
                kept = {} if not broken else {"at": None, "at_from": None, "at_until": None}
                danger = msgspec.structs.replace(danger, broken=broken, burn=_figures(burn), **kept)
            dangers.append(danger)
        found = tuple(sorted(dangers, key=_soonest))
        severity = _gravest([finding.severity, self._severity((), found)])
        return replace(finding, dangers=found, severity=severity)

    def _operations(self, signals: Iterable[Signal]) -> set[str]:
        """Those that signals touch; one over all operations touches all there are."""
        names = {signal.operation for signal in signals}
        if EVERY in names:
            names |= {channel.operation for channel in self._references.channels}
        return names - {EVERY}

    # -- severity ----------------------------------------------------------------------------------------------------

    def _severity(self, signals: Sequence[Signal], dangers: Sequence[Danger]) -> Severity:
        """The gravest of the signals, where what a service tolerates makes a ticket at most, and of the lines that are
        broken, where nothing is tolerated."""
        by_name = {service.name: service for service in self._intent.services}
        grave = [by_name[one.service].priority.severity for one in dangers if one.broken and one.service in by_name]
        for signal in signals:
            for operation in sorted(self._operations([signal])):
                owners = [service for service in self._intent.services if operation in service.operations]
                grave += [_tolerated(service, operation, signal) for service in owners]
                if not owners:
                    grave.append(self._intent.severity_of([operation]))
        if not grave and signals:
            return self._intent.severity_of([])
        return _gravest(grave)

    # -- dangers -----------------------------------------------------------------------------------------------------

    def _dangers(self, finding: Finding, services: Sequence[Service], now: int) -> tuple[Danger, ...]:
        """Of every service touched its lines there; where it has none, its priority."""
        touched = self._operations(_telling(finding))
        found = []
        for service in services:
            lines = [one for one in service.thresholds if one.operation in touched and _meets(one, finding)]
            found += [self._danger(one, finding, now) for one in lines]
            if not lines:
                line = f"{service.name} is {service.priority}"
                found.append(Danger(service=service.name, line=line, place=service.place or BUILT_IN))
        return tuple(sorted(found, key=_soonest))

    def _danger(self, line: Threshold, finding: Finding, now: int) -> Danger:
        burn, broken = self._breaches.burn_by(line.threshold_id, finding.scope)
        danger = Danger(
            service=line.service,
            line=line_of(line),
            place=line.place or BUILT_IN,
            threshold_id=line.threshold_id,
            broken=broken,
            burn=_figures(burn),
        )
        drifts = finding.signals[0].shape == "drift" and any(
            signal.operation in (line.operation, EVERY) and signal.signal == line.signal for signal in finding.signals
        )
        if broken or not drifts:
            return danger
        at = self._breaches.crossing(line.threshold_id, finding.scope, finding.onset_at, now)
        return (
            danger
            if at is None
            else msgspec.structs.replace(danger, at=at.at, at_from=at.at_from, at_until=at.at_until)
        )


def _telling(finding: Finding) -> list[Signal]:
    """The signals that say what a finding touches, and those of what follows from it."""
    return [*telling(finding.signals), *(signal for effect in finding.effects for signal in effect.signals)]


def grown(old: Finding, new: Finding) -> Finding:
    """A new finding of an incident that fires already: it is no less grave than it was, a line that it broke is broken,
    and what it was said to have brought about is still said."""
    broken = {one.threshold_id for one in old.dangers if one.broken}
    dangers = [
        msgspec.structs.replace(one, broken=True, at=None, at_from=None, at_until=None)
        if one.threshold_id in broken
        else one
        for one in new.dangers
    ]
    told = {one.service for one in new.effects}
    kept = [one for one in old.effects if one.service not in told]
    late = told | {one.service for one in kept}
    said = new.summary if told or not kept else f"{new.summary} {wording.suffering([one.service for one in kept])}"
    return replace(
        new,
        severity=_gravest([old.severity, new.severity]),
        services=tuple(sorted(new.services, key=lambda name: name in late)),
        dangers=tuple(sorted(dangers, key=_soonest)),
        effects=(*new.effects, *kept),
        summary=said,
    )


def _tolerated(service: Service, operation: str, signal: Signal) -> Severity:
    """A ticket at most where the service may be so much worse; an unknown ratio is tolerated by nobody."""
    own = service.priority.severity
    for one in service.degradations:
        fits = one.operation in (operation, EVERY) and one.signal in (signal.signal, EVERY)
        if fits and signal.ratio is not None and signal.ratio <= one.up_to:
            return max(own, Severity.TICKET, key=RANK.index)
    return own


def _meets(line: Threshold, finding: Finding) -> bool:
    """Does a line hold anywhere in the finding's scope?"""
    scope = dict(finding.scope)
    return all(scope.get(name, value) == value for name, value in line.scope.items())


def _soonest(danger: Danger) -> tuple[bool, int, bool, float]:
    """Broken ones first, then the soonest, then lines before priorities, then those that burn faster."""
    at = danger.at if danger.at is not None else FAR
    return not danger.broken, at, danger.threshold_id is None, -(danger.burn or 0.0)


def _gravest(severities: Iterable[Severity]) -> Severity:
    return min(severities, key=RANK.index, default=Severity.LOG)


def _figures(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
