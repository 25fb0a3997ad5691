"""Real phones on a real network: inversions and duplicates are counted as a script of ten lines counts them."""

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pipeline.ingest import Ingest
from pipeline.messages import Windows
from pipeline.records import RecordBatch

# Nobody here made these recordings and they are no part of this repository; MANIFEST.md beside them says what they are.
DATA = Path(os.environ.get("SEAMWATCH_DATA", Path(__file__).resolve().parents[2] / "shared/data")) / "ooo_http"

needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"the recorded sessions are not at {DATA}; set SEAMWATCH_DATA"
)

SESSIONS = ["d-1", "d-2"]


def rows(session: str) -> Iterator[dict[str, str]]:
    """In the order in which the server received them."""
    with (DATA / f"{session}.csv").open(newline="") as file:
        yield from csv.DictReader(file, delimiter=";")


def observation(row: dict[str, str]) -> bytes:
    """As MANIFEST.md maps them; each device is a class of its own, so that windows count by device."""
    return msgspec.json.encode(
        {
            "event_id": f"{row['S.Device.ID']}.{row['S.Message.ID']}",
            "operation": "heartbeat",
            "operator": "jr-digital",
            "device_class": row["S.Device.ID"],
            "outcome": "ok",
            "device_id": row["S.Device.ID"],
            "seq": int(row["S.Message.ID"]),
            "latency_ms": int(row["A.Duration.round.trip"]),
            "occurred_at": int(row["S.Client.Detection.Time"]),
            "sent_at": int(row["C.Send.Time"]),
            "received_at": int(row["S.Message.received.time.ms"]),
        }
    )


def counted(values: list[bytes]) -> tuple[dict[str, dict[str, int]], Ingest]:
    """What the ingest stage counts of each device over the whole session."""
    ingest = Ingest("replay")
    answers = ingest.feed(RecordBatch("session", range(1, len(values) + 1), values)) + ingest.flush()
    counts: dict[str, dict[str, int]] = defaultdict(lambda: {"records": 0, "inversions": 0, "duplicates": 0, "gaps": 0})
    for window in [cohort for answer in answers if isinstance(answer, Windows) for cohort in answer.cohorts]:
        for name, count in counts[window.device_class].items():
            counts[window.device_class][name] = count + getattr(window, name)
    return counts, ingest


def independently(session: str) -> dict[str, tuple[int, int]]:
    """Inversions and duplicates of each device. A number that falls to 0 or 1 begins a new count."""
    highest: dict[str, int] = {}
    seen: set[tuple[str, int]] = set()
    inversions: Counter[str] = Counter()
    duplicates: Counter[str] = Counter()
    for row in rows(session):
        device, number = row["S.Device.ID"], int(row["S.Message.ID"])
        duplicates[device] += (device, number) in seen
        inversions[device] += (device, number) not in seen and 1 < number < highest.get(device, 0)
        if (device, number) not in seen:
            highest[device] = number if number <= 1 else max(number, highest.get(device, 0))
        seen.add((device, number))
    return {device: (inversions[device], duplicates[device]) for device in highest}


@needs_data
@pytest.mark.parametrize("session", SESSIONS)
def test_inversions_and_duplicates_of_each_device_are_those_of_an_independent_count(session: str) -> None:
    counts, ingest = counted([observation(row) for row in rows(session)])
    assert ingest.totals.rejected.total() == 0
    assert sum(count["records"] + count["duplicates"] for count in counts.values()) == len(list(rows(session)))
    assert {device: (count["inversions"], count["duplicates"]) for device, count in counts.items()} == independently(
        session
    )


@needs_data
@pytest.mark.parametrize("session", SESSIONS)
def test_out_of_order_shares_within_a_device_are_as_small_as_was_published(session: str) -> None:
    counts, _ = counted([observation(row) for row in rows(session)])
    shares = {device: count["inversions"] / count["records"] for device, count in counts.items()}
    assert 0 < max(shares.values()) <= 0.004


@needs_data
@pytest.mark.parametrize("session", SESSIONS)
def test_a_session_sent_twice_is_all_duplicates_the_second_time(session: str) -> None:
    values = [observation(row) for row in rows(session)]
    once, _ = counted(values)
    twice, _ = counted([value for value in values for _ in range(2)])
    assert {device: (count["inversions"], count["gaps"]) for device, count in twice.items()} == {
        device: (count["inversions"], count["gaps"]) for device, count in once.items()
    }
    assert {device: count["duplicates"] for device, count in twice.items()} == {
        device: 2 * count["duplicates"] + count["records"] for device, count in once.items()
    }
