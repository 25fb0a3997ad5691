"""How soon records become evidence and evidence an incident, on a real broker and a real worker."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from tests.soak.latency import BOUND_S, measure
from tests.soak.process import Measured
from tests.stream.live import Live


@pytest.mark.timeout(400)
def test_a_record_is_evidence_and_that_an_incident_in_two_seconds_each(kafka: str, tmp_path: Path) -> None:
    live = Live(kafka)
    live.create()
    with Measured(live, tmp_path / "worker.log", "--idle-after", "60") as worker:
        worker.await_ready(within=120)
        found = measure(live, minutes=30)
        assert worker.end() == 0
    assert len(found.evidence) > 10
    assert found.incident
    # The median, on machines that check many things at once; `python -m tests.soak.latency` bounds each.
    assert statistics.median(found.evidence) < BOUND_S
    assert statistics.median(found.incident) < BOUND_S
