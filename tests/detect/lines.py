"""What was counted against the lines of an intent, minute by minute, told to a pattern stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import msgspec
import numpy as np

from pipeline.detect.evidence import Evidence
from pipeline.detect.pattern import Pattern
from pipeline.intent import Intent, Priority, Service, Threshold
from pipeline.messages import MINUTE_MS, Incident, Tick
from pipeline.observation import Cohort
from tests.detect.material import MIDNIGHT
from tests.detect.planted import CHANNELS, FLEET, SOURCE, message

HOUR_MS = 60 * MINUTE_MS
FAILING = Threshold(
    "playback/failure",
    "playback",
    "playback_start",
    "failure",
    0.05,
    HOUR_MS,
    line="playback_start failure <= 5 % over 1h",
    place="intent.yaml:7",
)
SLOW = Threshold(
    "playback/p95", "playback", "playback_start", "latency", 0.05, HOUR_MS, limit_ms=1_200.0, quantile=0.95
)
PLAYBACK = Service(
    "playback",
    ("playback_start",),
    Priority.NON_NEGOTIABLE,
    thresholds=(FAILING,),
    containment="Turn the new player off.",
    runbook="https://runbooks.example/playback",
    place="intent.yaml:5",
)


def intent_of(*services: Service) -> Intent:
    return Intent(services)


def asked(service: Service, *thresholds: Threshold) -> Service:
    return replace(service, thresholds=thresholds)


Share = Callable[[int, Cohort], float]
"""Share of bad attempts of a cohort in a minute (counted from midnight)."""


def minutes(
    first: int,
    last: int,
    share: Share,
    thresholds: tuple[Threshold, ...] = (FAILING,),
    attempts: float = 50.0,
    fleet: tuple[Cohort, ...] = FLEET,
) -> Iterator[Evidence]:
    """Nothing that a pattern would be seen in: only what the lines ask for. All thresholds have the same share."""
    nothing = np.zeros((len(fleet), len(CHANNELS)))
    for number in range(first, last):
        of = np.full((len(fleet), len(thresholds)), attempts)
        bad = of * np.array([[share(number, cohort)] for cohort in fleet])
        plain = message(MIDNIGHT + number * MINUTE_MS, nothing, nothing, fleet)
        yield msgspec.structs.replace(plain, thresholds=[one.threshold_id for one in thresholds], attempts=of, bad=bad)


def told(pattern: Pattern, said: Iterator[Evidence]) -> list[Incident]:
    out: list[Incident] = []
    for one in said:
        out += pattern.feed(one)
        out += pattern.feed(Tick(SOURCE, one.minute))
    return out
