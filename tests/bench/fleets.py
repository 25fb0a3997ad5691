"""The observations that are measured on: simulated fleets of a given shape, as a file and as a topic."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
from confluent_kafka import Producer

from pipeline.messages import MINUTE_MS
from pipeline.simulate.events import Record, simulate
from pipeline.simulate.fleet import STANDARD, Fleet, sized
from pipeline.simulate.world import draw_world

START_MS: Final = 1_767_571_200_000
SEED: Final = 4
EVENTS_A_MINUTE: Final = 600_000.0
"""10 000 a second, which a worker is to keep up with for good."""


@dataclass(frozen=True, slots=True)
class Shape:
    """cohorts None: the standard fleet of 126."""

    name: str
    events_a_minute: float = EVENTS_A_MINUTE
    cohorts: int | None = None
    devices: int | None = None

    def fleet(self) -> Fleet:
        fleet = replace(
            STANDARD if self.cohorts is None else sized(self.cohorts), events_per_minute=self.events_a_minute
        )
        if self.devices is None:
            return fleet
        return replace(fleet, devices_per_event=self.devices / self.events_a_minute)


STANDARD_FLEET: Final = Shape("standard", events_a_minute=60_000.0)
"""1 000 a second of 126 cohorts, each device once an hour: what all yardsticks are given."""

COHORTS: Final = (
    Shape("cohorts-100", cohorts=100, devices=100_000),
    Shape("cohorts-10000", cohorts=10_000, devices=100_000),
)
DEVICES: Final = (Shape("devices-1000", devices=1_000), Shape("devices-1000000", devices=1_000_000))


class _Place(msgspec.Struct):
    received_at: int
    device_id: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """Observations of one shape. last_at: arrival of the last one, ms."""

    file: Path
    events: int
    cohorts: int
    devices: int
    last_at: int

    @property
    def last_whole_minute(self) -> int:
        """Start of the last minute that its own records close."""
        return self.last_at // MINUTE_MS * MINUTE_MS - MINUTE_MS


def record(shape: Shape, events: int, folder: Path) -> Recording:
    """The first `events` observations of a fleet, written to a file."""
    file = folder / f"{shape.name}.ndjson"
    cohorts, devices, last_at = set(), set(), 0
    with file.open("wb") as out:
        for made in islice(_records(shape, events), events):
            out.write(msgspec.json.encode(made) + b"\n")
            cohorts.add((made.operator, made.device_class, made.firmware, made.environment))
            devices.add(made.device_id)
            last_at = max(last_at, made.received_at or 0)
    return Recording(file, events, len(cohorts), len(devices), last_at)


def _records(shape: Shape, events: int) -> Iterator[Record]:
    # Nights are quieter than the average says.
    minutes = 10 + int(10 * events / shape.events_a_minute)
    world = draw_world(shape.fleet(), (), seed=SEED, start_ms=START_MS, minutes=minutes)
    for batch in simulate(world):
        yield from batch.records


def produce(recording: Recording, bootstrap: str, topic: str, partitions: int) -> None:
    """Write it to a topic: keyed by device, each device on its partition, in the order of the file."""
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0, "linger.ms": 50, "compression.type": "none"})
    place = msgspec.json.Decoder(_Place)
    with recording.file.open("rb") as lines:
        for number, line in enumerate(lines):
            value = line.rstrip(b"\n")
            at = place.decode(value)
            key = at.device_id.encode()
            while True:
                try:
                    partition = zlib.crc32(key) % partitions
                    producer.produce(topic, value, key, partition=partition, timestamp=at.received_at)
                    break
                except BufferError:
                    producer.poll(0.05)
            if number % 1_000 == 0:
                producer.poll(0)
    assert producer.flush(120) == 0
