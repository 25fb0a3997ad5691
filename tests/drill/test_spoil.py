"""Faults in recorded records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.drill.spoil import spoilt
from pipeline.records import RecordBatch
from pipeline.simulate.faults import Fault, parse_fault

COUNT = 4_000


def record(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "operation": ("start", "check")[number % 2],
        "operator": "o",
        "device_class": "c",
        "firmware": ("a", "b")[number // 2 % 2],
        "outcome": "ok",
        "latency_ms": 100.0,
        "retries": 0,
        "device_id": f"d{number % 40}",
        "seq": number // 40,
        "received_at": 1_000 + number * 10,
    } | changes


RECORDS = [record(number) for number in range(COUNT)]
BEGIN = 1_000 + COUNT // 2 * 10


def batches(records: Iterable[dict[str, Any]], size: int = 500) -> list[RecordBatch]:
    lines = [msgspec.json.encode(one) for one in records]
    return [RecordBatch("-", range(at + 1, at + 1 + size), lines[at : at + size]) for at in range(0, len(lines), size)]


def raw(fault: Fault, usual: float = 0.0, size: int = 500, seed: int = 1) -> list[bytes]:
    return [line for batch in spoilt(batches(RECORDS, size), fault, usual, seed) for line in batch.values]


def done(text: str, usual: float = 0.0) -> list[dict[str, Any]]:
    fault = from_the_middle(text)
    return [msgspec.json.decode(line) for line in raw(fault, usual)]


def from_the_middle(text: str) -> Fault:
    """A fault from the middle of the records on."""
    return parse_fault(text + ("," if "@" in text else "@") + f"from={BEGIN // 1000}s")


def within(records: Sequence[dict[str, Any]], operation: str | None = None) -> list[dict[str, Any]]:
    return [
        one
        for one in records
        if one["firmware"] == "b"
        and one["received_at"] >= BEGIN // 1000 * 1000
        and operation in (None, one["operation"])
    ]


def beside(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = {one["event_id"] for one in within(RECORDS)}
    return [one for one in records if one["event_id"] not in ids]


def test_latency_is_multiplied_in_the_scope_and_operation_from_the_instant_on_and_nowhere_else() -> None:
    found = done("latency*1.5@firmware=b,operation=start")
    assert {one["latency_ms"] for one in within(found, "start")} == {150.0}
    assert {one["latency_ms"] for one in found if one not in within(found, "start")} == {100.0}
    assert len(found) == COUNT


@pytest.mark.parametrize(("kind", "outcome"), [("failure", "error"), ("denial", "denied"), ("timeout", "timeout")])
def test_so_many_outcomes_turn_that_the_usual_share_is_multiplied(kind: str, outcome: str) -> None:
    found = done(f"{kind}*3@firmware=b", usual=0.1)
    share = sum(one["outcome"] == outcome for one in within(found)) / len(within(found))
    assert share == pytest.approx(0.2 / 0.9, abs=0.04)
    assert beside(found) == beside(RECORDS)


def test_records_are_put_behind_the_next_of_their_device() -> None:
    found = done("out_of_order*4@firmware=b", usual=0.05)
    assert sorted(one["event_id"] for one in found) == sorted(one["event_id"] for one in RECORDS)
    arrivals = [one["received_at"] for one in found]
    assert arrivals == sorted(arrivals)
    highest: dict[str, int] = {}
    behind = 0
    for one in found:
        behind += one["seq"] < highest.get(one["device_id"], -1)
        highest[one["device_id"]] = max(one["seq"], highest.get(one["device_id"], -1))
    assert behind == pytest.approx(0.15 * len(within(RECORDS)), rel=0.35)


def test_gaps_are_records_that_do_not_come_and_duplicates_come_twice() -> None:
    lost = {one["event_id"] for one in RECORDS} - {one["event_id"] for one in done("gap*3@firmware=b", usual=0.1)}
    assert len(lost) == pytest.approx(0.2 * len(within(RECORDS)), rel=0.25)
    assert lost <= {one["event_id"] for one in within(RECORDS)}
    twice = done("duplicate*3@firmware=b", usual=0.1)
    assert len(twice) - COUNT == pytest.approx(0.2 * len(within(RECORDS)), rel=0.25)


def test_a_late_feed_arrives_later_and_in_the_order_of_arrival() -> None:
    found = done("delay+5s@firmware=b")
    arrivals = [one["received_at"] for one in found]
    assert arrivals == sorted(arrivals)
    before = {one["event_id"]: one["received_at"] for one in RECORDS}
    late = {one["event_id"] for one in found if one["received_at"] == before[one["event_id"]] + 5_000}
    assert late == {one["event_id"] for one in within(RECORDS)}


def test_silence_and_less_volume_take_records_of_the_scope_only() -> None:
    assert within(done("silence@firmware=b")) == []
    assert len(within(done("volume*0.5@firmware=b"))) == pytest.approx(len(within(RECORDS)) / 2, rel=0.15)
    assert beside(done("silence@firmware=b")) == beside(RECORDS)


@given(size=st.integers(1, 3_000), kind=st.sampled_from(["failure*3", "out_of_order*3", "delay+2s", "volume*0.3"]))
def test_the_same_seed_gives_the_same_bytes_however_the_records_were_cut(size: int, kind: str) -> None:
    fault = from_the_middle(f"{kind}@firmware=b")
    assert raw(fault, 0.1, size) == raw(fault, 0.1)


def test_another_seed_hits_others() -> None:
    fault = from_the_middle("failure*3@firmware=b")
    assert raw(fault, 0.1, seed=1) != raw(fault, 0.1, seed=2)


def test_what_is_no_record_is_passed_on_as_it_is() -> None:
    junk = [b"{", b"[]", b"null", b'{"received_at": "now"}']
    fault = from_the_middle("failure*3@firmware=b")
    (batch,) = spoilt([RecordBatch("-", range(1, 5), junk)], fault, 0.1, 1)
    assert list(batch.values) == junk
