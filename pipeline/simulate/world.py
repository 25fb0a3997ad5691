"""One seed's fleet: who its cohorts and devices are, and under what conditions they live in every minute."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.observation import Cohort
from pipeline.simulate.calendar import DAY, Calendar, Rollout, draw_calendar, draw_rollouts
from pipeline.simulate.chance import stream
from pipeline.simulate.durations import DAY_MS, HOUR_MS, MINUTE_MS
from pipeline.simulate.faults import Fault, check_fault
from pipeline.simulate.fleet import Fleet

RATES: Final = ("failure", "denial", "timeout", "retry", "out_of_order", "duplicate", "gap")
"""The order of every axis called rate."""

ATTEMPT_RATES: Final = 4
"""The first so many rates belong to an operation; the others to the stream of records."""

_RECORD_RATES: Final = (0.002, 0.001, 0.003)
_MOST: Final = np.array([0.35, 0.25, 0.25, 0.95, 0.5, 0.25, 0.25])
"""A rate is never higher: outcomes share one draw, and so does what befalls a record on its way."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a span of minutes is for everybody; `cohort` means row of `World.cohorts`."""

    first: int
    """First minute, of the simulation."""
    volume: NDArray[np.float64]
    """(home, minute): visits expected of the devices that began in each of the first cohorts."""
    latency: NDArray[np.float32]
    """(cohort, minute): shift of the log of latency."""
    rates: NDArray[np.float32]
    """(rate, cohort, minute): factors."""
    mix: NDArray[np.float64]
    """(operator, operation): cumulative shares of the operations."""


