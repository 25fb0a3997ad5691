"""What a drill injects and what it expects: as many faults as the intent's services and thresholds call for.

Of each operation of each service: latency and failure, and denial where the stream has denials. Each at the strength
just beyond what the intent tolerates there (`calibrate`), or where it says nothing, at what is promised for the
service's priority:

=================  ================  =======================  ========
priority           latency           failure, denial          within
=================  ================  =======================  ========
non_negotiable     × 1.25            × 3                      4 h latency, 12 h the rest
degradable         × 1.5             × 4                      12 h
best_effort        × 2               × 6                      24 h
=================  ================  =======================  ========

Where a service may degrade, what stays within that is injected as well, and must page nobody. And the order of the
records, which belongs to no service, on one firmware.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pipeline.drill.routing import receivers_of
from pipeline.intent import Degradation, Intent, Priority, Service, Severity, Threshold
from pipeline.simulate.durations import HOUR_MS

RATES: Final = ("failure", "denial", "timeout", "retry")
"""Signals of an operation that are shares of its attempts."""
STREAM_SIGNALS: Final = ("out_of_order", "duplicate", "gap", "volume", "delay", "silence")
"""What happens to a stream of records, not to an operation."""
FEED_SIGNALS: Final = ("volume", "delay", "silence")
"""Of those, what is said as an incident of kind `feed`."""


class Promise(NamedTuple):
    """What is found without a threshold: factors, and within how long."""

    latency: float
    rate: float
    latency_ms: int
    rate_ms: int

    def factor(self, signal: str) -> float:
        return self.latency if signal == "latency" else self.rate

    def within_ms(self, signal: str) -> int:
        return self.latency_ms if signal == "latency" else self.rate_ms


PROMISES: Final = {
    Priority.NON_NEGOTIABLE: Promise(1.25, 3.0, 4 * HOUR_MS, 12 * HOUR_MS),
    Priority.DEGRADABLE: Promise(1.5, 4.0, 12 * HOUR_MS, 12 * HOUR_MS),
    Priority.BEST_EFFORT: Promise(2.0, 6.0, 24 * HOUR_MS, 24 * HOUR_MS),
}
ORDER: Final = Promise(1.0, 4.0, 12 * HOUR_MS, 12 * HOUR_MS)
"""Of the order of records."""
SHAPES: Final = {
    "latency": (("firmware",), ("operator", "device_class"), ("device_class",)),
    "out_of_order": (("firmware",),),
}
"""Dimensions that a scope names, by turns; of other signals firmwares and classes."""
_SHAPES: Final = (("firmware",), ("device_class",))


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault and what is expected of it.

    Attributes:
        name: for people; unique in a plan.
        service: None: it belongs to none.
        operation: None: all of them.
        scope: whom it hits; None: somebody of the stream with the dimensions of `shape`.
        turn: picks among those, so that not every fault hits the same.
        strength: as the simulator takes it: a factor, ms of a delay; None: to be calibrated.
        at_ms: after the end of the history.
        tolerated: within what the intent says may be worse; it must be told, and page nobody.
        expected_scope: where it is not the fault's.
        place: where it is written, `intent.yaml:12` or `drills/evening.yaml:7`.
    """

    name: str
    service: str | None
    operation: str | None
    signal: str
    within_ms: int
    severity: Severity
    receivers: tuple[str, ...]
    scope: Mapping[str, str] | None = None
    shape: tuple[str, ...] = ()
    turn: int = 0
    strength: float | None = None
    least: float = 1.0
    """Strength that is promised."""
    at_ms: int = 0
    tolerated: bool = False
    threshold: Threshold | None = None
    degradation: Degradation | None = None
    expected_scope: Mapping[str, str] | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """title: for people and proofs."""

    title: str
    faults: tuple[Planned, ...]
    services: Mapping[str, Priority] = field(default_factory=dict)

    def only(self, services: frozenset[str]) -> Plan:
        """What concerns some services."""
        kept = tuple(fault for fault in self.faults if fault.service in services)
        return Plan(self.title, kept, {name: it for name, it in self.services.items() if name in services})


