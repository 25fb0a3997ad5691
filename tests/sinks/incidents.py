"""Incidents to tell."""

from typing import Any

import msgspec

from pipeline.messages import Incident, Signal

LATENCY = Signal("playback_start", "latency", "up", 1250.0, 1000.0, 1.25, 0.8, "drift", quantile=0.5)
RETRY = Signal("*", "retry", "up", 0.06, 0.04, 1.5, 0.2, "step")

FIRING = Incident(
    incident_id="5d2f0a9c11e84b07",
    state="firing",
    severity="page",
    at=1_767_225_600_000,
    onset_at=1_767_196_800_000,
    scope={"operator": "nordcast", "firmware": "9.4.1"},
    services=["playback"],
    signals=[LATENCY, RETRY],
    kind="pattern",
    evidence=3.2,
    summary="Operator nordcast, firmware 9.4.1: playback_start latency 1250 ms instead of 1000 ms (+25 %).",
)


def incident(**changes: Any) -> Incident:
    """`FIRING`, changed."""
    return msgspec.structs.replace(FIRING, **changes)
