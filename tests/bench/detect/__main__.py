"""The scenario suite: `make bench-detect`, or part of it: `make bench-detect ARGS='--seeds 1-3 --scenarios order'`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import msgspec

from tests.bench.detect import table
from tests.bench.detect.contest import Race, Rises, Tuned, tune
from tests.bench.detect.cost import SIZES, Cost, cost, cost_table
from tests.bench.detect.outcome import Outcome, Quiet
from tests.bench.detect.recordings import CACHE, ROOT
from tests.bench.detect.scenarios import BY_NAME, SCENARIOS
from tests.bench.detect.tasks import Found, Task, tell, work
from tests.bench.detect.worlds import COLD_DAYS, HISTORY_DAYS

RESULTS: Final = ROOT / "build" / "bench-detect.json"
BUDGET: Final = 0.5
"""False pages a week that yardsticks are tuned to, as is the default of the intent."""
QUICK: Final = ("firmware-15", "order", "weak-class", "denial")


class Results(msgspec.Struct):
    """What `build/bench-detect.json` holds."""

    command: str
    seconds: float
    quiet: list[Quiet]
    outcomes: list[Outcome]
    tuned: list[Tuned] = []
    races: list[Race] = []


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    if options.cost:
        return _print_costs(options)
    began = time.monotonic()
    tasks: list[Task] = []
    if not options.null_only:
        tasks += [
            Task("faults", options.cache, seed, scenarios=options.scenarios, cold=options.cold)
            for seed in options.seeds
        ]
    if not options.no_null:
        tasks += [Task("quiet", options.cache, seed, days=options.days) for seed in options.null_seeds]
    with ProcessPoolExecutor(options.processes, get_context("spawn"), os.nice, (10,)) as pool:
        found = _all(pool, tasks)
        tuned: list[Tuned] = []
        if options.yardsticks:
            quiet_seeds = options.null_seeds[: options.tune]
            tasks = [Task("rises", options.cache, seed, days=options.days) for seed in quiet_seeds]
            tuned = tune([one for one in _all(pool, tasks) if isinstance(one, Rises)], BUDGET)
            tasks = [
                Task("race", options.cache, seed, scenarios=options.scenarios, tuned=tuple(tuned))
                for seed in options.seeds
            ]
            found += _all(pool, tasks)
    command = "make bench-detect" + (f" ARGS='{' '.join(options.given)}'" if options.given else "")
    results = Results(
        command=command,
        seconds=round(time.monotonic() - began, 1),
        quiet=sorted((one for one in found if isinstance(one, Quiet)), key=lambda one: one.seed),
        outcomes=sorted(
            (one for one in found if isinstance(one, Outcome)), key=lambda one: (one.seed, one.history_days)
        ),
        tuned=tuned,
        races=[one for one in found if isinstance(one, Race)],
    )
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    _print(results, options.list)
    return 0


def _all(pool: ProcessPoolExecutor, tasks: Sequence[Task]) -> list[Found]:
    began = time.monotonic()
    found: list[Found] = []
    waiting = [pool.submit(work, task) for task in tasks]
    for number, done in enumerate(as_completed(waiting), start=1):
        found += done.result()
        tell(f"{number} of {len(tasks)} {tasks[0].kind} done after {time.monotonic() - began:.0f} s")
    return found


def _print_costs(options: argparse.Namespace) -> int:
    """Each size in a process of its own."""
    costs: list[Cost] = []
    for size in options.sizes:
        with ProcessPoolExecutor(1, get_context("spawn"), os.nice, (10,)) as pool:
            costs.append(pool.submit(cost, size).result())
        tell(f"{size} cohorts done")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    path = options.json.with_stem(options.json.stem + "-cost")
    path.write_bytes(msgspec.json.format(msgspec.json.encode(costs)))
    sys.stdout.write(cost_table(costs) + "\n")
    return 0


def _print(results: Results, listed: bool) -> None:
    out = [f"`{results.command}`", ""]
    if results.quiet:
        out += [table.quiet_table(results.quiet), ""]
    for days in (HISTORY_DAYS, COLD_DAYS):
        if any(one.history_days == days for one in results.outcomes):
            out += [f"After {days} days of history:", "", table.scenario_table(results.outcomes, days), ""]
    if results.races:
        out += ["Yardsticks:", "", table.tuned_table(results.tuned), ""]
        out += [table.race_table(results.races, results.outcomes), ""]
    if listed:
        out += ["```", table.alarms_list(results.quiet, results.outcomes), "```"]
    sys.stdout.write("\n".join(out) + "\n")


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    given = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="bench-detect", description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=_seeds("1-10"), help="of the faults: 1-10 or 1,4,7")
    parser.add_argument("--null-seeds", type=_seeds, default=_seeds("101-116"), help="of the quiet fleets")
    parser.add_argument("--days", type=int, default=14, help="of a quiet fleet, after the history")
    parser.add_argument("--scenarios", type=_scenarios, default=tuple(BY_NAME), help="names, with commas")
    parser.add_argument("--null-only", action="store_true")
    parser.add_argument("--no-null", action="store_true")
    parser.add_argument("--no-cold", dest="cold", action="store_false", help="not with two days of history as well")
    parser.add_argument("--yardsticks", action="store_true", help="tune and run these as well")
    parser.add_argument("--tune", type=int, default=6, help="so many quiet fleets are for tuning yardsticks")
    parser.add_argument("--quick", action="store_true", help="two seeds, a few scenarios, two quiet fleets")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--cache", type=Path, default=CACHE, help="where recordings are kept")
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--cost", action="store_true", help="only what a minute of so many cohorts costs")
    parser.add_argument("--sizes", type=_seeds, default=SIZES, help="of the fleets for --cost")
    parser.add_argument("--list", action="store_true", help="every false alarm and every other scope, one a line")
    options = parser.parse_args(given)
    options.given = given
    if options.quick:
        options.seeds, options.null_seeds, options.days = (1, 2), (101, 102), 4
        options.scenarios = tuple(name for name in options.scenarios if name in QUICK)
    return options


def _seeds(text: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return tuple(found)


def _scenarios(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in BY_NAME:
            msg = f"no scenario is called {name!r}; there are {', '.join(one.name for one in SCENARIOS)}"
            raise argparse.ArgumentTypeError(msg)
    return names


if __name__ == "__main__":
    sys.exit(main())
