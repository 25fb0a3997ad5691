"""The whole stream: what a worker makes of a topic is what `replay` makes of a file."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.detect.channels import Channel
from pipeline.detect.evidence import Evidence
from pipeline.messages import Reject, Tick
from pipeline.observation import Cohort
from tests.stream.live import START_MS, Line, Live, as_lines, fleet, replayed

MINUTES = 300


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return fleet(MINUTES, silent=range(200, 230))


def measured(evidence: list[Evidence]) -> dict[tuple[int, Cohort, Channel], Any]:
    """What was counted and expected, by minute and cohort, however it was spread over baseline stages."""
    found: dict[tuple[int, Cohort, Channel], Any] = {}
    for minute in evidence:
        for i, cohort in enumerate(minute.cohorts):
            for j, channel in enumerate(minute.channels):
                if minute.n[i, j]:
                    assert (minute.minute, cohort, channel) not in found
                    found[minute.minute, cohort, channel] = minute.n[i, j], minute.x[i, j], minute.expected[i, j]
    return found


def without_gaps(measured: dict[tuple[int, Cohort, Channel], Any]) -> dict[tuple[int, Cohort, Channel], Any]:
    """A gap is a gap once five minutes have passed on the clock of its partition, which others do not move."""
    return {key: value for key, value in measured.items() if key[2].signal != "gap"}


def closed_to_the_end(live: Live, minutes: int = MINUTES) -> bool:
    """Whether every baseline has closed the last minute."""
    last = {message.source: message.minute for message in live.read(live.names.evidence) if isinstance(message, Tick)}
    end = START_MS + (minutes - 1) * 60_000
    return len(last) == live.topics.partitions([live.names.windows])[live.names.windows] and min(last.values()) >= end


async def test_the_same_records_give_the_same_incidents_as_replay(live: Live, lines: list[Line]) -> None:
    expected = replayed(lines)
    assert expected.incidents
    live.write(lines)
    async with live.working():
        await live.until(lambda: closed_to_the_end(live))
        await live.until(lambda: len(live.incidents()) >= len(expected.incidents))
    assert as_lines(live.incidents()) == as_lines(expected.incidents)
    evidence = [message for message in live.read(live.names.evidence) if isinstance(message, Evidence)]
    assert without_gaps(measured(evidence)) == without_gaps(measured(expected.evidence))


async def test_one_partition_gives_the_evidence_of_replay_to_the_last_digit(live: Live, lines: list[Line]) -> None:
    lines = [line for line in lines if line.at < START_MS + MINUTES // 4 * 60_000]
    live.write(lines, partitions=1)
    async with live.working():
        await live.until(lambda: closed_to_the_end(live, MINUTES // 4))
    evidence = [message for message in live.read(live.names.evidence) if isinstance(message, Evidence)]
    assert measured(evidence) == measured(replayed(lines).evidence)


async def test_a_worker_that_is_ended_and_begun_again_in_between_changes_nothing(live: Live, lines: list[Line]) -> None:
    expected = replayed(lines)
    parts = [lines[: len(lines) // 3], lines[len(lines) // 3 : len(lines) // 2], lines[len(lines) // 2 :]]
    for part in parts[:-1]:
        live.write(part)
        # Not idle in between: what comes later would not be late in a replay either.
        async with live.working(idle_after_s=60.0) as service:
            await live.until(lambda running=service: running.health.ready)  # type: ignore[misc]
            await live.until(lambda: len(live.read(live.names.windows)) > 0)
    live.write(parts[-1])
    async with live.working():
        await live.until(lambda: closed_to_the_end(live))
        await live.until(lambda: len(live.incidents()) >= len(expected.incidents))
    assert as_lines(live.incidents()) == as_lines(expected.incidents)


async def test_a_record_that_is_no_observation_goes_to_the_rejects_with_its_place(live: Live) -> None:
    live.write([Line(b"d1", START_MS, b'{"event_id":"1"}')], partitions=1)
    async with live.working():
        await live.until(lambda: len(live.read(live.names.rejects)) > 0)
    (reject,) = live.read(live.names.rejects)
    assert isinstance(reject, Reject)
    assert str(reject.place) == f"{live.input}/0:0"
    assert reject.value == b'{"event_id":"1"}'
