"""Drives the pattern stage over recordings: a quiet fleet, or one history and every scenario that branches off it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.snapshot import Plain
from pipeline.detect.pattern import Pattern
from pipeline.intent import default
from pipeline.messages import MINUTE_MS, Incident, Tick
from pipeline.simulate.world import World
from tests.bench.detect.floors import floor
from tests.bench.detect.outcome import Alarm, Follower, Outcome, Quiet, Truths
from tests.bench.detect.recordings import Message, Recording
from tests.bench.detect.scenarios import DAY, HOUR, Scenario, start_of
from tests.bench.detect.worlds import COLD_DAYS, HISTORY_DAYS, Setting

SETTLES: int = 6 * HOUR
"""A branch is watched for so long after it was found: an incident that falls apart does so within hours."""

BASELINE = "baseline"

Tell = Callable[[str], None]


def fresh() -> Pattern:
    return Pattern([BASELINE], default())


def restored(state: Plain) -> Pattern:
    pattern = fresh()
    pattern.restore(state)
    return pattern


def run_quiet(cache: Path, setting: Setting) -> Quiet:
    """A fleet with nothing wrong, from its first minute on: a cold start, then what comes after the history."""
    world = setting.world()
    follower = Follower(world.start_ms)
    pattern = fresh()
    for message in Recording(cache, setting).messages():
        for record in pattern.feed(message):
            follower.take(record)
    alarms = follower.alarms()
    warm_from = HISTORY_DAYS * DAY
    return Quiet(
        seed=setting.seed,
        tails=setting.tails,
        cold_days=HISTORY_DAYS,
        warm_days=setting.minutes / DAY - HISTORY_DAYS,
        cold=[alarm for alarm in alarms if alarm.at < warm_from],
        warm=[alarm for alarm in alarms if alarm.at >= warm_from],
        outages=len(world.calendar.outages),
    )


@dataclass(frozen=True, slots=True)
class History:
    """What is known at the end of so many days in which nothing was wrong."""

    days: int
    start: int
    state: Plain
    alarms: list[Alarm]


def run_scenarios(
    cache: Path, setting: Setting, scenarios: Sequence[Scenario], cold: bool, tell: Tell
) -> list[Outcome]:
    """One history, and each scenario from its end on; with `cold`, the strong ones after two days as well."""
    seed = setting.seed
    starts = [start_of(seed, days) for days in ((COLD_DAYS, HISTORY_DAYS) if cold else (HISTORY_DAYS,))]
    history = Recording(cache, setting, marks=tuple(starts))
    outcomes: list[Outcome] = []
    for known in _histories(history, setting.world(), starts):
        for scenario in scenarios:
            if known.days == COLD_DAYS and not scenario.strong:
                continue
            outcome = _branch(cache, history, known, scenario, seed)
            tell(_line(outcome))
            outcomes.append(outcome)
    return outcomes


def _histories(recording: Recording, world: World, starts: Sequence[int]) -> Iterable[History]:
    follower = Follower(world.start_ms)
    pattern = fresh()
    for message in recording.messages():
        for record in pattern.feed(message):
            follower.take(record)
        if isinstance(message, Tick) and (done := follower.minute(message.minute) + 1) in starts:
            yield History(done // DAY, done, pattern.snapshot(), follower.alarms())
            if done == max(starts):
                return


def _branch(cache: Path, history: Recording, known: History, scenario: Scenario, seed: int) -> Outcome:
    setting = history.setting
    faults = scenario.drawn(setting.fleet, seed, known.start)
    recording = Recording(cache, setting, faults, known.start, history)
    world = setting.world(faults)
    watch = _Watch(Truths(world, faults), known.start)
    pattern = restored(known.state)
    watched = _until_settled(recording.messages(), pattern, watch, scenario)
    return Outcome(
        scenario=scenario.name,
        seed=seed,
        history_days=known.days,
        faults=[str(fault) for fault in faults],
        start=known.start,
        watched=watched,
        alarm=watch.alarm,
        exact=watch.exact,
        firing_at_end=watch.firing_at_end,
        others=watch.others(),
        before=known.alarms,
        floor=floor(world, faults),
        floors=[floor(world, [fault]) for fault in faults],
    )


def _until_settled(messages: Iterable[Message], pattern: Pattern, watch: _Watch, scenario: Scenario) -> int:
    """Minutes watched."""
    watched = 0
    for message in messages:
        for record in pattern.feed(message):
            watch.take(record)
        if isinstance(message, Tick):
            watched = watch.minute(message.minute) + 1
            settled = watch.exact is not None and watched >= watch.exact + SETTLES and not scenario.to_the_end
            if settled or watched >= scenario.horizon:
                break
    return watched


class _Watch:
    """Follows a branch; minutes count from the fault's start."""

    def __init__(self, truths: Truths, start: int) -> None:
        self._truths = truths
        self._start = start
        self._start_ms = truths.world.start_ms
        self._follower = Follower(self._start_ms)
        self._named: dict[int, int] = {}
        self._state: dict[str, Incident] = {}
        self.alarm: int | None = None

    def minute(self, at_ms: int) -> int:
        return (at_ms - self._start_ms) // MINUTE_MS - self._start

    @property
    def exact(self) -> int | None:
        """When the last of the faults was named."""
        return max(self._named.values()) if len(self._named) == len(self._truths.scopes) else None

    def take(self, record: Incident) -> None:
        self._follower.take(record)
        if record.kind != "pattern":
            return
        self._state[record.incident_id] = record
        if record.state != "firing":
            return
        at = self.minute(record.at)
        if self.alarm is None and self._truths.is_about(record.scope, self._start + at):
            self.alarm = at
        for number, truth in enumerate(self._truths.scopes):
            if number not in self._named and self._truths.is_exact(record.scope, truth, self._start + at):
                self._named[number] = at

    @property
    def firing_at_end(self) -> bool:
        """Every fault has an incident of its scope that is still firing."""
        firing = [record for record in self._state.values() if record.state == "firing"]
        return all(
            any(self._truths.is_exact(record.scope, truth, self.minute(record.at) + self._start) for record in firing)
            for truth in self._truths.scopes
        )

    def others(self) -> list[Alarm]:
        return [
            alarm
            for alarm in self._follower.alarms()
            if alarm.kind != "feed"
            and not any(self._truths.is_exact(alarm.scope, truth, alarm.at) for truth in self._truths.scopes)
        ]


def _line(outcome: Outcome) -> str:
    return (
        f"seed {outcome.seed}, {outcome.history_days} days: {outcome.scenario}: alarm {_hours(outcome.alarm)}, exact "
        f"{_hours(outcome.exact)}, {len(outcome.others)} others"
    )


def _hours(minutes: int | None) -> str:
    return "never" if minutes is None else f"{minutes / HOUR:.1f} h"
