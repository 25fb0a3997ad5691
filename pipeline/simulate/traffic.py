"""What the devices of a world attempt: visits, their attempts, and how each went, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pipeline.simulate.chance import stream
from pipeline.simulate.durations import MINUTE_MS
from pipeline.simulate.faults import Fault
from pipeline.simulate.fleet import Operation
from pipeline.simulate.world import ATTEMPT_RATES, RATES, Conditions, World, most

OK: Final = 0
ERROR: Final = 1
DENIED: Final = 2
TIMEOUT: Final = 3
OUTCOMES: Final = ("ok", "error", "denied", "timeout")

_LONGEST_MS: Final = 600_000.0
_PAUSE_MS: Final = 3_000.0
"""Between two attempts of a visit, on average."""

_STORM_FACTOR: Final = 100.0
_STORM_PAUSE_MS: Final = 400.0


@dataclass(frozen=True, slots=True)
class Visits:
    """Each a burst of attempts of one device, begun within the block; arrays of one length."""

    cohort: NDArray[np.int64]
    """Row of `World.cohorts`: what the device is at that time."""
    device: NDArray[np.int64]
    start: NDArray[np.float64]
    """ms of the simulation."""
    records: NDArray[np.int64]
    latency: NDArray[np.float64]
    """Shift of the log of latency, of this visit alone."""
    rates: NDArray[np.float64]
    """Factor of the rates, of this visit alone."""
    storm: NDArray[np.bool_]
    """A device that tries as fast as it can, and fails; nothing is wrong with its connection."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Attempts in the order of their visits; arrays of one length, one row an attempt."""

    visit: NDArray[np.int64]
    cohort: NDArray[np.int64]
    at: NDArray[np.float64]
    """ms of the simulation, true."""
    operation: NDArray[np.int64]
    outcome: NDArray[np.int64]
    latency_ms: NDArray[np.float64]
    retries: NDArray[np.int64]
    minute: NDArray[np.int64]
    """Of its visit's start, counted from the first of the conditions."""


def draw_visits(world: World, conditions: Conditions, g: np.random.Generator) -> Visits:
    """The visits that begin in the minutes of `conditions`, cohort by cohort."""
    scale, fleet = world.fleet.nuisances, world.fleet
    counts = g.poisson(conditions.volume)
    home = np.repeat(np.arange(world.homes), counts.sum(axis=1))
    minute = np.repeat(np.tile(np.arange(counts.shape[1]), world.homes), counts.ravel())
    records = g.geometric(1 / fleet.visit_records, len(home))
    latency = 0.25 * scale.bursts * g.standard_normal(len(home))
    rates = 1 + min(scale.bursts, 1.0) * (g.gamma(0.7, 1 / 0.7, len(home)) - 1)
    chosen = g.random(len(home))
    start = (conditions.first + minute + g.random(len(home))) * MINUTE_MS

    storm = np.zeros(len(home), dtype=np.bool_)
    storms = [s for s in world.calendar.storms if 0 <= s.start - conditions.first < counts.shape[1]]
    if storms:
        busy = np.cumsum(world.volume) / world.volume.sum()
        home = np.append(home, [min(np.searchsorted(busy, s.cohort), world.homes - 1) for s in storms])
        start = np.append(start, [s.start * float(MINUTE_MS) for s in storms])
        records = np.append(records, [s.records for s in storms])
        latency = np.append(latency, np.zeros(len(storms)))
        rates = np.append(rates, np.ones(len(storms)))
        storm = np.append(storm, np.ones(len(storms), dtype=np.bool_))
        chosen = np.append(chosen, [s.device for s in storms])

    first_device = np.cumsum(world.pool) - world.pool
    device = first_device[home] + (chosen * world.pool[home]).astype(np.int64)
    cohort = _cohorts(world, home, device, start)
    there = np.ones(len(home), dtype=np.bool_)
    for fault in _active(world, conditions, "volume"):
        # An own stream of chance: a fault leaves what is outside its scope as it was.
        lot = stream(world.seed, "volume", conditions.first).random(len(home))
        gone = 1 - fault.size
        there &= ~(in_scope(world, fault)[cohort] & (lot < gone * fault.strength(start)))
    keep = np.flatnonzero(there) if not there.all() else slice(None)
    return Visits(cohort[keep], device[keep], start[keep], records[keep], latency[keep], rates[keep], storm[keep])


