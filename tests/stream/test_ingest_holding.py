"""Ingest on a partition, killed at every step, and gone on with by another."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import pytest
from faust.types import TP
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from pipeline.codec import decode
from pipeline.ingest import Ingest, Limits, Totals
from pipeline.messages import MINUTE_MS, CohortWindow, Reject, Tick, Windows
from pipeline.metrics import Metrics
from pipeline.operators.gate import RejectGate
from pipeline.operators.profile import RejectLimits
from pipeline.records import RecordBatch
from pipeline.stream.agents.ingest import IngestHolding, IngestStage
from pipeline.stream.meters import IngestMeter
from pipeline.stream.names import Names
from pipeline.stream.stamps import Seen, Stamp, stamp_of
from tests.stream.memory_kafka import CrashError, MemoryBroker, MemoryKafka

INPUT = TP("in", 0)
NAMES = Names("t.")
PARTITIONS = 3
IDLE_AFTER_S = 10.0
START_MS = 1_767_571_200_000
RECORD = b"""{"event_id": "first", "operation": "heartbeat", "operator": "op0", "device_class": "box",
    "received_at": 1767571200000}"""
"""It starts the clock of a log, whatever comes after."""


class Counting:
    """The smallest stage that has minutes: it counts records `minute operator`."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._open: Counter[str] = Counter()
        self._minute: int | None = None
        self.boundary: int | None = None
        self.totals = Totals()
        self.shortened = 0

    def answers(self, batch: RecordBatch) -> list[Windows | Tick | Reject]:
        out: list[Windows | Tick | Reject] = []
        for position, value in zip(batch.positions, batch.values, strict=True):
            number, operator = value.decode().split()
            minute = int(number) * MINUTE_MS
            if self._minute is None or minute > self._minute:
                if self._minute is not None:
                    out += self._close(idle=False)
                self._minute = minute
            self._open[operator] += 1
            if self.boundary is None:
                self.boundary = position
        return out

    def flush(self, idle: bool = True) -> list[Windows | Tick | Reject]:
        return [] if self._minute is None else self._close(idle)

    def _close(self, idle: bool) -> list[Windows | Tick | Reject]:
        assert self._minute is not None
        opened, self._open, self.boundary = self._open, Counter(), None
        windows = [
            Windows(self._source, self._minute, operator, [CohortWindow("box", "fw", "production", count)])
            for operator, count in sorted(opened.items())
        ]
        return [*windows, Tick(self._source, self._minute, idle)]


class Downstream:
    """What the next stage makes of the windows topic: repeats dropped, windows added up, ticks watched."""

    def __init__(self, kafka: MemoryKafka) -> None:
        self.counted: Counter[tuple[int, str]] = Counter()
        self.windows: list[Windows] = []
        self.said: list[tuple[Stamp, bytes]] = []
        self.idle = [True] * PARTITIONS
        self.closed = [-1] * PARTITIONS
        for partition in range(PARTITIONS):
            seen = Seen()
            for record in kafka.logs[TP(NAMES.windows, partition)]:
                origin = stamp_of(record.headers)
                assert origin is not None
                assert record.value is not None
                self.said.append((origin[1], record.value))
                if seen.is_new(*origin):
                    self._take(partition, record.value)

    def _take(self, partition: int, value: bytes) -> None:
        message = decode(value)
        if isinstance(message, Windows):
            self.windows.append(message)
            for cohort in message.cohorts:
                self.counted[message.minute, message.operator] += cohort.records
        else:
            assert isinstance(message, Tick)
            self.idle[partition] = message.idle
            self.closed[partition] = max(self.closed[partition], message.minute)


class Partition:
    """The input partition and whoever holds it."""

    def __init__(self, values: Sequence[bytes], stage: Callable[[], IngestStage] = lambda: Counting("in/0")) -> None:
        self.kafka = MemoryKafka()
        for i, value in enumerate(values):
            self.kafka.append(INPUT, value, timestamp=START_MS + i)
        self.kafka.visible[INPUT] = 0
        self._stage = stage
        self.now = 0.0
        self.holding: IngestHolding | None = None

    async def assign(self, fuse: int | None = None) -> None:
        self.holding = None
        broker: MemoryBroker = self.kafka.join(fuse)
        holding = IngestHolding(
            INPUT,
            broker,
            NAMES,
            stage=self._stage,
            windows=PARTITIONS,
            idle_after_s=IDLE_AFTER_S,
            lookback=1_000,
            meter=IngestMeter(Metrics(CollectorRegistry()), "in/0"),
            clock=lambda: self.now,
        )
        await holding.open(self.kafka.commits.get(INPUT), 0)
        self.holding = holding

    async def take(self, size: int) -> None:
        assert self.holding is not None
        batch = self.kafka.batch(INPUT, self.holding.position, size)
        if batch is not None:
            await self.holding.take(batch)

    async def tend(self, later: float) -> None:
        assert self.holding is not None
        self.now += later
        await self.holding.tend(self.now)

    async def to_the_end(self) -> Downstream:
        """Without further trouble: read all there is, then fall silent."""
        self.kafka.visible.clear()
        await self.assign()
        assert self.holding is not None
        while self.holding.position < self.kafka.end(INPUT):
            await self.take(5)
        await self.tend(2 * IDLE_AFTER_S)
        return Downstream(self.kafka)


