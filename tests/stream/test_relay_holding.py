"""Relay: known changes into the evidence, what cannot be read to the rejects; a crash neither loses nor doubles any."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from faust.types import TP

from pipeline.codec import decode, encode
from pipeline.messages import Change, Reject
from pipeline.stream.agents.relay import RelayHolding
from pipeline.stream.names import Names
from pipeline.stream.stamps import Seen, Stamp, stamp_of
from tests.stream.memory_kafka import CrashError, MemoryKafka

NAMES = Names("s.")
CHANGES, EVIDENCE, REJECTS = TP(NAMES.changes, 0), TP(NAMES.evidence, 0), TP(NAMES.rejects, 0)
NOW = 1_767_571_200_000
CHANGE = {"change_id": "c", "at": NOW, "kind": "deployment", "what": "playback 4.2"}


def body(**changes: Any) -> bytes:
    return json.dumps(CHANGE | changes).encode()


class Partition:
    def __init__(self, *values: bytes | None) -> None:
        self.kafka = MemoryKafka()
        for value in values:
            self.kafka.append(CHANGES, value, timestamp=NOW)

    async def assign(self, fuse: int | None = None) -> RelayHolding:
        holding = RelayHolding(CHANGES, self.kafka.join(fuse), NAMES, evidence=0, rejects=1)
        await holding.open(self.kafka.commits.get(CHANGES), 0)
        return holding

    async def work(self, holding: RelayHolding) -> None:
        while (batch := self.kafka.batch(CHANGES, holding.position, 2)) is not None:
            await holding.take(batch)
            await holding.tend(0.0)
        await holding.close()

    def relayed(self) -> list[Change]:
        """As pattern takes them: repeats dropped."""
        seen, found = Seen(), []
        for record in self.kafka.logs[EVIDENCE]:
            origin = stamp_of(record.headers)
            assert origin is not None
            if seen.is_new(*origin):
                message = decode(record.value or b"")
                assert isinstance(message, Change)
                found.append(message)
        return found

    def rejected(self) -> list[Reject]:
        found = [decode(record.value or b"") for record in self.kafka.logs[REJECTS]]
        return [message for message in found if isinstance(message, Reject)]


async def test_a_change_goes_on_to_the_evidence_whether_it_says_that_it_is_one_or_not() -> None:
    partition = Partition(body(), body(type="change", change_id="d", scope={"operator": "a"}, unknown=1))
    await partition.work(await partition.assign())
    assert [change.change_id for change in partition.relayed()] == ["c", "d"]
    assert partition.rejected() == []


@pytest.mark.parametrize(
    ("value", "field", "why"),
    [
        (b"", None, "truncated"),
        (None, None, "truncated"),
        (b"\xff", None, ""),
        (b"[]", None, "Expected `object`"),
        (b'{"change_id":"c"}', None, "missing required field `at`"),
        (body(type="decision"), None, "Invalid value 'decision'"),
        (body(at="soon"), None, "Expected `int`"),
        (body(kind="deploy"), "kind", "'deploy' is none of deployment"),
        (body(scope={"planet": "mars"}), "scope", "'planet' is no dimension"),
        (body(inferred=True), "inferred", "only Seamwatch infers"),
    ],
)
async def test_what_cannot_be_meant_goes_to_the_rejects_with_its_place_and_stops_nobody(
    value: bytes | None, field: str | None, why: str
) -> None:
    partition = Partition(value, body(change_id="next"))
    await partition.work(await partition.assign())
    [reject] = partition.rejected()
    assert (reject.reason, reject.field, str(reject.place)) == ("change.invalid", field, "s.changes/0:0")
    assert why in reject.detail
    assert reject.value == (value or b"")
    assert [change.change_id for change in partition.relayed()] == ["next"]


async def test_what_a_baseline_has_seen_is_in_the_evidence_already() -> None:
    partition = Partition()
    seen = Change("f", NOW, "firmware", "firmware 2 first seen", inferred=True)
    partition.kafka.append(CHANGES, encode(seen), headers=[Stamp(1, 0, 0).header("windows/0")])
    await partition.work(await partition.assign())
    assert (partition.relayed(), partition.rejected()) == ([], [])


async def test_killed_at_every_step_each_change_is_relayed_once_and_in_order() -> None:
    values = [body(change_id=f"c{number}") for number in range(5)] + [b"{"]
    for fuse in range(30):
        partition = Partition(*values)
        with contextlib.suppress(CrashError):
            await partition.work(await partition.assign(fuse))
        await partition.work(await partition.assign())
        assert [change.change_id for change in partition.relayed()] == [f"c{number}" for number in range(5)]
        assert {str(reject.place) for reject in partition.rejected()} == {"s.changes/0:5"}
        assert partition.kafka.commits[CHANGES].offset == 6
