"""What a process of the suite is given to do. Its own module: a spawned process finds nothing in `__main__`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TypeAlias

import msgspec

from tests.bench.detect.contest import Race, Rises, Tuned, race, rises
from tests.bench.detect.outcome import Outcome, Quiet
from tests.bench.detect.run import run_quiet, run_scenarios
from tests.bench.detect.scenarios import BY_NAME
from tests.bench.detect.worlds import fault_setting, null_setting


class Task(msgspec.Struct, frozen=True):
    """kind: `quiet` and `faults` drive the pattern stage, `rises` and `race` the yardsticks."""

    kind: str
    cache: Path
    seed: int
    days: int = 0
    """Of a quiet fleet after its history."""
    scenarios: tuple[str, ...] = ()
    cold: bool = False
    tuned: tuple[Tuned, ...] = ()


Found: TypeAlias = Quiet | Outcome | Rises | Race


def work(task: Task) -> list[Found]:
    scenarios = [BY_NAME[name] for name in task.scenarios]
    match task.kind:
        case "quiet":
            quiet = run_quiet(task.cache, null_setting(task.seed, task.days))
            pages = sum(alarm.severity == "page" and alarm.kind != "feed" for alarm in quiet.cold + quiet.warm)
            tell(f"quiet seed {task.seed}: {pages} false pages in {quiet.cold_days + quiet.warm_days} days")
            return [quiet]
        case "faults":
            return [*run_scenarios(task.cache, fault_setting(task.seed), scenarios, task.cold, tell)]
        case "rises":
            return [rises(task.cache, task.seed, task.days)]
        case _:
            return [*race(task.cache, task.seed, scenarios, task.tuned)]


def tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
