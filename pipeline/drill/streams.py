"""What is drilled, a stream: one history in which nothing is wrong, and any number of continuations of it.

A stream is drawn or read again for every continuation, in whichever process: it is plain data, and the same each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp
from typing import Final, Protocol

from pipeline.intent import Intent
from pipeline.messages import MINUTE_MS, Tick, Windows
from pipeline.simulate.durations import DAY_MS
from pipeline.simulate.faults import Fault
from pipeline.simulate.fleet import OPERATIONS, Fleet, Operation
from pipeline.simulate.nuisances import Nuisances
from pipeline.simulate.traffic import noise_quantiles
from pipeline.simulate.windows import SOURCE, simulate_windows
from pipeline.simulate.world import draw_world

START_MS: Final = 1_767_571_200_000
"""Monday 2026-01-05, midnight UTC: the same drill for the same seed, whenever it is held."""
HISTORY_DAYS: Final = 8
"""An anchor takes seven; on the eighth the threshold is first tried on quiet."""
RECORDS_AN_OPERATION: Final = 480.0
"""A minute, of the simulated fleet."""
ROOM: Final = 1.5
"""So far below the intent's lines the simulated fleet is when nothing is wrong."""


class UnusableStreamError(Exception):
    """A stream that no drill can be held on; the message says why."""


class LostStreamError(Exception):
    """The cluster that a stream goes through does not answer, or did not take all of it."""


class Stream(Protocol):
    """Attributes:
    source: what its windows and ticks name.
    begin_ms: end of the history; faults count from there.
    end_ms: where continuations end at the latest; None: as long as is wanted.
    """

    @property
    def source(self) -> str: ...

    @property
    def begin_ms(self) -> int: ...

    @property
    def end_ms(self) -> int | None: ...

    @property
    def text(self) -> str:
        """For people."""

    def history(self) -> Iterator[Windows | Tick]:
        """Everything before `begin_ms`."""

    def after(self, fault: Fault | None, usual: float, minutes: int) -> Iterator[Windows | Tick]:
        """So many minutes from `begin_ms` on, with a fault. usual: the share that it multiplies, where it does."""


@dataclass(frozen=True, slots=True)
class SimulatedStream:
    """A seeded fleet that does what the intent is about; windows are drawn directly."""

    fleet: Fleet
    seed: int = 0
    days: int = HISTORY_DAYS

    @property
    def source(self) -> str:
        return SOURCE

    @property
    def begin_ms(self) -> int:
        return START_MS + self.days * DAY_MS

    @property
    def end_ms(self) -> int | None:
        return None

    @property
    def text(self) -> str:
        operations = ", ".join(operation.name for operation in self.fleet.operations)
        return (
            f"simulated, seed {self.seed}: {len(self.fleet.cohorts())} cohorts, {self.fleet.events_per_minute:.0f} "
            f"records a minute of {operations}; {self.days} days of history"
        )

    def history(self) -> Iterator[Windows | Tick]:
        world = draw_world(self.fleet, (), seed=self.seed, start_ms=START_MS, minutes=self._begin)
        return simulate_windows(world)

    def after(self, fault: Fault | None, usual: float, minutes: int) -> Iterator[Windows | Tick]:
        faults = () if fault is None else (moved(fault, self._begin * MINUTE_MS),)
        world = draw_world(self.fleet, faults, seed=self.seed, start_ms=START_MS, minutes=self._begin + minutes)
        return simulate_windows(world, self._begin)

    @property
    def _begin(self) -> int:
        return self.days * DAY_MS // MINUTE_MS


def fleet_of(intent: Intent, records_an_operation: float = RECORDS_AN_OPERATION) -> Fleet:
    """27 cohorts in production and 6 in certification, which do every operation of the intent alike often and keep its
    lines with `ROOM`.

    Without roll-outs, which would take away what is hit, and without storms and outages, which are told by themselves.
    """
    names = list(dict.fromkeys(name for service in intent.services for name in service.operations))
    known = {operation.name: operation for operation in OPERATIONS}
    drawn = [replace(known.get(name, Operation(name, share=1.0, latency_ms=500.0)), share=1.0) for name in names]
    fleet = Fleet(
        operators=("altura", "bluecove", "norvik"),
        device_classes=("stb-g2", "stb-g3", "tv-2021"),
        firmwares=3,
        certification_operators=1,
        certification_firmwares=2,
        operations=tuple(drawn),
        events_per_minute=records_an_operation * len(drawn),
        nuisances=Nuisances(rollouts=0.0, storms=0.0),
    )
    return replace(fleet, operations=tuple(_within(fleet, operation, intent) for operation in drawn))


def _within(fleet: Fleet, operation: Operation, intent: Intent) -> Operation:
    """The operation as it is when every line of the intent holds with room."""
    index = fleet.operations.index(operation)
    world = draw_world(fleet, (), seed=0, start_ms=START_MS, minutes=1)
    for line in intent.thresholds:
        if line.operation != operation.name:
            continue
        if line.signal == "latency" and line.limit_ms is not None:
            off = float(noise_quantiles(world, 1.0 - line.allowed)[index])
            most = line.limit_ms / ROOM / exp(off)
            operation = replace(operation, latency_ms=min(operation.latency_ms, most))
        elif line.signal in ("failure", "denial", "timeout", "retry"):
            usual = min(getattr(operation, line.signal), line.allowed / ROOM)
            operation = replace(operation, **{line.signal: usual})
    return operation


def moved(fault: Fault, by_ms: int) -> Fault:
    """The same fault so much later."""
    return replace(fault, start=fault.start + by_ms, until=None if fault.until is None else fault.until + by_ms)
