"""What a process of the suite is given to do. Its own module: a spawned process finds nothing in `__main__`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TypeAlias

from tests.bench.detect.outcome import Outcome, Quiet
from tests.bench.detect.run import run_quiet, run_scenarios
from tests.bench.detect.scenarios import BY_NAME

Task: TypeAlias = tuple[str, Path, int, int, tuple[str, ...], bool]
"""Kind (`quiet` or `faults`), cache, seed, days of quiet, names of scenarios, whether with a cold start as well."""


def work(task: Task) -> list[Quiet | Outcome]:
    kind, cache, seed, days, names, cold = task
    if kind == "quiet":
        found = run_quiet(cache, seed, days)
        pages = sum(alarm.severity == "page" and alarm.kind != "feed" for alarm in found.cold + found.warm)
        tell(f"quiet seed {seed}: {pages} false pages in {found.cold_days + found.warm_days} days")
        return [found]
    return [*run_scenarios(cache, seed, [BY_NAME[name] for name in names], cold, tell)]


def tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
