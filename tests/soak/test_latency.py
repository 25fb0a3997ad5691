"""How soon records become evidence and evidence an incident, on a real broker and a real worker."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from tests.soak.latency import measure
from tests.soak.process import Measured
from tests.stream.live import Live

IDLE_S = 60


@pytest.mark.timeout(400)
def test_records_become_evidence_and_that_an_incident_while_the_fleet_goes_on(kafka: str, tmp_path: Path) -> None:
    live = Live(kafka)
    live.create()
    with Measured(live, tmp_path / "worker.log", "--idle-after", str(IDLE_S)) as worker:
        worker.await_ready(within=120)
        found = measure(live, minutes=30)
        assert worker.end() == 0
    assert len(found.evidence) > 10
    assert found.incident
    # How soon is for `python -m tests.soak.latency` to say. Here, that nothing waits for an input to be called idle.
    assert statistics.median(found.evidence) < IDLE_S / 2
    assert statistics.median(found.incident) < IDLE_S / 2