def _cohorts(
    world: World, home: NDArray[np.int64], device: NDArray[np.int64], start: NDArray[np.float64]
) -> NDArray[np.int64]:
    """What each device is at that time: it moves with the roll-outs, the same devices first within one of them."""
    cohort = home
    for number, (rollout, goal) in enumerate(world.rollouts):
        if len(start) == 0 or start.max() < rollout.start * MINUTE_MS:
            continue
        # Golden-ratio steps spread the devices evenly over 0..1, in another order for every roll-out.
        rank = (device * 0.618033988749895 + number * 0.7548776662466927) % 1.0
        moved = (goal[cohort] >= 0) & (rank < rollout.share(start / MINUTE_MS))
        cohort = np.where(moved, goal[cohort], cohort)
    return cohort


def draw_attempts(world: World, conditions: Conditions, visits: Visits, g: np.random.Generator) -> Attempts:
    """The attempts of these visits, each with its outcome."""
    operations = world.fleet.operations
    visit = np.repeat(np.arange(len(visits.records)), visits.records)
    size = len(visit)
    cohort = visits.cohort[visit]
    pause = np.where(visits.storm, _STORM_PAUSE_MS, _PAUSE_MS)
    passed = np.cumsum(50.0 + pause[visit] * g.standard_exponential(size))
    ends = np.cumsum(visits.records)
    at = passed + (visits.start - passed[ends - visits.records] if size else visits.start)[visit]
    begun = (visits.start // MINUTE_MS).astype(np.int64) - conditions.first

    lot = g.random(size, dtype=np.float32)
    operator = world.operator[visits.cohort]
    operation = np.zeros(size, dtype=np.int64)
    for index in range(len(operations) - 1):
        operation += lot > conditions.mix[operator, index].astype(np.float32)[visit]

    noise = g.standard_normal(size) * np.array([o.sigma for o in operations])[operation]
    slow = np.flatnonzero(g.random(size, dtype=np.float32) < _of(operations, "slow_share")[operation])
    noise[slow] += _of(operations, "slow_shift")[operation[slow]] * (1 + 0.5 * g.standard_normal(len(slow)))
    noise += visits.latency[visit]
    log_latency = world.location[cohort, operation] + noise
    log_latency += conditions.latency[visits.cohort, begun][visit]
    outcome_lot, retry_lot = g.random(size), g.random(size)
    minute = begun[visit]
    own = np.where(visits.storm, _STORM_FACTOR, visits.rates)[visit]
    rates = Rates(world, conditions, own, cohort, operation, minute)
    for fault in (part for whole in world.faults for part in whole.parts()):
        if not fault.touches(conditions.first * MINUTE_MS, int(at.max(initial=0)) + 1):
            continue
        if fault.kind in ("latency", "tail") or fault.kind in RATES[:ATTEMPT_RATES]:
            rows = _rows(world, fault, cohort, operation)
            effect = np.log(fault.size) * fault.strength(at[rows])
            if fault.kind == "latency":
                log_latency[rows] += effect
            elif fault.kind == "tail":
                log_latency[rows] += effect * _tailness(world, noise[rows], operation[rows])
            else:
                rates.multiply(RATES.index(fault.kind), rows, np.exp(effect))

    # One draw, three regions that do not meet: raising one rate moves no attempt between the other two outcomes.
    outcome = np.full(size, OK)
    for code, rate, above in ((ERROR, 0, outcome_lot), (DENIED, 1, outcome_lot - 0.4), (TIMEOUT, 2, outcome_lot - 0.7)):
        hit, _ = rates.hits(rate, above)
        outcome[hit] = code
    hit, depth = rates.hits(3, retry_lot)
    retries = np.zeros(size, dtype=np.int64)
    # 1 with one half, 2 with a quarter, …; the same draw decides whether there was one at all.
    retries[hit] = np.ceil(-np.log2(np.maximum(depth, 1e-6)))
    return Attempts(
        visit=visit,
        cohort=cohort,
        at=at,
        operation=operation,
        outcome=outcome,
        latency_ms=np.minimum(np.exp(log_latency), _LONGEST_MS),
        retries=retries,
        minute=minute,
    )


class Rates:
    """The probability of each mishap for each attempt, worked out only where the draw comes near it."""

    def __init__(
        self,
        world: World,
        conditions: Conditions,
        own: NDArray[np.float64],
        cohort: NDArray[np.int64],
        operation: NDArray[np.int64],
        minute: NDArray[np.int64],
    ) -> None:
        self._world = world
        self._conditions = conditions
        self._own = own
        self._cohort = cohort
        self._operation = operation
        self._minute = minute
        self._factors: dict[int, NDArray[np.float64]] = {}

    def multiply(self, rate: int, rows: NDArray[np.int64], factors: NDArray[np.float64]) -> None:
        held = self._factors.setdefault(rate, np.ones(len(self._cohort)))
        held[rows] *= factors

    def hits(
        self, rate: int, lot: NDArray[np.float64], share: float = 1.0
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The attempts with 0 <= lot < rate / share, and how deep in that range, 0 to 1: uniform again."""
        base = self._world.rates[rate]
        factor = self._conditions.rates[rate]
        extra = self._factors.get(rate)
        highest = base.max() * factor.max(initial=0.0) / share
        bound = highest * self._own if extra is None else highest * self._own * extra
        near = np.flatnonzero((lot >= 0) & (lot < np.minimum(bound, most(rate))))
        cohort = self._cohort[near]
        chance = base[cohort, self._operation[near]] * factor[cohort, self._minute[near]] * self._own[near] / share
        if extra is not None:
            chance *= extra[near]
        depth = lot[near] / np.maximum(np.minimum(chance, most(rate)), 1e-300)
        return near[depth < 1], depth[depth < 1]


def _of(operations: tuple[Operation, ...], name: str) -> NDArray[np.float32]:
    return np.array([getattr(operation, name) for operation in operations], dtype=np.float32)


def in_scope(world: World, fault: Fault) -> NDArray[np.bool_]:
    """(cohort,): whether the fault covers it."""
    return np.array([fault.covers(cohort) for cohort in world.cohorts])


def _active(world: World, conditions: Conditions, kind: str) -> list[Fault]:
    from_ms = conditions.first * MINUTE_MS
    to_ms = from_ms + conditions.volume.shape[1] * MINUTE_MS
    return [fault for fault in world.faults if fault.kind == kind and fault.touches(from_ms, to_ms)]


def _rows(world: World, fault: Fault, cohort: NDArray[np.int64], operation: NDArray[np.int64]) -> NDArray[np.int64]:
    hit = in_scope(world, fault)[cohort]
    if fault.operation is not None:
        names = [o.name for o in world.fleet.operations]
        hit &= operation == names.index(fault.operation)
    return np.flatnonzero(hit)


def _tailness(world: World, noise: NDArray[np.float64], operation: NDArray[np.int64]) -> NDArray[np.float64]:
    """0 up to the 90th percentile of an attempt's own noise, 1 from the 99th on, evenly in between.

    So the 99th percentile moves by the whole effect, and the order of attempts is kept.
    """
    low, high = noise_quantiles(world, 0.9), noise_quantiles(world, 0.99)
    return np.clip((noise - low[operation]) / (high - low)[operation], 0.0, 1.0)


def noise_quantiles(world: World, q: float) -> NDArray[np.float64]:
    """(operation,): quantile of what attempts of one cohort and minute differ by, on the log scale."""
    burst = 0.25 * world.fleet.nuisances.bursts
    return np.array([_mixture_quantile(o.sigma, o.slow_share, o.slow_shift, burst, q) for o in world.fleet.operations])


def _mixture_quantile(sigma: float, slow_share: float, slow_shift: float, burst: float, q: float) -> float:
    """Quantile of (1 - s) N(0, a²) + s N(m, b²) by bisection."""
    body = (sigma**2 + burst**2) ** 0.5
    slow = (body**2 + (0.5 * slow_shift) ** 2) ** 0.5
    low, high = -10.0, 10.0
    for _ in range(50):
        middle = (low + high) / 2
        below = (1 - slow_share) * ndtr(middle / body) + slow_share * ndtr((middle - slow_shift) / slow)
        low, high = (middle, high) if below < q else (low, middle)
    return low
