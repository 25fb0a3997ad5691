"""What came of a drill: one outcome a fault, the quiet control, a proof a service, and a status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from pipeline.intent import Priority
from pipeline.messages import Proof

PROVEN: Final = 0
NOT_PROVEN: Final = 1


class Outcome(msgspec.Struct, frozen=True):
    """One fault; times in ms since it began."""

    name: str
    service: str | None
    fault: str
    """As it was injected, in the form of `seamwatch simulate --fault`; empty where it could not be."""
    strength: str
    why: str
    """What its strength follows from, or why there is none."""
    within_ms: int
    severity: str
    """Expected."""
    receivers: list[str]
    scope: dict[str, str]
    tolerated: bool = False
    needless: bool = False
    """The stream has nothing there that could go wrong: neither proven nor missed."""
    alarm_ms: int | None = None
    """Until the first incident about it fired, whatever its scope."""
    found_ms: int | None = None
    """Until one fired with exactly its scope."""
    said_scope: dict[str, str] | None = None
    """What was named, or first of all if never exactly."""
    said_severity: str | None = None
    said_receivers: list[str] = []
    hidden_by: str | None = None
    """The workaround that hid it."""
    others: list[str] = []
    """What else fired, and is not about it."""
    also: list[str] = []
    """Further incidents about it."""
    place: str = ""

    @property
    def wrong(self) -> list[str]:
        """What of it is not as it should be, in some words each."""
        if self.needless:
            return []
        if not self.fault:
            return [self.why]
        said = [f"also fired: {other}" for other in self.others]
        if self.tolerated:
            return said + ([f"{self.said_severity} for what may degrade"] if self.said_severity == "page" else [])
        if self.found_ms is None:
            if self.hidden_by is not None:
                return [*said, f"hidden by workaround {self.hidden_by}"]
            return [*said, "not found" if self.alarm_ms is None else f"found as {named(self.said_scope or {})}"]
        if self.found_ms > self.within_ms:
            said.append(f"found late: after {duration(self.found_ms)}, not {duration(self.within_ms)}")
        if self.said_severity != self.severity:
            said.append(f"{self.said_severity}, not {self.severity}")
        elif not set(self.receivers) <= set(self.said_receivers):
            said.append(f"routed to {', '.join(self.said_receivers)}, not {', '.join(self.receivers)}")
        return said

    @property
    def proven(self) -> bool:
        return not self.needless and not self.wrong


class Control(msgspec.Struct, frozen=True):
    """The same stream with nothing wrong. fired: what it was told of all the same, a line each."""

    watched_ms: int
    fired: list[str]


class Held(msgspec.Struct, frozen=True):
    """A drill that was held.

    priorities: of the services that it was to prove. history: what fired while nothing was wrong, before the faults.
    """

    title: str
    stream: str
    priorities: dict[str, str]
    outcomes: list[Outcome]
    control: Control
    history: list[str]
    seconds: float

    @property
    def unproven(self) -> list[str]:
        """Services that are not proven, the non-negotiable first."""
        missed = [name for name in self.priorities if not all(not one.wrong for one in self._of(name))]
        missed += [name for name in self.priorities if name not in missed and not any(o.proven for o in self._of(name))]
        return sorted(missed, key=lambda name: self.priorities[name] != Priority.NON_NEGOTIABLE)

    @property
    def status(self) -> int:
        """`NOT_PROVEN` when something non-negotiable is not proven, or the control was not quiet."""
        lost = any(self.priorities[name] == Priority.NON_NEGOTIABLE for name in self.unproven)
        return NOT_PROVEN if lost or self.control.fired else PROVEN

    def proofs(self, at: int) -> list[Proof]:
        """One a service. at: when the drill ended, ms epoch."""
        return [self._proof(name, at) for name in self.priorities]

    def _of(self, service: str) -> list[Outcome]:
        return [one for one in self.outcomes if one.service == service]

    def _proof(self, service: str, at: int) -> Proof:
        mine = [one for one in self._of(service) if not one.needless]
        missed = [one for one in mine if one.wrong]
        found = [one.found_ms for one in mine if one.found_ms is not None]
        slowest = max(found, default=None)
        proven = bool(mine) and not missed
        if proven:
            detail = f"{len(mine)} faults as they should be" + (
                f", the slowest after {duration(slowest)}" if slowest is not None else ""
            )
        elif not mine:
            detail = "nothing of it is in the stream"
        else:
            detail = "; ".join(f"{one.name}: {', '.join(one.wrong)}" for one in missed)
        routes = dict.fromkeys(name for one in mine if not one.tolerated for name in one.said_receivers)
        return Proof(
            service=service,
            at=at,
            drill=self.title,
            found=proven,
            faults=len(mine),
            missed=len(missed),
            slowest_ms=slowest,
            route=", ".join(routes),
            detail=detail,
        )


def combined(helds: Sequence[Held], at: int) -> list[Proof]:
    """One proof a service of several drills: it is proven when each that concerns it has proven it."""
    by_service: dict[str, list[Proof]] = {}
    for held in helds:
        for proof in held.proofs(at):
            by_service.setdefault(proof.service, []).append(proof)
    return [
        Proof(
            service=service,
            at=at,
            drill=", ".join(dict.fromkeys(proof.drill for proof in proofs)),
            found=all(proof.found for proof in proofs),
            faults=sum(proof.faults for proof in proofs),
            missed=sum(proof.missed for proof in proofs),
            slowest_ms=max((proof.slowest_ms for proof in proofs if proof.slowest_ms is not None), default=None),
            route=", ".join(dict.fromkeys(proof.route for proof in proofs if proof.route)),
            detail="; ".join(proof.detail for proof in proofs),
        )
        for service, proofs in by_service.items()
    ]


def named(scope: dict[str, str]) -> str:
    """A scope in a table."""
    return ", ".join(scope.values()) or "the whole fleet"


def duration(ms: int) -> str:
    """For people: `45 min`, `3.5 h`, `2.0 d`."""
    minutes = ms / 60_000
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h" if minutes < 2_880 else f"{minutes / 1_440:.1f} d"
