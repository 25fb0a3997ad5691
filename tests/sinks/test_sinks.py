"""What all sinks do, and what the small ones do."""

import io

import pytest
from prometheus_client import CollectorRegistry

from pipeline.metrics import Metrics
from pipeline.sinks import MeterSink, StdoutSink
from pipeline.sinks import alerts as alerts_module
from pipeline.sinks.alerts import Alerts
from tests.sinks.incidents import FIRING, incident


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


async def test_a_line_says_when_what_and_how_grave(metrics: Metrics) -> None:
    stream = io.StringIO()
    sink = StdoutSink(stream, metrics=metrics)
    await sink.restore([FIRING])
    await sink.send(FIRING)
    assert stream.getvalue() == f"2026-01-01T00:00:00.000Z firing page 5d2f0a9c11e84b07 {FIRING.summary}\n"


async def test_a_name_cannot_move_the_cursor_or_forge_a_line(metrics: Metrics) -> None:
    stream = io.StringIO()
    await StdoutSink(stream, metrics=metrics).send(incident(summary="fw\x1b[2J\nforged\u202e"))
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().endswith("fw\ufffd[2J\ufffdforged\ufffd\n")


async def test_a_full_disk_behind_the_standard_output_is_counted_and_stops_nothing(metrics: Metrics) -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    await StdoutSink(Full(), metrics=metrics).send(FIRING)
    assert metrics.sink_failures.value("stdout") == 1


async def test_incidents_are_counted_by_the_state_and_severity_they_are_in_now(metrics: Metrics) -> None:
    meter = MeterSink(metrics)
    await meter.restore([incident(incident_id="old", state="recovering", severity="ticket")])
    await meter.send(incident(state="forming"))
    await meter.send(FIRING)
    assert metrics.incidents.value("recovering", "ticket") == 1
    assert metrics.incidents.value("firing", "page") == 1
    assert metrics.incidents.value("forming", "page") == 0
    assert metrics.incident_changes.value("forming", "page") == 1
    assert metrics.incident_changes.value("recovering", "ticket") == 0


async def test_a_resolved_incident_is_forgotten_after_a_day_of_the_arrival_clock(metrics: Metrics) -> None:
    meter = MeterSink(metrics)
    await meter.send(incident(incident_id="done", state="resolved"))
    await meter.send(incident(at=FIRING.at + 24 * 3_600_000))
    assert metrics.incidents.value("resolved", "page") == 1
    await meter.send(incident(at=FIRING.at + 24 * 3_600_000 + 1))
    assert metrics.incidents.value("resolved", "page") == 0


async def test_the_phases_of_an_incident_are_timed_once_each_and_not_again_by_the_next_worker(metrics: Metrics) -> None:
    minute = 60_000
    fired = incident(onset_at=FIRING.at - 30 * minute, fired_at=FIRING.at)
    seen = incident(at=FIRING.at + 5 * minute, fired_at=FIRING.at, acknowledged_at=FIRING.at + 5 * minute)
    over = incident(
        at=FIRING.at + 90 * minute,
        state="resolved",
        fired_at=FIRING.at,
        acknowledged_at=FIRING.at + 5 * minute,
        recovering_at=FIRING.at + 20 * minute,
        resolved_at=FIRING.at + 90 * minute,
    )
    meter = MeterSink(metrics)
    for record in (incident(state="forming"), fired, fired, seen, over):
        await meter.send(record)
    phases = {"detect": 30, "acknowledge": 5, "recover": 20, "resolve": 90}
    assert {phase: metrics.incident_seconds.value(phase, "page") for phase in phases} == {
        phase: minutes * 60.0 for phase, minutes in phases.items()
    }
    assert {metrics.incident_phases.value(phase, "page") for phase in phases} == {1}
    next_worker = MeterSink(metrics)
    await next_worker.restore([seen])
    await next_worker.send(over)
    assert metrics.incident_phases.value("acknowledge", "page") == 1
    assert metrics.incident_phases.value("resolve", "page") == 2


async def test_an_older_record_that_is_said_again_does_not_bring_back_what_was(metrics: Metrics) -> None:
    meter = MeterSink(metrics)
    await meter.restore([incident(state="resolved", at=FIRING.at + 5)])
    await meter.send(FIRING)
    assert metrics.incidents.value("firing", "page") == 0
    assert metrics.incidents.value("resolved", "page") == 1


def test_an_older_record_does_not_fire_an_alert_that_is_over() -> None:
    alerts = Alerts()
    alerts.take(FIRING, now=100.0)
    alerts.take(incident(state="resolved", at=FIRING.at + 5), now=200.0)
    alerts.take(FIRING, now=300.0)
    assert [alert.ends for alert in alerts] == [200.0]


def test_no_more_incidents_are_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts_module, "MOST_REMEMBERED", 2)
    alerts = Alerts()
    for at, name in enumerate(("a", "b", "c")):
        alerts.take(incident(incident_id=name, state="resolved", at=FIRING.at + 5), now=float(at))
    alerts.take(incident(incident_id="a"), now=9.0)
    alerts.take(incident(incident_id="c"), now=9.0)
    assert [alert.incident_id for alert in alerts] == ["a"]
