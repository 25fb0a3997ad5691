"""From records to evidence, and from evidence to an incident, in seconds: python -m tests.soak.latency

A fleet has a history, in which an operator begins to be silent. From there on a minute of records is written at once,
as soon as there is evidence of the one before. A minute is closed by the first record of the next one; so what a record
waits for its evidence is its minute, and then what is measured here: from before the record that closes it is written
to the append of the evidence. An incident names, in its stamp, the evidence that brought it about; between the appends
of both lies what is measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.codec import decode
from pipeline.detect.evidence import Evidence
from pipeline.stream.stamps import stamp_of
from tests.integration import kafka_cluster
from tests.integration.kafka_cluster import KafkaCluster
from tests.integration.waiting import until
from tests.soak.process import Measured, table
from tests.soak.waits import APPENDED
from tests.stream.live import MINUTE_MS, START_MS, Line, Live, fleet

BOUND_S: Final = 2.0
SILENT: Final = range(200, 230)
"""Minutes in which an operator says nothing."""
HISTORY: Final = 198
PARTITIONS: Final = 4
PATIENCE_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds, one a minute or incident record."""

    evidence: Sequence[float]
    incident: Sequence[float]


def measure(live: Live, minutes: int) -> Latency:
    """With a worker on `live` that takes all there is; `minutes`: how many are written one by one."""
    by_minute: dict[int, list[Line]] = defaultdict(list)
    for line in fleet(HISTORY + minutes, silent=SILENT):
        by_minute[(line.at - START_MS) // MINUTE_MS].append(line)
    live.write(line for minute in range(HISTORY) for line in by_minute[minute])
    # The last of them is closed by the first that is written alone.
    until(lambda: _last(live) >= HISTORY - 2, within=300, what="evidence of the history")
    written: dict[int, float] = {}
    for minute in range(HISTORY, HISTORY + minutes):
        written[minute] = time.time()
        live.write(by_minute[minute], PARTITIONS)
        # Not every partition has a record in every minute; then there is no evidence of the one before yet.
        with suppress(TimeoutError):
            until(lambda minute=minute: _last(live) >= minute - 1, within=PATIENCE_S, what="evidence")  # type: ignore[misc]
    partitions = {minute: {zlib.crc32(line.key) % PARTITIONS for line in by_minute[minute]} for minute in written}
    return Latency(_of_evidence(live, _closed(written, partitions)), _of_incidents(live, HISTORY))


def _closed(written: Mapping[int, float], partitions: Mapping[int, set[int]]) -> dict[int, float]:
    """When each minute was closed: when every partition had a record of a later one."""
    closed = {}
    for minute in range(HISTORY - 1, max(written)):
        firsts = [
            min((later for later in written if later > minute and partition in partitions[later]), default=None)
            for partition in range(PARTITIONS)
        ]
        if None not in firsts:
            closed[minute] = max(written[first] for first in firsts if first is not None)
    return closed


def _last(live: Live) -> int:
    """The last minute that there is evidence of."""
    found = [message.minute for message in live.read(live.names.evidence) if isinstance(message, Evidence)]
    return (max(found, default=START_MS) - START_MS) // MINUTE_MS


def _of_evidence(live: Live, closed_at: dict[int, float]) -> list[float]:
    there: dict[int, float] = {}
    for message, at in live.timed(live.names.evidence):
        if isinstance(message, Evidence):
            minute = (message.minute - START_MS) // MINUTE_MS
            there[minute] = max(at / 1000, there.get(minute, 0.0))
    return [there[minute] - at for minute, at in closed_at.items() if minute in there]


def _of_incidents(live: Live, since: int) -> list[float]:
    (evidence,) = live.records(live.names.evidence)
    sent_at = {record.offset: record.at for record in evidence}
    found = []
    for records in live.records(live.names.incidents):
        for record in records:
            origin = stamp_of(record.headers)
            assert origin is not None
            incident = decode(record.value)
            if incident.at >= START_MS + since * MINUTE_MS:  # type: ignore[union-attr]  # nothing else is there
                found.append((record.at - sent_at[origin[1].major]) / 1000)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.latency", description=__doc__)
    parser.add_argument("--minutes", type=int, default=40, help="that are written one by one")
    arguments = parser.parse_args()
    if (reason := kafka_cluster.missing()) is not None:
        print(f"no Kafka: {reason}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="seamwatch-latency-") as scratch:
        home = Path(scratch)
        with KafkaCluster(home / "kafka", properties=APPENDED) as cluster:
            live = Live(cluster.bootstrap)
            live.create()
            with Measured(live, home / "worker.log", "--idle-after", "60") as worker:
                worker.await_ready(within=120)
                found = measure(live, arguments.minutes)
                assert worker.end() == 0
    rows = [
        ("record to evidence, beyond its window", _figures(found.evidence)),
        ("evidence to incident", _figures(found.incident)),
    ]
    print(table(rows))
    return int(not found.incident or max([*found.evidence, *found.incident]) > BOUND_S)


def _figures(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    return f"{statistics.median(seconds):.2f} s in the median, {max(seconds):.2f} s at most, of {len(seconds)}"


if __name__ == "__main__":
    sys.exit(main())
