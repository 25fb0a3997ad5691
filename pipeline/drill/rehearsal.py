"""A drill from its beginning to its end: one history, then from its end on the quiet control and every fault.

    stream.history() ──► stages ──► snapshot ─┬─► nothing wrong: all must be quiet
                                              ├─► fault 1 ──► incidents ──► outcome 1
                                              └─► …

The history is worked through once. What the stages know at its end is a snapshot of plain data, from which every
continuation begins, here or in another process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Final, TypeAlias

import msgspec

from models.snapshot import Plain
from pipeline.drill.calibrate import Calibrated, Unfit, calibrate
from pipeline.drill.outcome import Control, Held, Outcome
from pipeline.drill.plan import Plan, Planned
from pipeline.drill.streams import Stream
from pipeline.drill.usual import Usual
from pipeline.drill.watch import Watch, line_of
from pipeline.engine import Engine, Output
from pipeline.intent import Intent
from pipeline.messages import MINUTE_MS, Incident, Tick, Windows
from pipeline.simulate.durations import HOUR_MS

SETTLES_MS: Final = 2 * HOUR_MS
"""For so long after the fault was found it is watched on: what falls apart, or fires beside it, does so soon."""
LOOK_S: Final = 1.0
"""Between two looks at how the live detector is."""

Make: TypeAlias = Callable[[Intent, str], Engine]
"""Makes the stages for an intent and the name of a source. Tests give a blinded one; nothing else does."""


class Progress:
    """Is told how far a drill is; may raise to abort it."""

    def step(self, done: float, what: str) -> None:
        """`done`: 0 to 1."""


@dataclass(frozen=True, slots=True)
class Known:
    """What there is at the end of the history. before: ids of the incidents that were told of in it."""

    state: bytes
    usual: Usual
    before: frozenset[str]
    fired: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Everything that a continuation needs, as plain data."""

    intent: Intent
    stream: Stream
    make: Make = Engine

    def known(self, progress: Progress) -> Known:
        """Work through the history."""
        engine = self.make(self.intent, self.stream.source)
        usual, told = Usual(), list[Incident]()
        first: int | None = None
        for message in self.stream.history():
            if isinstance(message, Windows):
                usual.take(message)
            told += _feed(engine, message)
            if isinstance(message, Tick):
                first = message.minute if first is None else first
                if message.minute % HOUR_MS == 0:
                    progress.step((message.minute - first) / max(self.stream.begin_ms - first, 1), "history")
        state = {"baseline": engine.baseline.snapshot(), "pattern": engine.pattern.snapshot()}
        return Known(
            msgspec.msgpack.encode(state),
            usual,
            frozenset(incident.incident_id for incident in told),
            list({one.incident_id: line_of(one) for one in told if one.state == "firing"}.values()),
        )

    def quiet(self, known: Known, minutes: int) -> Control:
        """The stream with nothing wrong, for so long."""
        fired: dict[str, str] = {}
        for incident in self._incidents(known, None, minutes):
            if incident.state == "firing" and incident.incident_id not in known.before:
                fired.setdefault(incident.incident_id, line_of(incident))
        return Control(minutes * MINUTE_MS, list(fired.values()))

    def outcome(self, known: Known, found: Calibrated, minutes: int) -> Outcome:
        """The stream with one fault, until it has been found for a while, or for so long."""
        start = self.stream.begin_ms + found.fault.start
        watch = Watch(self.intent, found, known.usual, start, known.before)
        for incident in self._incidents(known, found, minutes, lambda at: _settled(watch, start, at)):
            watch.take(incident)
        return watch.outcome()

    def _incidents(
        self,
        known: Known,
        found: Calibrated | None,
        minutes: int,
        over: Callable[[int], bool] = lambda at: False,
    ) -> Iterator[Incident]:
        """What is said of a continuation, until `over` says so of the minute that was judged last."""
        engine = self._continued(known.state)
        fault = None if found is None else found.fault
        usual = 0.0 if found is None else _usual(known.usual, found)
        for message in self.stream.after(fault, usual, minutes):
            yield from _feed(engine, message)
            if isinstance(message, Tick) and over(message.minute):
                return

    def _continued(self, state: bytes) -> Engine:
        engine = self.make(self.intent, self.stream.source)
        plain: Plain = msgspec.msgpack.decode(state)
        engine.baseline.restore(plain["baseline"])
        engine.pattern.restore(plain["pattern"])
        return engine


