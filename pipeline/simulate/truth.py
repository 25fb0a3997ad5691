"""What a detector should say about the faults of a simulation: one expected incident for each scope that suffers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from pipeline.simulate.faults import Fault
from pipeline.simulate.world import World

_FEED: Final = ("delay", "silence", "contract")
"""Kinds that befall the telemetry rather than the devices."""

_SIGNALS: Final = {"tail": "latency", "silence": "volume"}
"""Kinds whose signal has another name."""


class Expected(msgspec.Struct, frozen=True):
    """One incident that should fire; times in ms since the epoch."""

    scope: dict[str, str]
    kind: str
    """As in the incident record: `pattern` or `feed`."""
    signals: list[str]
    operations: list[str]
    """Empty: all of them."""
    at: int
    until: int | None


class Truth(msgspec.Struct, frozen=True):
    """The injected faults of one simulation; `--truth` writes it as JSON."""

    seed: int
    start: int
    end: int
    faults: list[str]
    """In their form on the command line."""
    incidents: list[Expected]


def truth_of(world: World) -> Truth:
    groups: dict[tuple[tuple[tuple[str, str], ...], str], list[Fault]] = {}
    for fault in world.faults:
        kind = "feed" if fault.kind in _FEED else "pattern"
        groups.setdefault((tuple(sorted(fault.scope.items())), kind), []).append(fault)
    return Truth(
        seed=world.seed,
        start=world.start_ms,
        end=world.start_ms + world.minutes * 60_000,
        faults=[str(fault) for fault in world.faults],
        incidents=[_expected(world, dict(scope), kind, faults) for (scope, kind), faults in groups.items()],
    )


def _expected(world: World, scope: dict[str, str], kind: str, faults: Sequence[Fault]) -> Expected:
    ends = [fault.until for fault in faults]
    operations = {part.operation for fault in faults for part in fault.parts()}
    return Expected(
        scope=scope,
        kind=kind,
        signals=sorted({_SIGNALS.get(fault.kind, fault.kind) for fault in faults}),
        operations=[] if None in operations else sorted(name for name in operations if name is not None),
        at=world.start_ms + min(fault.start for fault in faults),
        until=None if None in ends else world.start_ms + max(end for end in ends if end is not None),
    )
