"""What a soak judges, and that it is given what it was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest

from pipeline.messages import Tick
from pipeline.simulate.events import simulate
from tests.soak.fleet import Unreceived, rate_of, world
from tests.soak.soak import Look, Run, faults
from tests.soak.waits import Wait, last_of

START_MS = 1_767_571_200_000
MINUTE_MS = 60_000


def run(memory: Sequence[float] = (500.0,) * 200) -> Run:
    """One in which nothing is wrong but, perhaps, memory: looks of five seconds, in MB."""
    looks = [
        Look(5.0 * i, resident, lag=100, cpu_s=0.4 * 5 * i, read=50_000.0 * i) for i, resident in enumerate(memory)
    ]
    return Run(asked=10_000, looks=looks, peak_mb=max(memory), waits=[wait(61_000)], said="", status=0)


def wait(evidence: int) -> Wait:
    """A minute whose evidence comes so many ms after its first record."""
    return Wait(START_MS, START_MS, START_MS + 59_999, START_MS + 60_001, START_MS + 60_400, START_MS + evidence)


def test_a_run_with_nothing_wrong_has_no_faults() -> None:
    assert faults(run()) == []


def test_memory_that_grows_by_more_than_a_twentieth_is_a_fault() -> None:
    assert faults(run([500.0 * (1 + 0.0003 * i) for i in range(200)])) == []
    grown = run([500.0 * (1 + 0.0005 * i) for i in range(200)])
    assert faults(grown) == [f"memory is not flat: {grown.growth:+.1%}"]


def test_memory_that_is_given_back_is_no_fault() -> None:
    fallen = run([500.0] * 100 + [400.0] * 100)
    assert fallen.growth == pytest.approx(-0.2)
    assert faults(fallen) == []


def test_memory_is_not_judged_before_it_has_warmed_up() -> None:
    assert faults(run([100.0 + 10 * i for i in range(50)])) == []


def test_a_record_may_wait_two_seconds_beyond_its_window_and_no_longer() -> None:
    assert faults(replace(run(), waits=[wait(62_000)])) == []
    assert faults(replace(run(), waits=[wait(61_000), wait(62_010)])) == [
        "a record waited for its evidence one window and 2.01 s"
    ]


def test_a_run_without_evidence_is_a_fault() -> None:
    assert faults(replace(run(), waits=[])) == ["a record waited for its evidence one window and inf s"]


def test_a_rate_that_is_not_the_one_asked_for_is_a_fault() -> None:
    for asked in (9_000, 11_000):
        assert len(faults(replace(run(), asked=asked))) == 1


def test_records_that_wait_and_words_and_a_status_are_faults() -> None:
    usual = run()
    looks = [replace(usual.looks[0], lag=60_000), *usual.looks[1:]]
    assert len(faults(replace(usual, looks=looks, said="a line", status=1))) == 3


def test_the_last_that_was_said_of_a_minute_counts() -> None:
    said = [(Tick("in/0", START_MS), 5), (Tick("in/1", START_MS), 9), (Tick("in/0", START_MS + MINUTE_MS), 7)]
    assert last_of(said, Tick) == {START_MS: 9, START_MS + MINUTE_MS: 7}


@pytest.mark.parametrize("hour", [3, 15])
def test_a_fleet_is_as_large_as_it_was_asked_to_be_whatever_the_hour(hour: int) -> None:
    made = world(20, 100.0, start_ms=START_MS + hour * 60 * MINUTE_MS, minutes=20)
    assert rate_of(made) == pytest.approx(100.0, rel=0.02)


def test_its_records_leave_it_to_the_broker_when_they_were_received() -> None:
    made = world(5, 10.0, start_ms=START_MS, minutes=2)
    written = [message for batch in simulate(made) for message in Unreceived(batch.records, batch.until).messages()]
    assert len(written) > 100
    assert all("received_at" not in msgspec.json.decode(value) for _, value, _ in written)
    times = [at for _, _, at in written]
    assert all(START_MS <= before <= after for before, after in pairwise(times))
