"""What happens on which day of a simulation: moods, shocks, outages, holidays, storms and harmless roll-outs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.simulate.chance import stream
from pipeline.simulate.fleet import Fleet
from pipeline.simulate.growth import growth

DAY: Final = 1_440
"""Minutes."""

_WEEK: Final = 7
_RATES: Final = 7


@dataclass(frozen=True, slots=True)
class Shock:
    """A network is slower for a while, and fails more."""

    operator: int | None
    """None: every operator's."""
    start: int
    """Minute of the simulation."""
    minutes: int
    size: float
    """Of the log of latency; twice as much of the log of rates."""


@dataclass(frozen=True, slots=True)
class Outage:
    """An operator's telemetry is held back; part of it is delivered afterwards."""

    operator: int
    start: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Storm:
    """One device reports failing attempts as fast as it can."""

    start: int
    cohort: float
    """Where in the fleet, 0 to 1 by volume."""
    device: float
    """Which of the cohort's devices, 0 to 1."""
    records: int


@dataclass(frozen=True, slots=True)
class Rollout:
    """On ever more devices of a class one firmware takes the place of another."""

    old: str
    new: str
    start: int
    minutes: int
    """0: at once."""
    until: int | None = None
    """Rolled back in that minute."""

    def share(self, at: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of the devices that have the new firmware, at minutes of the simulation."""
        return growth(at, self.start, self.minutes, self.until)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days of one seed. Rates are failure, denial, timeout, retry, out_of_order, duplicate, gap, in that order."""

    cohort_latency: NDArray[np.float32]
    """(day, cohort): effect of the day on the log of latency."""
    cohort_rates: NDArray[np.float32]
    """(day, rate, cohort): effect on the log of each rate."""
    operator: NDArray[np.float32]
    """(day, operator): effect on the log of latency; twice as much on that of the rates."""
    holiday: NDArray[np.bool_]
    """(day,)"""
    class_volume: NDArray[np.float32]
    """(week, operator, class): log of the factor at the start of each week; in between it moves evenly."""
    operation_mix: NDArray[np.float32]
    """(week, operator, operation): likewise, of an operation's share."""
    shocks: tuple[Shock, ...]
    outages: tuple[Outage, ...]
    storms: tuple[Storm, ...]


def draw_calendar(
    fleet: Fleet, seed: int, days: int, root: NDArray[np.int64], generation: NDArray[np.int64]
) -> Calendar:
    """The calendar of the first `days` days; a longer one begins with the same days.

    root, generation: (cohort,) the home that each cohort comes from, and 0 for itself or a number of the firmware that
    came later. Every generation has moods of its own, whatever else is rolled out.
    """
    scale = fleet.nuisances
    moods = [_moods(fleet, seed, day, root, generation) for day in range(days)]
    weeks = days // _WEEK + 2
    mix = [stream(seed, "mix", week) for week in range(weeks)]
    operators, classes = len(fleet.operators), len(fleet.device_classes)
    return Calendar(
        cohort_latency=np.stack([mood[0] for mood in moods]),
        cohort_rates=np.stack([mood[1] for mood in moods]),
        operator=np.stack([mood[2] for mood in moods]),
        holiday=np.array([stream(seed, "holiday", d).random() < min(scale.holidays / 14, 1.0) for d in range(days)]),
        class_volume=np.stack(
            [0.1 * scale.mix * g.standard_normal((operators, classes)) for g in mix], dtype=np.float32
        ),
        operation_mix=np.stack(
            [0.2 * scale.mix * g.standard_normal((operators, len(fleet.operations))) for g in mix], dtype=np.float32
        ),
        shocks=tuple(s for day in range(days) for s in _shocks(fleet, stream(seed, "shocks", day), day)),
        outages=tuple(s for day in range(days) for s in _outages(fleet, stream(seed, "outages", day), day)),
        storms=tuple(s for day in range(days) for s in _storms(fleet, stream(seed, "storms", day), day)),
    )


def _moods(
    fleet: Fleet, seed: int, day: int, root: NDArray[np.int64], generation: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    def draw(g: np.random.Generator, *shape: int) -> NDArray[np.float64]:
        # Both kinds are drawn, so that the choice of tails changes nothing else.
        gaussian, heavy = g.standard_normal(shape), g.standard_t(3, shape) / np.sqrt(3)
        return heavy if scale.tails == "t3" else gaussian

    scale = fleet.nuisances
    homes = int((generation == 0).sum())
    effects = np.empty((1 + _RATES, len(root)))
    for number in np.unique(generation):
        own = draw(stream(seed, "moods", day, int(number)), 1 + _RATES, homes)
        effects[:, generation == number] = own[:, root[generation == number]]
    operators = draw(stream(seed, "operator moods", day), len(fleet.operators))
    return (
        (0.03 * scale.cohort_days * effects[0]).astype(np.float32),
        (0.06 * scale.cohort_days * effects[1:]).astype(np.float32),
        (0.04 * scale.operator_days * operators).astype(np.float32),
    )


def _shocks(fleet: Fleet, g: np.random.Generator, day: int) -> list[Shock]:
    each = 0.4 * min(fleet.nuisances.shocks, 1.0)
    size = max(fleet.nuisances.shocks, 1.0)
    networks: list[tuple[int | None, float]] = [(operator, each) for operator in range(len(fleet.operators))]
    networks.append((None, each / 2))
    return [
        Shock(operator, day * DAY + int(g.integers(DAY)), int(g.uniform(60, 180)), g.uniform(0.05, 0.10) * size)
        for operator, rate in networks
        for _ in range(g.poisson(rate))
    ]


def _outages(fleet: Fleet, g: np.random.Generator, day: int) -> list[Outage]:
    return [
        Outage(operator, day * DAY + int(g.integers(DAY)), int(g.uniform(10, 60)))
        for operator in range(len(fleet.operators))
        for _ in range(g.poisson(0.15 * fleet.nuisances.outages))
    ]


def _storms(fleet: Fleet, g: np.random.Generator, day: int) -> list[Storm]:
    return [
        Storm(day * DAY + int(g.integers(DAY)), g.random(), g.random(), int(g.uniform(60, 300)))
        for _ in range(g.poisson(2.0 * fleet.nuisances.storms))
    ]


def draw_rollouts(fleet: Fleet, seed: int, days: int, in_use: frozenset[str]) -> tuple[Rollout, ...]:
    """The harmless roll-outs of the first `days` days, by start.

    in_use: firmwares that a fault needs; none of them is rolled out over, as the fault would go with it.
    """
    rollouts: list[Rollout] = []
    succeeded = [0] * len(fleet.device_classes)
    free_from = [0] * len(fleet.device_classes)
    for day in range(days):
        g = stream(seed, "rollouts", day)
        for _ in range(g.poisson(0.7 / _WEEK * fleet.nuisances.rollouts)):
            index, start = int(g.integers(len(fleet.device_classes))), day * DAY + int(g.integers(DAY))
            minutes = int(g.uniform(1, 3) * DAY)
            old = fleet.firmware(index, -succeeded[index])
            # One at a time in a class, as anybody would.
            if old in in_use or start < free_from[index]:
                continue
            succeeded[index] += 1
            free_from[index] = start + minutes
            rollouts.append(Rollout(old, fleet.firmware(index, -succeeded[index]), start, minutes))
    return tuple(sorted(rollouts, key=lambda rollout: rollout.start))
