"""Recorded sessions of real players and phones as canonical records, and what the chain says of them."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Iterable, Iterator

import msgspec

from pipeline.engine import Engine
from pipeline.intent import default
from pipeline.messages import Incident
from pipeline.records import RecordBatch
from tests.bench.real.data import DATA

HOUR_MS = 3_600_000
BANDS = (150_000, 225_000, 275_000)
"""Of the shaping rate, bytes a second: a covariate, not to be mistaken for a release."""
STRETCH = 300
"""A session of the phones lasts ten minutes, and the chain judges nothing before a day: time runs slower by this."""
WARM = 0.6
"""Part of a stretched session that is history: 30 of 50 hours."""


def players(shuffle: int | None = None) -> list[bytes]:
    """Video sessions in order of their end. With `shuffle`, the seed by which results change places within bands."""
    with gzip.open(DATA / "yt_sessions" / "sessions.csv.gz", "rt", newline="") as file:
        rows = [row for row in csv.DictReader(file) if float(row["run_overlength"]) > 0]
    bands = [sum(float(row["net_avg_shaping_rate"]) >= edge for edge in BANDS) for row in rows]
    results = [(float(row["run_overlength"]), row["pl_buffering_boolean"]) for row in rows]
    if shuffle is not None:
        lot = random.Random(shuffle)
        for band in range(len(BANDS) + 1):
            places = [i for i, one in enumerate(bands) if one == band]
            moved = [results[i] for i in places]
            lot.shuffle(moved)
            for i, result in zip(places, moved, strict=True):
                results[i] = result
    records = []
    for i, (row, band, (overlength, _)) in enumerate(zip(rows, bands, results, strict=True)):
        at = round(float(row["run_start"]) * 1000)
        records.append(
            {
                "event_id": f"{i}",
                "operation": "playback_start",
                "operator": "testbed",
                "device_class": f"rate-band-{band}",
                "firmware": row["pl_version"],
                "environment": "production",
                "outcome": "ok",
                "device_id": f"run-{i}",
                "latency_ms": 1000.0 * overlength,
                "occurred_at": at,
                "received_at": at + round(float(row["run_length"]) * 1000),
            }
        )
    records.sort(key=lambda record: float(str(record["received_at"])))
    return [msgspec.json.encode(record) for record in records]


def phones(session: str, device: str | None = None, factor: float = 1.0) -> tuple[list[bytes], int]:
    """A session of phones, stretched; from `WARM` of it on, `device` takes `factor` longer. And when that begins."""
    with (DATA / "ooo_http" / f"{session}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    first = int(rows[0]["S.Message.received.time.ms"])
    last = int(rows[-1]["S.Message.received.time.ms"])
    start = round(first + WARM * (last - first))
    records = []
    for row in rows:
        received, name = int(row["S.Message.received.time.ms"]), row["S.Device.ID"]
        slower = factor if name == device and received >= start else 1.0
        at = first + (received - first) * STRETCH
        records.append(
            {
                "event_id": f"{name}.{row['S.Message.ID']}",
                "operation": "heartbeat",
                "operator": "jr-digital",
                "device_class": name,
                "outcome": "ok",
                "device_id": name,
                "seq": int(row["S.Message.ID"]),
                "latency_ms": int(row["A.Duration.round.trip"]) * slower,
                "received_at": at,
            }
        )
    return [msgspec.json.encode(record) for record in records], first + (start - first) * STRETCH


def devices(session: str) -> list[str]:
    with (DATA / "ooo_http" / f"{session}.csv").open(newline="") as file:
        return sorted({row["S.Device.ID"] for row in csv.DictReader(file, delimiter=";")})


def said_of(lines: list[bytes]) -> list[Incident]:
    """Every change of an incident."""
    engine = Engine(default())
    incidents: list[Incident] = []
    for first in range(0, len(lines), 1_000):
        values = lines[first : first + 1_000]
        incidents += engine.feed(RecordBatch("-", range(first + 1, first + 1 + len(values)), values)).incidents
    return incidents + engine.finish().incidents


def first_firing(incidents: Iterable[Incident]) -> Iterator[Incident]:
    """Of each incident that fired, the first such record."""
    seen: set[str] = set()
    for record in incidents:
        if record.state == "firing" and record.incident_id not in seen:
            seen.add(record.incident_id)
            yield record
