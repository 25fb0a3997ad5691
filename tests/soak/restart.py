"""How long a worker takes from its start to ready with the state of a large fleet: python -m tests.soak.restart

The state is made by the worker itself, from window messages of a simulated fleet; then it is ended, and started again.
Beside it, how fast a snapshot that cannot be compressed is read back, in MB a second.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import msgspec
from confluent_kafka import Producer
from faust.types import TP

from pipeline.codec import encode
from pipeline.messages import Tick
from pipeline.simulate.fleet import sized
from pipeline.simulate.windows import simulate_windows
from pipeline.simulate.world import draw_world
from pipeline.stream.checkpoints import PIECE
from pipeline.stream.kafka import FaustBroker
from pipeline.stream.names import partition_of, source_of
from pipeline.stream.stamps import Stamp
from tests.integration import kafka_cluster
from tests.integration.kafka_cluster import KafkaCluster
from tests.integration.waiting import until
from tests.soak.process import Measured, table
from tests.stream.live import START_MS, Live

READY_S: Final = 15.0
"""What a worker with 10 000 cohorts may take."""
PARTITIONS: Final = 8
PER_COHORT: Final = 6.0
"""Records a minute, on average."""


def fill(live: Live, cohorts: int, minutes: int) -> None:
    """The windows topic, as ingest of one input partition would fill it."""
    world = draw_world(
        sized(cohorts, events_per_minute=cohorts * PER_COHORT), (), seed=1, start_ms=START_MS, minutes=minutes
    )
    producer = Producer({"bootstrap.servers": live.bootstrap, "log_level": 0, "message.max.bytes": 16 << 20})
    source = source_of(live.input, 0)
    for number, message in enumerate(simulate_windows(world)):
        ours = msgspec.structs.replace(message, source=source)
        to = range(PARTITIONS) if isinstance(ours, Tick) else [partition_of(ours.operator, PARTITIONS)]
        for partition in to:
            header = [Stamp(message.minute, 0, number).header(source)]
            while True:
                try:
                    producer.produce(live.names.windows, encode(ours), partition=partition, headers=header)  # type: ignore[arg-type]
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(120) == 0


def caught_up(live: Live) -> bool:
    names = live.names
    return all(live.committed(topic) == live.ends(topic) for topic in (names.windows, names.evidence))


async def reading_speed(live: Live, megabytes: int) -> float:
    """MB a second at which pieces of random bytes come back, by the way in which checkpoints are read."""
    topic = live.names.pattern_state
    producer = Producer({"bootstrap.servers": live.bootstrap, "log_level": 0, "message.max.bytes": 16 << 20})
    start = live.ends(topic)[0]
    for number in range(megabytes):
        producer.produce(topic, os.urandom(PIECE), f"random {number}", partition=0)
        producer.poll(0)
        if number % 32 == 31:
            producer.flush(60)
    assert producer.flush(60) == 0
    app = cast(Any, SimpleNamespace(conf=SimpleNamespace(id=live.group)))
    broker = FaustBroker(app, 0, {"bootstrap.servers": live.bootstrap})
    began, size = time.monotonic(), 0
    async for records in broker.read(TP(topic, 0), start, None):
        size += sum(len(record.value or b"") for record in records)
    return size / 1e6 / (time.monotonic() - began)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.restart", description=__doc__)
    parser.add_argument("--cohorts", type=int, default=10_000)
    parser.add_argument("--minutes", type=int, default=30, help="of windows, from which the state is made")
    parser.add_argument("--read", type=int, default=300, metavar="MB", help="of random bytes to read back")
    arguments = parser.parse_args()
    if (reason := kafka_cluster.missing()) is not None:
        print(f"no Kafka: {reason}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="seamwatch-restart-") as scratch:
        home = Path(scratch)
        with KafkaCluster(home / "kafka") as cluster:
            live = Live(cluster.bootstrap)
            live.create(PARTITIONS, input_partitions=1)
            fill(live, arguments.cohorts, arguments.minutes)
            stages = ("--stages", "baseline,pattern", "--checkpoint", "10")
            with Measured(live, home / "worker.log", *stages) as worker:
                until(lambda: caught_up(live), within=600, what="the state to be made and written")
                written = worker.total("seamwatch_checkpoint_bytes")
                cohorts = worker.total("seamwatch_cohorts")
                grown = worker.resident_mb()
                began = time.monotonic()
                assert worker.end() == 0
                drained = time.monotonic() - began
            began = time.monotonic()
            with Measured(live, home / "worker.log", *stages) as worker:
                worker.await_ready(within=120)
                ready = time.monotonic() - began
                cpu, resident = worker.cpu_s(), worker.resident_mb()
                assert worker.end() == 0
            speed = asyncio.run(reading_speed(live, arguments.read))
            said = (home / "worker.log").read_text()
    rows = [
        ("cohorts", f"{cohorts:.0f} in the last minute"),
        ("state as written", f"{written / 1e6:.1f} MB in {PARTITIONS + 1} snapshots"),
        ("SIGTERM to end", f"{drained:.1f} s"),
        ("start to ready", f"{ready:.1f} s (bound {READY_S:.0f} s), {cpu:.1f} s of them on the processor"),
        ("resident memory", f"{grown:.0f} MB before, {resident:.0f} MB after the restart"),
        ("reading back", f"{speed:.0f} MB/s of what cannot be compressed"),
        ("said by the worker", said.strip() or "nothing"),
    ]
    print(table(rows))
    return 0 if ready < READY_S and not said else 1


if __name__ == "__main__":
    sys.exit(main())
