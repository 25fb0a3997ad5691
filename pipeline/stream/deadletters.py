"""The rejects topic: read as a whole, and its records sent again to where they came from.

What was redriven is remembered as the committed offsets of a group of its own, so that nothing is redriven twice by
mistake. A record that comes again has the ids that it had: what of it was accepted before is a duplicate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from pipeline.codec import decode
from pipeline.messages import Reject
from pipeline.rejects import is_whole
from pipeline.stream.names import Names

REDRIVEN: Final = "seamwatch-redriven"
"""Header of a record that was sent again: where it was refused."""
ANSWER_S: Final = 15.0
_PATIENCE_S: Final = 60.0


class DeadLetterError(Exception):
    """The broker does not answer, or did not take a record."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A refused record and its place in the rejects topic. is_new: it has not been redriven."""

    partition: int
    offset: int
    reject: Reject
    is_new: bool


class DeadLetters:
    """The rejects topic of one deployment; `client`: settings of a confluent-kafka client."""

    def __init__(self, client: Mapping[str, Any], names: Names) -> None:
        self._client = {"log_level": 0, **client}
        self._topic = names.rejects
        self._group = f"{names.prefix}redrive"

    def __iter__(self) -> Iterator[Kept]:
        """All that is kept, partition by partition. Raises DeadLetterError."""
        consumer = Consumer({**self._client, "group.id": self._group, "enable.auto.commit": False})
        try:
            found = consumer.list_topics(self._topic, timeout=ANSWER_S).topics[self._topic]
            if found.error is not None:
                msg = f"{self._topic}: {found.error.str()}"
                raise DeadLetterError(msg)
            places = [TopicPartition(self._topic, number) for number in sorted(found.partitions)]
            committed = {at.partition: at.offset for at in consumer.committed(places, timeout=ANSWER_S)}
            for place in places:
                first, end = consumer.get_watermark_offsets(place, timeout=ANSWER_S)
                yield from self._partition(consumer, place.partition, first, end, committed[place.partition])
        except KafkaException as error:
            raise DeadLetterError(error.args[0].str()) from error
        finally:
            consumer.close()

    def _partition(self, consumer: Consumer, number: int, at: int, end: int, committed: int) -> Iterator[Kept]:
        if at < end:
            consumer.assign([TopicPartition(self._topic, number, at)])
        while at < end:
            messages = consumer.consume(min(end - at, 10_000), timeout=_PATIENCE_S)
            if not messages:
                msg = f"{self._topic}/{number}: no answer for {_PATIENCE_S:.0f} s"
                raise DeadLetterError(msg)
            for message in messages:
                error, value, offset = message.error(), message.value(), message.offset()
                if error is not None or offset is None:
                    msg = f"{self._topic}/{number}: {error.str() if error is not None else 'a record without a place'}"
                    raise DeadLetterError(msg)
                at = offset + 1
                reject = _reject(value)
                if reject is not None:
                    yield Kept(number, offset, reject, offset >= committed)

    def redrive(self, chosen: Callable[[Kept], bool], *, remember: bool) -> tuple[int, int]:
        """Send those records again that are chosen, all of them acknowledged; how many were, and how many could not
        be as they had been cut off. remember: all up to the last of each partition count as redriven from now on.

        Raises DeadLetterError.
        """
        producer = Producer({"log_level": 0, **self._client, "enable.idempotence": True, "linger.ms": 20})
        failures: list[str] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None and not failures:
                failures.append(f"{message.topic()}: {error.str()}")

        sent = cut = 0
        done: dict[int, int] = {}
        for kept in self:
            if not chosen(kept):
                continue
            done[kept.partition] = kept.offset + 1
            if not is_whole(kept.reject):
                cut += 1
                continue
            self._send(producer, kept.reject, delivered)
            sent += 1
        if producer.flush(_PATIENCE_S) or failures:
            raise DeadLetterError(failures[0] if failures else "not every record was acknowledged")
        if remember:
            self._remember(done)
        return sent, cut

    def _send(
        self, producer: Producer, reject: Reject, delivered: Callable[[KafkaError | None, Message], None]
    ) -> None:
        topic, _, partition = reject.place.origin.rpartition("/")
        again: list[tuple[str, str | bytes | None]] = [
            (name, said) for name, said in reject.headers if name != REDRIVEN
        ]
        again.append((REDRIVEN, str(reject.place).encode()))
        while True:
            try:
                # To the partition it came from: its device's other records are there.
                producer.produce(
                    topic,
                    reject.value,
                    partition=int(partition),
                    timestamp=max(reject.received_at or 0, 0),
                    headers=again,
                    on_delivery=delivered,
                )
            except BufferError:
                producer.poll(0.1)
            except (KafkaException, ValueError) as error:
                msg = f"{reject.place.origin}: {error}"
                raise DeadLetterError(msg) from error
            else:
                producer.poll(0)
                return

    def _remember(self, done: Mapping[int, int]) -> None:
        if not done:
            return
        consumer = Consumer({**self._client, "group.id": self._group, "enable.auto.commit": False})
        try:
            consumer.commit(
                offsets=[TopicPartition(self._topic, number, offset) for number, offset in done.items()],
                asynchronous=False,
            )
        except KafkaException as error:
            raise DeadLetterError(error.args[0].str()) from error
        finally:
            consumer.close()


def _reject(value: bytes | None) -> Reject | None:
    """A record of the topic; None for what is none of ours."""
    try:
        message = decode(value or b"")
    except msgspec.MsgspecError:
        return None
    return message if isinstance(message, Reject) else None
