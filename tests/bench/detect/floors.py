"""The floor: how soon anybody could know, with scope, size, shape and every baseline known, and no moods of days.

By Wald's identity a test that is to give ln(1e6) nats of evidence needs, on average, that many nats divided by what one
event gives: the Kullback-Leibler divergence of an event under the fault from one without it. Events are taken to be
independent, which they are not quite (the attempts of one visit share a mood), so the true floor is a little higher.
Nats are summed over the minutes of the fleet's own day until there are enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.simulate.durations import MINUTE_MS
from pipeline.simulate.faults import Fault
from pipeline.simulate.fleet import Operation
from pipeline.simulate.traffic import in_scope, noise_quantiles
from pipeline.simulate.world import RATES, World, most

Floats: TypeAlias = NDArray[np.float64]

ENOUGH: Final = math.log(1e6)
"""Nats."""

_BLOCK: Final = 60
_GRID: Final = np.linspace(-4.0, 8.0, 6_001)
"""Log latency around the median."""
_STRENGTHS: Final = np.linspace(0.0, 1.0, 33)


def floor(world: World, faults: Sequence[Fault]) -> float | None:
    """Minutes from the start of the faults until there is enough evidence for each of their scopes.

    None: not before the world ends.
    """
    scopes = sorted(faults, key=_scope)
    each = [_floor_of_scope(world, list(group)) for _, group in groupby(scopes, key=_scope)]
    return None if None in each else max(one for one in each if one is not None)


def _scope(fault: Fault) -> str:
    return repr(sorted(fault.scope.items()))


def _floor_of_scope(world: World, faults: list[Fault]) -> float | None:
    start = min(fault.start for fault in faults) // MINUTE_MS
    tables = [_latency_table(world, fault) for fault in faults]
    total = 0.0
    for first in range(start, world.minutes, _BLOCK):
        minutes = min(_BLOCK, world.minutes - first)
        attempts = _attempts(world, first, minutes)
        at = (np.arange(first, first + minutes, dtype=np.float64) + 0.5) * MINUTE_MS
        nats = np.zeros(minutes)
        for fault, table in zip(faults, tables, strict=True):
            nats += _nats(world, fault, table, attempts, fault.strength(at))
        reached = np.flatnonzero(total + np.cumsum(nats) >= ENOUGH)
        if len(reached):
            whole = int(reached[0])
            before = total + float(nats[:whole].sum())
            return float(first - start + whole + (ENOUGH - before) / nats[whole])
        total += float(nats.sum())
    return None


def _attempts(world: World, first: int, minutes: int) -> Floats:
    """(cohort, operation, minute): attempts that are expected, roll-outs taken into account."""
    conditions = world.conditions(first, minutes)
    visits = np.zeros((len(world.cohorts), minutes))
    visits[: world.homes] = conditions.volume
    at = np.arange(first, first + minutes, dtype=np.float64) + 0.5
    for rollout, goal in world.rollouts:
        going = np.flatnonzero(goal >= 0)
        moved = visits[going] * rollout.share(at)
        visits[going] -= moved
        np.add.at(visits, goal[going], moved)
    share = np.diff(conditions.mix, axis=1, prepend=0.0)
    records = visits * world.fleet.visit_records
    return np.asarray(records[:, None, :] * share[world.operator][:, :, None])


def _nats(world: World, fault: Fault, table: Floats | None, attempts: Floats, strength: Floats) -> Floats:
    """(minute,): what is to be learnt in each."""
    mine = attempts[in_scope(world, fault)]
    operations = [operation.name for operation in world.fleet.operations]
    if fault.operation is not None:
        mine = mine[:, [operations.index(fault.operation)]]
    if table is not None:
        if fault.operation is not None:
            table = table[[operations.index(fault.operation)]]
        gain = np.stack([np.interp(strength, _STRENGTHS, row) for row in table])
        return np.asarray((mine.sum(axis=0) * gain).sum(axis=0))
    rate = RATES.index(fault.kind)
    base = world.rates[rate][in_scope(world, fault)]
    if fault.operation is not None:
        base = base[:, [operations.index(fault.operation)]]
    with_fault = np.minimum(base[:, :, None] * np.exp(np.log(fault.size) * strength), most(rate))
    return np.asarray((mine * _bernoulli(with_fault, base[:, :, None])).sum(axis=(0, 1)))


def _bernoulli(q: Floats, p: Floats) -> Floats:
    """Divergence of a share q from a share p, in nats."""
    p = np.clip(p, 1e-12, 1 - 1e-12)
    q = np.clip(q, 1e-12, 1 - 1e-12)
    return np.asarray(q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p)))


def _latency_table(world: World, fault: Fault) -> Floats | None:
    """(operation, strength): divergence of one attempt's latency; None where the fault is one of shares."""
    if fault.kind not in ("latency", "tail"):
        if fault.kind not in RATES:
            msg = f"no floor is known of {fault.kind}"
            raise ValueError(msg)
        return None
    effect = np.log(fault.size) * _STRENGTHS
    low, high = noise_quantiles(world, 0.9), noise_quantiles(world, 0.99)
    burst = 0.25 * world.fleet.nuisances.bursts
    rows = []
    for index, operation in enumerate(world.fleet.operations):
        by = np.ones_like(_GRID)
        if fault.kind == "tail":
            by = np.clip((_GRID - low[index]) / (high - low)[index], 0.0, 1.0)
        heard = 1.0 - operation.failure - operation.denial - operation.timeout
        rows.append([heard * _divergence(operation, burst, size * by) for size in effect])
    return np.array(rows)


def _divergence(operation: Operation, burst: float, moved: Floats) -> float:
    """Of the log latency x + moved(x) from x, by change of variables, in nats."""
    density = np.exp(_log_density(operation, burst, _GRID))
    stretch = np.gradient(_GRID + moved, _GRID)
    gain = np.log(density) - np.log(stretch) - _log_density(operation, burst, _GRID + moved)
    return max(float(np.trapezoid(density * gain, _GRID)), 0.0)


def _log_density(operation: Operation, burst: float, x: Floats) -> Floats:
    body = (operation.sigma**2 + burst**2) ** 0.5
    slow = (body**2 + (0.5 * operation.slow_shift) ** 2) ** 0.5
    parts = [
        np.log(max(share, 1e-300)) - 0.5 * ((x - middle) / width) ** 2 - np.log(width)
        for share, middle, width in (
            (1 - operation.slow_share, 0.0, body),
            (operation.slow_share, operation.slow_shift, slow),
        )
    ]
    return np.asarray(np.logaddexp(*parts) - 0.5 * np.log(2 * np.pi))
