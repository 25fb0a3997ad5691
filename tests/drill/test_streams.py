"""The simulated stream that a drill is held on by default."""

from __future__ import annotations

from dataclasses import replace

from pipeline.drill.streams import START_MS, fleet_of
from pipeline.drill.usual import Usual
from pipeline.intent import Intent, Priority, Service, Threshold, default
from pipeline.messages import Windows
from pipeline.simulate.windows import simulate_windows
from pipeline.simulate.world import draw_world

SLOW = Threshold("a", "playback", "playback_start", "latency", 0.05, 3_600_000, limit_ms=600.0, quantile=0.95)
FAILING = Threshold("b", "playback", "playback_start", "failure", 0.003, 3_600_000)


def test_the_fleet_does_every_operation_of_the_intent_alike_often() -> None:
    fleet = fleet_of(default(), 100.0)
    names = [operation.name for operation in fleet.operations]
    assert names == ["playback_start", "entitlement_check", "license_request", "stall", "heartbeat"]
    assert fleet.events_per_minute == 500.0
    assert len({operation.share for operation in fleet.operations}) == 1


def test_when_nothing_is_wrong_every_line_of_the_intent_holds() -> None:
    service = Service("playback", ("playback_start", "seek"), Priority.NON_NEGOTIABLE, (SLOW, FAILING))
    # An hour of it, a hundred times as busy, so that rare failures can be counted.
    fleet = replace(fleet_of(Intent((service,))), events_per_minute=20_000.0)
    usual = Usual()
    for message in simulate_windows(draw_world(fleet, (), seed=0, start_ms=START_MS + 43_200_000, minutes=30)):
        if isinstance(message, Windows):
            usual.take(message)
    late = usual.quantile("playback_start", 0.95, usual.cohorts)
    failing = usual.rate("playback_start", "failure", usual.cohorts)
    assert late is not None
    assert failing is not None
    assert 250.0 < late < 600.0
    assert 0.0005 < failing < 0.003
    assert usual.records("seek", usual.cohorts) > 0
