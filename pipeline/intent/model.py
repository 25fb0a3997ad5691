"""The intent as the rest of the program sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pipeline.operators.profile import RejectLimits
from pipeline.workarounds import Workaround


class Severity(StrEnum):
    PAGE = "page"
    TICKET = "ticket"
    LOG = "log"


class Priority(StrEnum):
    """What a service is worth under stress."""

    NON_NEGOTIABLE = "non_negotiable"
    DEGRADABLE = "degradable"
    BEST_EFFORT = "best_effort"

    @property
    def severity(self) -> Severity:
        return _SEVERITY[self]


_SEVERITY: Final = {
    Priority.NON_NEGOTIABLE: Severity.PAGE,
    Priority.DEGRADABLE: Severity.TICKET,
    Priority.BEST_EFFORT: Severity.LOG,
}
_RANK: Final = (Severity.PAGE, Severity.TICKET, Severity.LOG)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A line that a service must not cross: `allowed` is the share of attempts that may be bad.

    Of a latency, an attempt is bad that takes longer than `limit_ms`, and a quantile q allows 1 - q of them; of a rate
    (`failure`, `denial`, `timeout`, `retry`), one that hits. It is asked for separately of each value of `per`.

    Attributes:
        threshold_id: unique in the intent, such as `playback/playback_start/latency/p95`; the same after a reload.
        limit_ms: None for a rate.
        window_ms: over which the line is drawn.
        scope: where it holds; what is left out means everywhere.
        line, place: how people wrote it, and where (`intent.yaml:12`).
    """

    threshold_id: str
    service: str
    operation: str
    signal: str
    allowed: float
    window_ms: int
    limit_ms: float | None = None
    quantile: float | None = None
    per: tuple[str, ...] = ("operator",)
    scope: Mapping[str, str] = field(default_factory=dict)
    line: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Degradation:
    """Where a service may be worse under stress: deviations up to `up_to` (a ratio) page nobody, they make tickets.

    operation, signal: `*` is any.
    """

    operation: str
    signal: str
    up_to: float


@dataclass(frozen=True, slots=True)
class Service:
    """What people use, and what it is worth.

    Attributes:
        depends_on: services whose trouble becomes this one's.
        route: name of a receiver of the intent; None: by severity.
        containment: the first thing to do.
        sensitivity: its operations' part in the one budget of false pages, as a multiple of what its priority gives; by
            signal, `*` for the rest.
        place: `intent.yaml:12`.
    """

    name: str
    operations: tuple[str, ...]
    priority: Priority
    thresholds: tuple[Threshold, ...] = ()
    degradations: tuple[Degradation, ...] = ()
    depends_on: tuple[str, ...] = ()
    owner: str | None = None
    route: str | None = None
    runbook: str | None = None
    containment: str | None = None
    sensitivity: Mapping[str, float] = field(default_factory=dict)
    place: str = ""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When tickets wait: minutes of the day, and days (0 is Monday), in a time zone of the IANA database."""

    begin_min: int
    end_min: int
    days: tuple[int, ...]
    zone: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """Whom a route leads to; `kind` is `pagerduty`, `slack`, `webhook`, `email` or `none`. Secrets stand in files."""

    name: str
    kind: str
    settings: Mapping[str, str] = field(default_factory=dict)
    place: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """services: in the order of the file. false_pages_per_week: for the whole deployment together. workarounds: what
    is known to be wrong, and pages nobody for the time being. reject_limits: by operator, of those that have their own.
    routes: name of a receiver by severity. owners: name of a receiver by owner of services and workarounds.
    dead_man, alive: receivers that complain when they hear nothing any more, of Prometheus and of the workers.
    """

    services: tuple[Service, ...]
    false_pages_per_week: float = 0.5
    workarounds: tuple[Workaround, ...] = ()
    reject_limits: Mapping[str, RejectLimits] = field(default_factory=dict)
    receivers: tuple[Receiver, ...] = ()
    routes: Mapping[str, str] = field(default_factory=dict)
    quiet_hours: QuietHours | None = None
    dead_man: str | None = None
    owners: Mapping[str, str] = field(default_factory=dict)
    alive: str | None = None
    _by_operation: dict[str, tuple[Service, ...]] = field(init=False, repr=False, compare=False)

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """Of all services, in the order of the file."""
        return tuple(threshold for service in self.services for threshold in service.thresholds)

    def __post_init__(self) -> None:
        index: dict[str, tuple[Service, ...]] = {}
        for service in self.services:
            for operation in service.operations:
                index[operation] = (*index.get(operation, ()), service)
        object.__setattr__(self, "_by_operation", index)

    def receiver_of(self, service: Service, severity: Severity) -> str | None:
        """Whom to tell of a service: its own receiver, or its owner's, or the severity's; None: nobody."""
        if service.route is not None:
            return service.route
        owned = self.owners.get(service.owner) if service.owner is not None else None
        return owned or self.routes.get(severity)

    def receivers_of(self, services: Iterable[str], severity: Severity) -> list[str]:
        """Names of those who are told of an incident that touches these services, each once; of one that touches none,
        whoever the severity is routed to. `log` is told nobody."""
        if severity is Severity.LOG:
            return []
        named = set(services)
        known = [service for service in self.services if service.name in named]
        told = [self.receiver_of(service, severity) for service in known] or [self.routes.get(severity)]
        return list(dict.fromkeys(name for name in told if name is not None))

    def services_of(self, operations: Iterable[str]) -> list[str]:
        """Names of the services that any of the operations belongs to, in the order of the file."""
        touched = {service.name for operation in operations for service in self._by_operation.get(operation, ())}
        return [service.name for service in self.services if service.name in touched]

    def severity_of(self, operations: Iterable[str]) -> Severity:
        """The gravest severity among the operations; one that no service names is a ticket."""
        return min(map(self._severity, operations), key=_RANK.index, default=Severity.TICKET)

    def _severity(self, operation: str) -> Severity:
        services = self._by_operation.get(operation)
        if services is None:
            return Severity.TICKET
        return min((service.priority.severity for service in services), key=_RANK.index)
