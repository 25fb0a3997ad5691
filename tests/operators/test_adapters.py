"""What holds for every adapter, shown on every example of every format."""

import itertools

import msgspec
import pytest

from pipeline.contracts import CLAUSES
from pipeline.ingest import Ingest
from pipeline.observation import Observation
from pipeline.operators import RECORD_ADAPTERS
from pipeline.records import RecordBatch
from tests.operators.cases import CASES, Case, payload, shown

COMMON = ("field.", "enum.", "json.", "clock.", "seq.", "session.", "measure.", "counter.")

each = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@each
def test_an_example_gives_the_observations_that_the_specification_means(case: Case) -> None:
    found = shown(case.decoded())
    assert len(found) == len(case.expect), found
    for seen, expected in zip(found, case.expect, strict=True):
        clauses, raw = seen.pop("clauses"), seen.pop("raw")
        wanted = dict(expected)
        assert clauses == sorted(wanted.pop("clauses", [])), seen
        assert raw == {**raw, **wanted.pop("raw", {})}
        arrival, record = seen.pop("arrival"), seen.pop("record")
        assert arrival == wanted.pop("arrival", case.records[record].get("at", arrival))
        assert record == wanted.pop("record", 0)
        assert seen == wanted


@each
def test_what_cannot_be_used_is_refused_with_its_reason(case: Case) -> None:
    refused = [
        {"record": position, "reason": refusal.reject.reason}
        for position, decoded in enumerate(case.decoded())
        for refusal in decoded.rejects
    ]
    wanted = [{key: said[key] for key in ("record", "reason")} for said in case.rejects]
    assert refused == wanted


@each
def test_ids_follow_from_the_record_and_tell_its_observations_apart(case: Case) -> None:
    first = [[seen.event_id for seen in decoded.observations] for decoded in case.decoded()]
    again = [[seen.event_id for seen in decoded.observations] for decoded in case.decoded()]
    assert first == again
    for ids in first:
        assert len(set(ids)) == len(ids)


@each
def test_every_observation_is_within_the_bounds_of_the_wire_contract(case: Case) -> None:
    for decoded in case.decoded():
        for observation in decoded.observations:
            assert msgspec.convert(msgspec.to_builtins(observation), Observation) == observation


@each
def test_clauses_are_declared_and_are_the_formats_own_or_common(case: Case) -> None:
    for decoded in case.decoded():
        for clause in itertools.chain(*decoded.violations.values()):
            assert clause in CLAUSES
            assert clause.startswith((f"{case.format}.", *COMMON))


@each
def test_the_answer_does_not_depend_on_how_records_are_cut_into_batches(case: Case) -> None:
    on_topic = [record for record in case.records if "at" in record]
    if not on_topic:
        on_topic = [{**record, "at": 1_790_000_900_000} for record in case.records]
    headers = [[(name, str(said).encode()) for name, said in it.get("headers", {}).items()] for it in on_topic]
    values = [payload(record) for record in on_topic]
    stamps = [record["at"] for record in on_topic]
    whole = case.adapter().decode(RecordBatch("t/0", range(len(values)), values, stamps, headers))
    adapter = case.adapter()
    singly = [
        adapter.decode(RecordBatch("t/0", [position], [value], [stamp], [header]))
        for position, (value, stamp, header) in enumerate(zip(values, stamps, headers, strict=True))
    ]
    assert whole.observations == [seen for decoded in singly for seen in decoded.observations]
    assert [it.reject for it in whole.rejects] == [it.reject for decoded in singly for it in decoded.rejects]
    assert list(whole.where) == [
        position for position, decoded in enumerate(singly) for _ in range(len(decoded.observations))
    ]
    assert whole.several == any(len(decoded.observations) > 1 for decoded in singly)


@each
def test_ingest_counts_nothing_twice_when_all_records_come_again(case: Case) -> None:
    records = [{"at": 1_790_000_900_000, **record} for record in case.records]
    ingest = Ingest("t/0", adapter=case.adapter(keep_raw=False))
    at = 0
    totals = []
    for _ in range(2):
        for record in records:
            headers = [(name, str(said).encode()) for name, said in record.get("headers", {}).items()]
            ingest.feed(RecordBatch("t/0", [at], [payload(record)], [record["at"]], [headers]))
            at += 1
        ingest.flush(idle=True)
        totals.append((ingest.totals.accepted, ingest.totals.rejected.total()))
    first, second = totals
    assert sum(first) > 0
    assert second == (first[0], 2 * first[1]), "what comes again is known, and what is refused is refused again"


def test_every_format_has_examples() -> None:
    assert {case.format for case in CASES} == set(RECORD_ADAPTERS)


def test_the_observations_of_one_record_are_no_witnesses_of_each_other() -> None:
    """One wild record with ten markers would else set the arrival clock ahead for good."""
    report = (
        b'{"searchResult":[{"mac":"m%d"},{"Version":"X_PROD_1"},{"Time":"2026-09-21 14:13:2%d"},'
        b'{"HttpRequestEnd":["5,0,200,0.1","5,0,200,0.2","5,0,200,0.3","5,0,200,0.4","5,0,200,0.5","5,0,200,0.6"]}]}'
    )
    stamps = [1_790_000_001_000, 1_790_000_001_100, 1_795_000_000_000, *(1_790_000_002_000 + i for i in range(7))]
    values = [report % (number, number) for number in range(10)]
    for cut in (1, 3, 10):
        ingest = Ingest("t/0", adapter="rdk")
        for at in range(0, 10, cut):
            part = slice(at, at + cut)
            ingest.feed(RecordBatch("t/0", range(10)[part], values[part], stamps[part]))
        ingest.flush()
        assert ingest.totals.rejected == {"received_at.ahead": 7}
        assert ingest.totals.accepted == 63
        assert ingest.totals.last_at == 1_790_000_002_006
