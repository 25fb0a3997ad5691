"""A worker on a real protocol: topics made, an input written, the worker run until it has said all, its topics read."""

from __future__ import annotations

import asyncio
import uuid
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import cast

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from pipeline.codec import Message, decode, encode
from pipeline.engine import Engine, Output
from pipeline.intent import default
from pipeline.messages import Incident
from pipeline.records import RecordBatch
from pipeline.service import Service
from pipeline.simulate.events import simulate
from pipeline.simulate.fleet import SMALL
from pipeline.simulate.world import draw_world
from pipeline.stream.broker import Header
from pipeline.stream.names import Names
from pipeline.stream.settings import Settings, parse_address
from pipeline.stream.stamps import Seen, stamp_of
from pipeline.stream.topics import Topic, Topics, wanted
from pipeline.stream.works import topics_needed

START_MS = 1_767_571_200_000
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Line:
    """A record of an input: its key, its time in ms, its bytes."""

    key: bytes
    at: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """A record of one of Seamwatch's topics."""

    offset: int
    at: int
    value: bytes
    headers: list[Header]


def fleet(minutes: int, *, silent: range = range(0), seed: int = 1) -> list[Line]:
    """A simulated fleet; the operator `altura` says nothing in the minutes `silent`, which makes an incident."""
    world = draw_world(replace(SMALL, events_per_minute=60.0), (), seed=seed, start_ms=START_MS, minutes=minutes)
    lines = [Line(key.encode(), at, value) for batch in simulate(world) for key, value, at in batch.messages()]
    return [line for line in lines if not _is_silent(line, silent)]


def _is_silent(line: Line, silent: range) -> bool:
    if (line.at - START_MS) // MINUTE_MS not in silent:
        return False
    operator: str = msgspec.json.decode(line.value)["operator"]
    return operator == "altura"


def replayed(lines: Sequence[Line]) -> Output:
    """What `seamwatch replay` makes of a file with these lines."""
    engine, out = Engine(default()), Output()
    for first in range(0, len(lines), 1_000):
        values = [line.value for line in lines[first : first + 1_000]]
        _add(out, engine.feed(RecordBatch("-", range(first + 1, first + 1 + len(values)), values)))
    _add(out, engine.finish())
    return out


def _add(to: Output, found: Output) -> None:
    to.rejects += found.rejects
    to.evidence += found.evidence
    to.incidents += found.incidents


