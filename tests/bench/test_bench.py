"""The bench runs: on few events, whose figures say nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.__main__ import ALL_STAGES, CHAIN, INGEST, REPLAY, A, B, Bench
from tests.bench.fleets import STANDARD_FLEET, Shape
from tests.bench.runs import MeasurementError, Run, run
from tests.bench.table import Results

EVENTS = 40_000
"""More than a client fetches at once: the first batch is not timed."""


@pytest.mark.timeout(300)
def test_every_part_of_seamwatch_is_measured_beside_the_bare_clients(kafka: str, tmp_path: Path) -> None:
    bench, results = Bench(kafka, tmp_path, EVENTS), Results(A, B)
    # Few enough a minute that the whole chain judges several minutes.
    recording, topic = bench.prepare(Shape(STANDARD_FLEET.name, events_a_minute=8_000.0))
    results.add(A, bench.client("aiokafka", topic))
    results.add(B, bench.client("confluent", topic))
    results.add(INGEST, bench.worker(topic, recording, "ingest"))
    results.add(CHAIN, bench.worker(topic, recording, ALL_STAGES))
    results.add(REPLAY, bench.replay(recording))
    results.write(tmp_path / "bench.json", {"events": EVENTS})
    written = {line["name"]: line for line in json.loads((tmp_path / "bench.json").read_text())["measurements"]}
    assert set(written) == {A, B, INGEST, CHAIN, REPLAY}
    assert written[REPLAY]["events"] == EVENTS
    assert all(line["events_per_cpu_second"] > 0 and line["ratio_b_per_second"] > 0 for line in written.values())
    assert written[A]["ratio_a_per_cpu_second"] == 1
    assert INGEST in results.table()


def test_ratios_are_medians_of_runs_that_were_made_one_after_the_other() -> None:
    results = Results("a", "b")
    for slow in (1, 2, 4):
        results.add("a", Run(100, 1.0 * slow, 1.0 * slow, 1))
        results.add("b", Run(100, 2.0 * slow, 1.0 * slow, 1))
        results.add("mine", Run(100, 4.0 * slow, 2.0 * slow, 1))
    results.add("once", Run(100, 20.0, 10.0, 1))
    mine, once = results.lines()[2:]
    assert (mine.ratio_a_per_second, mine.ratio_a_per_cpu_second, mine.ratio_b_per_second) == (0.25, 0.5, 0.5)
    # Against the median of a: a machine twice as slow as at best.
    assert (once.ratio_a_per_second, once.ratio_a_per_cpu_second) == (0.1, 0.2)


def test_growth_is_told_by_pairs_of_runs_with_its_spread() -> None:
    results = Results("a", "b")
    for slow, fall in ((1, 0.8), (3, 0.7), (2, 0.9)):
        results.add("few", Run(100, 1.0, 1.0 * slow, 1))
        results.add("many", Run(100, 1.0, slow / fall, 7))
    told = "from few to many: events a CPU-second fall by 20% (10% to 30%); peak 7 MB"
    assert results.falls("many", "few") == told


def test_a_measurement_that_fails_says_why() -> None:
    with pytest.raises(MeasurementError, match="No such file"):
        run("tests.bench.replaying", "/does/not/exist.ndjson", 1)
