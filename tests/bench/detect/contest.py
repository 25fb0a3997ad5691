"""Yardsticks at the same false-alarm rate: thresholds set on quiet fleets to the budget, then run on the faults."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from pipeline.messages import MINUTE_MS
from pipeline.observation import Cohort
from pipeline.simulate.faults import Fault
from tests.bench.detect.recordings import Recording
from tests.bench.detect.scenarios import DAY, MONDAY_MS, Scenario, start_of
from tests.bench.detect.series import STEP, Deviations, Floats, scale, standardised
from tests.bench.detect.worlds import HISTORY_DAYS, fault_setting, null_setting
from tests.bench.detect.yardsticks import Adwin, all_of

DEAD_MINUTES: Final = DAY
"""Alarms within a day of a page are the same page, whatever they are of: nobody would be paged for each."""
_KEPT: Final = 40
"""Of the rises of each step, so many of the highest are remembered."""


class Rises(msgspec.Struct):
    """What a quiet seed's statistics did after the history: by step, series that rose, from which value to which."""

    weeks: float
    by_yardstick: dict[str, list[list[tuple[float, float]]]]


class Tuned(msgspec.Struct):
    """A threshold and the false pages a week that it gave on the quiet fleets."""

    yardstick: str
    threshold: float
    pages: int
    weeks: float


class Race(msgspec.Struct):
    """How long a yardstick took to alarm about each fault of a scenario, in minutes; None: not within `watched`."""

    yardstick: str
    scenario: str
    seed: int
    delay: int | None
    watched: int


def rises(cache: Path, seed: int, days: int) -> Rises:
    """What each yardstick's statistics did in a quiet fleet."""
    recording = Recording(cache, null_setting(seed, days))
    steps = list(_listen(recording, (HISTORY_DAYS + days) * DAY, Deviations()))
    past = HISTORY_DAYS * DAY // STEP
    spread = scale(off for _, off in steps[DAY // STEP : past])
    found: dict[str, list[list[tuple[float, float]]]] = {}
    for name, yardstick in all_of(spread.shape).items():
        held = found[name] = []
        before = np.full(spread.shape, -np.inf)
        for number, (_, off) in enumerate(steps):
            now = yardstick.update(standardised(off, spread))
            rising = now > before
            if number >= past:
                pairs = zip(before[rising].tolist(), now[rising].tolist(), strict=True)
                held.append(heapq.nlargest(_KEPT, pairs, key=lambda pair: pair[1]))
            before = np.where(np.isfinite(now), now, before)
    return Rises(days / 7, found)


def tune(runs: Sequence[Rises], budget: float) -> list[Tuned]:
    """For each yardstick the lowest threshold that keeps the budget (false pages a week) on these fleets."""
    weeks = sum(run.weeks for run in runs)
    tuned: list[Tuned] = []
    names = runs[0].by_yardstick
    for name in names:
        if name.startswith(Adwin.name):
            continue
        highest = sorted({now for run in runs for step in run.by_yardstick[name] for _, now in step}, reverse=True)
        best = Tuned(name, highest[0], 0, weeks)
        for threshold in highest:
            pages = sum(_pages(run.by_yardstick[name], threshold) for run in runs)
            if pages > budget * weeks:
                break
            best = Tuned(name, threshold, pages, weeks)
        tuned.append(best)
    adwins = [name for name in names if name.startswith(Adwin.name)]
    counts = [(name, sum(_pages(run.by_yardstick[name], 0.5) for run in runs)) for name in adwins]
    kept = [(name, pages) for name, pages in counts if pages <= budget * weeks]
    # The first that keeps the budget is the most sensitive; the least sensitive where none does.
    name, pages = kept[0] if kept else counts[-1]
    return [*tuned, Tuned(name, 0.5, pages, weeks)]


def _pages(steps: Sequence[Sequence[tuple[float, float]]], threshold: float) -> int:
    """Times that any series rises above the threshold, a day apart at least."""
    pages, free = 0, 0
    for number, step in enumerate(steps):
        if number >= free and any(before <= threshold < now for before, now in step):
            pages += 1
            free = number + DEAD_MINUTES // STEP
    return pages


def race(cache: Path, seed: int, scenarios: Sequence[Scenario], tuned: Sequence[Tuned]) -> list[Race]:
    """The tuned yardsticks on one seed's faults, each watched for twice the scenario's limit."""
    setting = fault_setting(seed)
    start = start_of(seed, HISTORY_DAYS)
    history = Recording(cache, setting, marks=(start,))
    deviations = Deviations()
    past = [off for _, off in _listen(history, start, deviations)]
    spread = scale(past[DAY // STEP :])
    deltas = tuple(float(one.yardstick.split()[-1]) for one in tuned if one.yardstick.startswith(Adwin.name))
    found: list[Race] = []
    for scenario in scenarios:
        faults = scenario.drawn(setting.fleet, seed, start)
        branch = Recording(cache, setting, faults, start, history)
        watched = min(2 * scenario.limit, scenario.horizon)
        held = deepcopy(deviations)
        values = [standardised(off, spread) for off in past]
        values += [standardised(off, spread) for _, off in _listen(branch, start + watched, held)]
        wanted = _wanted(held.references.cohorts, [channel.signal for channel in held.references.channels], faults)
        yardsticks = all_of(spread.shape, deltas)
        for one in tuned:
            delay = _delay(values, len(past), wanted, yardsticks[one.yardstick].update, one.threshold)
            found.append(Race(one.yardstick, scenario.name, seed, delay, watched))
    return found


def _wanted(cohorts: list[Cohort], signals: list[str], faults: Sequence[Fault]) -> list[tuple[list[int], list[int]]]:
    """For each scope that suffers: rows of its cohorts, columns of the signals."""
    scopes: dict[str, list[Fault]] = {}
    for fault in faults:
        scopes.setdefault(repr(fault.scope), []).append(fault)
    wanted = []
    for group in scopes.values():
        kinds = {fault.kind for fault in group}
        if kinds & {"latency", "tail"}:
            kinds |= {"latency", "tail"}
        rows = [row for row, cohort in enumerate(cohorts) if group[0].covers(cohort)]
        wanted.append((rows, [column for column, signal in enumerate(signals) if signal in kinds]))
    return wanted


def _delay(
    values: Sequence[Floats],
    past: int,
    wanted: Sequence[tuple[list[int], list[int]]],
    update: Callable[[Floats], Floats],
    threshold: float,
) -> int | None:
    """Minutes until a series of each scope rose above the threshold."""
    before = np.full(values[0].shape, -np.inf)
    missing = list(range(len(wanted)))
    for number, value in enumerate(values):
        now = update(value)
        if number >= past:
            alarms = (before <= threshold) & (now > threshold)
            for scope in list(missing):
                rows = [row for row in wanted[scope][0] if row < alarms.shape[0]]
                columns = [column for column in wanted[scope][1] if column < alarms.shape[1]]
                if alarms[np.ix_(rows, columns)].any():
                    missing.remove(scope)
            if not missing:
                return (number - past + 1) * STEP
        before = np.where(np.isfinite(now), now, before)
    return None


def _listen(recording: Recording, until: int, deviations: Deviations) -> Iterator[tuple[int, Floats]]:
    """Steps up to minute `until` of the simulation."""
    end = MONDAY_MS + until * MINUTE_MS
    for at, off in deviations.steps(recording.messages()):
        yield at, off
        if at >= end:
            return
