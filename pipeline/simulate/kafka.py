"""A simulation written to a Kafka topic, as fast as it takes them or at a chosen pace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.simulate.events import Batch
from pipeline.simulate.formats import messages

_SETTINGS: Final = {
    # What is acknowledged is on disk, and once: a simulation whose records may be missing proves nothing.
    "enable.idempotence": True,
    "linger.ms": 20,
    # Devices stay on their partitions, whoever else writes to the topic: what Java clients and Faust choose.
    "partitioner": "murmur2_random",
    "message.timeout.ms": 60_000,
}
ANSWER_S: Final = 10.0
"""How long a broker may take to answer at all."""
_NAP_S: Final = 0.005
EARLY_S: Final = 0.02
"""Records are written so much before their time: to wait for each of ten thousand a second costs more than to write
it."""
PARTITIONS: Final = 4
"""Of a topic that is not there yet."""
OLD_S: Final = 86_400.0
"""What a stream begins before now, for its records not to be left to the broker's retention."""
KEPT: Final[Mapping[str, str]] = {"retention.ms": "-1"}
"""Settings of a topic whose records are older than they should be kept."""


_T = TypeVar("_T")


class DeliveryError(Exception):
    """The broker does not answer, or did not take a record; the message names the broker or topic."""


def produce(
    batches: Iterable[Batch],
    *,
    brokers: str,
    topic: str,
    speed: float | None,
    progress: Callable[[Batch], None],
    since: tuple[float, int] | None = None,
    partition: int = -1,
    client: Mapping[str, Any] | None = None,
    format_name: str = "canonical",
    begins_ms: int | None = None,
) -> int:
    """Write every record to `topic`, keyed by device, stamped with its arrival; returns how many.

    A topic that is not there is created: whoever simulates an operator owns the operator's topic.

    speed: 1 for real time, 60 for an hour a minute; None for as fast as the broker takes them. since: a time on the
    monotonic clock and the instant of the simulation that belongs to it; None: the first record is written at once.
    partition: all to this one; -1: each to its key's. client: further settings of confluent-kafka, such as how to
    connect. begins_ms: epoch ms of the first record; where that is long ago, a topic that is created keeps its records
    for ever, as a broker would find their retention over and delete them before they are read. None: now.

    Raises DeliveryError.
    """
    failures: list[str] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None and not failures:
            failures.append(f"{message.topic()}: {error.str()}")

    troubles: list[str] = []

    def troubled(error: KafkaError) -> None:
        troubles.append(error.str())

    own = {"bootstrap.servers": brokers, "error_cb": troubled, "log_level": 0}
    producer = Producer({**(client or {}), **own, **_SETTINGS})
    try:
        found = producer.list_topics(topic, timeout=ANSWER_S).topics[topic].error
    except KafkaException as error:
        # The first trouble says more (a certificate, a password) than that time ran out.
        producer.poll(0)
        msg = f"{brokers}: no broker answers: {troubles[0] if troubles else error.args[0].str()}"
        raise DeliveryError(msg) from None
    if found is not None and found.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        old = begins_ms is not None and begins_ms < (time.time() - OLD_S) * 1000
        _create(topic, {**(client or {}), "bootstrap.servers": brokers, "log_level": 0}, KEPT if old else {})
    pace = _Pace(speed, since) if speed is not None else None
    written = 0
    # While one minute is written the next is drawn, or each would begin late by as long as that takes.
    for batch in batches if pace is None else _ahead(batches):
        for key, value, timestamp in messages(batch, format_name):
            if pace is not None:
                pace.wait_for(timestamp, producer)
            while True:
                try:
                    producer.produce(topic, value, key, partition, timestamp=timestamp, on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(_NAP_S)
            written += 1
        producer.poll(0)
        if failures:
            raise DeliveryError(failures[0])
        progress(batch)
    left = producer.flush(ANSWER_S + 60)
    if failures or left:
        raise DeliveryError(failures[0] if failures else f"{topic}: {left} records were not acknowledged")
    return written


def _create(topic: str, client: Mapping[str, Any], config: Mapping[str, str]) -> None:
    """Raises DeliveryError."""
    # Held: what an AdminClient was asked for dies with it.
    admin = AdminClient(dict(client))
    try:
        admin.create_topics([NewTopic(topic, PARTITIONS, config=dict(config))])[topic].result(ANSWER_S)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            msg = f"{topic}: it is not there, and cannot be created: {error.args[0].str()}"
            raise DeliveryError(msg) from error


def _ahead(items: Iterable[_T]) -> Iterator[_T]:
    """The items, each of which is made while the one before is in use."""
    source = iter(items)
    nothing = object()
    with ThreadPoolExecutor(1, thread_name_prefix="drawing") as drawing:
        coming = drawing.submit(next, source, nothing)
        while (item := coming.result()) is not nothing:
            coming = drawing.submit(next, source, nothing)
            yield item  # type: ignore[misc]  # it is no `nothing`


class _Pace:
    """Holds each record back until its time has come."""

    def __init__(self, speed: float, since: tuple[float, int] | None) -> None:
        self._speed = speed
        self._began = since

    def wait_for(self, timestamp: int, producer: Producer) -> None:
        if self._began is None:
            self._began = time.monotonic(), timestamp
        started, first = self._began
        due = started + (timestamp - first) / 1_000 / self._speed - EARLY_S
        while (early := due - time.monotonic()) > 0:
            # Polling is how to wait here: it sends what is due, and hears of what was delivered.
            try:
                producer.poll(min(early + EARLY_S, 0.1))
            except SystemError as error:
                # What the client makes of Ctrl-C.
                raise KeyboardInterrupt from error
