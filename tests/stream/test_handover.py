"""What was learnt elsewhere, and what a person decides, on a live deployment."""

from __future__ import annotations

import msgspec
import pytest

from models.season import SLOTS
from pipeline.detect.baseline import Baseline
from pipeline.detect.evidence import Anchors, Learned
from pipeline.messages import Decision, Tick
from pipeline.observation import Cohort
from pipeline.simulate.fleet import SMALL
from pipeline.stream import handover
from pipeline.stream.handover import NotSentError, send
from pipeline.stream.history import TopicHistory
from pipeline.stream.names import Names
from tests.detect.material import bell, cohort, middle_of_slot, operation, said_of
from tests.stream.live import START_MS, Line, Live, fleet

MINUTES = 150
DECISION = Decision("one", START_MS, "anna", "so it is now", {"operator": "altura"})


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return fleet(MINUTES)


def learned() -> list[Learned]:
    """A week of the fleet's cohorts."""
    baseline = Baseline(["a"])
    started = operation(300, bell(900, 300), failure=1.0)
    held = {of: cohort(of, operations={"playback_start": started}) for of in SMALL.cohorts()}
    for slot in range(7 * SLOTS):
        said_of(baseline, middle_of_slot(slot - 7 * SLOTS), held)
    return baseline.hand_over(START_MS - 7 * 86_400_000, START_MS)


def anchors_of(live: Live) -> list[Anchors]:
    return [message for message in live.read(live.names.evidence) if isinstance(message, Anchors)]


def accepted(live: Live) -> dict[Cohort, str]:
    return {
        of: text
        for message in anchors_of(live)
        for of, text in zip(message.cohorts, message.accepted, strict=True)
        if text
    }


def closed(live: Live, minutes: int) -> bool:
    last = {message.source: message.minute for message in live.read(live.names.evidence) if isinstance(message, Tick)}
    return bool(last) and min(last.values()) >= START_MS + (minutes - 1) * 60_000


async def test_a_decision_counts_where_it_stands_in_the_log_and_once_however_often_the_log_is_read(
    live: Live, lines: list[Line]
) -> None:
    client = {"bootstrap.servers": live.bootstrap}
    cut = START_MS + 130 * 60_000
    partitions = send(client, live.names, learned())
    assert partitions == live.topics.partitions([live.names.windows])[live.names.windows]
    live.write([line for line in lines if line.at < cut])
    async with live.working(idle_after_s=60.0):
        await live.until(lambda: closed(live, 129))
        send(client, live.names, [DECISION])
        await live.until(lambda: bool(accepted(live)))
    said = accepted(live)
    assert {of.operator for of in said} == {"altura"}
    assert all(text.startswith("accepted by anna on 2026-01-05 00:00 UTC") for text in said.values())
    before = len(anchors_of(live))
    send(client, live.names, [DECISION])
    live.write([line for line in lines if line.at >= cut])
    async with live.working():
        await live.until(lambda: closed(live, MINUTES))
    assert len(anchors_of(live)) == before
    first = next(message for message in anchors_of(live) if message.cohorts[0].operator == "altura")
    assert (first.minute, set(first.lender)) == (START_MS, {"own"})
    assert first.days.tolist() == [7.0] * len(first.cohorts)


def test_a_cluster_that_does_not_answer_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "ANSWER_S", 1.0)
    with pytest.raises(NotSentError, match=r"transport|timed out"):
        send({"bootstrap.servers": "127.0.0.1:1", "log_level": 0}, Names("nobody."), [DECISION])


def test_a_topic_is_read_as_it_stands(live: Live, lines: list[Line]) -> None:
    live.write(lines[:5_000])
    history = TopicHistory({"bootstrap.servers": live.bootstrap}, [live.input])
    values = [value for _, batch in history for value in batch.values]
    assert sorted(values) == sorted(line.value for line in lines[:5_000])
    assert history.size == 5_000
    assert history.fault is None
    assert len(history.sources) == live.topics.partitions([live.input])[live.input]


def test_a_decision_without_its_own_fields_is_no_decision() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"type":"decision","decision_id":"x"}', type=Decision)
