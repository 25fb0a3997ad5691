"""A stage with state, killed at every step, and gone on with by another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import pytest
from faust.types import TP
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from models.snapshot import expect_version
from pipeline.codec import decode, encode
from pipeline.messages import Tick
from pipeline.metrics import Metrics
from pipeline.stream import checkpoints
from pipeline.stream.agents.stage import ForeignMessageError, StageHolding
from pipeline.stream.checkpoints import LostStateError
from pipeline.stream.meters import StageMeter
from pipeline.stream.stamps import Seen, Stamp, stamp_of
from pipeline.stream.transport import Committed
from tests.stream.memory_kafka import CrashError, MemoryKafka

WINDOWS, STATE, EVIDENCE = TP("windows", 0), TP("state", 0), TP("evidence", 0)
CHECKPOINT_S = 10.0


class Summing:
    """The smallest stage with a memory: answers every tick with the sum of all minutes so far, and a constant."""

    def __init__(self, more: int = 0) -> None:
        self.sum = 0
        self.more = more

    def feed(self, message: Tick) -> list[Tick]:
        self.sum += message.minute
        return [Tick("sum", self.sum + self.more)]

    def snapshot(self) -> dict[str, Any]:
        # Larger than a piece, as the tests make them.
        return {"sum": self.sum, "ballast": list(range(self.sum % 7 * 50))}

    def restore(self, state: dict[str, Any]) -> None:
        self.sum = state["sum"]


class Partition:
    """The windows partition, and whoever holds it. `numbers` are sent by one source, some of them twice."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.kafka = MemoryKafka()
        self.now = 0.0
        self.holding: StageHolding | None = None
        self.revision = 0
        self.more = 0
        for i, number in enumerate(numbers):
            for _ in range(1 + number % 2):
                header = Stamp(i, 0, 0).header("in/0")
                self.kafka.append(WINDOWS, encode(Tick("in/0", number)), headers=[header])

    async def assign(
        self, fuse: int | None = None, sources: Sequence[str] = ("in/0",), may_change: bool = False
    ) -> None:
        self.holding = None
        holding = StageHolding(
            WINDOWS,
            self.kafka.join(fuse),
            name="windows/0",
            sources=sources,
            may_change=may_change,
            stage=lambda: Summing(self.more),
            revision=lambda: self.revision,
            state=STATE,
            address=lambda _: (EVIDENCE.topic, EVIDENCE.partition, b"sum"),
            checkpoint_s=CHECKPOINT_S,
            stagger=0.0,
            meter=StageMeter(Metrics(CollectorRegistry()), "baseline", "windows/0", lambda: 0.0),
            clock=lambda: self.now,
        )
        await holding.open(self.kafka.commits.get(WINDOWS), 0)
        self.holding = holding

    async def take(self, size: int) -> None:
        assert self.holding is not None
        batch = self.kafka.batch(WINDOWS, self.holding.position, size)
        if batch is not None:
            await self.holding.take(batch)

    async def tend(self, later: float) -> None:
        assert self.holding is not None
        self.now += later
        await self.holding.tend(self.now)

    def said(self) -> list[int]:
        """What the next stage hears, repeats dropped."""
        seen, heard = Seen(), []
        for record in self.kafka.logs[EVIDENCE]:
            origin = stamp_of(record.headers)
            assert origin is not None
            assert record.value is not None
            if seen.is_new(*origin):
                message = decode(record.value)
                assert isinstance(message, Tick)
                heard.append(message.minute)
        return heard


def sums(numbers: Sequence[int]) -> list[int]:
    return [sum(numbers[: i + 1]) for i in range(len(numbers))]


STEPS = st.one_of(
    st.tuples(st.just("take"), st.integers(1, 9)),
    st.tuples(st.just("tend"), st.sampled_from([1, 20])),
    st.tuples(st.just("close"), st.just(0)),
    st.tuples(st.just("revise"), st.just(1)),
    st.tuples(st.just("assign"), st.integers(0, 25)),
    st.tuples(st.just("assign"), st.just(10_000)),
)


