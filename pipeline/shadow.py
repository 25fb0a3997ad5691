"""A drill in a shadow: a stream written to a new topic of its own, and a worker of its own group that reads it.

The real Kafka, the real worker and all its topics, and nothing that belongs to a deployment: the topic must not exist
before, nor be anybody's input, and all names begin with it. What is made here is deleted in the end.

All faults stand in one stream, one after the other: each is withdrawn when its time is over, and the next begins when
the one before has had time to be resolved.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from pipeline.drill.calibrate import Calibrated, Unfit, calibrate
from pipeline.drill.outcome import Control, Held
from pipeline.drill.plan import Plan
from pipeline.drill.rehearsal import Progress, unfit
from pipeline.drill.streams import START_MS, LostStreamError, SimulatedStream, UnusableStreamError, moved
from pipeline.drill.usual import Usual
from pipeline.drill.watch import Watch, line_of
from pipeline.intent import Intent
from pipeline.messages import MINUTE_MS, Incident, Windows
from pipeline.service import Service
from pipeline.simulate.durations import DAY_MS, HOUR_MS
from pipeline.simulate.events import Batch, simulate
from pipeline.simulate.kafka import KEPT, DeliveryError, produce
from pipeline.simulate.world import World, draw_world
from pipeline.stream.clients import confluent
from pipeline.stream.names import Names
from pipeline.stream.newest import told
from pipeline.stream.settings import Settings
from pipeline.stream.topics import ClusterError, Topic, Topics, wanted

GAP_MS: Final = 6 * HOUR_MS
"""Between two faults."""
TAIL_MS: Final = HOUR_MS
"""After the last one, so that all that it brought is judged."""
OPEN_MS: Final = 5 * MINUTE_MS
"""The last minutes stay open: nothing comes after them to close them."""
STALLED_S: Final = 300.0
DELETE_S: Final = 30.0
_LOOK_S: Final = 0.5


def forbidden(topic: str, settings: Settings) -> str | None:
    """Why a topic must not be written to; None where it may."""
    if topic in settings.inputs:
        return f"--shadow {topic}: it is an input; a drill never writes where an operator's records are read"
    if topic.startswith(settings.prefix):
        return f"--shadow {topic}: it begins like Seamwatch's own topics ({settings.prefix}…); name another"
    return None


@dataclass(frozen=True, slots=True)
class _Act:
    """A fault of the stream; from when and until when its incidents count."""

    found: Calibrated
    start_ms: int
    until_ms: int


def hold_in_shadow(
    plan: Plan, intent: Intent, stream: SimulatedStream, settings: Settings, topic: str, progress: Progress
) -> Held:
    """Hold a drill through Kafka. settings: of the deployment, of which only the cluster is used.

    Raises:
        UnusableStreamError: the topic is there already, or forbidden.
        LostStreamError: the cluster does not answer, or did not take all of it.
    """
    began = time.monotonic()
    why = forbidden(topic, settings)
    if why is not None:
        raise UnusableStreamError(why)
    usual = _usual(stream)
    ready = [calibrate(planned, usual) for planned in plan.faults]
    acts = _acts([one for one in ready if isinstance(one, Calibrated)], stream.begin_ms)
    world = _world(stream, acts)
    own = replace(
        Settings(settings.brokers, {topic: "canonical"}, security=settings.security),
        prefix=f"{topic}.",
        group=f"{topic}.drill",
        web=None,
        idle_after_s=3.0,
    )
    try:
        with _topics(own, topic):
            changes = asyncio.run(_Shadow(intent, own, topic, world, progress).run())
    except (ClusterError, DeliveryError) as error:
        msg = f"{own.bootstrap}: {error}"
        raise LostStreamError(msg) from error
    watched = iter([_watched(act, intent, usual, changes) for act in acts])
    quiet = {one.incident_id: line_of(one) for one in changes if one.state == "firing" and one.at < stream.begin_ms}
    return Held(
        title=plan.title,
        stream=f"{stream.text}, through the topic {topic}",
        priorities={name: str(priority) for name, priority in plan.services.items()},
        outcomes=[unfit(one) if isinstance(one, Unfit) else next(watched).outcome() for one in ready],
        control=Control(stream.begin_ms - START_MS, list(quiet.values())),
        history=[],
        seconds=round(time.monotonic() - began, 1),
    )


def _usual(stream: SimulatedStream) -> Usual:
    """Of its first day, as windows: what is written is the same fleet."""
    usual = Usual()
    for message in stream.history():
        if message.minute >= START_MS + DAY_MS:
            break
        if isinstance(message, Windows):
            usual.take(message)
    return usual


def _acts(found: Sequence[Calibrated], begin_ms: int) -> list[_Act]:
    acts: list[_Act] = []
    at = begin_ms
    for one in found:
        start = at + one.fault.start
        until = start + one.planned.within_ms + MINUTE_MS
        acts.append(_Act(one, start, until))
        at = until + GAP_MS
    return acts


def _world(stream: SimulatedStream, acts: Sequence[_Act]) -> World:
    end = max((act.until_ms for act in acts), default=stream.begin_ms) + TAIL_MS
    faults = tuple(
        moved(replace(act.found.fault, start=0, until=act.until_ms - act.start_ms), act.start_ms - START_MS)
        for act in acts
    )
    minutes = (end - START_MS) // MINUTE_MS
    return draw_world(stream.fleet, faults, seed=stream.seed, start_ms=START_MS, minutes=minutes)


def _watched(act: _Act, intent: Intent, usual: Usual, changes: Sequence[Incident]) -> Watch:
    before = frozenset(one.incident_id for one in changes if one.at < act.start_ms)
    watch = Watch(intent, act.found, usual, act.start_ms, before)
    for one in changes:
        if act.start_ms <= one.at <= act.until_ms:
            watch.take(one)
    return watch


@contextmanager
def _topics(own: Settings, topic: str) -> Iterator[None]:
    """Make all topics, and delete them in the end. Raises UnusableStreamError where one is there already."""
    client = confluent(own.bootstrap, own.security)
    topics = Topics(client)
    # A broker would find the retention of old records over, and delete them.
    mine = [Topic(topic, 1, KEPT), *wanted(Names(own.prefix), replicas=min(3, topics.brokers()))]
    there = topics.partitions(one.name for one in mine)
    if there:
        msg = f"--shadow {topic}: topic {next(iter(there))} is there already; name one that is not"
        raise UnusableStreamError(msg)
    try:
        topics.create(mine, partitions=1, replicas=min(3, topics.brokers()))
        yield
    finally:
        _delete(client, [one.name for one in mine])


def _delete(client: dict[str, Any], names: Sequence[str]) -> None:
    """Delete topics, and wait for a while until the whole cluster knows."""
    admin = AdminClient({"log_level": 0, **client})
    for done in admin.delete_topics(list(names), operation_timeout=DELETE_S).values():
        with suppress(KafkaException):  # it was not made
            done.result()
    topics, deadline = Topics(client), time.monotonic() + DELETE_S
    with suppress(ClusterError):
        while topics.partitions(names) and time.monotonic() < deadline:
            time.sleep(_LOOK_S)


class _Shadow:
    """The stream written, and a worker that reads it, until it has judged all of it."""

    def __init__(self, intent: Intent, own: Settings, topic: str, world: World, progress: Progress) -> None:
        self._own = own
        self._client = confluent(own.bootstrap, own.security)
        self._topic = topic
        self._world = world
        self._progress = progress
        self._said: list[str] = []
        self._service = Service(own, intent, self._said.append)

    async def run(self) -> list[Incident]:
        """All changes of incidents, by time. Raises DeliveryError when it did not come to its end."""
        working = asyncio.create_task(self._service.run())
        writing = asyncio.create_task(asyncio.to_thread(self._write))
        try:
            await self._finish(working, writing)
        finally:
            self._service.end()
            await asyncio.wait([working, writing])
        writing.result()
        # A worker that ends in order has sent all that it found; what it had told somebody by then is another matter.
        found = await asyncio.to_thread(lambda: list(told(self._client, Names(self._own.prefix))))
        return sorted(found, key=lambda one: (one.at, one.incident_id))

    async def _finish(self, working: asyncio.Task[int], writing: asyncio.Task[int]) -> None:
        start, end = self._world.start_ms, self._world.start_ms + self._world.minutes * MINUTE_MS
        clock, moved_at = start, time.monotonic()
        while clock < end - OPEN_MS:
            await asyncio.wait([working], timeout=_LOOK_S)
            self._progress.step((clock - start) / (end - start), "in the shadow")
            if self._service.clock is not None and self._service.clock > clock:
                clock, moved_at = self._service.clock, time.monotonic()
            if working.done() or time.monotonic() - moved_at > STALLED_S:
                msg = "; ".join(self._said) or f"the shadow's worker made no progress for {STALLED_S:.0f} s"
                raise DeliveryError(msg)

    def _write(self) -> int:
        return produce(
            simulate(self._world),
            brokers=self._own.bootstrap,
            topic=self._topic,
            speed=None,
            progress=_nothing,
            client=self._client,
        )


def _nothing(_: Batch) -> None:
    """Nobody asks how much is written."""
