"""What a minute of N cohorts costs in the baseline and the pattern stage, and what they remember of each.

A few simulated minutes are fed again and again under later times: one in each two hours of a week, so that anchors
freeze and every span has something to judge, then two hours without a gap, which are measured. They hold every kind
of judgement as often as it comes: spans of hours every 15 or 30 minutes, spans of days every two hours.
"""

from __future__ import annotations

import resource
import time
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import msgspec

from models.season import SLOT_MS, SLOTS
from pipeline.detect.baseline import Baseline
from pipeline.detect.pattern import Pattern
from pipeline.intent import default
from pipeline.messages import MINUTE_MS, Tick, Windows
from pipeline.simulate.fleet import sized
from pipeline.simulate.windows import SOURCE, simulate_windows
from pipeline.simulate.world import draw_world
from tests.bench.detect.scenarios import MONDAY_MS

SIZES = (100, 1_000, 5_000, 20_000)
SIMULATED = 8
"""Minutes."""
QUIETEST = 0.5
"""Records a minute: so nearly every cohort is among the few minutes."""
WARM_SLOTS = 7 * SLOTS + 1
MEASURED = 120


class Cost(msgspec.Struct):
    """Of one size of fleet; seconds of one core a minute of stream, bytes a cohort."""

    cohorts: int
    records: float
    """A minute."""
    baseline: float
    pattern: float
    worst: float
    """The dearest of the measured minutes, both stages together."""
    baseline_state: float
    pattern_state: float
    """Of the snapshots."""
    resident: float
    """Growth of the process, which holds both stages."""
    peak: float
    """The same at the most: what a judgement of seven days takes while it lasts."""


def cost(size: int) -> Cost:
    """Measured in a process of its own, so that what it holds can be told."""
    minutes = _minutes(size)
    cohorts = len(
        {
            (window.operator, cohort.device_class, cohort.firmware, cohort.environment)
            for minute in minutes
            for window in minute
            for cohort in window.cohorts
        }
    )
    records = sum(cohort.records for minute in minutes for window in minute for cohort in window.cohorts)
    before = _resident()
    baseline = Baseline([SOURCE])
    pattern = Pattern([baseline.name], default())
    turn = 0

    def feed(at: int) -> tuple[float, float]:
        nonlocal turn
        turn += 1
        began = time.process_time()
        said = []
        for window in minutes[turn % len(minutes)]:
            said += baseline.feed(msgspec.structs.replace(window, minute=at))
        said += baseline.feed(Tick(SOURCE, at))
        middle = time.process_time()
        for message in said:
            pattern.feed(message)
        return middle - began, time.process_time() - middle

    for slot in range(WARM_SLOTS):
        for minute in range(len(minutes)):
            feed(MONDAY_MS + slot * SLOT_MS + minute * MINUTE_MS)
    start = MONDAY_MS + WARM_SLOTS * SLOT_MS
    spent = [feed(start + minute * MINUTE_MS) for minute in range(MEASURED)]
    resident, peak = _resident() - before, _peak() - before
    return Cost(
        cohorts=cohorts,
        records=records / len(minutes),
        baseline=sum(one for one, _ in spent) / MEASURED,
        pattern=sum(other for _, other in spent) / MEASURED,
        worst=max(map(sum, spent)),
        baseline_state=len(msgspec.msgpack.encode(baseline.snapshot())) / cohorts,
        pattern_state=len(msgspec.msgpack.encode(pattern.snapshot())) / cohorts,
        resident=resident / cohorts,
        peak=peak / cohorts,
    )


def _minutes(size: int) -> list[list[Windows]]:
    world = draw_world(replace(sized(size), quietest=QUIETEST), (), seed=1, start_ms=MONDAY_MS, minutes=SIMULATED)
    windows = [message for message in simulate_windows(world) if isinstance(message, Windows)]
    return [list(group) for _, group in groupby(windows, key=lambda window: window.minute)]


def _resident() -> int:
    """Bytes, now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _peak() -> int:
    """Bytes, at the most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def cost_table(costs: list[Cost]) -> str:
    """In Markdown."""
    lines = [
        "| cohorts | records a minute | baseline, ms a minute | pattern, ms a minute | both | dearest minute | "
        "state: baseline, kB a cohort | pattern | resident | at the most |",
        "|" + "---|" * 10,
    ]
    lines += [
        f"| {one.cohorts:,} | {one.records:,.0f} | {one.baseline * 1e3:.1f} | {one.pattern * 1e3:.1f} | "
        f"{(one.baseline + one.pattern) * 1e3:.1f} | {one.worst:.2f} s | {one.baseline_state / 1e3:.1f} | "
        f"{one.pattern_state / 1e3:.1f} | {one.resident / 1e3:.1f} | {one.peak / 1e3:.1f} |"
        for one in costs
    ]
    return "\n".join(lines)
