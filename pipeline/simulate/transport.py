"""What becomes of reports on their way: each gets a sequence number and an arrival, some get lost, some come twice."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.simulate.chance import stream
from pipeline.simulate.durations import HOUR_MS, MINUTE_MS
from pipeline.simulate.faults import FIELDS, Fault
from pipeline.simulate.traffic import Attempts, Visits, in_scope
from pipeline.simulate.world import ATTEMPT_RATES, RATES, Conditions, World, most

BACKFILL_MS: Final = 5 * MINUTE_MS
"""For so long after an outage what was held back comes in."""

BACKFILLED: Final = 0.7
"""Share of what was held back that comes at all."""

_SOUND: Final = 0


@dataclass(frozen=True, slots=True)
class Reports:
    """Records as they come in; arrays of one length, times in ms of the simulation."""

    cohort: NDArray[np.int64]
    device: NDArray[np.int64]
    seq: NDArray[np.int64]
    operation: NDArray[np.int64]
    outcome: NDArray[np.int64]
    latency_ms: NDArray[np.float64]
    retries: NDArray[np.int64]
    at: NDArray[np.float64]
    sent: NDArray[np.float64]
    received: NDArray[np.int64]
    cached: NDArray[np.bool_]
    flaw: NDArray[np.int64]
    """0: none; else `flaw_of` a field and form."""

    def __len__(self) -> int:
        return len(self.received)

    def take(self, rows: NDArray[np.int64]) -> Self:
        return type(self)(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def joined(self, other: Self) -> Self:
        return type(self)(
            **{f.name: np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)}
        )


def flaw_of(field: str, form: str) -> int:
    """The number of a flaw: what is wrong (`bad` or `missing`) with which of `FIELDS`."""
    return 1 + 2 * FIELDS.index(field) + (form == "missing")


def flaw_parts(flaw: int) -> tuple[str, str]:
    """The field and form of a flaw's number."""
    return FIELDS[(flaw - 1) // 2], "missing" if (flaw - 1) % 2 else "bad"


@dataclass(frozen=True, slots=True)
class Devices:
    """What persists of each device of a world; arrays of (device,)."""

    skew: NDArray[np.float64]
    """ms that its clock is ahead."""
    uptime: NDArray[np.bool_]
    """Its clock counts from when it was switched on, `skew` ms before the simulation began."""
    written: NDArray[np.int64]
    """Records so far, the next sequence number; grows as the simulation goes on, as does the next."""
    heard: NDArray[np.float64]
    """ms of the simulation when its connection was last in use."""


def draw_devices(world: World) -> Devices:
    g = stream(world.seed, "devices")
    scale, size = world.fleet.nuisances.skew, world.devices
    usual, off, lot = 300.0 * g.standard_normal(size), g.uniform(-30, 30, size) * MINUTE_MS, g.random(size)
    far = lot < 0.03 * scale
    uptime = lot > 1 - 0.002 * scale
    skew = np.where(far, off, scale * usual)
    skew[uptime] = g.uniform(1, 700, size)[uptime] * HOUR_MS
    # Each has a past: a counter near 0 would look as if it had just been reset.
    return Devices(skew=skew, uptime=uptime, written=g.integers(1_000, 100_000, size), heard=np.zeros(size))


def send(
    world: World,
    conditions: Conditions,
    devices: Devices,
    visits: Visits,
    attempts: Attempts,
    g: np.random.Generator,
) -> Reports:
    """The reports of these attempts, device by device. Keeps count in `devices`."""
    size, scale = len(attempts.visit), world.fleet.nuisances
    visit, cohort = attempts.visit, attempts.cohort
    device = visits.device[visit]
    network = np.exp(np.log(250.0) + 0.6 * g.standard_normal(len(visits.device)))
    sent = attempts.at + g.uniform(20, 200, size)
    received = sent + g.uniform(0, 30, size)
    received += network[visit] * np.exp(conditions.latency[cohort, attempts.minute])

    order = np.lexsort((attempts.at, device))
    seq = np.empty(size, dtype=np.int64)
    begins = np.flatnonzero(np.diff(device[order], prepend=-1))
    seq[order] = _counted(device[order], begins, devices)
    received[order] = _in_order(device[order], begins, received[order], devices)

    swapped, lost, twice = _mishaps(world, conditions, visits, attempts, g)
    if size:
        begins = np.cumsum(visits.records) - visits.records
        last = np.maximum.reduceat(received, begins)[visit]
        received = np.where(swapped, last + g.uniform(20, 2_000, size), received)

    received += _feed_delay(world, cohort, received)
    held = g.random(len(visits.device)) < 0.003 * scale.cached
    held_ms = np.minimum(np.exp(np.log(0.5) + g.standard_normal(len(visits.device))), 12.0) * HOUR_MS
    cached = held[visit]
    received += np.where(cached, held_ms[visit], 0.0)
    arrives, received = _through_outages(world, cohort, received, g)
    arrives &= ~lost & ~_silenced(world, cohort, received)

    reports = Reports(
        cohort=cohort,
        device=device,
        seq=seq,
        operation=attempts.operation,
        outcome=attempts.outcome,
        latency_ms=attempts.latency_ms,
        retries=attempts.retries,
        at=attempts.at,
        sent=sent,
        received=received.astype(np.int64),
        cached=cached,
        flaw=_flaws(world, cohort, attempts.at, g),
    )
    again = np.flatnonzero(arrives & twice)
    later = (MINUTE_MS / 20 * np.exp(g.standard_normal(size))).astype(np.int64)
    copies = reports.take(again)
    copies.received[:] += later[again]
    # Each device's in its order, so that of two arrivals in one ms the first sent stays first.
    return reports.take(order[arrives[order]]).joined(copies)


def _counted(device: NDArray[np.int64], begins: NDArray[np.intp], devices: Devices) -> NDArray[np.int64]:
    """Sequence numbers of records sorted by device; `begins` is where each device's first one is."""
    lengths = np.diff(np.append(begins, len(device)))
    rank = np.arange(len(device)) - np.repeat(begins, lengths)
    seq = devices.written[device] + rank
    devices.written[device[begins]] += lengths
    return seq


def _in_order(
    device: NDArray[np.int64], begins: NDArray[np.intp], received: NDArray[np.float64], devices: Devices
) -> NDArray[np.float64]:
    """A device's connection keeps the order: what was sent later arrives no earlier. Sorted by device and time."""
    received[begins] = np.maximum(received[begins], devices.heard[device[begins]])
    # Far more than a block and its delays last, so that one device's arrivals never reach the next one's.
    apart = np.repeat(np.arange(len(begins)) * 1e9, np.diff(np.append(begins, len(device))))
    ordered: NDArray[np.float64] = np.maximum.accumulate(received + apart)
    ordered -= apart
    ends = np.append(begins[1:], len(device))[: len(begins)] - 1
    devices.heard[device[ends]] = ordered[ends]
    return ordered


def _mishaps(
    world: World, conditions: Conditions, visits: Visits, attempts: Attempts, g: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Which records are overtaken by the rest of their visit, which are lost, which come twice."""
    cohort, visit = attempts.cohort, attempts.visit
    rates = {
        RATES[rate]: world.rates[rate, cohort, 0]
        * conditions.rates[rate, cohort, attempts.minute]
        * visits.rates[visit]
        for rate in range(ATTEMPT_RATES, len(RATES))
    }
    for fault in world.faults:
        if fault.kind in rates:
            rates[fault.kind] *= np.where(
                in_scope(world, fault)[cohort], np.exp(np.log(fault.size) * fault.strength(attempts.at)), 1.0
            )
    # Only what the same visit goes on from can be overtaken; it is so the more often, to give the rate over all.
    followed = np.append(visit[1:] == visit[:-1], False)[: len(visit)]
    share = 1 - 1 / world.fleet.visit_records
    rates["out_of_order"] = np.where(followed, rates["out_of_order"] / share, 0.0) if share else 0.0 * rates["gap"]
    limited = {name: np.minimum(rate, most(RATES.index(name))) for name, rate in rates.items()}
    lot = g.random(len(visit))
    return (
        lot < limited["out_of_order"],
        (lot >= 0.5) & (lot < 0.5 + limited["gap"]),
        (lot >= 0.75) & (lot < 0.75 + limited["duplicate"]),
    )


def _feed_delay(world: World, cohort: NDArray[np.int64], received: NDArray[np.float64]) -> NDArray[np.float64]:
    delay = np.zeros(len(received))
    for fault in world.faults:
        if fault.kind == "delay":
            delay += np.where(in_scope(world, fault)[cohort], fault.size * fault.strength(received), 0.0)
    return delay


def _through_outages(
    world: World, cohort: NDArray[np.int64], received: NDArray[np.float64], g: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which records come through, and when: those held back come roughly in their order after the outage."""
    survives, jitter = g.random(len(received)) < BACKFILLED, g.uniform(0, 600, len(received))
    arrives = np.ones(len(received), dtype=np.bool_)
    for outage in world.calendar.outages:
        begin, lasts = outage.start * MINUTE_MS, outage.minutes * MINUTE_MS
        held = (world.operator[cohort] == outage.operator) & (received >= begin) & (received < begin + lasts)
        if held.any():
            backfilled = begin + lasts + BACKFILL_MS * (received - begin) / lasts + jitter
            received = np.where(held, backfilled, received)
            arrives &= ~held | survives
    return arrives, received


def _silenced(world: World, cohort: NDArray[np.int64], received: NDArray[np.float64]) -> NDArray[np.bool_]:
    silenced = np.zeros(len(received), dtype=np.bool_)
    for fault in world.faults:
        if fault.kind == "silence":
            silenced |= in_scope(world, fault)[cohort] & (fault.strength(received) > 0)
    return silenced


def _flaws(
    world: World, cohort: NDArray[np.int64], at: NDArray[np.float64], g: np.random.Generator
) -> NDArray[np.int64]:
    scale = world.fleet.nuisances.missing
    flaw = np.full(len(cohort), _SOUND, dtype=np.int64)
    lot = g.random(len(cohort))
    for begin, share, field, form in _USUAL_FLAWS:
        flaw[(lot >= begin) & (lot < begin + share * scale)] = flaw_of(field, form)
    lot = g.random(len(cohort))
    for fault in world.faults:
        if fault.kind == "contract":
            flaw[_spoiled(world, fault, cohort, at, lot)] = flaw_of(fault.field or "", fault.form)
    return flaw


_USUAL_FLAWS: Final = (
    (0.0, 0.01, "latency_ms", "missing"),
    (0.2, 0.005, "retries", "missing"),
    (0.4, 0.005, "occurred_at", "missing"),
    (0.6, 0.0001, "latency_ms", "bad"),
    (0.8, 0.0001, "environment", "bad"),
)


def _spoiled(
    world: World, fault: Fault, cohort: NDArray[np.int64], at: NDArray[np.float64], lot: NDArray[np.float64]
) -> NDArray[np.bool_]:
    return in_scope(world, fault)[cohort] & (lot < fault.size * fault.strength(at))
