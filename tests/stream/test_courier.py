"""Every change to a receiver that may be away, by workers that may die: at least once, in order, holding up nobody."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from faust.types import TP
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from pipeline.codec import encode
from pipeline.messages import Incident
from pipeline.metrics import Metrics
from pipeline.stream.agents import courier as courier_module
from pipeline.stream.agents.route import RouteHolding
from pipeline.stream.agents.stage import ForeignMessageError
from pipeline.stream.meters import RouteMeter
from pipeline.stream.stamps import Stamp
from pipeline.stream.transport import Committed
from tests.stream.memory_kafka import MemoryKafka

INCIDENTS = TP("incidents", 0)


class Kill(NamedTuple):
    """A worker's end: after it has made so many deliveries, the last of them before or after the receiver had it."""

    after: int
    sent: bool


class Receiver:
    """Outlives workers."""

    def __init__(self) -> None:
        self.got: list[bytes] = []


class Post:
    """Deliveries of one worker; once it is killed, nothing that it does comes back."""

    def __init__(self, receiver: Receiver, kill: Kill | None = None) -> None:
        self.receiver = receiver
        self.away = asyncio.Event()
        self.away.set()
        self.waits = 0
        self._left = kill.after if kill is not None else None
        self._sent = kill is not None and kill.sent

    async def deliver(self, incident: Incident, value: bytes) -> None:
        await self.away.wait()
        if self._left == 0:
            if self._sent:
                self.receiver.got.append(value)
            await asyncio.Event().wait()
        self.receiver.got.append(value)
        if self._left is not None:
            self._left -= 1

    def waiting(self, count: int) -> None:
        self.waits = count

    async def close(self) -> None:
        self.waits = 0


