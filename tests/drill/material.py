"""Small streams and intents for drills: what the full ones are, in seconds instead of minutes."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from pipeline.detect.history import Span
from pipeline.drill.calibrate import Calibrated, calibrate
from pipeline.drill.plan import Planned
from pipeline.drill.rehearsal import Progress
from pipeline.drill.streams import SimulatedStream, fleet_of
from pipeline.drill.usual import Usual
from pipeline.engine import Engine
from pipeline.intent import Intent, Priority, Service, Severity
from pipeline.messages import CohortWindow, Incident, OperationWindow, Rate, Signal, Windows
from pipeline.observation import Cohort

INTENT: Final = Intent(
    (
        Service("playback", ("playback_start",), Priority.NON_NEGOTIABLE, route="on-call"),
        Service("extras", ("heartbeat",), Priority.BEST_EFFORT),
    )
)
COHORTS: Final = tuple(
    Cohort(operator, kind, f"{kind}-{version}", "production")
    for operator in ("altura", "bluecove")
    for kind in ("stb", "tv")
    for version in ("1", "2")
)
START: Final = 1_000 * 60_000


def small_stream(intent: Intent, days: int = 2, seed: int = 0) -> SimulatedStream:
    """Two days of history: enough for what is strong."""
    fleet = fleet_of(intent, 240.0)
    fleet = replace(
        fleet,
        operators=fleet.operators[:2],
        device_classes=fleet.device_classes[:2],
        firmwares=2,
        certification_operators=0,
    )
    return SimulatedStream(fleet, seed, days)


def usual(failure: float = 0.01, denial: float = 0.02) -> Usual:
    """COHORTS alike: 100 attempts each at `playback_start`, half of them in 900 ms, the others in 1 800."""
    found = Usual()
    rates = {
        "failure": Rate(10_000, round(10_000 * failure), 10_000),
        "denial": Rate(10_000, round(10_000 * denial), 10_000),
    }
    bins = tuple(int(np.log(ms) / 0.04) for ms in (900, 1_800))
    started = OperationWindow(100, 100, rates, bins, (50, 50), 100)
    order = {"out_of_order": Rate(1_000, 2, 1_000)}
    for operator in ("altura", "bluecove"):
        parts = [
            CohortWindow(
                it.device_class, it.firmware, it.environment, 100, rates=order, operations={"playback_start": started}
            )
            for it in COHORTS
            if it.operator == operator
        ]
        found.take(Windows("a", START, operator, parts))
    return found


def planned(signal: str = "latency", **changes: object) -> Planned:
    """A fault of `playback_start` at the firmware tv-2."""
    one = Planned(
        name="slow",
        service="playback",
        operation="playback_start",
        signal=signal,
        within_ms=4 * 3_600_000,
        severity=Severity.PAGE,
        receivers=("on-call",),
        scope={"firmware": "tv-2"},
        least=1.25,
    )
    return replace(one, **changes)  # type: ignore[arg-type]  # the caller's business


def calibrated(one: Planned, of: Usual | None = None) -> Calibrated:
    found = calibrate(one, of or usual())
    assert isinstance(found, Calibrated), found.why
    return found


def incident(minute: int, **changes: object) -> Incident:
    """Fires for the firmware tv-2, so many minutes after START."""
    values: dict[str, object] = {
        "incident_id": "one",
        "state": "firing",
        "severity": "page",
        "at": START + minute * 60_000,
        "onset_at": START,
        "scope": {"firmware": "tv-2"},
        "services": ["playback"],
        "signals": [Signal("playback_start", "latency", "up", 1250.0, 1000.0, 1.25, 1.0, "step")],
        "kind": "pattern",
        "evidence": 3.0,
        "summary": "slow",
    }
    return Incident(**(values | changes))  # type: ignore[arg-type]  # as above


def blinded(intent: Intent, source: str) -> Engine:
    """A detector that never finds anything dear enough to say: every scope and signal must pay without end."""
    engine = Engine(intent, source)
    judge = engine.pattern.judge
    toll = judge.toll

    def dear(span: Span) -> np.ndarray:
        return np.full_like(toll(span), np.inf)

    judge.toll = dear  # type: ignore[method-assign]  # what is being shown
    return engine


def deaf_to_latency(intent: Intent, source: str) -> Engine:
    """A detector that has lost its latency channels: all but them cost what they did."""
    engine = Engine(intent, source)
    judge = engine.pattern.judge
    toll = judge.toll

    def deaf(span: Span) -> np.ndarray:
        nats = toll(span)
        for column, one in enumerate(judge.judged):
            if one.channel.is_shift or one.channel.signal == "tail":
                nats[:, column] = np.inf
        nats[:, -1] = np.inf
        return nats

    judge.toll = deaf  # type: ignore[method-assign]  # as above
    return engine


class Silent(Progress):
    """Hears how far it is and says nothing."""
