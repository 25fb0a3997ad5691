"""What people do and tell of on a live deployment: command lines, topics, a worker that is ended in between."""

from __future__ import annotations

import asyncio
import json

import pytest

from pipeline.cli import main
from pipeline.messages import Change, Incident, Reject
from tests.stream.live import Line, Live, fleet


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return fleet(230, silent=range(200, 230))


def newest(live: Live) -> dict[str, Incident]:
    return {incident.incident_id: incident for incident in live.incidents()}


async def test_what_people_do_and_tell_of_becomes_part_of_the_incident_and_survives_a_restart(
    live: Live, lines: list[Line], capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = ["--brokers", live.bootstrap, "--prefix", live.names.prefix]

    async def run(*words: str) -> int:
        return await asyncio.to_thread(main, [*words, *cluster])

    live.write(lines)
    async with live.working():
        await live.until(lambda: any(one.state == "firing" for one in newest(live).values()))
        [first] = newest(live).values()
        at = str(first.onset_at - 60_000)
        assert await run("changes", "add", "--kind", "deployment", "--what", "relay 7", "--at", at, "--by", "ben") == 0
        await live.until(lambda: bool(newest(live)[first.incident_id].changes))
        assert await run("incident", "ack", first.incident_id, "--by", "anna") == 0
        await live.until(lambda: newest(live)[first.incident_id].acknowledged_at is not None)
    assert await run("incident", "note", first.incident_id, "--text", "the carrier", "--by", "anna") == 0
    assert await run("incident", "note", "nobody", "--text", "the carrier") == 2
    assert "no incident 'nobody'" in capsys.readouterr().err
    async with live.working():
        await live.until(lambda: len(newest(live)[first.incident_id].actions) == 2)
    said = newest(live)[first.incident_id]
    assert [(action.verb, action.text) for action in said.actions] == [("acknowledge", ""), ("note", "the carrier")]
    assert [one.change.what for one in said.changes] == ["relay 7"]
    assert await run("incident", "list") == 0
    assert f"{first.incident_id}  " in capsys.readouterr().out
    assert await run("changes", "list") == 0
    assert "deployment: relay 7 by ben" in capsys.readouterr().out


async def test_a_change_that_cannot_be_used_is_rejected_and_the_next_one_is_relayed(live: Live) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": live.bootstrap, "log_level": 0})
    good = {"change_id": "c", "at": 1_767_571_200_000, "kind": "firmware", "what": "tv-2 announced"}
    for value in (b"{", json.dumps(good).encode()):
        producer.produce(live.names.changes, value, partition=0)
    assert producer.flush(30) == 0
    async with live.working():
        await live.until(
            lambda: (
                any(isinstance(message, Change) for message in live.read(live.names.evidence))
                and bool(live.read(live.names.rejects))
            )
        )
    (reject,) = live.read(live.names.rejects)
    assert isinstance(reject, Reject)
    assert (reject.reason, str(reject.place)) == ("change.invalid", f"{live.names.changes}/0:0")
