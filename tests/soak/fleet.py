"""A simulated fleet, written to Kafka in real time as a live one is: python -m tests.soak.fleet --brokers … --topic …

It differs from `seamwatch simulate --start now` in two ways, both of which what is measured needs:

- Its records do not say when they were received: that is the broker's to say. Where the topic has the times of appends,
  minutes are then minutes of that clock, and how late the writer is does not count as the worker's.
- It is as large as it was asked to be now, not over a day: a fleet's evening is more than twice its morning.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from pipeline.simulate.events import Batch, simulate
from pipeline.simulate.fleet import sized
from pipeline.simulate.kafka import produce
from pipeline.simulate.world import World, draw_world

_ENCODE: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Unreceived(Batch):
    """Records that leave it to the broker when they were received; `Batch.messages` paces by that time all the same."""

    def messages(self) -> Iterator[tuple[str, bytes, int]]:
        for record in self.records:
            at, record.received_at = record.received_at or 0, None
            yield record.device_id or "", _ENCODE(record), at


def world(cohorts: int, rate: float, *, start_ms: int, minutes: int, seed: int = 0) -> World:
    """A fleet that attempts `rate` times a second on average over these minutes, whatever the hour."""

    def drawn(a_day: float) -> World:
        return draw_world(sized(cohorts, a_day * 60), (), seed=seed, start_ms=start_ms, minutes=minutes)

    return drawn(rate * rate / rate_of(drawn(rate)))


def rate_of(fleet: World) -> float:
    """Attempts a second that are expected of it."""
    visits = fleet.conditions(0, fleet.minutes).volume.sum(axis=0).mean()
    return float(visits * fleet.fleet.visit_records / 60)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.fleet", description=__doc__)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--cohorts", type=int, default=126)
    parser.add_argument("--rate", type=float, default=10_000.0, help="records a second (default %(default)s)")
    parser.add_argument("--minutes", type=int, default=20)
    arguments = parser.parse_args()
    fleet = world(arguments.cohorts, arguments.rate, start_ms=int(time.time() * 1_000), minutes=arguments.minutes)
    produce(
        (Unreceived(batch.records, batch.until) for batch in simulate(fleet)),
        brokers=arguments.brokers,
        topic=arguments.topic,
        # From the first record on: what drawing it took is not made up for in a burst.
        speed=1.0,
        progress=lambda batch: None,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
