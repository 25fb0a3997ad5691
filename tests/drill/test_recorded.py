"""Drills on recorded files: what comes before is left alone, what comes after is changed in a copy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.drill.plan import Plan
from pipeline.drill.recorded import RecordedStream, recorded
from pipeline.drill.rehearsal import Rehearsal, hold
from pipeline.drill.streams import UnusableStreamError
from pipeline.engine import Engine
from pipeline.intent import Priority
from pipeline.messages import Tick, Windows
from pipeline.recordfile import RecordFiles
from pipeline.simulate.events import simulate
from pipeline.simulate.faults import parse_fault
from pipeline.simulate.world import draw_world
from tests.drill.material import INTENT, Silent, planned, small_stream

HOUR = 3_600_000
MINUTES = 30 * 60
STREAM = small_stream(INTENT)
FIRMWARE = {"firmware": STREAM.fleet.firmware(0, 0)}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day and a quarter of a small fleet."""
    fleet = replace(STREAM.fleet, events_per_minute=100.0)
    world = draw_world(fleet, (), seed=3, start_ms=1_767_571_200_000, minutes=MINUTES)
    path = tmp_path_factory.mktemp("recorded") / "fleet.ndjson"
    path.write_bytes(b"".join(batch.ndjson() for batch in simulate(world)))
    return path


@pytest.fixture(scope="module")
def stream(file: Path) -> RecordedStream:
    return recorded([str(file)], file.parent, hours=5.0, seed=1)


def engine_windows(path: Path) -> list[Windows | Tick]:
    engine = Engine(INTENT, "recorded")
    found = [message for batch in RecordFiles([str(path)]) for message in engine.ingest.feed(batch)]
    return [it for it in [*found, *engine.ingest.flush()] if isinstance(it, Windows | Tick)]


def test_history_and_continuation_together_are_the_stream_as_it_was_recorded(
    file: Path, stream: RecordedStream
) -> None:
    whole = engine_windows(file)
    parts = [*stream.history(), *stream.after(None, 0.0, 5 * 60)]
    for before, after in ((0, stream.begin_ms), (stream.begin_ms, stream.begin_ms + 5 * HOUR)):
        records = [
            sum(
                part.records
                for it in messages
                if isinstance(it, Windows) and before <= it.minute < after
                for part in it.cohorts
            )
            for messages in (whole, parts)
        ]
        assert records[0] == records[1] > 0
    assert [it.minute for it in parts if isinstance(it, Tick)] == sorted(
        it.minute for it in parts if isinstance(it, Tick)
    )


def test_a_fault_changes_the_copy_and_not_the_file(file: Path, stream: RecordedStream) -> None:
    before = file.read_bytes()
    text = "silence@operator=altura,from=0s"
    windows = [it for it in stream.after(parse_fault(text), 0.0, 60) if isinstance(it, Windows)]
    heard = {it.operator for it in windows if any(part.records for part in it.cohorts)}
    assert heard == {"bluecove"}
    assert file.read_bytes() == before


def test_a_fault_in_recorded_records_is_found(stream: RecordedStream) -> None:
    slow = planned(scope=FIRMWARE, strength=2.5, within_ms=5 * HOUR)
    found = hold(Plan("r", (slow,), {"playback": Priority.NON_NEGOTIABLE}), Rehearsal(INTENT, stream), Silent())
    assert found.outcomes[0].wrong == []
    assert found.control.fired == []
    assert (found.status, found.unproven) == (0, [])


@pytest.mark.parametrize(("hours", "why"), [(20.0, "a day of history"), (29.9, "a day of history")])
def test_too_little_history_is_refused(file: Path, hours: float, why: str) -> None:
    with pytest.raises(UnusableStreamError, match=why):
        recorded([str(file)], file.parent, hours=hours, seed=1)


def test_files_without_a_record_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.ndjson"
    path.write_text("nothing\n")
    with pytest.raises(UnusableStreamError, match="no record"):
        recorded([str(path)], tmp_path, hours=6.0, seed=1)
    with pytest.raises(UnusableStreamError, match="cannot be read"):
        recorded([str(tmp_path / "none")], tmp_path, hours=6.0, seed=1)
