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
class Service:
    name: str
    operations: tuple[str, ...]
    priority: Priority


@dataclass(frozen=True, slots=True)
class Intent:
    """services: in the order of the file. false_pages_per_week: for the whole deployment together. workarounds: what
    is known to be wrong, and pages nobody for the time being. reject_limits: by operator, of those that have their own.
    """

    services: tuple[Service, ...]
    false_pages_per_week: float = 0.5
    workarounds: tuple[Workaround, ...] = ()
    reject_limits: Mapping[str, RejectLimits] = field(default_factory=dict)
    _by_operation: dict[str, tuple[Service, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index: dict[str, tuple[Service, ...]] = {}
        for service in self.services:
            for operation in service.operations:
                index[operation] = (*index.get(operation, ()), service)
        object.__setattr__(self, "_by_operation", index)

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
