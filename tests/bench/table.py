"""The results of a bench: as a table for people, and as build/bench.json."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.runs import Run


@dataclass(frozen=True, slots=True)
class Line:
    """One measurement. ratio_*: to the yardsticks (a) and (b), in events per second and per CPU-second; medians of runs
    that were made one after the other."""

    name: str
    events: int
    events_per_second: float
    events_per_cpu_second: float
    peak_mb: float
    ratio_a_per_second: float
    ratio_a_per_cpu_second: float
    ratio_b_per_second: float
    ratio_b_per_cpu_second: float


@dataclass(slots=True)
class Results:
    """By name, the runs of each measurement, in rounds; those of a name that was run once are compared with all."""

    a: str
    b: str
    runs: dict[str, list[Run]] = field(default_factory=dict)

    def add(self, name: str, run: Run) -> Run:
        self.runs.setdefault(name, []).append(run)
        print(
            f"  {name:42s}{run.a_second:12,.0f} /s {run.a_cpu_second:12,.0f} /CPU-s {run.peak_mb:7.0f} MB", flush=True
        )
        return run

    def lines(self) -> list[Line]:
        return [self._line(name) for name in self.runs]

    def _line(self, name: str) -> Line:
        runs = self.runs[name]
        return Line(
            name,
            runs[0].events,
            median(run.a_second for run in runs),
            median(run.a_cpu_second for run in runs),
            max(run.peak_mb for run in runs),
            self._ratio(name, self.a, "a_second"),
            self._ratio(name, self.a, "a_cpu_second"),
            self._ratio(name, self.b, "a_second"),
            self._ratio(name, self.b, "a_cpu_second"),
        )

    def _ratio(self, name: str, to: str, what: str) -> float:
        mine = [float(getattr(run, what)) for run in self.runs[name]]
        other = [float(getattr(run, what)) for run in self.runs[to]]
        if len(mine) == len(other):
            return median(one / two for one, two in zip(mine, other, strict=True))
        return median(mine) / median(other)

    def table(self) -> str:
        head = f"{'':42s}{'events/s':>11s}{'/CPU-s':>11s}{'MB':>7s}   {'of (a)':>13s}   {'of (b)':>13s}"
        rows = [
            f"{it.name:42s}{it.events_per_second:11,.0f}{it.events_per_cpu_second:11,.0f}{it.peak_mb:7.0f}"
            f"   {it.ratio_a_per_second:6.2f} {it.ratio_a_per_cpu_second:6.2f}"
            f"   {it.ratio_b_per_second:6.2f} {it.ratio_b_per_cpu_second:6.2f}"
            for it in self.lines()
        ]
        return "\n".join([head, *rows, "Ratios: of events a second, then of events a CPU-second."])

    def against(self, name: str, other: str) -> str:
        """How many times as fast as another."""
        mine, its = self._line(name), self._line(other)
        a_second = mine.events_per_second / its.events_per_second
        a_cpu_second = mine.events_per_cpu_second / its.events_per_cpu_second
        return f"{name} : {other} = {a_second:.1f} × a second, {a_cpu_second:.1f} × a CPU-second"

    def falls(self, name: str, before: str) -> str:
        """By how much events a CPU-second fall from one to the other, each run against that made beside it."""
        pairs = zip(self.runs[name], self.runs[before], strict=True)
        falls = [1 - mine.a_cpu_second / its.a_cpu_second for mine, its in pairs]
        spread = "" if len(falls) == 1 else f" ({min(falls):.0%} to {max(falls):.0%})"
        peak = max(run.peak_mb for run in self.runs[name])
        return f"from {before} to {name}: events a CPU-second fall by {median(falls):.0%}{spread}; peak {peak:.0f} MB"

    def write(self, path: Path, about: dict[str, Any]) -> None:
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
        measurements = [{name: getattr(line, name) for name in Line.__slots__} for line in self.lines()]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**about, "machine": machine, "measurements": measurements}, indent=1) + "\n")
