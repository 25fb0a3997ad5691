"""How long records wait for the evidence that includes them, by the clock of the broker alone.

Every topic has the time at which the broker appended a record, and so has a minute of the worker: nothing here is by
the clock of a writer, or by when somebody looked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, TopicPartition

from pipeline.codec import Message
from pipeline.detect.evidence import Evidence
from pipeline.messages import Tick
from tests.stream.live import MINUTE_MS, Live

APPENDED: Final = {"log.message.timestamp.type": "LogAppendTime"}
"""Of a broker: what the time of a record means here."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Of one minute, times of appends in ms since the epoch.

    oldest, newest: of the records in it. closing: of the record that ends it on the last of the input partitions.
    counted: of the last that ingest said of it. evidence: of the last evidence of it.
    """

    minute: int
    oldest: int
    newest: int
    closing: int
    counted: int
    evidence: int

    @property
    def beyond_s(self) -> float:
        """Seconds that the record which waited longest waited for its evidence, beyond one window."""
        return (self.evidence - self.oldest - MINUTE_MS) / 1000

    @property
    def newest_s(self) -> float:
        """Seconds that the record which came last waited."""
        return (self.evidence - self.newest) / 1000


def waits(live: Live) -> list[Wait]:
    """Of every whole minute that there is evidence of; that in which the records began is none."""
    counted = last_of(live.timed(live.names.windows), Tick)
    evidence = last_of(live.timed(live.names.evidence), Evidence)
    found = []
    for minute in sorted(evidence)[1:]:
        begins, ends = around(live, minute), around(live, minute + MINUTE_MS)
        if not ends:
            continue
        found.append(
            Wait(
                minute,
                oldest=min(after for _, after in begins),
                newest=max(before for before, _ in ends),
                closing=max(after for _, after in ends),
                counted=counted[minute],
                evidence=evidence[minute],
            )
        )
    return found


def last_of(said: Sequence[tuple[Message, int]], kind: type[Evidence] | type[Tick]) -> Mapping[int, int]:
    """By minute, when the last message of a kind was appended."""
    found: dict[int, int] = {}
    for message, at in said:
        if isinstance(message, kind):
            found[message.minute] = max(at, found.get(message.minute, 0))
    return found


def around(live: Live, instant: int) -> list[tuple[int, int]]:
    """By input partition, when the last record before an instant was appended, and the first that was not before.

    Empty when a partition has none of the latter.
    """
    consumer = Consumer({"bootstrap.servers": live.bootstrap, "group.id": "reader", "log_level": 0})
    try:
        partitions = range(live.topics.partitions([live.input])[live.input])
        asked = [TopicPartition(live.input, partition, instant) for partition in partitions]
        found = consumer.offsets_for_times(asked, timeout=30)
        return [_pair(consumer, at) for at in found] if all(at.offset > 0 for at in found) else []
    finally:
        consumer.close()


def _pair(consumer: Consumer, at: TopicPartition) -> tuple[int, int]:
    """Times of the record before an offset, and of the one there."""
    consumer.assign([TopicPartition(at.topic, at.partition, at.offset - 1)])
    found: list[int] = []
    while len(found) < 2:
        messages = consumer.consume(2 - len(found), timeout=30)
        assert messages, f"nothing to read at {at}"
        for message in messages:
            kind, stamp = message.timestamp()
            assert kind == TIMESTAMP_LOG_APPEND_TIME
            found.append(stamp)
    return found[0], found[1]
