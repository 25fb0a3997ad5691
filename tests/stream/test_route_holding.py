"""Route: every change of an incident to every sink, and what was told before to those that begin."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from pipeline.codec import encode
from pipeline.messages import Incident, Tick
from pipeline.metrics import Metrics
from pipeline.stream.agents.route import RouteHolding
from pipeline.stream.agents.stage import ForeignMessageError
from pipeline.stream.meters import RouteMeter
from pipeline.stream.stamps import Stamp
from tests.stream.memory_kafka import MemoryKafka

INCIDENTS = TP("incidents", 0)


class Listening:
    """A sink that remembers what it was told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def restore(self, incidents: Sequence[Incident]) -> None:
        self.heard.append("restored " + " ".join(f"{i.incident_id}:{i.state}" for i in incidents))

    async def send(self, incident: Incident) -> None:
        self.heard.append(f"{incident.incident_id}:{incident.state}")

    async def close(self) -> None:
        self.heard.append("closed")


def incident(name: str, state: str) -> bytes:
    return encode(Incident(name, state, "page", 0, 0, {}, [], [], "pattern", 0.0, "It is slow."))


class Partition:
    def __init__(self) -> None:
        self.kafka = MemoryKafka()

    def say(self, value: bytes | None, number: int) -> None:
        self.kafka.append(INCIDENTS, value, headers=[Stamp(number, 0, 0).header("evidence/0")])

    async def assign(self) -> tuple[RouteHolding, Listening]:
        sink = Listening()
        meter = RouteMeter(Metrics(CollectorRegistry()))
        holding = RouteHolding(INCIDENTS, self.kafka.join(), sinks=[sink], meter=meter, clock=lambda: 0.0)
        await holding.open(self.kafka.commits.get(INCIDENTS), 0)
        return holding, sink

    async def take(self, holding: RouteHolding) -> None:
        batch = self.kafka.batch(INCIDENTS, holding.position, 100)
        assert batch is not None
        await holding.take(batch)


async def test_every_change_is_told_in_order_and_a_repeat_is_not() -> None:
    partition = Partition()
    holding, sink = await partition.assign()
    partition.say(incident("a", "forming"), 1)
    partition.say(incident("a", "firing"), 2)
    partition.say(incident("a", "forming"), 1)
    await partition.take(holding)
    assert sink.heard == ["restored ", "a:forming", "a:firing"]


async def test_a_new_worker_restores_the_newest_record_of_each_incident_and_tells_the_rest() -> None:
    partition = Partition()
    holding, _ = await partition.assign()
    partition.say(incident("a", "forming"), 1)
    partition.say(incident("b", "forming"), 2)
    partition.say(incident("a", "firing"), 3)
    partition.say(None, 4)
    await partition.take(holding)
    await holding.close()
    partition.say(incident("b", "resolved"), 5)
    holding, sink = await partition.assign()
    await partition.take(holding)
    assert sink.heard == ["restored a:firing b:forming", "b:resolved"]


async def test_what_was_not_committed_is_told_again() -> None:
    partition = Partition()
    holding, _ = await partition.assign()
    partition.say(incident("a", "firing"), 1)
    await partition.take(holding)
    holding, sink = await partition.assign()
    await partition.take(holding)
    assert sink.heard == ["restored ", "a:firing"]


async def test_the_sinks_end_with_the_partition() -> None:
    partition = Partition()
    holding, sink = await partition.assign()
    await holding.close()
    assert sink.heard == ["restored ", "closed"]


async def test_sinks_end_even_when_the_partition_was_lost_meanwhile() -> None:
    partition = Partition()
    holding, sink = await partition.assign()
    partition.say(incident("a", "firing"), 1)
    await partition.take(holding)
    partition.kafka.join()
    await holding.tend(0.0)
    assert holding.fenced
    await holding.close()
    assert sink.heard[-1] == "closed"


@pytest.mark.parametrize("value", [b"{}", encode(Tick("in/0", 1))])
async def test_what_is_no_incident_is_named_by_its_place(value: bytes) -> None:
    partition = Partition()
    holding, _ = await partition.assign()
    partition.say(value, 1)
    with pytest.raises(ForeignMessageError, match="incidents/0 offset 0"):
        await partition.take(holding)