@dataclass(frozen=True, slots=True)
class World:
    """A fleet drawn for one seed. Minutes and ms count from `start_ms`."""

    fleet: Fleet
    faults: tuple[Fault, ...]
    seed: int
    start_ms: int
    """Epoch ms of the first minute."""
    minutes: int
    cohorts: tuple[Cohort, ...]
    """Those there from the start (`homes` of them), then those that roll-outs bring."""
    homes: int
    operator: NDArray[np.int64]
    """(cohort,): index of the operator."""
    device_class: NDArray[np.int64]
    """(cohort,): index of the class."""
    volume: NDArray[np.float64]
    """(home,): records a minute, averaged over the nuisances."""
    location: NDArray[np.float64]
    """(cohort, operation): median of the log of latency."""
    rates: NDArray[np.float64]
    """(rate, cohort, operation): base rates."""
    pool: NDArray[np.int64]
    """(home,): devices that began in each."""
    rollouts: tuple[tuple[Rollout, NDArray[np.int64]], ...]
    """Each with the cohort that a cohort's devices go to, -1 where it does not apply; by start."""
    calendar: Calendar
    peak: NDArray[np.float64]
    """(operator,): hour of most traffic."""
    swing: NDArray[np.float64]
    """(cohort,): daily amplitude of the log of latency."""

    @property
    def devices(self) -> int:
        return int(self.pool.sum())

    def block(self, minutes: int, records: int) -> int:
        """How many minutes to draw at a time: at most so many minutes or, as far as a minute allows, records."""
        return max(1, min(minutes, int(records / self.volume.sum())))

    def conditions(self, first: int, minutes: int) -> Conditions:
        """Those of `minutes` minutes from minute `first` on."""
        scale, calendar = self.fleet.nuisances, self.calendar
        at = np.arange(first, first + minutes)
        day = at // DAY
        epoch = self.start_ms + at * MINUTE_MS
        hour = epoch % DAY_MS / HOUR_MS
        weekend = scale.weekly * ((epoch // DAY_MS + 3) % 7 >= 5)
        cycle = scale.daily * np.cos(2 * np.pi * (hour[None] - self.peak[:, None]) / 24)
        shock = self._shocks(at)
        busy = calendar.holiday[day]

        common = shock + calendar.operator[day].T - 0.04 * weekend + 0.03 * busy
        latency = common[self.operator] + self.swing[:, None] * cycle[self.operator]
        latency += calendar.cohort_latency[day].T
        rates = np.empty((len(RATES), len(self.cohorts), minutes))
        for index, name in enumerate(RATES):
            shared = 2 * (shock + calendar.operator[day].T) + (0.25 if name == "failure" else 0.1) * cycle
            if name == "failure":
                shared += 0.1 * busy - 0.1 * weekend
            rates[index] = shared[self.operator] + calendar.cohort_rates[day, index].T
        knot, part = at // (7 * DAY), at % (7 * DAY) / (7 * DAY)
        homes = slice(0, self.homes)
        drift = (1 - part) * calendar.class_volume[knot].T + part * calendar.class_volume[knot + 1].T
        volume = (1 + 0.6 * cycle[self.operator[homes]]) * ((1 - 0.3 * weekend) * (1 + 0.5 * busy))
        volume *= np.exp(drift[self.device_class[homes], self.operator[homes]])
        volume *= self.volume[:, None] / self.fleet.visit_records
        middle = minutes // 2
        share = np.array([operation.share for operation in self.fleet.operations])
        weight = share * np.exp(
            (1 - part[middle]) * calendar.operation_mix[knot[middle]]
            + part[middle] * calendar.operation_mix[knot[middle] + 1]
        )
        return Conditions(
            first=first,
            volume=np.maximum(volume, 0.0),
            latency=latency.astype(np.float32),
            rates=np.exp(rates).astype(np.float32),
            mix=np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True),
        )

    def _shocks(self, at: NDArray[np.int64]) -> NDArray[np.float64]:
        shock = np.zeros((len(self.fleet.operators), len(at)))
        for one in self.calendar.shocks:
            if one.start < at[-1] + 1 and at[0] < one.start + one.minutes:
                rows = slice(None) if one.operator is None else slice(one.operator, one.operator + 1)
                shock[rows] += one.size * ((at >= one.start) & (at < one.start + one.minutes))
        return shock


def draw_world(
    fleet: Fleet,
    faults: tuple[Fault, ...],
    *,
    seed: int,
    start_ms: int,
    minutes: int,
    keep: frozenset[str] = frozenset(),
) -> World:
    """The world of one seed; nothing is rolled out over the firmwares of `keep`, nor over those of the faults.

    Two worlds that differ in their faults alone, and keep the firmwares of both, are the same until the first begins.

    Raises:
        FaultError: a fault does not fit the fleet.
    """
    for fault in faults:
        check_fault(fault, fleet)
    homes = fleet.cohorts()
    days = -(-minutes // DAY) + 1
    in_use = keep | {name for fault in faults for name in (fault.firmware, fault.replaces) if name is not None}
    rollouts = sorted(
        [*draw_rollouts(fleet, seed, days, in_use), *_faulty_rollouts(faults)], key=lambda rollout: rollout.start
    )
    cohorts, moves, root = _successors(homes, rollouts)
    later = cohorts[len(homes) :]
    generation = np.array([0] * len(homes) + [zlib.crc32(cohort.firmware.encode()) for cohort in later])

    g = stream(seed, "fleet")
    operator = np.array([fleet.operators.index(cohort.operator) for cohort in cohorts])
    spread = g.standard_normal((len(homes), 2))
    log_rates = 0.25 * g.standard_normal((len(RATES), len(homes)))
    amplitude, peak = g.uniform(0.06, 0.14, len(fleet.operators)), 15 + g.uniform(-3, 3, len(fleet.operators))
    volume = _volumes(fleet, homes, g)
    base = [(o.failure, o.denial, o.timeout, o.retry, *_scaled(fleet.nuisances.disorder)) for o in fleet.operations]
    rates = np.array(base).T[:, None, :] * np.exp(log_rates[:, root])[:, :, None]
    return World(
        fleet=fleet,
        faults=faults,
        seed=seed,
        start_ms=start_ms,
        minutes=minutes,
        cohorts=tuple(cohorts),
        homes=len(homes),
        operator=operator,
        device_class=np.array([fleet.device_classes.index(cohort.device_class) for cohort in cohorts]),
        volume=volume,
        location=0.25 * spread[root, :1] + np.log([operation.latency_ms for operation in fleet.operations]),
        rates=np.minimum(rates, _MOST[:, None, None]),
        pool=np.maximum(np.ceil(volume * fleet.devices_per_event), 4).astype(np.int64),
        rollouts=tuple(zip(rollouts, moves, strict=True)),
        calendar=draw_calendar(fleet, seed, days, root, generation),
        peak=peak,
        swing=amplitude[operator] * (1 + 0.15 * spread[root, 1]),
    )


def most(rate: int) -> float:
    """The share that a rate cannot go beyond, whatever is wrong."""
    return float(_MOST[rate])


def _scaled(disorder: float) -> list[float]:
    return [disorder * rate for rate in _RECORD_RATES]


def _faulty_rollouts(faults: tuple[Fault, ...]) -> list[Rollout]:
    """Roll-outs of new firmwares with something wrong; several faults of one firmware share its roll-out."""
    return list(
        {
            fault.firmware: Rollout(
                old=fault.replaces,
                new=fault.firmware,
                start=fault.start // MINUTE_MS,
                minutes=fault.rollout // MINUTE_MS,
                until=None if fault.until is None else fault.until // MINUTE_MS,
            )
            for fault in faults
            if fault.replaces is not None and fault.firmware is not None
        }.values()
    )


def _successors(
    homes: list[Cohort], rollouts: list[Rollout]
) -> tuple[list[Cohort], list[NDArray[np.int64]], NDArray[np.int64]]:
    """All cohorts, where each roll-out moves them, and the home that each comes from."""
    cohorts, root = {cohort: index for index, cohort in enumerate(homes)}, list(range(len(homes)))
    goals: list[dict[int, int]] = []
    for rollout in rollouts:
        goal = {}
        for cohort, index in list(cohorts.items()):
            if cohort.firmware == rollout.old:
                successor = cohort._replace(firmware=rollout.new)
                if successor not in cohorts:
                    cohorts[successor] = len(root)
                    root.append(root[index])
                goal[index] = cohorts[successor]
        goals.append(goal)
    moves = [np.array([goal.get(index, -1) for index in range(len(root))]) for goal in goals]
    return list(cohorts), moves, np.array(root)


def _volumes(fleet: Fleet, homes: list[Cohort], g: np.random.Generator) -> NDArray[np.float64]:
    """Records a minute of each cohort."""
    classes = len(fleet.device_classes)
    rank = np.array([g.permutation(classes) for _ in fleet.operators])
    jitter, thin = g.standard_normal(len(homes)), g.random(len(homes))
    popularity = 0.6 * 0.45 ** np.arange(max(fleet.firmwares, fleet.certification_firmwares))
    volume = np.empty(len(homes))
    for index, cohort in enumerate(homes):
        operator, device_class = fleet.operators.index(cohort.operator), fleet.device_classes.index(cohort.device_class)
        version = next(v for v in range(len(popularity)) if fleet.firmware(device_class, v) == cohort.firmware)
        zipf = popularity[version] / 0.6 / (operator + 1) / (rank[operator, device_class] + 1)
        volume[index] = zipf * np.exp(0.3 * jitter[index])
    production = np.array([cohort.environment == "production" for cohort in homes])
    ratio = fleet.certification_busiest / fleet.quietest
    certification = fleet.quietest * ratio**thin
    if fleet.events_per_minute is None:
        volume = np.clip(volume * fleet.busiest, fleet.quietest, fleet.busiest)
    else:
        wanted = max(fleet.events_per_minute - certification[~production].sum(), 0.0)
        volume = np.maximum(volume * wanted / volume[production].sum(), fleet.quietest)
    return np.where(production, volume, certification)
