"""The records that topics hold now, read outside of every group, for `seamwatch learn`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from pipeline.records import RecordBatch
from pipeline.stream.broker import Header
from pipeline.stream.names import source_of
from pipeline.stream.topics import ClusterError, Topics

_AT_ONCE: Final = 4_000
_WAIT_S: Final = 1.0
_PATIENCE_S: Final = 60.0


class TopicHistory:
    """All that some topics hold when this is made; iterating reads it, once.

    Attributes:
        sources: the partitions, as sources.
        size: records there are to read, at most (a compacted log or transactions leave holes).
        fault: why it could not be read to its end; None while it could.
    """

    def __init__(self, client: Mapping[str, Any], topics: Sequence[str]) -> None:
        """Raises ClusterError."""
        self.fault: str | None = None
        self._consumer = Consumer(
            {
                "log_level": 0,
                "group.id": "unused",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "queued.max.messages.kbytes": 65_536,
                **client,
            }
        )
        partitions = Topics(client).partitions(topics)
        missing = [topic for topic in topics if topic not in partitions]
        if missing:
            msg = f"there is no topic {missing[0]}"
            raise ClusterError(msg)
        self._ends: dict[tuple[str, int], int] = {}
        self._begins: dict[tuple[str, int], int] = {}
        try:
            for topic in topics:
                for number in range(partitions[topic]):
                    first, end = self._consumer.get_watermark_offsets(
                        TopicPartition(topic, number), timeout=_PATIENCE_S
                    )
                    self._begins[topic, number], self._ends[topic, number] = first, end
        except KafkaException as error:
            raise ClusterError(error.args[0].str()) from error
        self.sources = [source_of(*place) for place in self._ends]
        self.size = sum(self._ends[place] - self._begins[place] for place in self._ends)

    def __iter__(self) -> Iterator[tuple[str, RecordBatch]]:
        waiting = {place for place, end in self._ends.items() if end > self._begins[place]}
        self._consumer.assign([TopicPartition(*place, self._begins[place]) for place in sorted(waiting)])
        waited = 0.0
        try:
            while waiting:
                messages = self._consumer.consume(_AT_ONCE, _WAIT_S)
                waited = 0.0 if messages else waited + _WAIT_S
                if waited >= _PATIENCE_S:
                    self.fault = f"no answer in {_PATIENCE_S:.0f} s"
                    return
                batches: dict[tuple[str, int], list[Any]] = defaultdict(list)
                for message in messages:
                    place = cast(str, message.topic()), cast(int, message.partition())
                    error = message.error()
                    if error is None:
                        if cast(int, message.offset()) < self._ends[place]:
                            batches[place].append(message)
                        if cast(int, message.offset()) + 1 >= self._ends[place]:
                            waiting.discard(place)
                    elif error.code() == KafkaError._PARTITION_EOF:
                        waiting.discard(place)
                    else:
                        self.fault = f"{source_of(*place)}: {error.str()}"
                        return
                for place, held in batches.items():
                    yield source_of(*place), _batch(source_of(*place), held)
        except KafkaException as error:
            self.fault = error.args[0].str()
        finally:
            self._consumer.close()


def _batch(source: str, messages: Sequence[Any]) -> RecordBatch:
    return RecordBatch(
        origin=source,
        positions=[message.offset() for message in messages],
        values=[message.value() or b"" for message in messages],
        timestamps=[message.timestamp()[1] for message in messages],
        headers=[cast("list[Header]", message.headers() or []) for message in messages],
    )