@dataclass(slots=True)
class Live:
    """One deployment on a cluster that it shares with others: names of its own, and what has been said so far."""

    bootstrap: str
    session_s: float = 6.0
    """What Kafka allows at least."""
    input: str = field(default_factory=lambda: f"in-{uuid.uuid4().hex[:8]}")
    name: str = ""
    """Tells deployments apart that read one input."""
    said: list[str] = field(default_factory=list)

    @property
    def group(self) -> str:
        return f"{self.input}{self.name}"

    @property
    def names(self) -> Names:
        return Names(f"{self.group}.")

    def settings(self, **changes: object) -> Settings:
        settings = Settings(
            brokers=tuple(parse_address(address) for address in self.bootstrap.split(",")),
            inputs={self.input: "canonical"},
            prefix=self.names.prefix,
            group=self.group,
            web=None,
            idle_after_s=2.0,
            checkpoint_s=1.0,
            session_s=self.session_s,
        )
        return replace(settings, **changes)  # type: ignore[arg-type]  # the caller's business

    @property
    def topics(self) -> Topics:
        return Topics({"bootstrap.servers": self.bootstrap})

    def create(self, partitions: int = 4, replicas: int = 1, input_partitions: int | None = None) -> None:
        """Make the topics, input included, which has as many partitions as the others unless said otherwise."""
        topics = [Topic(self.input, input_partitions), *wanted(self.names, replicas=replicas)]
        self.topics.create(topics, partitions=partitions, replicas=replicas)

    def touch(self) -> None:
        """On the embedded broker a topic is made by asking for it."""
        self.topics.partitions(topics_needed(self.settings()))

    def write(self, lines: Iterable[Line], partitions: int = 4) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "log_level": 0})
        for line in lines:
            partition = zlib.crc32(line.key) % partitions
            producer.produce(self.input, line.value, line.key, partition=partition, timestamp=line.at)
            producer.poll(0)
        assert producer.flush(60) == 0

    def read(self, topic: str) -> list[Message]:
        """What a topic says, repeats dropped; one partition after the other."""
        return [message for message, _ in self.timed(topic)]

    def timed(self, topic: str) -> list[tuple[Message, int]]:
        """As `read`, each with the time of its record, ms: when its producer sent it, or its broker appended it."""
        found = []
        for records in self.records(topic):
            # By partition, as a stage knows it: what is sent to all of them has the same stamp in each.
            seen = Seen()
            for record in records:
                origin = stamp_of(record.headers)
                if origin is None or seen.is_new(*origin):
                    found.append((decode(record.value), record.at))
        return found

    def records(self, topic: str) -> list[list[Found]]:
        """All there is, by partition."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "reader", "log_level": 0})
        found: list[list[Found]] = []
        try:
            for partition in range(self.topics.partitions([topic]).get(topic, 0)):
                at = TopicPartition(topic, partition)
                first, end = consumer.get_watermark_offsets(at, timeout=30)
                found.append([])
                consumer.assign([TopicPartition(topic, partition, first)])
                while first < end:
                    for message in consumer.consume(end - first, timeout=10):
                        value, headers = message.value(), message.headers()
                        assert message.error() is None
                        assert value is not None
                        offset, sent_at = cast(int, message.offset()), message.timestamp()[1]
                        found[-1].append(Found(offset, sent_at, value, cast("list[Header]", headers or [])))
                        first = offset + 1
        finally:
            consumer.close()
        return found

    def incidents(self) -> list[Incident]:
        found = self.read(self.names.incidents)
        assert all(isinstance(message, Incident) for message in found)
        return [message for message in found if isinstance(message, Incident)]

    def committed(self, topic: str) -> list[int]:
        """Offsets that the group has committed, of partitions where it has."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.group, "log_level": 0})
        try:
            partitions = range(self.topics.partitions([topic])[topic])
            try:
                found = consumer.committed([TopicPartition(topic, partition) for partition in partitions], timeout=30)
            except KafkaException as error:
                if error.args[0].code() not in (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE):
                    raise
                # The group has no coordinator yet, and so has committed nothing.
                found = []
            return [at.offset for at in found if at.offset >= 0]
        finally:
            consumer.close()

    def ends(self, topic: str) -> list[int]:
        """Where each partition of a topic ends."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "reader", "log_level": 0})
        try:
            partitions = range(self.topics.partitions([topic])[topic])
            return [consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=30)[1] for n in partitions]
        finally:
            consumer.close()

    def members(self) -> dict[str, int]:
        """How many partitions each worker of the group has; none while the group has no coordinator."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        try:
            group = admin.describe_consumer_groups([self.group])[self.group].result(timeout=30)
        except KafkaException:
            return {}
        return {member.member_id: len(member.assignment.topic_partitions) for member in group.members}

    def service(self, **changes: object) -> Service:
        return Service(self.settings(**changes), default(), self.said.append)

    @asynccontextmanager
    async def working(self, **changes: object) -> AsyncIterator[Service]:
        """A worker, for the length of a `with`; it must end in order."""
        service = self.service(**changes)
        running = asyncio.create_task(service.run())
        try:
            yield service
        finally:
            service.end()
            status = await running
        assert status == 0, self.said

    async def until(self, done: Callable[[], bool], within: float = 90.0) -> None:
        async with asyncio.timeout(within):
            while not await asyncio.to_thread(done):
                await asyncio.sleep(0.2)


def in_earnest(said: Iterable[str]) -> list[str]:
    """Without what a worker says when a busy broker takes its time: it waits, and all is well."""
    return [line for line in said if "; trying again in " not in line]


def as_lines(incidents: Iterable[Incident]) -> list[bytes]:
    """Incidents as `replay` writes them; in the order of their ids and changes, which partitions do not keep."""
    return [encode(incident) for incident in sorted(incidents, key=lambda i: (i.incident_id, i.at))]
