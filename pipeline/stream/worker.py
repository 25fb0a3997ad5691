"""A worker's life: wait for the cluster, join the group, work, and end with a status that says how it was."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from pipeline.stream.agents.stage import ForeignMessageError
from pipeline.stream.app import WorkerApp, create_app
from pipeline.stream.broker import UndeliveredError
from pipeline.stream.checkpoints import LostStateError
from pipeline.stream.clients import confluent
from pipeline.stream.guard import Guard
from pipeline.stream.health import Health
from pipeline.stream.kafka import ReadError
from pipeline.stream.names import source_of
from pipeline.stream.rights import Right, how_to_give, needed
from pipeline.stream.settings import Settings
from pipeline.stream.topics import ClusterError, Topics
from pipeline.stream.transport import BatchConsumer, Progress, TransportError
from pipeline.stream.watchdog import Standing, Watchdog
from pipeline.stream.works import Surroundings, topics_needed, works_of

TEND_S: Final = 0.5
"""Between two looks at what is due without input; a part of what a window takes to become evidence."""

DRAIN_S: Final = 10.0
"""For ending in order; what is not done by then is done again after the next start."""

ANSWER_S: Final = 4.0
"""For a broker to answer before it is said that none does; less than a worker has for ending."""

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 15.0


WATCH_S: Final = 2.0
"""Between two looks at how the partitions stand."""


HUNG_S: Final = 60.0
"""For so long the event loop may be busy at least; a large state is taken in at once."""


class StalledError(Exception):
    """The worker only seems to work."""


class Worker:
    """One worker, for the length of its process.

    Args:
        say: takes a line for a person.
    """

    def __init__(self, settings: Settings, around: Surroundings, say: Callable[[str], None]) -> None:
        self.health = Health()
        self._settings = settings
        self._around = around
        self._say = say
        self._asked_to_end = asyncio.Event()
        self._guard = Guard(max(settings.stall_s, HUNG_S), say)

    def end(self) -> None:
        """Ask the worker to finish what it has begun, and end."""
        self._asked_to_end.set()

    def guard(self) -> None:
        """For a process that is nothing but this worker: end it even if its event loop hangs, now or at the end."""
        self._guard.watch(asyncio.get_running_loop())

    def end_on_signals(self) -> None:
        """End in order on SIGTERM and SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end_in_time)

    def _end_in_time(self) -> None:
        self._guard.end_within(DRAIN_S)
        self.end()

    async def run(self) -> int:
        """Work until asked to end; the exit status: 0 in order, 1 after a failure, which has been said."""
        client = confluent(self._settings.bootstrap, self._settings.security)
        if self._settings.security.exposes_secrets:
            self._say(f"{self._settings.security.mechanism} without TLS: whoever listens on the way learns the secret")
        try:
            found = await self._first_answer(client)
        except ClusterError as error:
            return self._fail(f"{self._settings.bootstrap}: {error}")
        if found is None:
            return 0
        partitions, missing_rights = found
        if missing_rights:
            said = ", ".join(map(str, missing_rights))
            return self._fail(f"not allowed: {said}; give each, such as: {how_to_give(missing_rights)}")
        missing = [topic for topic in topics_needed(self._settings) if topic not in partitions]
        if missing:
            return self._fail(f"no such topic: {', '.join(missing)}; create them: seamwatch topics --create")
        works = works_of(self._settings, self._around, partitions)
        app = create_app(self._settings, works, client)
        return await self._run(app)

    async def _first_answer(self, client: Mapping[str, Any]) -> tuple[dict[str, int], list[Right]] | None:
        """Partitions of the topics that are needed, and rights that are missing, as soon as a broker answers.

        None when asked to end before. Raises ClusterError for what does not pass by waiting.
        """

        def ask() -> tuple[dict[str, int], list[Right]]:
            topics = Topics(client, ANSWER_S)
            missing = topics.lacking(needed(self._settings))
            return {} if missing else topics.partitions(topics_needed(self._settings)), missing

        pause = _FIRST_PAUSE_S
        while not self._asked_to_end.is_set():
            try:
                found = await asyncio.to_thread(ask)
            except ClusterError as error:
                if error.lasting:
                    raise
                self._say(f"no answer from {self._settings.bootstrap}: {error}; trying again in {pause:g} s")
                await _wait(self._asked_to_end, pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            else:
                self.health.connected = True
                return found
        return None

    async def _run(self, app: WorkerApp) -> int:
        app.in_worker = True
        tasks: dict[asyncio.Future[Any], str] = {}
        try:
            await app.start()
            tasks = {
                asyncio.create_task(self._asked_to_end.wait()): "asked",
                asyncio.create_task(app.wait_until_stopped()): "faust",
                asyncio.create_task(self._tend(app)): "tend",
                asyncio.create_task(self._watch(app)): "watch",
                app.failure: "work",
            }
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if all(tasks[task] == "asked" for task in done):
                await self._stop(app)
                return self._fail(_sentence(app.failure.result())) if app.failure.done() else 0
            return self._fail(_reason(app, done))
        except TransportError as error:
            return self._fail(_sentence(error))
        finally:
            for task in tasks:
                task.cancel()
            if not app.should_stop or app.crashed:
                app.assignment.abandon()
                await self._stop(app)

    async def _tend(self, app: WorkerApp) -> None:
        while True:
            await asyncio.sleep(TEND_S)
            self._look(app)
            await app.assignment.tend()

    def _look(self, app: WorkerApp) -> None:
        held = app.assignment
        self.health.assigned = not app.rebalancing
        self.health.loaded = held.ready
        self.health.partitions = tuple(sorted(source_of(tp.topic, tp.partition) for tp in held.partitions))
        self._around.metrics.ready.set(float(self.health.ready))

    async def _watch(self, app: WorkerApp) -> None:
        """Until the worker only seems to work. Raises StalledError."""
        dog = Watchdog(self._settings.stall_s)
        told: set[str] = set()
        while True:
            await asyncio.sleep(min(WATCH_S, self._settings.stall_s / 4))
            held = app.assignment
            standings = await self._standings(app) if held.ready else {}
            self.health.lag = {name: it.waiting for name, it in standings.items() if it.waiting is not None}
            for name, waiting in self.health.lag.items():
                self._around.metrics.lag.set(waiting, name)
            for name in told - self.health.lag.keys():
                self._around.metrics.lag.drop(name)
            told = set(self.health.lag)
            now = time.monotonic()
            why = dog.look(standings, now) or dog.wait_for(ready=held.ready, moved_at=app.read_back_at, now=now)
            if why is not None:
                raise StalledError(why)

    async def _standings(self, app: WorkerApp) -> dict[str, Standing]:
        held = app.assignment
        found = await cast(BatchConsumer, app.consumer).client.progress_of(held.partitions)
        # Asking took a moment: what was taken is looked at after it, and only of what is still held.
        return {
            source_of(tp.topic, tp.partition): Standing(taken, _waiting(found.get(tp), taken))
            for tp, taken in held.starts().items()
        }

    async def _stop(self, app: WorkerApp) -> None:
        self._guard.end_within(DRAIN_S)
        try:
            async with asyncio.timeout(DRAIN_S * 0.8):
                await app.stop()
        except TimeoutError:
            self._say(f"not done in {DRAIN_S * 0.8:.0f} s; what is left is done again after the next start")

    def _fail(self, why: str) -> int:
        self.health.problem = why
        self._say(why)
        return 1


def _waiting(progress: Progress | None, taken: int) -> int | None:
    """Records that wait; marks of transactions at the end of a log are none."""
    if progress is None:
        return None
    if progress.delivered == taken and progress.position >= progress.end:
        return 0
    return max(0, progress.end - taken)


def _reason(app: WorkerApp, done: set[asyncio.Future[Any]]) -> str:
    if app.failure.done():
        return _sentence(app.failure.result())
    failure = app.crash_reason or next((task.exception() for task in done if task.exception()), None)
    return _sentence(failure) if failure is not None else "Faust has ended by itself"


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


_OURS: Final = (StalledError, LostStateError, ForeignMessageError, ReadError, UndeliveredError)
"""Errors whose message says all there is to say."""


def _sentence(error: BaseException) -> str:
    """One line, whatever the error."""
    text = " ".join(str(error).split())
    if isinstance(error, _OURS):
        return text
    return f"{type(error).__name__}: {text}" if text else repr(error)
