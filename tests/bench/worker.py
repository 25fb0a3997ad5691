"""A worker of Seamwatch, measured from the first records that it reads to the last that it has dealt with.

python -m tests.bench.worker BOOTSTRAP TOPIC EVENTS STAGES NAME LAST_MINUTE

With the stage `ingest` alone it ends when it has read all. With all stages it ends when pattern has judged the minute
that began at LAST_MINUTE, or on SIGTERM: of several workers of one group only one has the pattern. NAME is the group's.
"""

from __future__ import annotations

import asyncio
import gc
import sys

from prometheus_client import CollectorRegistry

from pipeline.cli import ALLOCATIONS
from pipeline.codec import Message
from pipeline.detect.evidence import Evidence
from pipeline.intent import CurrentIntent, default
from pipeline.metrics import Metrics
from pipeline.stream.settings import Settings, parse_address
from pipeline.stream.worker import Worker
from pipeline.stream.works import Surroundings
from tests.bench.meter import Meter


class Measured:
    def __init__(self, settings: Settings, events: int, last_minute: int) -> None:
        self._events = events
        self._last_minute = last_minute
        self._all_stages = "pattern" in settings.stages
        self._read = 0
        self._meter = Meter()
        metrics = Metrics(CollectorRegistry())
        add = metrics.records_read.add

        def count(amount: float, *labels: str) -> None:
            add(amount, *labels)
            self._took(int(amount))

        metrics.records_read.add = count  # type: ignore[method-assign]  # cheaper than to ask the registry all the time
        around = Surroundings(CurrentIntent(default()), metrics, lambda: (), self._watch)
        self._worker = Worker(settings, around, lambda line: print(line, file=sys.stderr))

    async def run(self) -> int:
        self._worker.end_on_signals()
        status = await self._worker.run()
        self._meter.report(self._read)
        return status

    def _watch(self, message: Message) -> None:
        if isinstance(message, Evidence) and message.minute >= self._last_minute:
            self._end()

    def _took(self, records: int) -> None:
        self._read += records
        self._meter.saw(self._read)
        if self._read >= self._events and not self._all_stages:
            self._end()

    def _end(self) -> None:
        self._meter.end()
        self._worker.end()


def main(bootstrap: str, topic: str, events: int, stages: str, name: str, last_minute: int) -> int:
    settings = Settings(
        brokers=tuple(parse_address(address) for address in bootstrap.split(",")),
        inputs={topic: "canonical"},
        prefix=f"{name}.",
        group=name,
        stages=tuple(stages.split(",")),
        web=None,
        idle_after_s=5.0,
    )
    # As the command line does.
    gc.freeze()
    gc.set_threshold(ALLOCATIONS)
    return asyncio.run(Measured(settings, events, last_minute).run())


if __name__ == "__main__":
    _, where, read, wanted, chosen, group, minute = sys.argv
    sys.exit(main(where, read, int(wanted), chosen, group, int(minute)))
