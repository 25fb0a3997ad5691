"""Series of single values: labelled ones of a cloud's monitoring, and the files of NAB with their own score."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from pipeline.detect.aggregates import Mark
from pipeline.measure import measure, read_series
from tests.bench.real.data import DATA, ROOT

GRACE_VALUES = 3
"""An alarm so many values after a labelled event is still about it."""


class Judged(msgspec.Struct, frozen=True):
    """One labelled series."""

    name: str
    weeks: float
    events: int
    found: int
    alarms: int
    false: int
    """Alarms that belong to no event."""


def marks(path: Path, time_column: str | None = None, value_column: str | None = None) -> list[Mark]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(measure(read_series(file, time_column, value_column), 0.5))


def cloud() -> Iterator[Judged]:
    """Each series of the cloud's monitoring: labelled events, those found, and alarms about nothing."""
    for path in sorted((DATA / "ms_cloud").glob("*/*.csv")):
        with path.open(newline="", encoding="utf-8-sig") as file:
            labels = [row["Label"] == "1" for row in csv.DictReader(file)]
        said = marks(path)
        events = _events(labels)
        firing = [i for i, mark in enumerate(said) if mark.state == "firing"]
        reach = [(first, last + GRACE_VALUES) for first, last in events]
        yield Judged(
            name=f"{path.parent.name}/{path.stem}",
            weeks=(said[-1].at - said[0].at) / (7 * 86_400_000),
            events=len(events),
            found=sum(any(first <= i <= last for i in firing) for first, last in reach),
            alarms=len(firing),
            false=sum(not any(first <= i <= last for first, last in reach) for i in firing),
        )


def _events(labels: list[bool]) -> list[tuple[int, int]]:
    """First and last row of each run of labels."""
    events: list[tuple[int, int]] = []
    for i, labelled in enumerate(labels):
        if labelled and events and events[-1][1] == i - 1:
            events[-1] = (events[-1][0], i)
        elif labelled:
            events.append((i, i))
    return events


def write_nab_scores(folder: Path) -> int:
    """Scores of all files that are there, as NAB wants them; how many."""
    windows = json.loads((DATA / "nab" / "windows.json").read_bytes())
    for name in windows:
        source, target = DATA / "nab" / "data" / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open(newline="", encoding="utf-8-sig") as file, target.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["timestamp", "anomaly_score"])
            stamps = [row["timestamp"] for row in csv.DictReader(file)]
            writer.writerows(zip(stamps, (f"{mark.score:.6f}" for mark in marks(source)), strict=True))
    return len(windows)


def nab_score(folder: Path) -> dict[str, float]:
    """By profile, of the published formula; the data's own tool works it out."""
    tool = ROOT.parent / "shared" / "tools" / "nab_score.py"
    tool = tool if tool.exists() else DATA.parent / "tools" / "nab_score.py"
    command = [sys.executable, str(tool), str(DATA / "nab" / "windows.json"), str(folder)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {line.split()[0]: float(line.split()[1]) for line in said.splitlines()}
