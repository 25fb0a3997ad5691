"""The batch transport: what Faust delivers as one message is all that was fetched of a partition at once.

Faust spends four tasks on every message, whatever its size, so that one by one it handles 10 000 records a second. This
transport makes the batches before that, and takes over three duties that Faust does record by record:

- **Where a batch belongs.** A batch says where it begins and ends. Who takes it knows where it should begin, and drops
  what does not fit: records fetched before a rebalance cannot slip in behind it, and a hole stops progress (which the
  watchdog sees) instead of losing data.
- **Where to begin.** On assignment a partition is sought to where its state says it stands (`Starts`), not to what
  Faust believes was acknowledged.
- **Committing.** Only `commit_in` commits, exactly what it is given, with metadata, and only in the generation of the
  group in which the partition was assigned: a worker that was stopped and has lost its partitions cannot overwrite
  anything. Faust's own bookkeeping of acknowledged offsets is switched off.

It overrides private methods: `tests/stream/test_transport_contract.py` names each assumption, and Faust is pinned.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, cast

# aiokafka has no type hints; this is the only module that touches it.
from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]
from aiokafka.consumer import fetcher  # type: ignore[import-untyped]
from aiokafka.errors import (  # type: ignore[import-untyped]
    IllegalGenerationError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata  # type: ignore[import-untyped]
from faust import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message

CHUNK: Final = 16_000
"""Records in one message at most: between two of them, some 80 ms, the event loop breathes. A batch is dealt with in
arrays, so that a smaller one costs more a record."""

FETCH_WAIT_MS: Final = 250

LEADER_S: Final = 5.0
"""For the leader of a partition to say where its log ends; the client itself would ask for a minute."""

_RETRY_S: Final = 0.1


TransportError: Final[type[Exception]] = KafkaError
"""What the Kafka client raises."""


class FencedError(Exception):
    """This worker's hold on a partition has ended: the group has gone on without it."""


