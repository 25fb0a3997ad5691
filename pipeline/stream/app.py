"""The Faust app: its settings, its agents, and what happens when the group moves partitions.

Faust keeps the group, fetches, and runs the agents. Everything that decides about exactness is ours: what is committed
(`transport`), where a partition begins (`assignment`), what state it has (`checkpoints`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import faust
from faust.streams import Stream
from faust.types import TP, StreamT
from mode.supervisors import CrashingSupervisor
from yarl import URL

from pipeline.stream.assignment import Assignment, Factory
from pipeline.stream.clients import credentials
from pipeline.stream.kafka import FaustBroker
from pipeline.stream.settings import Settings
from pipeline.stream.topics import LARGEST_MESSAGE
from pipeline.stream.transport import Batch, BatchTransport, WholeBatches

_BUFFERED: Final = 16
"""Messages (each up to a thousand records) between Faust's fetcher and an agent; more only costs memory."""


class WorkerApp(faust.App):
    """Faust's app without its files.

    Attributes:
        assignment: holds the partitions.
        client: settings of a confluent-kafka client, for reading back.
        failure: of the work on a partition, the first there was; the worker ends on it. Faust would only log what goes
            wrong in a rebalance, and wait for ever.
        read_back_at: when something was read back last, on the monotonic clock.
    """

    assignment: Assignment
    client: Mapping[str, Any]
    failure: asyncio.Future[BaseException]
    read_back_at: float

    def moved(self) -> None:
        self.read_back_at = time.monotonic()

    def fail(self, error: BaseException) -> None:
        if not self.failure.done():
            self.failure.set_result(error)

    async def starts(self, partitions: frozenset[TP]) -> Mapping[TP, int]:
        """Where to begin; asked by the transport before records flow."""
        return self.assignment.starts()

    def _create_directories(self) -> None:
        """Nothing of ours is on the disk, so that a full one is no reason to stop."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker does with one kind of topic: the agent's name, the topics, and the work on one partition."""

    agent: str
    topics: tuple[str, ...]
    factory: Factory


def create_app(settings: Settings, works: Sequence[Work], client: Mapping[str, Any]) -> WorkerApp:
    """The app, with an agent for each kind of work. `client`: settings of a confluent-kafka client."""
    app = WorkerApp(
        settings.group,
        broker=[URL.build(scheme="aiokafka", host=at.host, port=at.port) for at in settings.brokers],
        broker_credentials=credentials(settings.security),
        version=1,
        store="memory://",
        web_enabled=False,
        # Topics are created and checked by `seamwatch topics`.
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 << 20,
        broker_max_poll_records=20_000,
        broker_session_timeout=settings.session_s,
        broker_heartbeat_interval=settings.session_s / 5,
        broker_request_timeout=60.0,
        broker_check_crcs=False,
        producer_acks=-1,
        producer_linger=0.005,
        # What is full must be delivered before more is taken for its partition. Of 16 kB, as is the default, that would
        # be after every window message, and ingest would wait for the broker half of its time.
        producer_max_batch_size=1 << 20,
        producer_max_request_size=LARGEST_MESSAGE,
        stream_buffer_maxsize=_BUFFERED,
        # Holdings finish their work in on_partitions_revoked; what Faust would wait for are acknowledgements.
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        worker_redirect_stdouts=False,
        # Restarting a failed agent would skip what it failed on; the process ends, and goes on from its last commit.
        agent_supervisor=CrashingSupervisor,
    )
    app.client = client
    app.read_back_at = time.monotonic()
    app.failure = asyncio.get_running_loop().create_future()
    app.assignment = Assignment({topic: work.factory for work in works for topic in work.topics}, time.monotonic)
    app.transport = BatchTransport(app.conf.broker_consumer, app)
    for work in works:
        _add_agent(app, work)
    app.on_partitions_revoked.connect(_hand_over)
    app.on_rebalance_complete.connect(_take_over)
    app.on_before_shutdown.connect(_hand_over)
    return app


def _add_agent(app: WorkerApp, work: Work) -> None:
    async def agent(stream: StreamT[Batch]) -> None:
        async for event in cast(Stream[Batch], stream).noack().events():
            try:
                await app.assignment.take(event.value)
            except Exception as error:
                app.fail(error)
                raise
            event.ack()

    topic = app.topic(*work.topics, schema=WholeBatches())
    app.agent(topic, name=work.agent, concurrency=1)(agent)


async def _hand_over(app: Any, /, *_: Any, **__: Any) -> None:
    worker = cast(WorkerApp, app)
    try:
        await worker.assignment.close()
    except Exception as error:
        worker.fail(error)
        raise


async def _take_over(app: Any, /, *_: Any, **__: Any) -> None:
    worker = cast(WorkerApp, app)
    broker = FaustBroker(worker, worker.consumer_generation_id, worker.client, worker.moved)
    try:
        await worker.assignment.open(frozenset(worker.consumer.assignment()), broker)
    except Exception as error:
        worker.fail(error)
        raise
