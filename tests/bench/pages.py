"""How fast pages and API answer while records flow: python -m tests.bench.pages

A worker with all its stages on an Apache Kafka on loopback takes a simulated fleet in real time, 10 000 records a
second of 5 000 cohorts unless told otherwise; 500 incidents stand in its incidents topic. Once the page knows all of
them, each path is asked in turn, one request after another, and the time to the last byte is taken. Fails when 95 % of
the answers of any path are not there within 300 ms, or the records are not taken as fast as they come.

`--still` measures the site alone, in this process: what a page costs by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from pipeline.codec import encode
from pipeline.stream.health import Health
from pipeline.web import application
from tests.integration import kafka_cluster
from tests.integration.kafka_cluster import KafkaCluster
from tests.integration.serving import serving
from tests.soak.process import Measured
from tests.soak.soak import writer
from tests.stream.live import Live
from tests.web import seeded

BOUND_MS: Final = 300.0
PARTITIONS: Final = 4
PAUSE_S: Final = 0.05
"""Between two requests: a person or two, and a Prometheus, not a storm."""


def paths(cohort: str, other: str, incident: str) -> list[str]:
    return [
        "/",
        "/incidents",
        f"/incidents/{incident}",
        "/cohorts",
        "/cohorts?q=production&sort=name",
        f"/cohorts/compare?c={cohort}&c={other}",
        "/operators",
        "/workarounds",
        "/state",
        "/api/v1/incidents?limit=500",
        f"/api/v1/incidents/{incident}",
        f"/api/v1/incidents/{incident}/signals",
        f"/api/v1/incidents/{incident}/reach",
        "/api/v1/cohorts?limit=500",
        f"/api/v1/cohorts/{cohort}/signals",
        "/api/v1/feeds",
        "/api/v1/operators",
        "/api/v1/budget",
        "/metrics",
    ]


async def ask(url: str, seconds: float) -> Mapping[str, list[float]]:
    """Milliseconds by path. Raises RuntimeError for an answer that is none."""
    taken: dict[str, list[float]] = defaultdict(list)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/api/v1/cohorts?limit=2&sort=name") as answer:
            known = (await answer.json())["cohorts"]
        wanted = paths(known[0]["cohort_id"], known[1]["cohort_id"], seeded.past(0).incident_id)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for path in wanted:
                began = time.perf_counter()
                async with session.get(url + path) as answer:
                    await answer.read()
                    if answer.status != 200:
                        msg = f"{path}: {answer.status}"
                        raise RuntimeError(msg)
                taken[path].append((time.perf_counter() - began) * 1000)
                await asyncio.sleep(PAUSE_S)
    return taken


def report(taken: Mapping[str, Sequence[float]]) -> bool:
    """Print percentiles by path; whether all are within the bound."""
    print(f"  {'path':<52} {'asked':>6} {'p50 ms':>8} {'p95 ms':>8} {'max ms':>8}")
    good = True
    for path, times in [*taken.items(), ("all", list(chain.from_iterable(taken.values())))]:
        ninety_five = statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
        good = good and ninety_five <= BOUND_MS
        print(f"  {path:<52} {len(times):>6} {statistics.median(times):>8.1f} {ninety_five:>8.1f} {max(times):>8.1f}")
    return good


async def still(cohorts: int, incidents: int, seconds: float) -> bool:
    board = seeded.board(cohorts, minutes=60, incidents=incidents)
    app = application(board, CollectorRegistry(), Health(connected=True, assigned=True, loaded=True))
    print(f"  the board's history takes {board.cohorts.trends.size / 1e6:.0f} MB")
    async with serving(app) as url:
        drop = asyncio.create_task(_change(board.use, board.intent))
        try:
            return report(await ask(url, seconds))
        finally:
            drop.cancel()


async def _change(use: Callable[[Any], None], intent: object) -> None:
    """So that each page is drawn anew whenever it is asked for."""
    while True:
        use(intent)
        await asyncio.sleep(0.01)


def fill(live: Live, incidents: int) -> None:
    producer = Producer({"bootstrap.servers": live.bootstrap, "log_level": 0})
    for number in range(incidents):
        record = seeded.past(number)
        at = int(time.time() * 1000) - number * 60_000
        record = msgspec.structs.replace(record, at=at, onset_at=at - 3_600_000)
        producer.produce(live.names.incidents, encode(record), record.incident_id.encode())
    assert producer.flush(60) == 0


async def known(url: str, path: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url + path) as answer:
        return int((await answer.json())["total"])


def flowing(arguments: argparse.Namespace) -> bool:
    with (
        tempfile.TemporaryDirectory(prefix="seamwatch-pages-") as scratch,
        KafkaCluster(Path(scratch) / "kafka") as cluster,
    ):
        home, live = Path(scratch), Live(cluster.bootstrap)
        live.create(PARTITIONS)
        fill(live, arguments.incidents)
        minutes = arguments.warm_up + int(arguments.seconds / 60) + 2
        with Measured(live, home / "worker.log", *arguments.worker) as worker:
            worker.await_ready(within=120)
            fleet = writer(live, minutes, arguments.rate, arguments.cohorts, home / "fleet.log")
            try:
                time.sleep(60 * arguments.warm_up)
                cohorts = asyncio.run(known(worker.url, "/api/v1/cohorts?limit=1"))
                incidents = asyncio.run(known(worker.url, "/api/v1/incidents?limit=1"))
                began, before, busy = time.monotonic(), worker.total("seamwatch_records_read_total"), worker.cpu_s()
                taken = asyncio.run(ask(worker.url, arguments.seconds))
                length = time.monotonic() - began
                rate = (worker.total("seamwatch_records_read_total") - before) / length
                cores = (worker.cpu_s() - busy) / length
                lag = worker.total("seamwatch_consumer_lag_records")
                resident = worker.resident_mb()
            except RuntimeError as error:
                print(f"FAILED: {error}\n{worker.said()[-4000:]}")
                return False
            finally:
                fleet.kill()
                fleet.wait()
            status = worker.end()
        said = worker.said().strip()
    print(f"  the page knows {cohorts} cohorts and {incidents} incidents")
    print(f"  {rate:,.0f} records/s taken on {cores:.2f} cores, {lag:,.0f} wait; {resident:.0f} MB")
    print(f"  said by the worker: {said or 'nothing'}")
    good = report(taken)
    return good and rate >= 0.9 * arguments.rate and status == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pages", description=__doc__)
    parser.add_argument("--cohorts", type=int, default=5_000)
    parser.add_argument("--incidents", type=int, default=500)
    parser.add_argument("--rate", type=float, default=10_000.0, help="records a second (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=120.0, help="of asking (default %(default)s)")
    parser.add_argument(
        "--warm-up", type=int, default=4, metavar="MINUTES", help="until it is asked (default %(default)s)"
    )
    parser.add_argument("--worker", action="append", default=[], metavar="OPTION", help="for it, such as --worker=-v")
    parser.add_argument("--still", action="store_true", help="the site alone, without Kafka")
    arguments = parser.parse_args()
    if arguments.still:
        return 0 if asyncio.run(still(arguments.cohorts, arguments.incidents, arguments.seconds)) else 1
    if (reason := kafka_cluster.missing()) is not None:
        print(f"no Kafka: {reason}", file=sys.stderr)
        return 2
    return 0 if flowing(arguments) else 1


if __name__ == "__main__":
    sys.exit(main())
