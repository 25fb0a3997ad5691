"""The pure chain from records to incidents, and the laws that hold however the records come."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from models.season import DAY_MS
from pipeline.detect.channels import EVERY, Channel
from pipeline.detect.evidence import Evidence
from pipeline.engine import Engine
from pipeline.intent import default
from pipeline.messages import Incident, Reject
from pipeline.records import RecordBatch
from pipeline.simulate.events import simulate
from pipeline.simulate.faults import parse_fault
from pipeline.simulate.fleet import OPERATIONS, Fleet
from pipeline.simulate.nuisances import parse_nuisances
from pipeline.simulate.world import draw_world

MONDAY = 1_767_571_200_000
HOURS = 26
FLEET = Fleet(
    operators=("altura", "norvik"),
    device_classes=("stb", "tv"),
    firmwares=2,
    certification_operators=0,
    certification_firmwares=0,
    operations=OPERATIONS[:2],
    events_per_minute=24.0,
    nuisances=parse_nuisances(["all=0", "daily=1", "bursts=1", "disorder=1", "missing=1"]),
)
FAULT = "latency*3@device_class=tv,from=24h30m"


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    """Rather more than a day of a small fleet; for its last ninety minutes one device class is slow."""
    world = draw_world(FLEET, (parse_fault(FAULT),), seed=1, start_ms=MONDAY, minutes=HOURS * 60)
    return [line for batch in simulate(world) for line in batch.ndjson().splitlines()]


@dataclass(slots=True)
class Replayed:
    engine: Engine
    rejects: list[Reject]
    evidence: list[Evidence]
    incidents: list[Incident]


def replay(lines: list[bytes], sizes: tuple[int, ...] = (10_000,)) -> Replayed:
    """In batches of these sizes, over and over."""
    engine = Engine(default())
    found = Replayed(engine, [], [], [])
    at, turn = 0, 0
    while at < len(lines):
        values = lines[at : at + sizes[turn % len(sizes)]]
        out = engine.feed(RecordBatch("-", range(at + 1, at + 1 + len(values)), values))
        at, turn = at + len(values), turn + 1
        found.rejects += out.rejects
        found.evidence += out.evidence
        found.incidents += out.incidents
    out = engine.finish()
    found.evidence += out.evidence
    found.incidents += out.incidents
    return found


@pytest.fixture(scope="module")
def whole(lines: list[bytes]) -> Replayed:
    return replay(lines)


def plain(evidence: Evidence, leaving: Channel | None = None) -> dict[str, object]:
    keep = [i for i, channel in enumerate(evidence.channels) if channel != leaving]
    wide = {name: getattr(evidence, name)[:, keep].tolist() for name in ("n", "x", "expected")}
    return {
        **wide,
        "minute": evidence.minute,
        "cohorts": evidence.cohorts,
        "aside": evidence.aside.tolist(),
        "lag_ms": evidence.lag_ms.tolist(),
        "feeds": evidence.feeds,
    }


def test_the_fault_is_found_at_its_scope_and_nothing_before_it(whole: Replayed) -> None:
    fired = next(record for record in whole.incidents if record.state == "firing")
    assert fired.scope == {"device_class": "tv"}
    assert fired.signals[0].signal == "latency"
    assert MONDAY + DAY_MS + 1_800_000 < fired.at <= MONDAY + DAY_MS + 2 * 3_600_000


def test_every_record_has_become_one_of_three_things(lines: list[bytes], whole: Replayed) -> None:
    totals = whole.engine.ingest.totals
    assert totals.records == len(lines) == totals.accepted + totals.duplicates + totals.rejected.total()
    assert totals.rejected.total() == len(whole.rejects)


def test_there_is_evidence_of_every_minute_in_order(whole: Replayed) -> None:
    minutes = [evidence.minute for evidence in whole.evidence]
    assert minutes == sorted(set(minutes))
    assert len(minutes) > HOURS * 60 - 5


def test_how_the_records_are_cut_into_batches_changes_nothing(lines: list[bytes], whole: Replayed) -> None:
    other = replay(lines, sizes=(1, 977, 13, 4_001))
    assert other.incidents == whole.incidents
    assert list(map(plain, other.evidence)) == list(map(plain, whole.evidence))


def test_a_duplicate_of_every_record_changes_nothing_but_what_is_said_of_duplicates(
    lines: list[bytes], whole: Replayed
) -> None:
    twice = replay([copy for line in lines for copy in (line, line)])
    before, after = whole.engine.ingest.totals, twice.engine.ingest.totals
    assert after.accepted == before.accepted
    assert after.duplicates == 2 * before.duplicates + before.accepted
    assert after.rejected.total() == 2 * before.rejected.total()
    duplicate = Channel(EVERY, "duplicate")
    for one, other in zip(whole.evidence, twice.evidence, strict=True):
        assert plain(other, leaving=duplicate) == plain(one, leaving=duplicate)
    assert [identity(record) for record in twice.incidents] == [identity(record) for record in whole.incidents]


def identity(record: Incident) -> tuple[object, ...]:
    return record.incident_id, record.state, record.severity, record.at, record.scope, record.kind


def test_an_empty_stream_brings_about_nothing() -> None:
    found = replay([])
    assert (found.rejects, found.evidence, found.incidents) == ([], [], [])


def test_a_stream_of_nonsense_is_all_rejected_and_each_line_is_told() -> None:
    found = replay([b"nonsense", b"[]", b'{"operator": "altura"}'])
    assert [str(reject.place) for reject in found.rejects] == ["-:1", "-:2", "-:3"]
    assert (found.evidence, found.incidents) == ([], [])


def test_records_of_another_program_that_are_all_refused_leave_the_stages_sound(lines: list[bytes]) -> None:
    """An hour in which every record of the only operator lacks its device class, between two that are sound."""
    sound = [line for line in lines if b'"altura"' in line][: 24 * 60]
    first = MONDAY + 3_600_000
    broken = []
    for line in sound:
        record = msgspec.json.decode(line)
        if first <= record["received_at"] < first + 3_600_000:
            del record["device_class"]
        broken.append(msgspec.json.encode(record))
    found = replay(broken)
    assert len(found.rejects) > 100
    assert max(evidence.minute for evidence in found.evidence) > first + 3_600_000


def test_numbers_are_finite_throughout(whole: Replayed) -> None:
    for evidence in whole.evidence:
        for name in ("n", "x", "expected", "lag_ms"):
            assert np.isfinite(getattr(evidence, name)).all()
