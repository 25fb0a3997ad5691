"""What drills have shown, on a live deployment."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from pipeline.messages import Proof
from pipeline.metrics import Metrics
from pipeline.stream import proofs
from pipeline.stream.handover import NotSentError
from pipeline.stream.names import Names
from pipeline.stream.proofs import ProofReader, key_of, publish
from tests.stream.live import Live

GOOD = Proof("playback", 1_000_000, "default", True, 3, 0, 60_000, "on-call")
BAD = Proof("playback", 2_000_000, "default", False, 3, 1, 30_000, "on-call")
OTHER = Proof("licensing", 3_000_000, "default", True)


async def test_every_worker_says_when_a_service_was_last_proven(live: Live) -> None:
    client = {"bootstrap.servers": live.bootstrap}
    publish(client, live.names, [GOOD, BAD])
    async with live.working() as service:
        metrics = service._metrics
        await live.until(lambda: metrics.last_proven_at.value("playback") == 1_000.0)
        await live.until(lambda: metrics.drill_at.value("playback") == 2_000.0)
        assert metrics.drill_missed.value("playback") == 1.0
        publish(client, live.names, [OTHER])
        await live.until(lambda: metrics.last_proven_at.value("licensing") == 3_000.0)
        assert metrics.drill_slowest.value("licensing") is None


async def test_a_reader_hears_what_was_there_and_what_comes_and_passes_over_what_is_no_proof(live: Live) -> None:
    client = {"bootstrap.servers": live.bootstrap}
    heard: list[Proof] = []
    publish(client, live.names, [GOOD])
    reader = ProofReader(client, live.names, heard.append)
    reader.start()
    await live.until(lambda: heard == [GOOD])
    publish(client, live.names, [BAD])
    await live.until(lambda: heard == [GOOD, BAD])
    reader.stop()


def test_where_no_broker_is_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "ANSWER_S", 1.0)
    with pytest.raises(NotSentError):
        publish({"bootstrap.servers": "127.0.0.1:1"}, Names("x."), [GOOD])


def test_a_drill_that_misses_takes_nothing_away_from_when_it_was_last_proven() -> None:
    metrics = Metrics(CollectorRegistry())
    for proof in (GOOD, BAD, GOOD):
        metrics.proof(proof)
    assert metrics.last_proven_at.value("playback") == 1_000.0
    assert (metrics.drill_at.value("playback"), metrics.drill_missed.value("playback")) == (2_000.0, 1.0)
    assert key_of(GOOD) != key_of(BAD)
