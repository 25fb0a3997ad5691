"""Three brokers, some workers, and what can happen to them; then the same log undisturbed, and what was said compared.

    python -m tests.torture --seed 7 --faults 30

A writer fills the input while faults happen, with some records twice. Afterwards another group of one worker reads the
same log in peace. What both said of windows, evidence and incidents must be the same to the byte, each message once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.integration.kafka_cluster import KafkaCluster
from tests.integration.waiting import until
from tests.stream.live import MINUTE_MS, START_MS, Line, Live, fleet
from tests.torture.faults import Fault, Kind, plan
from tests.torture.verdict import Said, differences, said
from tests.torture.workers import SESSION_S, Workers, nap

BROKERS = 3
PARTITIONS = 4
SILENT = range(200, 230)
"""Minutes in which an operator says nothing, so that there is an incident to lose."""
BETWEEN_S = 2.0
"""Of peace after a fault."""
AGAIN_S = 1.0
"""Between two readings of all topics."""
WITHIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Torture:
    """One run; the same seed draws the same faults and the same fleet."""

    seed: int
    faults: int
    workers: int
    minutes: int
    say: Callable[[str], None]

    def run(self, home: Path) -> list[str]:
        """What was lost or doubled, a line each."""
        properties = {"group.min.session.timeout.ms": str(round(SESSION_S * 1000))}
        with KafkaCluster(home / "kafka", size=BROKERS, properties=properties) as cluster:
            tortured = Live(cluster.bootstrap)
            calm = Live(cluster.bootstrap, input=tortured.input, name="-calm")
            tortured.create(PARTITIONS, BROKERS)
            calm.create(PARTITIONS, BROKERS)
            found = self._tortured(cluster, tortured, home)
            self.say(f"tortured: {_summary(found)}")
            expected = self._calm(calm, home)
            self.say(f"calm: {_summary(expected)}")
        if not expected.incidents:
            return ["the undisturbed run found no incident: nothing was tested"]
        return differences(found, expected)

    def _tortured(self, cluster: KafkaCluster, live: Live, home: Path) -> Said:
        lines = fleet(self.minutes, silent=SILENT, seed=self.seed)
        faults = plan(self.seed, self.faults)
        writer = _Writer(live, Random(self.seed))
        own = home / "tortured"
        own.mkdir()
        workers = Workers(live, own, self.workers)
        try:
            workers.await_one()
            for number, fault in enumerate(faults):
                first, last = (len(lines) * i // (len(faults) + 1) for i in (number, number + 1))
                writer.write(lines[first:last])
                began = time.monotonic()
                self._suffer(fault, cluster, live, workers, writer)
                nap(BETWEEN_S)
                for revived in workers.revive():
                    self.say(f"    worker {revived} had ended: {workers.said(revived).splitlines()[-1:]}")
                self.say(f"{number + 1:3}/{len(faults)} {fault} ({time.monotonic() - began:.1f} s)")
            writer.write(lines[len(lines) * len(faults) // (len(faults) + 1) :])
            return self._finish(live, workers)
        finally:
            workers.stop()

    def _calm(self, live: Live, home: Path) -> Said:
        own = home / "calm"
        own.mkdir()
        workers = Workers(live, own, 1)
        try:
            return self._finish(live, workers)
        finally:
            workers.stop()

    def _finish(self, live: Live, workers: Workers) -> Said:
        """Wait until all that is in the log has been said, and taken by the last stage."""
        end = _last_minute(self.minutes)

        def is_all() -> Said | None:
            workers.revive()
            found = said(live, end)
            if found.closed < end or live.committed(live.names.evidence) != live.ends(live.names.evidence):
                time.sleep(AGAIN_S)
                return None
            # Read once more: what pattern answered to the last of it came after the first reading.
            return said(live, end)

        return until(is_all, within=WITHIN_S, what="everything to be said")

    def _suffer(self, fault: Fault, cluster: KafkaCluster, live: Live, workers: Workers, writer: _Writer) -> None:
        which = fault.which % workers.size
        match fault.kind:
            case Kind.KILL_WORKER:
                workers.kill(which)
                nap(fault.pause_s)
                workers.start(which)
            case Kind.FREEZE_WORKER:
                workers.freeze(which)
                nap(SESSION_S + 2.0)
                workers.thaw(which)
            case Kind.KILL_BROKER:
                node = fault.which % BROKERS + 1
                cluster.broker(node).kill()
                nap(fault.pause_s)
                cluster.restart(node)
            case Kind.REBALANCE_IN_CHECKPOINT:
                # One leaves and comes back: every partition of every worker is taken away, and given, twice.
                self._await_checkpoint(live)
                workers.end(which)
                workers.start(which)
            case Kind.FULL_DISK:
                workers.kill(which)
                workers.start(which, full_disk=True)
            case Kind.REDELIVER:
                writer.redeliver(fault.count)

    def _await_checkpoint(self, live: Live) -> None:
        """Until a piece of a snapshot has arrived, which is when its commit has not."""
        before = live.ends(live.names.baseline_state)
        until(lambda: live.ends(live.names.baseline_state) != before, within=60, what="a checkpoint to begin")


class _Writer:
    """Writes the input, and again what it wrote last, as a producer does that missed the acknowledgement."""

    def __init__(self, live: Live, random: Random) -> None:
        self._live = live
        self._random = random
        self._written: list[Line] = []

    def write(self, lines: Sequence[Line]) -> None:
        self._live.write(lines, PARTITIONS)
        self._written += lines

    def redeliver(self, count: int) -> None:
        self._live.write(self._written[-count:], PARTITIONS)


def _last_minute(minutes: int) -> int:
    """The last minute that a record of a later one closes, on every partition."""
    return START_MS + (minutes - 2) * MINUTE_MS


def _summary(found: Said) -> str:
    return (
        f"{found.windows.total()} windows, {found.evidence.total()} pieces of evidence, "
        f"{len(found.incidents)} changes of incidents"
    )
