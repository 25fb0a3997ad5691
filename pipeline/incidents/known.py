"""Known incidents, and what a detector made of them: caught or missed, by which incident, and how much earlier.

An incident is of a known one when it fired, was there at the same time (its life, from onset to resolved, and the known
one's overlap), concerns a service in common where both name some, and one scope includes the other. Scopes that merely
cross (one names a firmware, the other an operator) are not counted as found: half of the fleet crosses anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.messages import Incident

TELLING = ("page", "ticket")
"""Severities that reach a person; what is only logged has caught nothing."""


@dataclass(frozen=True, slots=True)
class Known:
    """What people know to have happened; times in ms since the epoch.

    scope: dimensions and values; what is left out means all. until: None: when it ended is not known. detected_at: when
    people noticed. services: empty: not said. severity: what it was worth; None: not said.
    """

    known_id: str
    what: str
    scope: Mapping[str, str]
    since: int
    until: int | None = None
    detected_at: int | None = None
    services: tuple[str, ...] = ()
    severity: str | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """An incident that fired, from its first sign to its end; `severity` is the gravest while it did.

    newest: its newest record. told: its newest record that fired.
    """

    told: Incident
    newest: Incident
    severity: str
    fired_at: int
    ended_at: int | None

    @property
    def incident_id(self) -> str:
        return self.newest.incident_id

    @property
    def onset_at(self) -> int:
        return self.told.onset_at


@dataclass(frozen=True, slots=True)
class Catch:
    """What became of a known incident.

    by: incidents that are of it, the first to tell a person first. fit: how the first one's scope compares, `exact`,
    `wider`, `narrower`. lead_ms: how long before people noticed it fired; negative after; None: not known. covered: the
    records reach into the time it was there.
    """

    known: Known
    by: tuple[Life, ...]
    fit: str | None
    lead_ms: int | None
    covered: bool

    @property
    def caught(self) -> bool:
        return bool(self.by) and self.by[0].severity in TELLING


def lives(incidents: Iterable[Incident], fired: Mapping[str, str]) -> list[Life]:
    """Of those that fired (by id, with their gravest severity), in the order in which they did."""
    records: dict[str, list[Incident]] = {name: [] for name in fired}
    for incident in incidents:
        if incident.incident_id in records:
            records[incident.incident_id].append(incident)
    out = []
    for name, severity in fired.items():
        mine = records[name]
        firing = [record for record in mine if record.state == "firing"]
        newest = mine[-1]
        ended = newest.at if newest.state == "resolved" else None
        out.append(Life(firing[-1], newest, severity, firing[0].at, ended))
    return out


def catches(
    known: Sequence[Known], found: Sequence[Life], first_at: int | None, last_at: int | None
) -> tuple[list[Catch], list[Life]]:
    """What became of each known incident, and the pages that are of none: false ones, as far as is known.

    first_at, last_at: first and last instant of the records.
    """
    out = []
    explained: set[str] = set()
    for one in known:
        fits = [(fit, life) for life in found if (fit := _fit(one, life)) is not None]
        fits.sort(key=lambda item: (item[1].severity not in TELLING, item[1].fired_at))
        explained |= {life.incident_id for _, life in fits}
        lead = None if not fits or one.detected_at is None else one.detected_at - fits[0][1].fired_at
        covered = (
            first_at is not None
            and last_at is not None
            and one.since <= last_at
            and (one.until is None or one.until >= first_at)
        )
        out.append(Catch(one, tuple(life for _, life in fits), fits[0][0] if fits else None, lead, covered))
    return out, [life for life in found if life.severity == "page" and life.incident_id not in explained]


def overlap(one: tuple[int, int | None], other: tuple[int, int | None]) -> bool:
    """Do two stretches share an instant? An end of None is open."""
    return (one[1] is None or other[0] <= one[1]) and (other[1] is None or one[0] <= other[1])


def compared(scope: Mapping[str, str], with_it: Mapping[str, str]) -> str | None:
    """`exact`, `wider`, `narrower` than the other; None where neither includes the other."""
    mine, other = set(scope.items()), set(with_it.items())
    if mine == other:
        return "exact"
    return "wider" if mine < other else "narrower" if mine > other else None


def _fit(known: Known, life: Life) -> str | None:
    if not overlap((life.onset_at, life.ended_at), (known.since, known.until)):
        return None
    if known.services and life.newest.services and not set(known.services) & set(life.newest.services):
        return None
    return compared(life.newest.scope, known.scope)