class Fetched(Protocol):
    """A record as the client gives it; the timestamp is in ms."""

    @property
    def offset(self) -> int: ...

    @property
    def timestamp(self) -> int: ...

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition, without a hole between `start` and `end`, which is where the next one begins.

    Offsets in between that have no record were compacted away, or are marks of a transaction.
    """

    tp: TP
    start: int
    end: int
    records: Sequence[Fetched]


class Committed(NamedTuple):
    """What the group remembers of a partition."""

    offset: int
    metadata: str


class Progress(NamedTuple):
    """How far a partition has been read.

    delivered: where the next batch begins. position: the client's own, past marks of transactions. end: of the log, as
    its leader says now.
    """

    delivered: int
    position: int
    end: int


Starts: TypeAlias = Callable[[frozenset[TP]], Awaitable[Mapping[TP, int]]]
"""Given the assigned partitions, the offset at which to begin each."""


class WholeBatches(Schema[bytes, Batch]):
    """Passes batches through as they are: bytes are decoded by the stage that knows what they are."""

    def loads_key(self, app: Any, message: Message, **_options: Any) -> Any:
        return None

    def loads_value(self, app: Any, message: Message, **_options: Any) -> Any:
        return message.value


class _ParsedRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """Hands records out as the client's parser made them, with offset, timestamp, key, value and headers.

    A ConsumerRecord for each, which says again of which topic and partition it is, would double what fetching costs.
    """

    def _consumer_record(self, tp: Any, record: Any) -> Any:
        return record


# Looked up here by the client's fetcher, which offers no other way to say so.
fetcher.PartitionRecords = _ParsedRecords


class BatchThread(driver.AIOKafkaConsumerThread):
    """The Kafka client in its own thread. What is marked so runs there."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._next: dict[TP, int] = {}

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust has 1.5 s. It is how long a broker holds its answer when it has no record; librdkafka's cluster holds it
        # even when one comes meanwhile.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Any:
        """(In the thread.) Records by partition, as batches."""
        fetched = await super()._fetch_records(consumer, active_partitions, timeout=timeout, max_records=max_records)
        # Nothing is awaited between the client's advance and this, so that position and records belong together.
        batches = {}
        for found, records in fetched.items():
            tp = TP(found.topic, found.partition)
            end = self._position(consumer, tp)
            start = self._next.get(tp)
            if start is None or end is None:
                # Fetched before it was sought to its start: what is not placed cannot be taken.
                continue
            self._next[tp] = end
            batches[tp] = Batch(tp, start, end, records)
        return batches

    @staticmethod
    def _position(consumer: AIOKafkaConsumer, tp: TP) -> int | None:
        subscription = consumer._subscription.subscription
        assignment = subscription.assignment if subscription is not None else None
        if assignment is None or tp not in assignment.tps:
            return None
        return cast(int | None, assignment.state_value(tp)._position)

    async def place(self, starts: Mapping[TP, int]) -> None:
        """Read on from `starts`."""
        await self._there(self._place(starts))

    async def _place(self, starts: Mapping[TP, int]) -> None:
        consumer = self._ensure_consumer()
        self._next.clear()
        for tp, offset in starts.items():
            consumer.seek(tp, offset)
            self._next[tp] = offset

    async def committed(self, partitions: Iterable[TP]) -> dict[TP, Committed]:
        """What the group remembers; partitions of which it remembers nothing are left out."""
        return cast("dict[TP, Committed]", await self._there(self._committed(list(partitions))))

    async def _committed(self, partitions: list[TP]) -> dict[TP, Committed]:
        found = await self._ensure_consumer()._coordinator.fetch_committed_offsets(partitions)
        return {
            TP(tp.topic, tp.partition): Committed(at.offset, at.metadata) for tp, at in found.items() if at.offset >= 0
        }

    async def commit_in(self, generation: int, offsets: Mapping[TP, Committed]) -> None:
        """Commit while the group is in `generation`. Raises FencedError when it has gone on."""
        await self._there(self._commit_in(generation, offsets))

    async def _commit_in(self, generation: int, offsets: Mapping[TP, Committed]) -> None:
        consumer = self._ensure_consumer()
        coordinator = consumer._coordinator
        wanted = {tp: OffsetAndMetadata(at.offset, at.metadata) for tp, at in offsets.items()}
        while True:
            await coordinator.ensure_coordinator_known()
            subscription = consumer._subscription.subscription
            assignment = subscription.assignment if subscription is not None else None
            # The client's own commit() tries again in whatever generation it finds itself by then; a commit of ours
            # must not outlive the one that gave us the partition.
            if coordinator.generation != generation or assignment is None:
                raise FencedError
            try:
                await coordinator._do_commit_offsets(assignment, wanted)
            except (UnknownMemberIdError, IllegalGenerationError, RebalanceInProgressError) as error:
                raise FencedError from error
            except KafkaError as error:
                if not error.retriable:
                    raise
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def progress(self, tp: TP) -> Progress | None:
        """How far `tp` has been read; None when it is not ours, or its leader does not answer now."""
        return cast(Progress | None, await self._there(self._progress(tp)))

    async def _progress(self, tp: TP) -> Progress | None:
        consumer = self._ensure_consumer()
        delivered, position = self._next.get(tp), self._position(consumer, tp)
        if delivered is None or position is None:
            return None
        try:
            # Asked for, not remembered from the last fetch: while a leader is away a partition looks read to its end.
            async with asyncio.timeout(LEADER_S):
                ends = await consumer.end_offsets([tp])
        except (KafkaError, TimeoutError):
            return None
        return Progress(delivered, position, ends[tp])

    async def progress_of(self, partitions: Iterable[TP]) -> dict[TP, Progress]:
        """As `progress`, of many; those of which nothing can be said are left out."""
        return cast("dict[TP, Progress]", await self._there(self._progress_of(list(partitions))))

    async def _progress_of(self, partitions: list[TP]) -> dict[TP, Progress]:
        found = await asyncio.gather(*(self._progress(tp) for tp in partitions))
        return {tp: progress for tp, progress in zip(partitions, found, strict=True) if progress is not None}

    async def partitions_of(self, topics: Iterable[str]) -> dict[str, int]:
        """Number of partitions by topic; 0 for one that does not exist."""
        return cast("dict[str, int]", await self._there(self._partitions_of(list(topics))))

    async def _partitions_of(self, topics: list[str]) -> dict[str, int]:
        client = self._ensure_consumer()._client
        found = {}
        for topic in topics:
            await client.add_topic(topic)
            found[topic] = len(client.cluster.partitions_for_topic(topic) or ())
        return found

    async def beginnings(self, partitions: Iterable[TP]) -> dict[TP, int]:
        found = await self._there(self._ensure_consumer().beginning_offsets(list(partitions)))
        return {TP(tp.topic, tp.partition): offset for tp, offset in found.items()}

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust only logs what it finds slow, and judges by commits that it did not make; our watchdog acts."""

    async def _there(self, work: Any) -> Any:
        # Not through the thread's method queue: its few workers may all be waiting for a fetch.
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.thread_loop))


class BatchConsumer(driver.Consumer):
    """Faust's consumer, with batches for messages."""

    _thread: BatchThread

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def client(self) -> BatchThread:
        return self._thread

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Batches of what one fetch brought, in pieces, the partitions taking turns."""
        answer, _active = await self._wait_next_records(timeout)
        # By partition, as our thread gives it.
        fetched = cast(Mapping[TP, Batch] | None, answer)
        if not fetched or self.should_stop or not self._flows():
            # While the flow is stopped, what was fetched is dropped: before it goes on, all is sought anew.
            return
        for turn in zip_longest(*(_pieces(batch) for batch in fetched.values())):
            for batch in filter(None, turn):
                if not self._flows():
                    return
                yield batch.tp, self._message(batch)

    def _flows(self) -> bool:
        """A method, because it changes while a piece is being delivered."""
        return self.flow_active

    def _message(self, batch: Batch) -> ConsumerMessage:
        return ConsumerMessage(
            batch.tp.topic,
            batch.tp.partition,
            batch.end - 1,
            batch.records[-1].timestamp / 1000.0,
            0,
            [],
            None,
            cast(bytes, batch),
            None,
            0,
            0,
            batch.tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def perform_seek(self) -> None:
        """Called by Faust when an assignment is complete, before the flow goes on."""
        app = cast(Any, self.app)
        starts = await app.starts(frozenset(self.assignment()))
        await self._thread.place(starts)
        self._read_offset.clear()
        self._read_offset.update({tp: offset or None for tp, offset in starts.items()})

    def ack(self, message: Message) -> bool:
        """A message has been dealt with; what may be committed is decided elsewhere."""
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Of offsets that carry no record, Faust would keep a tree."""

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Faust's periodic commit: there is nothing of its own to commit."""
        return False


def _pieces(batch: Batch) -> Iterable[Batch]:
    if len(batch.records) <= CHUNK:
        return [batch]
    pieces = []
    start = batch.start
    for i in range(0, len(batch.records), CHUNK):
        records = batch.records[i : i + CHUNK]
        end = batch.end if i + CHUNK >= len(batch.records) else batch.records[i + CHUNK].offset
        pieces.append(Batch(batch.tp, start, end, records))
        start = end
    return pieces


class BatchTransport(driver.Transport):
    """Faust's transport over aiokafka, with the batch consumer."""

    Consumer = BatchConsumer
