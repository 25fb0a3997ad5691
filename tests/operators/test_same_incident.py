"""One fleet and one fault in every format, each through its adapter: the same incident, up to what a format can say."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.config.directory import configuration
from pipeline.engine import Engine
from pipeline.intent import default
from pipeline.messages import Incident
from pipeline.records import RecordBatch
from pipeline.simulate.events import Batch, simulate
from pipeline.simulate.faults import parse_fault
from pipeline.simulate.fleet import SMALL
from pipeline.simulate.formats import CONFIGURATION, lines
from pipeline.simulate.nuisances import Nuisances
from pipeline.simulate.world import draw_world

FORMATS = ["canonical", *CONFIGURATION]
START = 1_767_571_200_000
SCOPE = {"device_class": "stb-g3"}


@pytest.fixture(scope="module")
def batches() -> list[Batch]:
    """A day to learn what is usual, and a device class that is slow on the second."""
    fleet = replace(SMALL, events_per_minute=30.0, nuisances=Nuisances(storms=0.0, rollouts=0.0))
    fault = parse_fault("latency*2.5@device_class=stb-g3,from=30h,until=33h")
    world = draw_world(fleet, (fault,), seed=1, start_ms=START, minutes=33 * 60)
    return list(simulate(world))


def replayed(batches: Sequence[Batch], format_name: str, directory: Path) -> tuple[Engine, list[Incident]]:
    adapter = "canonical"
    if format_name != "canonical":
        (directory / "operators").mkdir()
        (directory / "operators/simulated.yaml").write_text(CONFIGURATION[format_name])
        engine = Engine(default(), adapter=configuration(directory).adapter("simulated", None))
    else:
        engine = Engine(default(), adapter=adapter)
    incidents: list[Incident] = []
    line = 1
    for batch in batches:
        values = lines(batch, format_name).splitlines()
        incidents += engine.feed(RecordBatch("fleet", range(line, line + len(values)), values)).incidents
        line += len(values)
    incidents += engine.finish().incidents
    return engine, incidents


@pytest.mark.parametrize("format_name", FORMATS)
def test_the_same_fleet_and_fault_give_the_same_incident(
    batches: list[Batch], format_name: str, tmp_path: Path
) -> None:
    engine, incidents = replayed(batches, format_name, tmp_path)
    # The newest record of each; what its feeds are like is another matter.
    fired = {it.incident_id: it for it in incidents if it.state == "firing" and it.kind == "pattern"}
    assert [incident.scope for incident in fired.values()] == [SCOPE], incidents
    [incident] = fired.values()
    assert incident.severity == "page"
    assert incident.signals[0].signal == "latency"
    assert abs(incident.onset_at - (START + 30 * 3_600_000)) < 3_600_000
    records = sum(len(batch.records) for batch in batches)
    rejected = engine.ingest.totals.rejected
    assert rejected.total() <= 0.001 * records, rejected


def test_simulate_writes_what_replay_reads_with_the_file_that_goes_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts: Counter[str] = Counter()
    for name in CONFIGURATION:
        directory, out = tmp_path / name, tmp_path / f"{name}.ndjson.gz"
        command = ["simulate", "--minutes", "20", "--seed", "5", "--format", name]
        assert main([*command, "--out", str(out), "--write-config", str(directory)]) == 0
        assert main(["check", str(directory)]) == 0
        capsys.readouterr()
        assert main(["replay", "--config", str(directory), "--operator", "simulated", "--json", str(out)]) == 0
        printed = capsys.readouterr().out
        counts[name] = int(printed.split('"accepted":')[1].split(",")[0])
        assert '"rejected":{}' in printed
    # A report is a sign of life beside what it reports.
    assert counts["rdk"] > counts["cmcd"] > 1_000


def test_canonical_records_need_no_operators_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--minutes", "1", "--write-config", str(tmp_path)]) == 2
    assert "canonical records need none" in capsys.readouterr().err
