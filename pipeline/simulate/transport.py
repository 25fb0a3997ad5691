"""What becomes of reports on their way: each gets a sequence number and an arrival, some get lost, some come twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.simulate.chance import stream
from pipeline.simulate.devices import Devices, Line
from pipeline.simulate.durations import HOUR_MS, MINUTE_MS
from pipeline.simulate.faults import FIELDS
from pipeline.simulate.traffic import Attempts, Rates, Visits, in_scope
from pipeline.simulate.world import ATTEMPT_RATES, RATES, Conditions, World

BACKFILL_MS: Final = 5 * MINUTE_MS
"""For so long after an outage what was held back comes in."""

BACKFILLED: Final = 0.7
"""Share of what was held back that comes at all."""

_SOUND: Final = 0

_MISSED_WITHIN_MS: Final = 2 * HOUR_MS
_NEVER_MS: Final = 2.0**52


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
class Journeys:
    """What becomes of each attempt's record; arrays as long as the attempts, times in ms of the simulation."""

    sent: NDArray[np.float64]
    received: NDArray[np.float64]
    """Of what does not arrive: when it would be missed."""
    arrives: NDArray[np.bool_]
    cached: NDArray[np.bool_]
    flaw: NDArray[np.int64]
    """0: none; else `flaw_of` a field and form."""
    overtaken: NDArray[np.int64]
    """Rows that are overtaken by the rest of their visit."""
    twice: NDArray[np.int64]
    """Rows that come a second time …"""
    later: NDArray[np.int64]
    """… so many ms later."""


def send(
    world: World,
    conditions: Conditions,
    devices: Devices,
    visits: Visits,
    attempts: Attempts,
    g: np.random.Generator,
) -> Reports:
    """The reports of these attempts, in no particular order. Keeps count in `devices`."""
    device = visits.device[attempts.visit]
    line = Line(devices, device, attempts.at)
    journeys = travel(world, conditions, visits, attempts, g, line.kept)
    reports = Reports(
        cohort=attempts.cohort,
        device=device,
        seq=line.numbered(),
        operation=attempts.operation,
        outcome=attempts.outcome,
        latency_ms=attempts.latency_ms,
        retries=attempts.retries,
        at=attempts.at,
        sent=journeys.sent,
        received=journeys.received.astype(np.int64),
        cached=journeys.cached,
        flaw=journeys.flaw,
    )
    again = journeys.arrives[journeys.twice]
    copies = reports.take(journeys.twice[again])
    copies.received[:] += journeys.later[again]
    return reports.take(np.flatnonzero(journeys.arrives)).joined(copies)