def hold(plan: Plan, rehearsal: Rehearsal, progress: Progress, processes: int = 1, known: Known | None = None) -> Held:
    """Hold a drill. What it comes to depends on its arguments alone, but for the seconds it took.

    known: of this rehearsal's history, where that was worked through before.
    """
    began = time.monotonic()
    known = known or rehearsal.known(progress)
    ready = [calibrate(planned, known.usual) for planned in plan.faults]
    longest = max((_minutes(rehearsal.stream, one.planned) for one in ready), default=0)
    tasks: list[tuple[Calibrated | None, int]] = [(None, longest)]
    tasks += [(one, _minutes(rehearsal.stream, one.planned)) for one in ready if isinstance(one, Calibrated)]
    results = _results(rehearsal, known, tasks, progress, processes)
    control = next(results)
    assert isinstance(control, Control)
    outcomes = []
    for one in ready:
        result = unfit(one) if isinstance(one, Unfit) else next(results)
        assert isinstance(result, Outcome)
        outcomes.append(result)
    return Held(
        title=plan.title,
        stream=rehearsal.stream.text,
        priorities={name: str(priority) for name, priority in plan.services.items()},
        outcomes=outcomes,
        control=control,
        history=known.fired,
        seconds=round(time.monotonic() - began, 1),
    )


def _results(
    rehearsal: Rehearsal,
    known: Known,
    tasks: list[tuple[Calibrated | None, int]],
    progress: Progress,
    processes: int,
) -> Iterator[Outcome | Control]:
    """In the order of the tasks."""
    if processes <= 1:
        for number, (found, minutes) in enumerate(tasks):
            progress.step(number / len(tasks), "nothing wrong" if found is None else found.planned.name)
            yield _work(rehearsal, known, found, minutes)
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), os.nice, (5,)) as pool:
        waiting = [pool.submit(_work, rehearsal, known, found, minutes) for found, minutes in tasks]
        try:
            yield from _in_order(waiting, progress)
        finally:
            pool.shutdown(cancel_futures=True)


def _in_order(waiting: list[Future[Outcome | Control]], progress: Progress) -> Iterable[Outcome | Control]:
    for each in waiting:
        while not each.done():
            wait([each], LOOK_S, FIRST_COMPLETED)
            progress.step(sum(one.done() for one in waiting) / len(waiting), "faults")
        yield each.result()


def _work(rehearsal: Rehearsal, known: Known, found: Calibrated | None, minutes: int) -> Outcome | Control:
    """Its own function: a spawned process finds it by name."""
    return rehearsal.quiet(known, minutes) if found is None else rehearsal.outcome(known, found, minutes)


def _feed(engine: Engine, message: Windows | Tick) -> list[Incident]:
    out = Output()
    engine.windows(message, out)
    return out.incidents


def _settled(watch: Watch, start_ms: int, at: int) -> bool:
    return watch.found_ms is not None and at >= start_ms + watch.found_ms + SETTLES_MS


def _minutes(stream: Stream, planned: Planned) -> int:
    """How long a fault is watched, from the end of the history."""
    wanted = (planned.at_ms + planned.within_ms) // MINUTE_MS + 1
    return wanted if stream.end_ms is None else min(wanted, (stream.end_ms - stream.begin_ms) // MINUTE_MS)


def _usual(usual: Usual, found: Calibrated) -> float:
    planned = found.planned
    return usual.rate(planned.operation, planned.signal, usual.members(found.fault.scope)) or 0.0


def unfit(one: Unfit) -> Outcome:
    """What there is to say of a fault that could not be injected."""
    planned = one.planned
    return Outcome(
        name=planned.name,
        service=planned.service,
        fault="",
        strength=planned.signal.replace("_", " "),
        why=one.why,
        within_ms=planned.within_ms,
        severity=str(planned.severity),
        receivers=list(planned.receivers),
        scope={},
        tolerated=planned.tolerated,
        needless=one.needless,
        place=planned.place,
    )
