"""What a service's priority does to how soon its faults are found, and to the rest.

    python -m tests.bench.detect.sensitivity

One service, licensing, is `best_effort`, `degradable` and `non_negotiable` in turn; the others stay as they are. Its
own faults and those of another service branch off the same history, and quiet fleets are run under each intent.
Recordings are kept as the suite's are (`recordings.py`): only the pattern stage is run anew for each intent.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from models.snapshot import Plain
from pipeline.detect.pattern import Pattern
from pipeline.intent import Intent, Priority, Service
from pipeline.messages import MINUTE_MS, Tick
from pipeline.simulate.faults import parse_fault
from tests.bench.detect.outcome import Alarm, Follower, Truths
from tests.bench.detect.recordings import CACHE, Recording
from tests.bench.detect.run import BASELINE
from tests.bench.detect.scenarios import DAY, HOUR, Target, start_of
from tests.bench.detect.worlds import HISTORY_DAYS, Setting, null_setting

HORIZON: Final = 2 * DAY
"""Minutes that a branch is watched."""
_OWN: Final = (
    "latency*1.15@firmware={firmware},operation={operation}",
    "latency*1.4@operator={operator},device_class={device_class},ramp=1d,operation={operation}",
    "failure*2.2@device_class={device_class},operation={operation}",
    "timeout*6@operator={operator},operation={operation}",
)
OWN: Final = tuple(text.replace("{operation}", "license_request") for text in _OWN)
OTHER: Final = tuple(text.replace("{operation}", "playback_start") for text in _OWN[:3])


class Branch(NamedTuple):
    """A fault under one intent: minutes until it was named with its very scope; None: not within the horizon."""

    fault: str
    own: bool
    priority: Priority
    found: int | None
    others: int


def intent_with(priority: Priority) -> Intent:
    """Licensing at one priority; the rest as in the default intent."""
    return Intent(
        services=(
            Service("playback", ("playback_start",), Priority.NON_NEGOTIABLE),
            Service("entitlement", ("entitlement_check",), Priority.NON_NEGOTIABLE),
            Service("licensing", ("license_request",), priority),
            Service("telemetry", ("heartbeat",), Priority.DEGRADABLE),
        )
    )


def branches(cache: Path, seed: int, preset: str) -> Iterator[Branch]:
    start = start_of(seed, HISTORY_DAYS)
    setting = Setting(seed, start + HORIZON, preset, keeps=True)
    history = Recording(cache, setting, marks=(start,))
    states = _states(history, start)
    for own, texts in ((True, OWN), (False, OTHER)):
        for text in texts:
            target = Target(setting.fleet, seed, text)
            told = text.format(firmware=target.firmware(), device_class=target.device_class, operator=target.operator)
            faults = (parse_fault(f"{told},from={start * MINUTE_MS // 1000}s"),)
            recording = Recording(cache, setting, faults, start, history)
            truths = Truths(setting.world(faults), faults)
            for priority, state in states.items():
                found, others = _watch(recording, _restored(priority, state), truths, start)
                yield Branch(text, own, priority, found, others)


def _states(history: Recording, start: int) -> dict[Priority, Plain]:
    """The pattern stage at the end of the history, under each intent."""
    patterns = {priority: Pattern([BASELINE], intent_with(priority)) for priority in Priority}
    begin = history.setting.world().start_ms
    for message in history.messages():
        for pattern in patterns.values():
            pattern.feed(message)
        if isinstance(message, Tick) and (message.minute - begin) // MINUTE_MS + 1 >= start:
            break
    return {priority: pattern.snapshot() for priority, pattern in patterns.items()}


def _restored(priority: Priority, state: Plain) -> Pattern:
    pattern = Pattern([BASELINE], intent_with(priority))
    pattern.restore(state)
    return pattern


def _watch(recording: Recording, pattern: Pattern, truths: Truths, start: int) -> tuple[int | None, int]:
    (truth,) = truths.scopes
    follower = Follower(truths.world.start_ms)
    found: int | None = None
    for message in recording.messages():
        for record in pattern.feed(message):
            follower.take(record)
            at = follower.minute(record.at)
            fires = record.kind == "pattern" and record.state == "firing"
            if found is None and fires and truths.is_exact(record.scope, truth, at):
                found = at - start
        if found is not None:
            break
    others = [
        alarm
        for alarm in follower.alarms()
        if alarm.kind == "pattern" and alarm.at >= start and not truths.is_about(alarm.scope, alarm.at)
    ]
    return found, len(others)


def quiet(cache: Path, seed: int, days: int, preset: str) -> dict[Priority, list[Alarm]]:
    """All that fires in a fleet with nothing wrong, after its history, under each intent."""
    setting = null_setting(seed, days, preset)
    patterns = {priority: Pattern([BASELINE], intent_with(priority)) for priority in Priority}
    followers = {priority: Follower(setting.world().start_ms) for priority in Priority}
    for message in Recording(cache, setting).messages():
        for priority, pattern in patterns.items():
            for record in pattern.feed(message):
                followers[priority].take(record)
    return {
        priority: [a for a in follower.alarms() if a.kind == "pattern" and a.at >= HISTORY_DAYS * DAY]
        for priority, follower in followers.items()
    }


def table(found: Sequence[Branch], alarms: Sequence[dict[Priority, list[Alarm]]], weeks: float) -> str:
    """In Markdown."""
    rows = [
        "| licensing is | its faults found | median | other faults found | median | false, a week | of them pages |"
    ]
    rows.append("|" + "---|" * 7)
    for priority in reversed(Priority):
        cells = [f"`{priority}`"]
        for own in (True, False):
            mine = [one.found for one in found if one.own is own and one.priority is priority]
            hits = [minutes for minutes in mine if minutes is not None]
            middle = median(minutes if minutes is not None else float("inf") for minutes in mine)
            cells += [f"{len(hits)}/{len(mine)}", "never" if middle == float("inf") else f"{middle / HOUR:.1f} h"]
        false = [alarm for one in alarms for alarm in one[priority]]
        false_pages = [alarm for alarm in false if alarm.severity == "page"]
        rate = f"{len(false) / weeks:.2f} ({len(false)} in {weeks:.0f})" if weeks else "not run"
        cells += [rate, f"{len(false_pages)}" if weeks else "not run"]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="sensitivity", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3, 4], help="of the faults")
    parser.add_argument("--null-seeds", type=int, nargs="*", default=[101, 102], help="of the quiet fleets")
    parser.add_argument("--days", type=int, default=14, help="of a quiet fleet, after its history")
    parser.add_argument("--preset", default="small", help="fleet; the faults are meant for the small one")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where recordings are kept")
    options = parser.parse_args(argv)
    found: list[Branch] = []
    for seed in options.seeds:
        for one in branches(options.cache, seed, options.preset):
            when = "never" if one.found is None else f"{one.found / HOUR:.2f} h"
            sys.stderr.write(f"seed {seed}: {one.priority}: {one.fault}: {when}, {one.others} others\n")
            found.append(one)
        sys.stderr.write(table(found, [], 0.0) + "\n")
    alarms = []
    for seed in options.null_seeds:
        alarms.append(quiet(options.cache, seed, options.days, options.preset))
        sys.stderr.write(
            f"quiet {seed}: { ({str(k): [(a.severity, a.scope) for a in v] for k, v in alarms[-1].items()}) }\n"
        )
    sys.stdout.write(table(found, alarms, len(alarms) * options.days / 7) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
