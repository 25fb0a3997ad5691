"""What a run of the pattern stage came to: false alarms of a quiet fleet, and how soon a fault was named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from pipeline.messages import MINUTE_MS, Incident
from pipeline.observation import DIMENSIONS, Cohort
from pipeline.simulate.faults import Fault
from pipeline.simulate.world import World

Cohorts: TypeAlias = frozenset[Cohort]

SEVERITIES: Final = ("page", "ticket", "log")


class Alarm(msgspec.Struct, frozen=True):
    """One episode of an incident that fired: from its first record to `resolved`."""

    at: int
    """Minute of the simulation at which it first fired."""
    kind: str
    severity: str
    """The gravest it had while firing."""
    scope: dict[str, str]
    """What it named last."""
    signals: list[str]
    evidence: float


class Outcome(msgspec.Struct, frozen=True):
    """One scenario in one seed; minutes."""

    scenario: str
    seed: int
    history_days: int
    faults: list[str]
    start: int
    watched: int
    """So long after the start it was looked at."""
    alarm: int | None
    """From the start to the first page or ticket about the scope, a part of it or something around it."""
    exact: int | None
    """From the start until every fault was named with exactly its scope."""
    firing_at_end: bool
    others: list[Alarm]
    """Patterns that fired after the start and ended with another scope."""
    before: list[Alarm]
    """Patterns that fired before anything was wrong."""
    floor: float | None
    """See `floors`."""
    floors: list[float | None]
    """The same for each of `faults` by itself: how soon any single one of them could be known."""


class Quiet(msgspec.Struct, frozen=True):
    """One seed of a quiet fleet."""

    seed: int
    tails: str
    cold_days: float
    """From the beginning of the stream until the end of the history."""
    warm_days: float
    cold: list[Alarm]
    warm: list[Alarm]
    outages: int
    """Held-back telemetry, of which `feed` incidents tell rightly."""


@dataclass(slots=True)
class _Episode:
    first: int
    record: Incident
    severity: str


@dataclass(slots=True)
class Follower:
    """Reads incident records as they come, and keeps the episodes that fired."""

    start_ms: int
    _open: dict[str, _Episode] = field(default_factory=dict)
    _closed: list[_Episode] = field(default_factory=list)

    def take(self, record: Incident) -> None:
        key = record.incident_id
        episode = self._open.get(key)
        if record.state == "firing":
            if episode is None:
                self._open[key] = _Episode(self.minute(record.at), record, record.severity)
                return
            episode.record = record
            episode.severity = min(episode.severity, record.severity, key=SEVERITIES.index)
        elif record.state == "resolved" and episode is not None:
            self._closed.append(self._open.pop(key))

    def minute(self, at_ms: int) -> int:
        return (at_ms - self.start_ms) // MINUTE_MS

    def alarms(self) -> list[Alarm]:
        """By time."""
        episodes = sorted([*self._closed, *self._open.values()], key=lambda one: one.first)
        return [_alarm(one) for one in episodes]


def _alarm(episode: _Episode) -> Alarm:
    record = episode.record
    return Alarm(
        at=episode.first,
        kind=record.kind,
        severity=episode.severity,
        scope=record.scope,
        signals=[f"{signal.operation} {signal.signal} × {signal.ratio}" for signal in record.signals],
        evidence=record.evidence,
    )


class Truths:
    """The scopes that a detector should name, compared as sets of cohorts: what has one cohort has many names."""

    def __init__(self, world: World, faults: tuple[Fault, ...]) -> None:
        self.world = world
        scopes = {tuple(fault.scope.items()) for fault in faults}
        self.scopes = [dict(scope) for scope in sorted(scopes)]

    def there(self, minute: int) -> list[Cohort]:
        """The cohorts that have come by then."""
        late = {rollout.new for rollout, _ in self.world.rollouts if rollout.start > minute}
        return [cohort for cohort in self.world.cohorts if cohort.firmware not in late]

    def is_exact(self, scope: Mapping[str, str], truth: Mapping[str, str], minute: int) -> bool:
        cohorts = self.there(minute)
        return _members(scope, cohorts) == _members(truth, cohorts)

    def is_about(self, scope: Mapping[str, str], minute: int) -> bool:
        """Around one of the truths, or a part of it."""
        cohorts = self.there(minute)
        named = _members(scope, cohorts)
        return any(named <= real or real <= named for real in (_members(truth, cohorts) for truth in self.scopes))


def _members(scope: Mapping[str, str], cohorts: list[Cohort]) -> Cohorts:
    return frozenset(
        cohort
        for cohort in cohorts
        if all(getattr(cohort, name) == scope[name] for name in DIMENSIONS if name in scope)
    )
