"""Versions of the app in cohort windows: of a sample of the records, whatever the cut of the batches."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest import SAMPLED, Ingest, Limits
from pipeline.messages import Windows
from pipeline.records import RecordBatch

START = 1_767_571_200_000


def record(number: int, **fields: Any) -> bytes:
    return json.dumps(
        {
            "event_id": f"e{number}",
            "operation": "playback_start",
            "operator": "altura",
            "device_class": "tv",
            "firmware": "tv-1.0",
            "received_at": START + 7 * number,
        }
        | fields
    ).encode()


def windows(lines: list[bytes], cuts: list[int], limits: Limits | None = None) -> list[Windows]:
    ingest = Ingest("a", limits=limits or Limits())
    out: list[object] = []
    edges = sorted({0, len(lines), *(cut % (len(lines) + 1) for cut in cuts)})
    for first, end in pairwise(edges):
        out += ingest.feed(RecordBatch("f", range(first + 1, end + 1), lines[first:end]))
    out += ingest.flush()
    return [message for message in out if isinstance(message, Windows)]


def counted(found: list[Windows]) -> Counter[tuple[str, str]]:
    total: Counter[tuple[str, str]] = Counter()
    for message in found:
        for cohort in message.cohorts:
            total.update({(cohort.firmware, version): times for version, times in cohort.app_versions.items()})
    return total


LINES = [
    record(number, firmware=f"tv-{number % 2}", **({"app_version": f"{number % 3}.0"} if number % 5 else {}))
    for number in range(2_000)
]


@given(st.lists(st.integers(0, 2_000), max_size=6))
def test_they_are_those_of_one_in_so_many_arrivals_however_the_log_was_cut(cuts: list[int]) -> None:
    expected = Counter(
        (f"tv-{number % 2}", f"{number % 3}.0")
        for number in range(2_000)
        if number % 5 and (START + 7 * number) % SAMPLED == 0
    )
    assert counted(windows(LINES, cuts)) == expected
    assert expected.total() > 30


def test_a_repeated_record_and_one_without_a_version_count_nothing() -> None:
    at = START + (-START) % SAMPLED
    once = record(1, received_at=at, app_version="1.0")
    assert counted(windows([once, once, record(2, received_at=at)], [])) == {("tv-1.0", "1.0"): 1}


def test_the_most_frequent_of_a_cohort_are_kept() -> None:
    at = START + (-START) % SAMPLED
    lines = [record(number, received_at=at, app_version=f"v{number % 20:02}") for number in range(60)]
    lines += [record(100 + number, received_at=at, app_version="v19") for number in range(3)]
    (only,) = windows(lines, [])
    assert list(only.cohorts[0].app_versions) == ["v19", *(f"v{number:02}" for number in range(15))]


def test_those_of_pooled_cohorts_are_pooled() -> None:
    at = START + (-START) % SAMPLED
    lines = [record(number, received_at=at, firmware=f"f{number}", app_version="1.0") for number in range(5)]
    found = windows(lines, [], Limits(cohorts=2))
    assert counted(found).total() == 5
    assert len({firmware for firmware, _ in counted(found)}) == 3