async def disturbed(numbers: Sequence[int], steps: Sequence[tuple[str, int]]) -> Partition:
    partition = Partition(numbers)
    for step, size in steps:
        try:
            if step == "revise":
                partition.revision += size
            elif step == "assign":
                await partition.assign(fuse=size)
            elif partition.holding is not None:
                if step == "close":
                    await partition.holding.close()
                else:
                    await (partition.take(size) if step == "take" else partition.tend(size))
        except CrashError:
            partition.holding = None
    await partition.assign()
    while partition.holding is not None and partition.holding.position < partition.kafka.end(WINDOWS):
        await partition.take(5)
    await partition.tend(2 * CHECKPOINT_S)
    return partition


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "PIECE", 64)


@given(numbers=st.lists(st.integers(0, 50), max_size=40), steps=st.lists(STEPS, max_size=40))
@example(
    numbers=[1, 2, 3],
    # Killed between the pieces of the second checkpoint.
    steps=[("assign", 10_000), ("take", 2), ("tend", 20), ("assign", 3), ("take", 2), ("tend", 20)],
)
def test_every_message_counts_once_however_often_workers_die(numbers: list[int], steps: list[tuple[str, int]]) -> None:
    assert asyncio.run(disturbed(numbers, steps)).said() == sums(numbers)


async def test_another_intent_counts_from_the_next_message_on_and_for_none_before_it_after_a_crash() -> None:
    partition = Partition([2, 4, 6])
    await partition.assign()
    await partition.take(1)
    partition.revision, partition.more = 1, 1_000
    await partition.take(1)
    # Killed before any checkpoint was due; what was judged under the former intent is not judged again.
    await partition.assign()
    assert partition.holding is not None
    assert partition.holding.position == 1
    await partition.take(5)
    await partition.tend(2 * CHECKPOINT_S)
    assert partition.said() == [2, 1_006, 1_012]


async def test_a_worker_goes_on_from_the_checkpoint_and_not_from_the_beginning() -> None:
    partition = Partition([2, 4, 6])
    await partition.assign()
    await partition.take(2)
    await partition.tend(0.0)
    await partition.assign()
    assert partition.holding is not None
    assert partition.holding.position == 2


async def test_a_checkpoint_is_not_written_again_while_nothing_was_taken() -> None:
    partition = Partition([2, 4, 6])
    await partition.assign()
    await partition.take(2)
    await partition.tend(0.0)
    written = len(partition.kafka.logs[STATE])
    await partition.tend(5 * CHECKPOINT_S)
    assert len(partition.kafka.logs[STATE]) == written


async def test_the_pieces_of_a_checkpoint_are_buried_once_the_next_is_committed() -> None:
    partition = Partition([2, 4, 6])
    await partition.assign()
    for _ in range(2):
        await partition.take(1)
        await partition.tend(2 * CHECKPOINT_S)
    await partition.holding.close()  # type: ignore[union-attr]  # assigned above
    newest = {record.key: record.value for record in partition.kafka.logs[STATE]}
    left = {key for key, value in newest.items() if value is not None}
    assert left
    assert all(key is not None and key.startswith(b"windows/0 2 ") for key in left)


@pytest.mark.parametrize("fuse", range(14))
async def test_what_a_crash_in_a_checkpoint_left_is_buried_by_whoever_comes_next(fuse: int) -> None:
    partition = Partition([2, 4, 6, 8])
    await partition.assign()
    await partition.take(1)
    await partition.tend(0.0)
    await partition.assign(fuse=fuse)
    with contextlib.suppress(CrashError):
        await partition.take(1)
        await partition.tend(0.0)
        await partition.take(1)
        await partition.tend(2 * CHECKPOINT_S)
    await partition.assign()
    await partition.take(3)
    await partition.tend(2 * CHECKPOINT_S)
    await partition.holding.close()  # type: ignore[union-attr]  # assigned above
    newest = {record.key: record.value for record in partition.kafka.logs[STATE]}
    left = {key for key, value in newest.items() if value is not None}
    assert left
    assert all(key is not None and key.startswith(b"windows/0 4 ") for key in left)