STEPS = st.one_of(
    st.tuples(st.just("see"), st.integers(1, 12)),
    st.tuples(st.just("take"), st.integers(1, 9)),
    st.tuples(st.just("tend"), st.sampled_from([1, 20])),
    st.tuples(st.just("assign"), st.integers(0, 25)),
    st.tuples(st.just("assign"), st.just(10_000)),
)
"""More of the log is written; some of it is taken; time passes; a worker that dies after n steps gets the partition."""


async def disturbed(partition: Partition, steps: Sequence[tuple[str, int]]) -> Downstream:
    for step, size in steps:
        try:
            if step == "see":
                seen = partition.kafka.visible[INPUT] + size
                partition.kafka.visible[INPUT] = min(seen, len(partition.kafka.logs[INPUT]))
            elif step == "assign":
                await partition.assign(fuse=size)
            elif partition.holding is not None:
                await (partition.take(size) if step == "take" else partition.tend(size))
        except CrashError:
            partition.holding = None
    return await partition.to_the_end()


def counting(minutes: Sequence[int]) -> Partition:
    return Partition([f"{minute} op{i % 2}".encode() for i, minute in enumerate(minutes)])


def counted(minutes: Sequence[int]) -> Counter[tuple[int, str]]:
    return Counter((minute * MINUTE_MS, f"op{i % 2}") for i, minute in enumerate(minutes))


@given(
    minutes=st.lists(st.integers(1, 8), max_size=60).map(sorted),
    steps=st.lists(STEPS, max_size=40),
)
@example(
    # Minute 1 is cut at offset 2, and the worker dies when a part of that has been sent; then comes more of the minute.
    minutes=[1, 1, 1, 1, 2],
    steps=[("see", 2), ("assign", 4), ("take", 9), ("tend", 20), ("see", 3)],
)
@example(minutes=[], steps=[("assign", 1), ("tend", 1)])
@example(
    # Two cuts in one minute.
    minutes=[1, 1, 1, 1, 2],
    steps=[
        ("see", 1),
        ("assign", 10_000),
        ("take", 9),
        ("tend", 20),
        ("see", 1),
        ("take", 9),
        ("tend", 20),
        ("see", 3),
    ],
)
def test_every_record_is_counted_once_however_often_workers_die_and_the_partition_falls_silent(
    minutes: list[int], steps: list[tuple[str, int]]
) -> None:
    downstream = asyncio.run(disturbed(counting(minutes), steps))
    assert downstream.counted == counted(minutes)
    assert downstream.closed == [max(minutes, default=0) * MINUTE_MS] * PARTITIONS
    assert downstream.idle == [True] * PARTITIONS


@given(
    minutes=st.lists(st.integers(1, 8), max_size=60).map(sorted),
    steps=st.lists(STEPS, max_size=40),
)
@example(minutes=[1, 2], steps=[("see", 2), ("assign", 10_000), ("take", 2), ("tend", 1)])
def test_what_is_said_again_is_said_to_the_byte(minutes: list[int], steps: list[tuple[str, int]]) -> None:
    downstream = asyncio.run(disturbed(counting(minutes), steps))
    assert len(dict(downstream.said)) == len(set(downstream.said))


@given(
    minutes=st.lists(st.integers(1, 8), max_size=60).map(sorted),
    steps=st.lists(STEPS.filter(lambda step: step[0] != "tend" or step[1] == 1), max_size=40),
)
def test_without_silence_the_windows_are_those_of_an_undisturbed_run(
    minutes: list[int], steps: list[tuple[str, int]]
) -> None:
    calm = asyncio.run(disturbed(counting(minutes), []))
    wild = asyncio.run(disturbed(counting(minutes), steps))
    assert sorted(wild.windows, key=str) == sorted(calm.windows, key=str)


@st.composite
def logs(draw: st.DrawFn) -> list[bytes]:
    """Records of three devices: late ones, duplicates, gaps, leaps of the clock, and what is no record at all."""
    values, at, sent = [], START_MS, [0, 0, 0]
    for step in draw(st.lists(st.integers(0, 99), max_size=60)):
        device = step % 3
        if step >= 97:
            values.append(b"no record")
            continue
        at += (0, 5_000, 20_000, 70_000)[step % 4]
        sent[device] += 1 if step < 80 else 3
        name = sent[device] if step < 90 else max(sent[device] - 1, 0)
        record = {
            "event_id": f"{device}.{name}",
            "operation": "heartbeat",
            "operator": f"op{device % 2}",
            "device_class": "box",
            "device_id": str(device),
            "seq": name,
            "latency_ms": step,
            "received_at": at + (0, 0, 0, 0, -300_000, 0, 0, 5_400_000)[step % 8],
        }
        values.append(msgspec.json.encode(record))
    return values


