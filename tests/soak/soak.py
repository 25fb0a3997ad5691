"""A worker under a steady stream: memory, lag, latency, warnings. `make soak ARGS='--minutes 20 --rate 10000'`

A simulated fleet is written in real time to an Apache Kafka on loopback; one worker with all its stages takes it. Every
few seconds its memory and lag are looked at. At the end it prints what it saw, and fails when

- memory after the warm-up is not flat: the median of its last third is more than 5 % above that of its first;
- records ever wait for longer than a few seconds' worth;
- the worker said anything;
- it was not given, or did not take, the records a second that were asked for;
- from the append of any record to the append of the last evidence that includes it, one window and 2 s pass (`waits`).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.integration import kafka_cluster
from tests.integration.kafka_cluster import KafkaCluster
from tests.soak.process import Measured, table
from tests.soak.waits import APPENDED, Wait, waits
from tests.stream.live import Live

FLAT: Final = 0.05
LAG_S: Final = 5.0
"""Seconds' worth of records that may wait."""
LATE_S: Final = 2.0
"""Beyond one window, until a record's evidence is there."""
STEADY: Final = 0.05
"""How far the records taken may be off those asked for."""
SHORTEST_S: Final = 300.0
"""After the warm-up, for memory to be judged: until a million records have come, what is remembered of them grows."""
LOOK_S: Final = 5.0
PARTITIONS: Final = 4


@dataclass(frozen=True, slots=True)
class Look:
    """At a worker; seconds, MB, records."""

    at: float
    resident_mb: float
    lag: float
    cpu_s: float
    read: float


@dataclass(frozen=True, slots=True)
class Run:
    """What was seen of one. looks: those after the warm-up. peak_mb: of all. said: by worker and writer."""

    asked: float
    looks: Sequence[Look]
    peak_mb: float
    waits: Sequence[Wait]
    said: str
    status: int

    @property
    def seconds(self) -> float:
        return self.looks[-1].at - self.looks[0].at

    @property
    def rate(self) -> float:
        """Records a second that were taken."""
        return (self.looks[-1].read - self.looks[0].read) / self.seconds if self.seconds else 0.0

    @property
    def cores(self) -> float:
        return (self.looks[-1].cpu_s - self.looks[0].cpu_s) / self.seconds if self.seconds else 0.0

    @property
    def growth(self) -> float:
        """Of memory: how far the median of the last third is above that of the first, as a share."""
        values = [look.resident_mb for look in self.looks]
        third = max(len(values) // 3, 1)
        return statistics.median(values[-third:]) / statistics.median(values[:third]) - 1

    @property
    def lag(self) -> float:
        """The most records that waited."""
        return max(look.lag for look in self.looks)

    @property
    def beyond_s(self) -> float:
        """The longest that a record waited for its evidence, beyond one window; without evidence, for ever."""
        return max((wait.beyond_s for wait in self.waits), default=float("inf"))


def faults(run: Run) -> list[str]:
    """What is not as it should be."""
    judged = [
        # What is given back is no leak.
        (run.growth > FLAT and run.seconds > SHORTEST_S, f"memory is not flat: {run.growth:+.1%}"),
        (run.lag > LAG_S * run.asked, f"{run.lag:,.0f} records waited"),
        (
            abs(run.rate / run.asked - 1) > STEADY,
            f"{run.rate:,.0f} records a second were taken, and {run.asked:,.0f} asked for",
        ),
        (run.beyond_s > LATE_S, f"a record waited for its evidence one window and {run.beyond_s:.2f} s"),
        (bool(run.said), "something was said"),
        (run.status != 0, f"the worker ended with status {run.status}"),
    ]
    return [what for is_so, what in judged if is_so]


def rows(run: Run) -> list[tuple[str, str]]:
    """The figures, for a table."""
    lags, end_mb = [look.lag for look in run.looks], run.looks[-1].resident_mb
    return [
        ("taken", f"{run.rate:,.0f} records/s of {run.asked:,.0f} asked for, on {run.cores:.2f} cores"),
        (
            "memory",
            f"{end_mb:.0f} MB at the end, {run.peak_mb:.0f} at most, growth {run.growth:+.1%}",
        ),
        ("lag", f"{statistics.median(lags):,.0f} records in the median, {run.lag:,.0f} at most"),
        ("record to evidence", f"one window and {_spread([wait.beyond_s for wait in run.waits])}"),
        ("newest record to evidence", _spread([wait.newest_s for wait in run.waits])),
        ("of that in ingest", _spread([(wait.counted - wait.closing) / 1000 for wait in run.waits])),
        ("of that in baseline", _spread([(wait.evidence - wait.counted) / 1000 for wait in run.waits])),
        ("said", run.said or "nothing"),
    ]


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    return f"{statistics.median(seconds):.2f} s in the median, {max(seconds):.2f} at most; {len(seconds)} min"


def writer(live: Live, minutes: int, rate: float, cohorts: int, log: Path) -> subprocess.Popen[bytes]:
    """Writes the fleet, in real time from now on."""
    fleet = ["--cohorts", str(cohorts), "--rate", str(rate), "--minutes", str(minutes)]
    where = ["--brokers", live.bootstrap, "--topic", live.input]
    with log.open("ab") as out:
        return subprocess.Popen([sys.executable, "-m", "tests.soak.fleet", *fleet, *where], stdout=out, stderr=out)


def watch(worker: Measured, seconds: float) -> list[Look]:
    looks = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(LOOK_S)
        looks.append(
            Look(
                time.monotonic(),
                worker.resident_mb(),
                worker.total("seamwatch_consumer_lag_records"),
                worker.cpu_s(),
                worker.total("seamwatch_records_read_total"),
            )
        )
    return looks


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=int, default=20)
    parser.add_argument("--rate", type=float, default=10_000.0, help="records a second (default %(default)s)")
    parser.add_argument("--cohorts", type=int, default=126)
    parser.add_argument("--warm-up", type=float, metavar="MINUTES", help="not judged (default: a third of the time)")
    arguments = parser.parse_args()
    if (reason := kafka_cluster.missing()) is not None:
        print(f"no Kafka: {reason}", file=sys.stderr)
        return 2
    warm_up = 60 * (arguments.warm_up if arguments.warm_up is not None else arguments.minutes / 3)
    with tempfile.TemporaryDirectory(prefix="seamwatch-soak-") as scratch:
        home = Path(scratch)
        with KafkaCluster(home / "kafka", properties=APPENDED) as cluster:
            live = Live(cluster.bootstrap)
            live.create(PARTITIONS)
            with Measured(live, home / "worker.log") as worker:
                worker.await_ready(within=120)
                fleet = writer(live, arguments.minutes, arguments.rate, arguments.cohorts, home / "fleet.log")
                try:
                    looks = watch(worker, 60 * arguments.minutes)
                finally:
                    fleet.kill()
                    fleet.wait()
                status = worker.end()
            found = waits(live)
            said = "\n".join(log.read_text(errors="replace").strip() for log in sorted(home.glob("*.log"))).strip()
    run = Run(
        asked=arguments.rate,
        looks=[look for look in looks if look.at - looks[0].at >= warm_up] or looks,
        peak_mb=max(look.resident_mb for look in looks),
        waits=found,
        said=said,
        status=status,
    )
    length = f"{arguments.minutes} min, of which {warm_up / 60:.1f} of warm-up are not judged"
    print(table([("length", f"{length}; {arguments.cohorts} cohorts"), *rows(run)]))
    wrong = faults(run)
    for what in wrong:
        print(f"FAILED: {what}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
