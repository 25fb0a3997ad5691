"""What two workers do for their time on the processor, against one: python -m tests.soak.scaling

The same records are taken by a group of one worker with the stage ingest alone, then by another group of two; what the
first said, by a worker with the other stages. Workers are ready and have their partitions before anything is written;
what they cost until then is left out. Two are to do within 15 % of what one does for a second on the processor.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.messages import Windows
from tests.integration import kafka_cluster
from tests.integration.kafka_cluster import KafkaCluster
from tests.integration.waiting import until
from tests.soak.process import Measured, table
from tests.stream.live import Live

PARTITIONS: Final = 8
MINUTES: Final = 30
WITHIN: Final = 0.15
PATIENCE_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run: seconds on the processor, of all workers, and by the clock."""

    cpu_s: float
    clock_s: float


def cost(
    live: Live, home: Path, workers: int, stages: str, prepare: Callable[[], None], done: Callable[[], bool]
) -> Cost:
    """What so many workers, ready and with their partitions, spend from `prepare` until `done`."""
    with ExitStack() as running:
        made = [
            running.enter_context(Measured(live, home / f"{live.group}-{number}.log", "--stages", stages))
            for number in range(workers)
        ]
        for worker in made:
            worker.await_ready(within=120)
        until(lambda: sum(map(bool, live.members().values())) == workers, within=120, what="all to have partitions")
        before, began = sum(worker.cpu_s() for worker in made), time.monotonic()
        prepare()
        until(done, within=PATIENCE_S, what="everything to be taken")
        spent = Cost(sum(worker.cpu_s() for worker in made) - before, time.monotonic() - began)
        for worker in made:
            assert worker.end() == 0
            assert worker.said() == "", worker.said()
    return spent


def cost_of_start(live: Live, home: Path) -> float:
    """Seconds on the processor until a worker is ready."""
    with Measured(live, home / f"{live.group}.log") as worker:
        worker.await_ready(within=120)
        return worker.cpu_s()


def cost_of_all(live: Live, home: Path, stages: str, done: Callable[[], bool]) -> float:
    """Seconds on the processor of a worker from its start until `done`."""
    with Measured(live, home / f"{live.group}-later.log", "--stages", stages) as worker:
        worker.await_ready(within=120)
        until(done, within=PATIENCE_S, what="everything to be judged")
        return worker.cpu_s()


def write(live: Live, records: int, cohorts: int) -> None:
    fleet = ["--cohorts", str(cohorts), "--minutes", str(MINUTES), "--events-per-minute", str(records / MINUTES)]
    where = ["--brokers", live.bootstrap, "--topic", live.input, "--as-fast"]
    subprocess.run([sys.executable, "-m", "pipeline.cli", "simulate", *fleet, *where], check=True)


def is_taken(live: Live) -> bool:
    """Every partition was read to its end, and being silent since has said so: all of it is committed."""
    return live.committed(live.input) == live.ends(live.input)


def is_judged(live: Live) -> bool:
    names = live.names
    return all(live.committed(topic) == live.ends(topic) for topic in (names.windows, names.evidence))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.scaling", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--cohorts", type=int, default=126)
    arguments = parser.parse_args()
    if (reason := kafka_cluster.missing()) is not None:
        print(f"no Kafka: {reason}", file=sys.stderr)
        return 2
    ingest: dict[int, Cost] = {}
    with tempfile.TemporaryDirectory(prefix="seamwatch-scaling-") as scratch:
        home = Path(scratch)
        with KafkaCluster(home / "kafka") as cluster:
            groups = {workers: Live(cluster.bootstrap) for workers in (1, 2)}
            for workers, live in groups.items():
                live.create(PARTITIONS)

                def fill(live: Live = live) -> None:
                    write(live, arguments.records, arguments.cohorts)

                def taken(live: Live = live) -> bool:
                    return is_taken(live)

                ingest[workers] = cost(live, home, workers, "ingest", fill, taken)
            one = groups[1]
            records = sum(one.ends(one.input))
            said = [message for message in one.read(one.names.windows) if isinstance(message, Windows)]
            # It finds all that was said before it is ready, so that its start is a part of what it spends.
            fresh = Live(cluster.bootstrap)
            fresh.create(PARTITIONS)
            start = cost_of_start(fresh, home)
            late = cost_of_all(one, home, "baseline,pattern,route", lambda: is_judged(one)) - start
    # Each of several partitions has a part of a cohort's minute to tell.
    parts = sum(len(message.cohorts) for message in said)
    ratio = ingest[1].cpu_s / ingest[2].cpu_s
    print(
        table(
            [
                ("start of a worker", f"{start:.1f} s on the processor"),
                *(
                    (
                        f"ingest, {workers} worker{'s' * (workers > 1)}",
                        f"{records / ingest[workers].cpu_s:,.0f} records a second on the processor, "
                        f"{records / ingest[workers].clock_s:,.0f} by the clock, as fast as they are written",
                    )
                    for workers in ingest
                ),
                ("two against one", f"{ratio:.2f} of the records for a second on the processor (bound ±{WITHIN:.0%})"),
                (
                    "baseline, pattern, route",
                    f"{late / MINUTES * 1000:.0f} ms for a minute of {arguments.cohorts} cohorts "
                    f"({parts / MINUTES:,.0f} cohort windows from {PARTITIONS} partitions)",
                ),
            ]
        )
    )
    return int(abs(ratio - 1) > WITHIN)


if __name__ == "__main__":
    sys.exit(main())
