"""When a worker must end because it only seems to work."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from pipeline.stream.guard import Guard
from pipeline.stream.watchdog import Standing, Watchdog

STALL_S = 120.0


def looked(dog: Watchdog, *steps: tuple[float, dict[str, Standing]]) -> str | None:
    said: str | None = None
    for now, standings in steps:
        assert said is None
        said = dog.look(standings, now)
    return said


def test_records_that_wait_and_are_taken_are_no_reason_to_end() -> None:
    steps = [(float(now), {"in/0": Standing(now, 10_000)}) for now in range(0, 1_000, 10)]
    assert looked(Watchdog(STALL_S), *steps) is None


def test_silence_is_no_reason_to_end() -> None:
    steps = [(float(now), {"in/0": Standing(7, 0)}) for now in range(0, 1_000, 10)]
    assert looked(Watchdog(STALL_S), *steps) is None


def test_records_that_wait_after_a_silence_have_their_own_time() -> None:
    dog = Watchdog(STALL_S)
    assert looked(dog, (0.0, {"in/0": Standing(7, 0)}), (500.0, {"in/0": Standing(7, 3)})) is None
    assert dog.look({"in/0": Standing(7, 3)}, 619.0) is None
    assert dog.look({"in/0": Standing(7, 3)}, 620.0) is not None


def test_lag_without_progress_ends_it() -> None:
    steps = [(now, {"in/0": Standing(7, 3), "in/1": Standing(9, 1)}) for now in (0.0, 120.0)]
    said = looked(Watchdog(STALL_S), *steps)
    assert said == "in/0 makes no progress: offset 7 for 120 s, and 3 records wait, and so are 1 others"


def test_one_stuck_partition_ends_it_while_others_go_on() -> None:
    steps = [(now, {"in/0": Standing(7, 3), "in/1": Standing(int(now), 1)}) for now in (0.0, 60.0, 121.0)]
    said = looked(Watchdog(STALL_S), *steps)
    assert said == "in/0 is stuck while others go on: offset 7 for 121 s, and 3 records wait"


def test_a_leader_that_does_not_answer_ends_it() -> None:
    steps = [(now, {"in/0": Standing(7, None)}) for now in (0.0, 120.0)]
    assert looked(Watchdog(STALL_S), *steps) == "in/0: its leader has not answered for 120 s"


def test_a_partition_that_was_away_in_between_begins_anew() -> None:
    dog = Watchdog(STALL_S)
    stuck = {"in/0": Standing(7, 3)}
    assert looked(dog, (0.0, stuck), (100.0, {}), (130.0, stuck), (200.0, stuck)) is None


def test_a_worker_that_is_never_ready_ends_unless_it_still_reads() -> None:
    dog = Watchdog(STALL_S)
    assert dog.wait_for(ready=False, moved_at=0.0, now=0.0) is None
    assert dog.wait_for(ready=False, moved_at=100.0, now=150.0) is None
    said = dog.wait_for(ready=False, moved_at=100.0, now=220.0)
    assert said is not None
    assert said.startswith("not ready for 120 s")
    assert dog.wait_for(ready=True, moved_at=100.0, now=221.0) is None
    assert dog.wait_for(ready=False, moved_at=100.0, now=340.0) is None


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_loop_that_is_heard_of_is_left_alone_and_one_that_hangs_is_not() -> None:
    clock = Clock()
    guard = Guard(60.0, lambda _: None, clock=clock)
    clock.now = 59.0
    assert guard.look() is None
    guard.heard()
    clock.now = 118.0
    assert guard.look() is None
    clock.now = 119.0
    assert guard.look() == "the event loop has hung for 60 s"


def test_the_first_deadline_for_the_end_counts() -> None:
    clock = Clock()
    guard = Guard(60.0, lambda _: None, clock=clock)
    guard.end_within(10.0)
    clock.now = 5.0
    guard.end_within(10.0)
    assert guard.look() is None
    clock.now = 10.0
    assert guard.look() == "not done in time; what is left is done again after the next start"


async def test_a_hung_event_loop_is_ended_from_outside_of_it() -> None:
    said: list[str] = []
    left: list[int] = []
    ended = threading.Event()

    def leave(status: int) -> None:
        left.append(status)
        ended.set()

    guard = Guard(1.0, said.append, leave)
    guard.watch(asyncio.get_running_loop())
    await asyncio.sleep(1.5)
    assert left == []
    time.sleep(2.0)  # the loop is to hang
    assert ended.wait(5.0)
    assert left == [1]
    assert said[0].startswith("the event loop has hung for ")


@pytest.mark.parametrize("names", [[], ["in/0"], ["in/0", "in/1"]])
def test_what_is_no_longer_held_is_forgotten(names: Sequence[str]) -> None:
    dog = Watchdog(STALL_S)
    dog.look({name: Standing(1, 1) for name in names}, 0.0)
    assert dog.look({}, 1_000.0) is None