def travel(
    world: World,
    conditions: Conditions,
    visits: Visits,
    attempts: Attempts,
    g: np.random.Generator,
    in_line: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> Journeys:
    """The way of each attempt's record. in_line: makes arrivals of one device come in the order of its sending."""
    size, scale = len(attempts.visit), world.fleet.nuisances
    visit, cohort = attempts.visit, attempts.cohort
    network = np.exp(np.log(250.0) + 0.6 * g.standard_normal(len(visits.device)))
    began = (visits.start // MINUTE_MS).astype(np.int64) - conditions.first
    network *= np.exp(conditions.latency[visits.cohort, began])
    sent = attempts.at + g.uniform(20, 200, size)
    received = in_line(sent + network[visit])

    mishaps = _mishaps(world, conditions, visits, attempts, g)
    if size:
        last = np.maximum.reduceat(received, np.cumsum(visits.records) - visits.records)
        received[mishaps.overtaken] = last[visit[mishaps.overtaken]] + 20 + 2_000 * mishaps.overtaken_by
    _delay_feeds(world, cohort, received)
    held = g.random(len(visits.device)) < 0.003 * scale.cached
    held_ms = np.minimum(np.exp(np.log(0.5) + g.standard_normal(len(visits.device))), 12.0) * HOUR_MS
    received += np.where(held, held_ms, 0.0)[visit]
    arrives = _through_outages(world, cohort, received, stream(world.seed, "backfill", conditions.first))
    arrives[mishaps.lost] = False
    _silence_feeds(world, cohort, received, arrives)
    return Journeys(
        sent=sent,
        received=received,
        arrives=arrives,
        cached=held[visit],
        flaw=_flaws(world, conditions, cohort, attempts.at, g),
        overtaken=mishaps.overtaken,
        twice=mishaps.twice,
        later=(-5_000 * np.log(mishaps.twice_by)).astype(np.int64),
    )


@dataclass(frozen=True, slots=True)
class _Mishaps:
    """Rows of what does not go as it should, with an even draw from 0 to 1 for each where its extent varies."""

    overtaken: NDArray[np.int64]
    overtaken_by: NDArray[np.float64]
    lost: NDArray[np.int64]
    twice: NDArray[np.int64]
    twice_by: NDArray[np.float64]


def _mishaps(
    world: World, conditions: Conditions, visits: Visits, attempts: Attempts, g: np.random.Generator
) -> _Mishaps:
    """Which records are overtaken by the rest of their visit, which are lost, which come twice."""
    cohort, visit = attempts.cohort, attempts.visit
    rates = Rates(world, conditions, visits.rates[visit], cohort, np.zeros_like(visit), attempts.minute)
    for fault in world.faults:
        if fault.kind in RATES[ATTEMPT_RATES:]:
            rows = np.flatnonzero(in_scope(world, fault)[cohort])
            rates.multiply(RATES.index(fault.kind), rows, fault.size ** fault.strength(attempts.at[rows]))
    lot = g.random(len(visit))
    # Only what the same visit goes on from can be overtaken; it is so the more often, to give the rate over all.
    share = 1 - 1 / world.fleet.visit_records
    overtaken, depth = rates.hits(RATES.index("out_of_order"), lot, share) if share else (visit[:0], lot[:0])
    followed = np.append(visit, -1)[overtaken + 1] == visit[overtaken]
    lost, _ = rates.hits(RATES.index("gap"), lot - 0.5)
    twice, twice_by = rates.hits(RATES.index("duplicate"), lot - 0.75)
    return _Mishaps(overtaken[followed], depth[followed], lost, twice, 1 - twice_by)


def _delay_feeds(world: World, cohort: NDArray[np.int64], received: NDArray[np.float64]) -> None:
    for fault in world.faults:
        if fault.kind == "delay":
            received += np.where(in_scope(world, fault)[cohort], fault.size * fault.strength(received), 0.0)


def _through_outages(
    world: World, cohort: NDArray[np.int64], received: NDArray[np.float64], g: np.random.Generator
) -> NDArray[np.bool_]:
    """Which records come through. Those held back do so roughly in their order after the outage; moves `received`."""
    arrives = np.ones(len(received), dtype=np.bool_)
    first, last = received.min(initial=np.inf), received.max(initial=0.0)
    for outage in world.calendar.outages:
        begin, lasts = outage.start * MINUTE_MS, outage.minutes * MINUTE_MS
        if last < begin or begin + lasts <= first:
            continue
        within = (world.operator[cohort] == outage.operator) & (received >= begin) & (received < begin + lasts)
        held = np.flatnonzero(within)
        jitter, survives = g.uniform(0, 600, len(received))[held], g.random(len(received))[held] < BACKFILLED
        part = (received[held] - begin) / lasts
        # What is lost would be missed only when its device reports again, over the next hours.
        received[held] = begin + lasts + np.where(survives, BACKFILL_MS * part + jitter, _MISSED_WITHIN_MS * part)
        arrives[held] = survives
    return arrives


def _silence_feeds(
    world: World, cohort: NDArray[np.int64], received: NDArray[np.float64], arrives: NDArray[np.bool_]
) -> None:
    for fault in world.faults:
        if fault.kind == "silence":
            silenced = np.flatnonzero(in_scope(world, fault)[cohort] & (fault.strength(received) > 0))
            arrives[silenced] = False
            if fault.until is None:
                received[silenced] = _NEVER_MS
            else:
                part = (received[silenced] - fault.start) / (fault.until - fault.start)
                received[silenced] = fault.until + _MISSED_WITHIN_MS * part


def _flaws(
    world: World, conditions: Conditions, cohort: NDArray[np.int64], at: NDArray[np.float64], g: np.random.Generator
) -> NDArray[np.int64]:
    scale = world.fleet.nuisances.missing
    flaw = np.full(len(cohort), _SOUND, dtype=np.int64)
    lot = g.random(len(cohort), dtype=np.float32)
    for begin, share, field, form in _USUAL_FLAWS:
        flaw[(lot >= begin) & (lot < begin + share * scale)] = flaw_of(field, form)
    for number, fault in enumerate(world.faults):
        if fault.kind == "contract":
            own = stream(world.seed, "contract", number, conditions.first).random(len(cohort))
            spoilt = in_scope(world, fault)[cohort] & (own < fault.size * fault.strength(at))
            flaw[spoilt] = flaw_of(fault.field or "", fault.form)
    return flaw


_USUAL_FLAWS: Final = (
    (0.0, 0.01, "latency_ms", "missing"),
    (0.2, 0.005, "retries", "missing"),
    (0.4, 0.005, "occurred_at", "missing"),
    (0.6, 0.0001, "latency_ms", "bad"),
    (0.8, 0.0001, "outcome", "bad"),
)
