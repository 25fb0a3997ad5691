"""A worker under a steady stream: memory, lag, latency, warnings. `make soak ARGS='--minutes 20 --rate 10000'`

A simulated fleet is written in real time to an Apache Kafka on loopback; one worker with all its stages takes it. Every
few seconds its memory and lag are looked at. At the end it prints what it saw, and fails when

- memory after the warm-up is not flat: the median of its last third is more than 5 % off that of its first;
- records ever wait for longer than a few seconds' worth;
- the worker said anything;
- evidence of a minute comes later than 2 s after the minute's end, in the median or at the 99th percentile.
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

from pipeline.detect.evidence import Evidence
from tests.integration import kafka_cluster
from tests.integration.kafka_cluster import KafkaCluster
from tests.soak.process import Measured, table
from tests.stream.live import MINUTE_MS, Live

FLAT: Final = 0.05
LAG_S: Final = 5.0
"""Seconds' worth of records that may wait."""
LATE_S: Final = 2.0
"""After the end of a minute, until its evidence is there."""
SHORTEST_S: Final = 300.0
"""After the warm-up, for memory to be judged: until a million records have come, what is remembered of them grows."""
LOOK_S: Final = 5.0
PARTITIONS: Final = 4


@dataclass(frozen=True, slots=True)
class Look:
    at: float
    resident_mb: float
    lag: float
    cpu_s: float
    read: float


def writer(live: Live, minutes: int, rate: float, cohorts: int, log: Path) -> subprocess.Popen[bytes]:
    """Writes the fleet, in real time from now on."""
    fleet = ["--cohorts", str(cohorts), "--events-per-minute", str(rate * 60), "--minutes", str(minutes)]
    where = ["--start", "now", "--brokers", live.bootstrap, "--topic", live.input]
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", "simulate", *fleet, *where], stdout=out, stderr=out
        )


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


def delays(live: Live) -> list[float]:
    """By minute, seconds from its end until the last evidence of it was there. The first and last are no whole ones."""
    there: dict[int, int] = {}
    for message, at in live.timed(live.names.evidence):
        if isinstance(message, Evidence):
            there[message.minute] = max(at, there.get(message.minute, 0))
    return [(there[minute] - minute - MINUTE_MS) / 1000 for minute in sorted(there)[1:-1]]


def drift(values: Sequence[float]) -> float:
    """How far the median of the last third is off that of the first, as a share."""
    third = max(len(values) // 3, 1)
    return statistics.median(values[-third:]) / statistics.median(values[:third]) - 1


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
        with KafkaCluster(home / "kafka") as cluster:
            live = Live(cluster.bootstrap)
            live.create(PARTITIONS)
            with Measured(live, home / "worker.log") as worker:
                worker.await_ready(within=120)
                fleet = writer(live, arguments.minutes, arguments.rate, arguments.cohorts, home / "fleet.log")
                try:
                    looks = watch(worker, 60 * arguments.minutes)
                    peak = max(look.resident_mb for look in looks)
                finally:
                    fleet.kill()
                    fleet.wait()
                late = delays(live)
                status = worker.end()
            said = worker.said()
    judged = [look for look in looks if look.at - looks[0].at >= warm_up] or looks
    flat = drift([look.resident_mb for look in judged])
    lag = max(look.lag for look in judged)
    first, last = judged[0], judged[-1]
    rate = (last.read - first.read) / (last.at - first.at) if last is not first else 0.0
    busy = (last.cpu_s - first.cpu_s) / (last.at - first.at) if last is not first else 0.0
    median, worst = (statistics.median(late), max(late)) if late else (float("nan"), float("nan"))
    rows = [
        ("length", f"{arguments.minutes} min, of which {warm_up / 60:.1f} of warm-up are not judged"),
        ("taken", f"{rate:,.0f} records/s of {arguments.cohorts} cohorts, on {busy:.2f} cores"),
        ("memory", f"{judged[-1].resident_mb:.0f} MB at the end, {peak:.0f} at most, drift {flat:+.1%}"),
        ("lag", f"{statistics.median(look.lag for look in judged):,.0f} records in the median, {lag:,.0f} at most"),
        (
            "evidence",
            f"{median:.2f} s after the end of its minute in the median, {worst:.2f} at most; {len(late)} min",
        ),
        ("said by the worker", said.strip() or "nothing"),
    ]
    print(table(rows))
    wrong = [
        (abs(flat) > FLAT and last.at - first.at > SHORTEST_S, f"memory is not flat: {flat:+.1%}"),
        (lag > LAG_S * arguments.rate, f"{lag:,.0f} records waited"),
        (rate < 0.95 * arguments.rate, f"only {rate:,.0f} records a second were taken"),
        (bool(late) and worst > LATE_S, f"evidence came {worst:.2f} s after the end of its minute"),
        (bool(said), "the worker said something"),
        (status != 0, f"the worker ended with status {status}"),
    ]
    for is_so, what in wrong:
        if is_so:
            print(f"FAILED: {what}")
    return int(any(is_so for is_so, _ in wrong))


if __name__ == "__main__":
    sys.exit(main())
