"""Whom a planned fault hits, and how strong it is: just beyond what the intent tolerates, given what is usual there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from pipeline.drill.plan import RATES, Planned
from pipeline.drill.usual import Usual
from pipeline.intent import Threshold
from pipeline.observation import Cohort
from pipeline.simulate.faults import Fault, Kind

BEYOND: Final = 1.15
"""Beyond what is tolerated: less could not be told from it (latency bins are 4 % wide), more would prove less."""
LEAST_DENIAL: Final = 0.005
"""Denials are drilled where so large a share is usual: a rarer one takes days to be told from chance."""
LARGEST_RATE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A fault as it is injected; times of `fault` are ms since the end of the history.

    expected: cohorts that an incident should name. why: what its strength follows from.
    """

    planned: Planned
    fault: Fault
    expected: frozenset[Cohort]
    why: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """A fault that this stream cannot carry. needless: and need not, as what it would change is not there."""

    planned: Planned
    why: str
    needless: bool = False


def calibrate(planned: Planned, usual: Usual) -> Calibrated | Unfit:
    """The fault, or why there can be none in this stream."""
    operation = planned.operation
    if operation is not None and not usual.records(operation, usual.cohorts):
        return Unfit(planned, f"the stream has no {operation}")
    scope: Mapping[str, str] | None = planned.scope
    if scope is None:
        within = {} if planned.threshold is None else dict(planned.threshold.scope)
        scope = usual.scope(operation, planned.shape, planned.turn, within)
        if scope is None and not within:
            scope = {}  # nothing to contrast with: all of it
        if scope is None:
            return Unfit(planned, f"nobody in the stream is {_named(within)}")
    members = usual.members(scope)
    if not members or not usual.records(operation, members):
        return Unfit(planned, f"nobody in the stream is {_named(scope)}")
    found = _strength(planned, usual, members)
    if isinstance(found, Unfit):
        return found
    strength, why = found
    fault = Fault(
        kind=cast(Kind, planned.signal),
        size=strength,
        operator=scope.get("operator"),
        device_class=scope.get("device_class"),
        firmware=scope.get("firmware"),
        environment=scope.get("environment"),
        operation=operation,
        start=planned.at_ms,
    )
    expected = members if planned.expected_scope is None else usual.members(planned.expected_scope)
    return Calibrated(planned, fault, expected, why)


def _strength(planned: Planned, usual: Usual, members: frozenset[Cohort]) -> tuple[float, str] | Unfit:
    signal, operation = planned.signal, planned.operation
    usually = usual.rate(operation, signal, members) if signal in (*RATES, "out_of_order", "duplicate", "gap") else None
    if signal == "latency" and usual.quantile(cast(str, operation), 0.5, members) is None:
        return Unfit(planned, f"{operation} has no latencies in the stream", needless=True)
    if signal in RATES and usually is None:
        return Unfit(planned, f"{operation} has no outcomes in the stream", needless=True)
    if planned.strength is not None:
        return planned.strength, "as the drill says"
    if signal == "denial" and planned.threshold is None and (usually or 0.0) < LEAST_DENIAL:
        return Unfit(planned, f"denials of {operation} are rarer than {LEAST_DENIAL:.1%}", needless=True)
    if usually == 0.0:
        return Unfit(planned, f"{signal} never happens in the stream: there is nothing to multiply")
    strength, why = _needed(planned, usual, members)
    if usually is not None and usually * strength > LARGEST_RATE:
        return Unfit(planned, f"{signal} is {usually:.1%} already, and {strength:.3g} times that is too much to inject")
    return strength, why


def _needed(planned: Planned, usual: Usual, members: frozenset[Cohort]) -> tuple[float, str]:
    """The strength that the intent calls for, and what it follows from."""
    tolerance = planned.degradation
    if planned.tolerated and tolerance is not None:
        within = 1.0 + 0.7 * (tolerance.up_to - 1.0)
        return within, f"within the {tolerance.up_to:g} that may be"
    strength, why = planned.least, "promised for its priority"
    if tolerance is not None and tolerance.up_to * BEYOND > strength:
        strength, why = tolerance.up_to * BEYOND, f"beyond the {tolerance.up_to:g} that may be"
    if planned.threshold is not None:
        crossing = _crossing(planned.threshold, usual, members)
        if crossing is not None and crossing * BEYOND > strength:
            strength, why = crossing * BEYOND, f"beyond {planned.threshold.line or planned.threshold.threshold_id}"
    return round(strength, 4), why


def _crossing(line: Threshold, usual: Usual, members: frozenset[Cohort]) -> float | None:
    """The factor at which the line is just reached by these cohorts."""
    if line.signal == "latency":
        now = usual.quantile(line.operation, 1.0 - line.allowed, members)
        return line.limit_ms / now if now and line.limit_ms is not None else None
    usually = usual.rate(line.operation, line.signal, members)
    return line.allowed / usually if usually else None


def _named(scope: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in scope.items())