class Quiet:
    """A sink."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    async def restore(self, incidents: Sequence[Incident]) -> None: ...

    async def send(self, incident: Incident) -> None:
        self.heard.append(incident.at)

    async def close(self) -> None: ...


def log(records: int, *, twice: Sequence[int] = ()) -> MemoryKafka:
    """A partition of changes of three incidents; those of `twice` stand in it a second time, as after a crash."""
    kafka = MemoryKafka()
    for number in (*range(records), *twice):
        value = encode(Incident(f"i{number % 3}", "firing", "page", number, 0, {}, [], [], "pattern", 0.0, "Slow."))
        kafka.append(INCIDENTS, value, headers=[Stamp(number, 0, 0).header("evidence/0")])
    return kafka


async def opened(kafka: MemoryKafka, post: Post, sink: Quiet | None = None) -> RouteHolding:
    sinks = [sink] if sink is not None else []
    holding = RouteHolding(
        INCIDENTS,
        kafka.join(),
        sinks=sinks,
        meter=RouteMeter(Metrics(CollectorRegistry())),
        clock=lambda: 0.0,
        deliveries={"webhook": post},
    )
    await holding.open(kafka.commits.get(INCIDENTS), 0)
    return holding


async def take(kafka: MemoryKafka, holding: RouteHolding, size: int = 100) -> None:
    batch = kafka.batch(INCIDENTS, holding.position, size)
    if batch is not None:
        await holding.take(batch)


async def settle() -> None:
    for _ in range(200):
        await asyncio.sleep(0)


def values(kafka: MemoryKafka) -> list[bytes]:
    return list(dict.fromkeys(record.value or b"" for record in kafka.logs[INCIDENTS]))


@settings(max_examples=40)
@given(
    records=st.integers(1, 12),
    twice=st.lists(st.integers(0, 11), max_size=3),
    kills=st.lists(st.builds(Kill, st.integers(0, 4), st.booleans()), max_size=20),
    held=st.integers(1, 4),
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=30),
)
@example(records=12, twice=[], kills=[Kill(0, True)] * 20, held=2, sizes=[3])
@example(records=12, twice=[], kills=[Kill(1, True)] * 20, held=256, sizes=[1])
def test_workers_killed_between_sending_and_recording_lose_nothing_and_repeat_only_what_was_under_way(
    records: int, twice: list[int], kills: list[Kill], held: int, sizes: list[int]
) -> None:
    kafka = log(records, twice=[number for number in twice if number < records])
    receiver = Receiver()

    async def life(kill: Kill | None, size: int) -> None:
        holding = await opened(kafka, Post(receiver, kill))
        while holding.position < kafka.end(INCIDENTS):
            await take(kafka, holding, size)
            await settle()
            await holding.tend(0.0)
        await settle()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(courier_module, "HELD", held)
        for number, kill in enumerate([*kills, None]):
            asyncio.run(life(kill, sizes[number % len(sizes)]))
    assert list(dict.fromkeys(receiver.got)) == values(kafka)
    # One is repeated for each worker that died after the receiver had it, and none for others.
    assert len(receiver.got) - len(values(kafka)) <= sum(kill.sent for kill in kills)
    # However often it goes back, it never gets ahead: nothing comes before what stands before it in the log.
    places = [values(kafka).index(value) for value in receiver.got]
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(places))


async def test_a_receiver_that_is_away_holds_up_neither_sinks_nor_the_position_and_gets_all_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(courier_module, "HELD", 2)
    kafka, receiver, sink = log(10), Receiver(), Quiet()
    post = Post(receiver)
    post.away.clear()
    holding = await opened(kafka, post, sink)
    await take(kafka, holding, 4)
    await take(kafka, holding, 6)
    await settle()
    await holding.tend(0.0)
    assert sink.heard == list(range(10))
    assert kafka.commits[INCIDENTS] == Committed(10, '{"behind":{"webhook":0}}')
    assert post.waits == 10
    post.away.set()
    await settle()
    await holding.tend(0.0)
    assert receiver.got == values(kafka)
    assert kafka.commits[INCIDENTS] == Committed(10, "")
    assert post.waits == 0
    await holding.close()


async def test_what_another_worker_left_is_delivered_and_told_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "GRACE_S", 0.01)
    kafka, receiver = log(5, twice=[3, 4]), Receiver()
    post = Post(receiver)
    post.away.clear()
    holding = await opened(kafka, post)
    await take(kafka, holding)
    await holding.close()
    sink = Quiet()
    holding = await opened(kafka, Post(receiver), sink)
    await settle()
    assert receiver.got == values(kafka)
    assert sink.heard == []
    await holding.close()


async def test_a_delivery_under_way_is_finished_before_the_partition_is_handed_over() -> None:
    kafka, receiver = log(1), Receiver()
    post = Post(receiver)
    post.away.clear()
    holding = await opened(kafka, post)
    await take(kafka, holding)
    await settle()
    closing = asyncio.create_task(holding.close())
    await settle()
    post.away.set()
    await closing
    assert receiver.got == values(kafka)
    assert kafka.commits[INCIDENTS] == Committed(1, "")


async def test_a_webhook_that_is_new_begins_where_the_partition_stands() -> None:
    kafka, receiver = log(3), Receiver()
    kafka.commits[INCIDENTS] = Committed(2, "")
    holding = await opened(kafka, Post(receiver))
    await take(kafka, holding)
    await settle()
    assert receiver.got == values(kafka)[2:]
    await holding.close()


async def test_a_worker_that_has_lost_the_partition_makes_one_more_delivery_at_most() -> None:
    kafka, receiver = log(5), Receiver()
    post = Post(receiver)
    post.away.clear()
    lost = await opened(kafka, post)
    await take(kafka, lost)
    kafka.join()
    post.away.set()
    await settle()
    assert receiver.got == values(kafka)[:1]
    await lost.close()
    assert receiver.got == values(kafka)[:1]


async def test_a_mistake_of_ours_ends_the_work_instead_of_the_deliveries_alone() -> None:
    class Broken(Post):
        async def deliver(self, incident: Incident, value: bytes) -> None:
            raise ZeroDivisionError

    kafka = log(1)
    holding = await opened(kafka, Broken(Receiver()))
    await take(kafka, holding)
    await settle()
    with pytest.raises(ZeroDivisionError):
        await holding.tend(0.0)


async def test_metadata_that_is_not_ours_is_named_by_its_place() -> None:
    kafka = log(1)
    kafka.commits[INCIDENTS] = Committed(1, "nowhere")
    with pytest.raises(ForeignMessageError, match=r"the commit of incidents/0 .*'nowhere'"):
        await opened(kafka, Post(Receiver()))
