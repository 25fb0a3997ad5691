"""What a page shows is read from the topics: all of the deployment, whichever partitions a worker holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from confluent_kafka import Producer

from pipeline.codec import Message, encode
from pipeline.messages import Change, Incident, Proof
from pipeline.stream.embedded import EmbeddedBroker
from pipeline.stream.mirror import READING, Mirror
from pipeline.stream.stamps import Stamp
from tests.sinks.incidents import FIRING, incident
from tests.stream.live import Live
from tests.web.fleet import evidence


@pytest.fixture
def live() -> Iterator[Live]:
    with EmbeddedBroker() as broker:
        found = Live(broker.bootstrap)
        found.topics.partitions([found.names.evidence, found.names.incidents])
        yield found


class Heard:
    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.doubts: list[str | None] = []


@asynccontextmanager
async def mirroring(live: Live) -> AsyncIterator[Heard]:
    heard = Heard()
    mirror = Mirror(
        {"bootstrap.servers": live.bootstrap}, live.group, live.names, heard.messages.append, heard.doubts.append
    )
    running = asyncio.create_task(mirror.run())
    try:
        yield heard
    finally:
        running.cancel()
        await asyncio.wait([running])


def tell(live: Live, topic: str, message: Message | bytes | None, stamp: int | None = None, partition: int = 0) -> None:
    producer = Producer({"bootstrap.servers": live.bootstrap, "log_level": 0})
    value = message if isinstance(message, bytes | None) else encode(message)
    headers = [Stamp(stamp, 0, 0).header("windows/0")] if stamp is not None else []
    producer.produce(topic, value, b"key", partition=partition, headers=headers)  # type: ignore[arg-type]  # its hints want str
    assert producer.flush(60) == 0


async def test_what_was_said_before_and_what_comes_is_taken_from_every_partition(live: Live) -> None:
    names = live.names
    for partition in range(4):
        tell(live, names.incidents, incident(incident_id=f"before-{partition}"), partition=partition)
    tell(live, names.evidence, evidence(0), stamp=1)
    async with mirroring(live) as heard:
        await live.until(lambda: heard.doubts[-1:] == [None])
        assert heard.doubts[0] == READING
        assert {one.incident_id for one in heard.messages if isinstance(one, Incident)} == {
            f"before-{n}" for n in range(4)
        }
        tell(live, names.incidents, FIRING, partition=2)
        await live.until(lambda: FIRING in heard.messages)
        assert len(heard.messages) == 6


async def test_a_repetition_after_a_crash_is_taken_once_and_what_is_not_ours_is_passed_over(live: Live) -> None:
    topic = live.names.evidence
    for minute, stamp in ((0, 1), (1, 2), (0, 1), (1, 2), (2, 3)):
        tell(live, topic, evidence(minute), stamp=stamp)
    tell(live, topic, b"\xff no message", stamp=4)
    tell(live, topic, None)
    tell(live, topic, evidence(3), stamp=5)
    async with mirroring(live) as heard:
        await live.until(lambda: len(heard.messages) >= 4)
        minutes = [message.minute for message in heard.messages if not isinstance(message, Change)]  # type: ignore[union-attr]
        assert minutes == sorted(set(minutes))


async def test_changes_and_proofs_are_taken_and_a_change_may_leave_out_what_it_is(live: Live) -> None:
    live.topics.partitions([live.names.changes, live.names.proofs])
    change = Change("c1", 1_767_225_600_000, "deployment", "release 7")
    plain = msgspec.to_builtins(change)
    del plain["type"]
    tell(live, live.names.changes, msgspec.json.encode(plain))
    proof = Proof("playback", 1_767_225_600_000, "weekly", True)
    tell(live, live.names.proofs, proof)
    async with mirroring(live) as heard:
        await live.until(lambda: len(heard.messages) == 2)
        assert change in heard.messages
        assert proof in heard.messages


async def test_a_kafka_that_is_away_is_said_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.stream.mirror._ANSWER_S", 0.3)
    async with mirroring(Live("127.0.0.1:1")) as heard:
        await Live("127.0.0.1:1").until(lambda: any("Kafka cannot be read" in (why or "") for why in heard.doubts))
        assert heard.messages == []


async def test_topics_of_a_deployment_that_is_not_there_are_said_to_be_missing() -> None:
    with EmbeddedBroker() as broker:
        nowhere = Live(broker.bootstrap)
        async with mirroring(nowhere) as heard:
            await nowhere.until(lambda: any("there is no topic" in (why or "") for why in heard.doubts))