def real(values: Sequence[bytes]) -> Partition:
    limits = Limits(rows=7)
    return Partition([RECORD, *values], lambda: Ingest("in/0", limits=limits))


@settings(max_examples=300)
@given(values=logs(), steps=st.lists(STEPS.filter(lambda step: step[0] != "tend" or step[1] == 1), max_size=40))
def test_the_windows_of_the_real_stage_are_those_of_an_undisturbed_run(
    values: list[bytes], steps: list[tuple[str, int]]
) -> None:
    calm = asyncio.run(disturbed(real(values), []))
    wild = asyncio.run(disturbed(real(values), steps))
    assert sorted(wild.windows, key=str) == sorted(calm.windows, key=str)


@settings(max_examples=300)
@given(values=logs(), steps=st.lists(STEPS, max_size=40))
def test_the_real_stage_counts_every_record_once_however_often_the_partition_falls_silent(
    values: list[bytes], steps: list[tuple[str, int]]
) -> None:
    calm = asyncio.run(disturbed(real(values), []))
    wild = asyncio.run(disturbed(real(values), steps))
    assert wild.counted.total() == calm.counted.total()
    assert len(dict(wild.said)) == len(set(wild.said))


async def test_a_worker_that_lost_its_partition_while_it_stood_still_counts_nothing_twice() -> None:
    partition = counting([1, 1, 1, 2])
    partition.kafka.visible[INPUT] = 2
    await partition.assign()
    await partition.take(9)
    stale = partition.holding
    assert stale is not None
    partition.kafka.visible[INPUT] = 4
    await partition.assign()
    await partition.take(9)
    partition.kafka.visible[INPUT] = 2  # what the stale one last knew
    await stale.tend(2 * IDLE_AFTER_S)
    assert stale.fenced
    downstream = await partition.to_the_end()
    assert downstream.counted == counted([1, 1, 1, 2])


async def test_an_empty_partition_has_its_time_to_speak_and_speaks_up_with_its_first_record() -> None:
    partition = counting([3, 4])
    await partition.assign()
    await partition.tend(IDLE_AFTER_S / 2)
    assert not Downstream(partition.kafka).said
    await partition.tend(IDLE_AFTER_S / 2)
    assert Downstream(partition.kafka).idle == [True] * PARTITIONS
    partition.kafka.visible[INPUT] = 1
    await partition.take(1)
    await partition.tend(1.0)
    assert Downstream(partition.kafka).idle == [False] * PARTITIONS


async def test_a_silent_partition_is_not_cut_while_its_leader_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = counting([1, 1])
    partition.kafka.visible[INPUT] = 2
    await partition.assign()
    await partition.take(9)

    async def no_answer(_broker: MemoryBroker, _tp: TP) -> None:
        return None

    monkeypatch.setattr(MemoryBroker, "progress", no_answer)
    await partition.tend(2 * IDLE_AFTER_S)
    assert Downstream(partition.kafka).windows == []


async def test_a_batch_that_leaves_a_hole_is_not_taken() -> None:
    partition = counting([1, 1, 1, 1])
    partition.kafka.visible[INPUT] = 4
    await partition.assign()
    batch = partition.kafka.batch(INPUT, 2, 2)
    assert batch is not None
    assert partition.holding is not None
    await partition.holding.take(batch)
    assert partition.holding.position == 0


async def test_of_a_batch_that_was_taken_in_part_only_the_rest_is_taken() -> None:
    partition = counting([1, 1, 1, 2])
    partition.kafka.visible[INPUT] = 4
    await partition.assign()
    await partition.take(2)
    batch = partition.kafka.batch(INPUT, 0, 4)
    assert batch is not None
    assert partition.holding is not None
    await partition.holding.take(batch)
    assert (await partition.to_the_end()).counted == counted([1, 1, 1, 2])


def test_an_intake_that_refuses_too_much_stops_holds_nobody_up_and_goes_on_after_the_fix() -> None:
    good = [
        msgspec.json.encode({"event_id": f"e{i}", "operation": "heartbeat", "operator": "op0", "device_class": "box"})
        for i in range(40)
    ]
    values = [RECORD, *good[:10], *[b"bad"] * 30, *good[10:]]

    async def run() -> tuple[Downstream, int, Downstream]:
        partition = Partition(values, stage=lambda: Ingest("in/0"))
        partition.kafka.visible.clear()
        await partition.assign()
        assert partition.holding is not None
        partition.holding._gate = RejectGate(RejectLimits(0.05, 0.5, 20))
        for _ in range(20):
            await partition.take(5)
        await partition.tend(1)
        stopped, at = Downstream(partition.kafka), partition.holding.position
        return stopped, at, await partition.to_the_end()

    stopped, at, after = asyncio.run(run())
    assert at < len(values), "it stopped before the end"
    assert stopped.idle == [True] * PARTITIONS, "and holds nobody up"
    assert after.counted.total() == 41