async def test_a_worker_that_stood_still_cannot_put_its_old_checkpoint_in_force() -> None:
    partition = Partition([2, 4, 6])
    await partition.assign()
    await partition.take(1)
    stale = partition.holding
    await partition.assign()
    await partition.take(3)
    await partition.tend(2 * CHECKPOINT_S)
    assert stale is not None
    await stale.tend(partition.now + 2 * CHECKPOINT_S)
    assert stale.fenced
    await partition.assign()
    assert partition.holding is not None
    assert partition.holding.position == 3


async def test_a_checkpoint_that_is_gone_is_said_to_be_lost() -> None:
    partition = Partition([2, 4, 6])
    await partition.assign()
    await partition.take(2)
    await partition.tend(0.0)
    partition.kafka.logs[STATE].clear()
    with pytest.raises(LostStateError, match=r"the state of windows/0 at offset 2, in state/0, is lost"):
        await partition.assign()


async def test_a_checkpoint_that_is_no_snapshot_is_said_to_be_lost() -> None:
    partition = Partition([2, 4, 6])
    await partition.assign()
    await partition.take(2)
    await partition.tend(0.0)
    log = partition.kafka.logs[STATE]
    partition.kafka.logs[STATE] = []
    for record in log:
        partition.kafka.append(STATE, b"\x00", key=record.key)
    with pytest.raises(LostStateError, match="it is not a snapshot"):
        await partition.assign()


async def test_a_state_of_another_version_is_said_with_both_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = Partition([2, 4, 6])
    await partition.assign()
    await partition.take(2)
    await partition.tend(0.0)

    def refuse(_: Summing, state: dict[str, Any]) -> None:
        expect_version({**state, "version": 1}, "a sum", 2)

    monkeypatch.setattr(Summing, "restore", refuse)
    said = r"windows/0 cannot be taken up: the snapshot of a sum has version 1; this program reads 2; run the version"
    with pytest.raises(LostStateError, match=said):
        await partition.assign()


async def test_a_commit_that_points_nowhere_is_said_to_be_lost() -> None:
    partition = Partition([2, 4, 6])
    partition.kafka.commits[WINDOWS] = Committed(2, "")
    with pytest.raises(LostStateError, match="the commit does not say where it is"):
        await partition.assign()


async def test_inputs_may_come_and_go_and_what_those_that_went_still_say_is_passed_over() -> None:
    partition = Partition([2, 4, 6])
    await partition.assign(may_change=True)
    await partition.take(2)
    await partition.tend(0.0)
    for _ in range(2):
        await partition.assign(sources=["in/1"], may_change=True)
        partition.kafka.append(
            WINDOWS, encode(Tick("in/1", 10)), headers=[Stamp(len(partition.kafka.logs[WINDOWS]), 0, 0).header("in/1")]
        )
        await partition.take(9)
        await partition.tend(2 * CHECKPOINT_S)
    assert partition.said() == [2, 6, 16, 26]


async def test_sources_that_have_changed_are_named() -> None:
    partition = Partition([2, 4, 6])
    await partition.assign()
    await partition.take(2)
    await partition.tend(0.0)
    with pytest.raises(LostStateError, match="now with in/1"):
        await partition.assign(sources=["in/0", "in/1"])


@pytest.mark.parametrize(
    ("value", "stamped"), [(b"{}", True), (b"not ours", True), (encode(Tick("in/0", 1)), False)], ids=str
)
async def test_a_message_that_seamwatch_did_not_write_is_named_by_its_place(value: bytes, stamped: bool) -> None:
    partition = Partition([])
    partition.kafka.append(WINDOWS, value, headers=[Stamp(0, 0, 0).header("in/0")] if stamped else [])
    await partition.assign()
    with pytest.raises(ForeignMessageError, match="windows/0 offset 0"):
        await partition.take(1)
