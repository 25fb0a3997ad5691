"""The real broker behind the work on partitions: Faust's producer and consumer, and a plain reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from faust import App
from faust.types import TP

from pipeline.stream.broker import Delivered, Header
from pipeline.stream.names import source_of
from pipeline.stream.transport import BatchConsumer, Committed, Progress

_AT_ONCE: Final = 10_000
_WAIT_S: Final = 0.5
_PATIENCE_S: Final = 60.0


class ReadError(Exception):
    """A partition that must be read back cannot be read."""


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A record that was read outside the group."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]


class FaustBroker:
    """A worker's Kafka in one generation of its group.

    Args:
        app: the Faust app; its consumer must have joined.
        generation: of the group, in which the partitions were assigned.
        client: settings of a confluent-kafka client.
        moved: told that something was read back.
    """

    def __init__(
        self, app: App, generation: int, client: Mapping[str, Any], moved: Callable[[], None] = lambda: None
    ) -> None:
        self._app = app
        self._moved = moved
        self._generation = generation
        self._client = client

    @property
    def _consumer(self) -> BatchConsumer:
        return cast(BatchConsumer, self._app.consumer)

    async def send(
        self, topic: str, partition: int | None, key: bytes | None, value: bytes | None, headers: Sequence[Header]
    ) -> Awaitable[Delivered]:
        sent = await self._app.producer.send(topic, key, value, partition, None, list(headers))
        return cast(Awaitable[Delivered], sent)

    async def commit(self, tp: TP, at: Committed) -> None:
        await self._consumer.client.commit_in(self._generation, {tp: at})

    async def progress(self, tp: TP) -> Progress | None:
        return await self._consumer.client.progress(tp)

    async def committed(self, partitions: frozenset[TP]) -> Mapping[TP, Committed]:
        return await self._consumer.client.committed(partitions)

    async def beginnings(self, partitions: frozenset[TP]) -> Mapping[TP, int]:
        return await self._consumer.client.beginnings(partitions)

    async def read(self, tp: TP, start: int, end: int | None) -> AsyncIterator[Sequence[ReadRecord]]:
        """Records from `start` to before `end`, or to what is the end of the log when it is reached."""
        if end is not None and start >= end:
            return
        # Not Faust's consumer, whose position is the group's; librdkafka fetches in threads of its own.
        try:
            consumer = Consumer(self._reader())
        except KafkaException as error:
            raise _unreadable(tp, start, error.args[0].str()) from error
        try:
            consumer.assign([TopicPartition(tp.topic, tp.partition, start)])
            waited = 0.0
            while waited < _PATIENCE_S:
                messages = await asyncio.to_thread(consumer.consume, _AT_ONCE, _WAIT_S)
                records, over = [], False
                for message in messages:
                    wrong = message.error()
                    if wrong is not None:
                        if wrong.code() == KafkaError._PARTITION_EOF:
                            over = True
                            continue
                        raise _unreadable(tp, start, wrong.str())
                    offset = cast(int, message.offset())
                    if end is not None and offset >= end:
                        over = True
                        break
                    headers = cast("list[Header]", message.headers() or [])
                    records.append(ReadRecord(offset, message.timestamp()[1], message.key(), message.value(), headers))
                    over = end is not None and offset + 1 >= end
                if records:
                    self._moved()
                    yield records
                if over:
                    return
                waited = 0.0 if records else waited + _WAIT_S
            raise _unreadable(tp, start, f"no answer in {_PATIENCE_S:.0f} s")
        except KafkaException as error:
            raise _unreadable(tp, start, error.args[0].str()) from error
        finally:
            await asyncio.to_thread(consumer.close)

    def _reader(self) -> dict[str, Any]:
        return {
            **self._client,
            # Of a member that is away it would write to stderr; what matters comes as an error.
            "log_level": 0,
            # It joins no group, and must name one; this is the one that the worker may use.
            "group.id": self._app.conf.id,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "queued.max.messages.kbytes": 65_536,
        }


def _unreadable(tp: TP, start: int, why: str) -> ReadError:
    return ReadError(f"{source_of(tp.topic, tp.partition)} cannot be read back from offset {start}: {why}")
