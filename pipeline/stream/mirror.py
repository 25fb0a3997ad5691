"""All that a page shows, read from the topics themselves: any worker answers for the whole deployment.

Outside of every group and apart from what the worker holds: evidence (with anchors and changes in it) from some stretch
back, incidents, changes and proofs from the beginning, which for compacted topics is the newest of each. What cannot be
read is said, and tried again; no fault of it ends the worker.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Record

from pipeline.codec import Message, decode
from pipeline.messages import Change
from pipeline.stream.broker import Header
from pipeline.stream.names import Names, source_of
from pipeline.stream.stamps import Seen, stamp_of
from pipeline.stream.topics import ClusterError

Place: TypeAlias = tuple[str, int]

LOOKBACK_S: Final = 2 * 3_600.0
"""Of evidence. What one reads at a start: 120 minutes of 5 000 cohorts are some 250 MB, read once, kept as sums."""
LITTLE: Final = 500
"""Records of evidence that are read whole, whenever they were written."""
AT_ONCE: Final = 32
"""Messages that are held between the broker and the board; evidence of thousands of cohorts has megabytes."""
FETCHED_KB: Final = 32_768
WAIT_S: Final = 0.25
LOOK_S: Final = 60.0
"""Between two looks for topics that were not there, and for partitions that have come."""
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_ANSWER_S: Final = 10.0

READING: Final = "what was said before is still being read"


@dataclass(slots=True)
class _Fetched:
    """What one look brought. ended: partitions that are read to their end."""

    messages: list[Message] = field(default_factory=list)
    ended: list[Place] = field(default_factory=list)


class Mirror:
    """Reads until it is cancelled.

    Args:
        client: settings of a confluent-kafka client.
        group: whose name it may use; it joins none and commits nothing.
        take: given every message once, in the order of its partition, on the loop that runs this.
        doubt: told why what was taken may be old or incomplete, and None when it no longer is.
        now: wall clock, seconds since the epoch.

    Attributes:
        caught_up: all that there was at the start has been taken.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        group: str,
        names: Names,
        take: Callable[[Message], None],
        doubt: Callable[[str | None], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self.caught_up = False
        self._client = client
        self._group = group
        self._names = names
        self._take = take
        self._doubt = doubt
        self._now = now
        self._next: dict[Place, int] = {}
        """Offset of what is to be read next."""
        self._seen: dict[Place, Seen] = defaultdict(Seen)

    async def run(self) -> None:
        pause = _FIRST_PAUSE_S
        self._doubt(READING)
        while True:
            try:
                await self._follow()
                pause = _FIRST_PAUSE_S
            except (ClusterError, KafkaException) as error:
                why = error.args[0].str() if isinstance(error, KafkaException) else str(error)
                self._doubt(f"Kafka cannot be read: {why}")
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def _follow(self) -> None:
        """Read for a while, then look anew what there is. Raises ClusterError or KafkaException."""
        consumer = await asyncio.to_thread(self._open)
        try:
            waiting = set(self._next)
            until = time.monotonic() + LOOK_S
            while time.monotonic() < until or waiting:
                fetched = await asyncio.to_thread(self._fetch, consumer)
                for at, message in enumerate(fetched.messages):
                    self._take(message)
                    if at % 4 == 3:
                        # Whoever asks for a page is answered in between.
                        await asyncio.sleep(0)
                waiting.difference_update(fetched.ended)
                if not waiting and self._next:
                    self.caught_up = True
                    self._doubt(None)
        finally:
            await asyncio.to_thread(consumer.close)

    def _open(self) -> Consumer:
        consumer = Consumer(
            {
                "log_level": 0,
                "group.id": self._group,
                "enable.auto.commit": False,
                # What was deleted before it was read is gone; what came after it is still to be read.
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "queued.max.messages.kbytes": FETCHED_KB,
                **self._client,
            }
        )
        names = self._names
        try:
            # All of them, rather than those that are wanted: to ask for one by name may make it.
            there = consumer.list_topics(timeout=_ANSWER_S).topics
            for topic in (names.evidence, names.incidents, names.changes, names.proofs):
                partitions = len(there[topic].partitions) if topic in there else 0
                for number in range(min(partitions, 1) if topic == names.evidence else partitions):
                    if (topic, number) not in self._next:
                        self._next[topic, number] = self._start(consumer, topic, number)
            if not any(topic == names.evidence for topic, _ in self._next):
                msg = f"there is no topic {names.evidence}"
                raise ClusterError(msg)
            consumer.assign([TopicPartition(*place, offset) for place, offset in self._next.items()])
        except (KafkaException, ClusterError):
            consumer.close()
            raise
        return consumer

    def _start(self, consumer: Consumer, topic: str, number: int) -> int:
        first, end = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_ANSWER_S)
        if topic != self._names.evidence or end - first <= LITTLE:
            return first
        since = int((self._now() - LOOKBACK_S) * 1000)
        (found,) = consumer.offsets_for_times([TopicPartition(topic, number, since)], timeout=_ANSWER_S)
        return end if found.offset < 0 else max(found.offset, first)

    def _fetch(self, consumer: Consumer) -> _Fetched:
        """Raises KafkaException."""
        fetched = _Fetched()
        for record in consumer.consume(AT_ONCE, WAIT_S):
            place = cast(str, record.topic()), cast(int, record.partition())
            error = record.error()
            if error is None:
                self._next[place] = cast(int, record.offset()) + 1
                message = self._read(place, record)
                if message is not None:
                    fetched.messages.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                fetched.ended.append(place)
            elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                msg = f"not allowed: Read on topic {place[0]}"
                raise ClusterError(msg)
            elif not error.retriable():
                msg = f"{source_of(*place)}: {error.str()}"
                raise ClusterError(msg)
        return fetched

    def _read(self, place: Place, record: Record) -> Message | None:
        """None for a tombstone, what was said before, and what is no message of this version."""
        value = record.value()
        origin = stamp_of(cast("Sequence[Header]", record.headers() or []))
        if value is None or (origin is not None and not self._seen[place].is_new(*origin)):
            return None
        try:
            return decode(value)
        except msgspec.MsgspecError:
            return _told(value) if place[0] == self._names.changes else None


def _told(value: bytes) -> Change | None:
    """A change as people's tools write it, who leave out what kind of message it is."""
    try:
        return msgspec.json.decode(value, type=Change)
    except msgspec.MsgspecError:
        return None
