"""`make bench`: what Seamwatch costs an event, beside what others cost on the same machine, broker and observations.

It prints ratios. Figures of a second hang on the machine and on who else works there; runs that are compared are made
one after the other, several times, and the median of their ratios is told.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.stream.names import Names
from pipeline.stream.topics import ClusterError, Topic, Topics, wanted
from tests.bench import adapters
from tests.bench.fleets import COHORTS, DEVICES, STANDARD_FLEET, Recording, Shape, produce, record
from tests.bench.runs import ROOT, MeasurementError, Run, run, run_together
from tests.bench.table import Results
from tests.integration import kafka_cluster
from tests.integration.kafka_cluster import KafkaCluster

YARDSTICKS: Final = ROOT / "build/yardsticks/bin/python"
PARTITIONS: Final = 4
ALL_STAGES: Final = "ingest,baseline,pattern,route"

A, B, C = "(a) aiokafka + orjson", "(b) confluent-kafka + orjson", "(c) plain Faust agent, a river model"
OTHERS: Final = {"(d) Quix Streams, windows": "quix_windows", "(e) Bytewax, windows": "bytewax_windows"}
INGEST, CHAIN, CHAIN_2 = "ingest alone", "whole chain, one worker", "whole chain, two workers"
REPLAY = "replay (whole chain, a file)"


class Bench:
    """Measures on one broker. `folder`: for recordings; `events`: of each."""

    def __init__(self, bootstrap: str, folder: Path, events: int) -> None:
        self._bootstrap = bootstrap
        self._folder = folder
        self._events = events
        self._topics = Topics({"bootstrap.servers": bootstrap})

    def prepare(self, shape: Shape) -> tuple[Recording, str]:
        """A recording of this shape, and the topic that has it."""
        recording = record(shape, self._events, self._folder)
        topic = f"bench-{shape.name}"
        self._create([Topic(topic, None)])
        produce(recording, self._bootstrap, topic, PARTITIONS)
        print(
            f"{shape.name}: {recording.events:,} events, {recording.cohorts:,} cohorts, {recording.devices:,} devices"
        )
        return recording, topic

    def _create(self, topics: Sequence[Topic]) -> None:
        # A topic that was made a moment ago may have no leader that the next question finds.
        for last in (False, False, True):
            try:
                self._topics.create(topics, partitions=PARTITIONS, replicas=1)
            except ClusterError:
                if last:
                    raise
            else:
                return

    def client(self, kind: str, topic: str) -> Run:
        return run("tests.bench.clients", kind, self._bootstrap, topic, PARTITIONS, self._events)

    def worker(self, topic: str, recording: Recording, stages: str, workers: int = 1) -> Run:
        """Workers of a new group, from the beginning of the topic."""
        group = f"bench-{uuid.uuid4().hex[:8]}"
        self._create(wanted(Names(f"{group}."), replicas=1))
        what = (topic, recording.events, stages, group, recording.last_whole_minute)
        return run_together([("tests.bench.worker", self._bootstrap, *what)] * workers)

    def replay(self, recording: Recording) -> Run:
        return run("tests.bench.replaying", recording.file, recording.events)

    def faust(self, topic: str, events: int) -> Run:
        return run("tests.bench.faust_agent", self._bootstrap, topic, events)

    def other(self, script: str, topic: str, events: int) -> Run:
        return run(f"tests/bench/yardsticks/{script}.py", self._bootstrap, topic, events, python=YARDSTICKS)


def measure(bench: Bench, results: Results, rounds: int, slow: int) -> list[str]:
    """All measurements; sentences about them."""
    recording, topic = bench.prepare(STANDARD_FLEET)
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}")
        results.add(A, bench.client("aiokafka", topic))
        results.add(B, bench.client("confluent", topic))
        results.add(INGEST, bench.worker(topic, recording, "ingest"))
        results.add(CHAIN, bench.worker(topic, recording, ALL_STAGES))
        results.add(CHAIN_2, bench.worker(topic, recording, ALL_STAGES, workers=2))
        results.add(REPLAY, bench.replay(recording))
    print("once")
    slow = min(slow, recording.events)
    results.add(C, bench.faust(topic, slow))
    said = [results.against(INGEST, C), results.against(CHAIN, C)]
    for name, script in OTHERS.items():
        if not YARDSTICKS.exists():
            said.append(f"{name}: not measured, as its environment could not be made (make build/yardsticks)")
            continue
        results.add(name, bench.other(script, topic, recording.events if "Bytewax" in name else slow))
        said += [results.against(INGEST, name), results.against(CHAIN, name)]
    for few, many in (COHORTS, DEVICES):
        prepared = [(shape.name, *bench.prepare(shape)) for shape in (few, many)]
        for _ in range(rounds):
            for name, recording, topic in prepared:
                results.add(f"ingest, {name}", bench.worker(topic, recording, "ingest"))
            for name, recording, _ in prepared:
                results.add(f"replay, {name}", bench.replay(recording))
        for _, recording, _ in prepared:
            recording.file.unlink()
        said += [results.falls(f"{what}, {many.name}", f"{what}, {few.name}") for what in ("ingest", "replay")]
    return said


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=main.__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="observations of each fleet (default 1 000 000)")
    parser.add_argument("--slow", type=int, default=150_000, help="for Faust and Quix, most (default 150 000)")
    parser.add_argument("--rounds", type=int, default=3, help="of the runs that are compared (default 3)")
    parser.add_argument("--out", type=Path, default=ROOT / "build/bench.json", help="the results as JSON")
    arguments = parser.parse_args()
    reason = kafka_cluster.missing()
    if reason is not None:
        print(f"make bench: no Kafka: {reason}", file=sys.stderr)
        return 2
    results = Results(A, B)
    # Members that start together join together.
    properties = {"group.initial.rebalance.delay.ms": "3000"}
    with (
        tempfile.TemporaryDirectory(prefix="seamwatch-bench-") as folder,
        KafkaCluster(Path(folder), properties=properties) as cluster,
    ):
        try:
            said = measure(
                Bench(cluster.bootstrap, Path(folder), arguments.events), results, arguments.rounds, arguments.slow
            )
        except MeasurementError as error:
            print(f"make bench: {error}", file=sys.stderr)
            return 1
    costs = adapters.rows()
    print("\n".join(["", results.table(), *said, "", adapters.table(costs)]))
    about = {"events": arguments.events, "rounds": arguments.rounds, "adapters": [row._asdict() for row in costs]}
    results.write(arguments.out, about)
    print(f"written: {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