def default_plan(intent: Intent) -> Plan:
    """As many faults as the services and thresholds of the intent call for."""
    faults: list[Planned] = []
    for service in intent.services:
        for operation in service.operations:
            for signal in ("latency", "failure", "denial"):
                faults += _of_signal(intent, service, operation, signal, _turn(faults, signal))
            # Other signals are injected where somebody has drawn a line for them.
            for signal in ("timeout", "retry"):
                if any(_is_of(line, operation, signal) for line in service.thresholds):
                    faults += _of_signal(intent, service, operation, signal, _turn(faults, signal))
    faults.append(_order(intent))
    return Plan("default", tuple(faults), {service.name: service.priority for service in intent.services})


def _turn(faults: Sequence[Planned], signal: str) -> int:
    """Whose turn it is to be hit: the faults of one signal take turns."""
    return sum(fault.signal == signal for fault in faults)


def severity_of(intent: Intent, signal: str, operation: str | None) -> Severity:
    """What is expected. What happens to the stream of records touches all operations; a feed is a ticket."""
    if signal in FEED_SIGNALS:
        return Severity.TICKET
    everything = [name for service in intent.services for name in service.operations]
    return intent.severity_of(everything if operation is None else [operation])


def services_of(intent: Intent, signal: str, service: str | None) -> list[str]:
    """Which an incident about it names, as far as can be said beforehand."""
    if signal in FEED_SIGNALS:
        return []
    return [one.name for one in intent.services] if service is None else [service]


def degradation_of(service: Service, operation: str, signal: str) -> Degradation | None:
    """What is tolerated most."""
    fitting = [
        one
        for one in service.degradations
        if one.operation in (operation, "*") and one.signal in (signal, "*") and one.up_to > 1.0
    ]
    return max(fitting, key=lambda one: one.up_to, default=None)


def _of_signal(intent: Intent, service: Service, operation: str, signal: str, turn: int) -> Iterator[Planned]:
    promise = PROMISES[service.priority]
    severity = severity_of(intent, signal, operation)
    tolerance = degradation_of(service, operation, signal)
    lines = [line for line in service.thresholds if _is_of(line, operation, signal)]
    shapes = SHAPES.get(signal, _SHAPES)

    def planned(name: str, told: Severity, **more: object) -> Planned:
        values: dict[str, object] = {
            "within_ms": promise.within_ms(signal),
            "shape": shapes[turn % len(shapes)],
            "turn": turn,
            "least": promise.factor(signal),
            "degradation": tolerance,
            "place": service.place,
        }
        return Planned(
            name=name,
            service=service.name,
            operation=operation,
            signal=signal,
            severity=told,
            receivers=receivers_of(intent, [service.name], told),
            **(values | more),  # type: ignore[arg-type]  # by name, as above
        )

    if not lines:
        yield planned(f"{operation} {signal}", severity)
    for line in lines:
        scope = dict(line.scope)
        yield planned(
            f"{operation} {signal}, {line.line or line.threshold_id}",
            severity,
            shape=tuple(dict.fromkeys((*scope, *line.per))) or shapes[0],
            threshold=line,
            place=line.place or service.place,
        )
    if tolerance is not None and severity is Severity.PAGE:
        yield planned(
            f"{operation} {signal}, within what may degrade", Severity.TICKET, tolerated=True, within_ms=24 * HOUR_MS
        )


def _is_of(line: Threshold, operation: str, signal: str) -> bool:
    return line.operation == operation and line.signal == signal


def _order(intent: Intent) -> Planned:
    severity = severity_of(intent, "out_of_order", None)
    return Planned(
        name="order of records",
        service=None,
        operation=None,
        signal="out_of_order",
        within_ms=ORDER.rate_ms,
        severity=severity,
        receivers=receivers_of(intent, services_of(intent, "out_of_order", None), severity),
        shape=("firmware",),
        least=ORDER.rate,
    )
