"""The demo: a simulated fleet, an embedded broker and the real worker, days in about a minute.

Nothing here is a mock-up: the records cross Kafka topics, the worker is the one that `seamwatch worker` runs, page
included, and the incident is found by the detector as it would be anywhere. Only time is compressed: records are
written as fast as the worker takes them, stamped with the time of the simulation.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pipeline.intent import default
from pipeline.messages import MINUTE_MS, Incident
from pipeline.service import Service
from pipeline.simulate.events import Batch, simulate
from pipeline.simulate.faults import Fault, parse_fault
from pipeline.simulate.fleet import SMALL, Fleet
from pipeline.simulate.kafka import DeliveryError, produce
from pipeline.simulate.nuisances import Nuisances
from pipeline.simulate.world import World, draw_world
from pipeline.stream.embedded import EmbeddedBroker
from pipeline.stream.settings import Address, Settings
from pipeline.stream.topics import Topics
from pipeline.stream.works import topics_needed

START_MS: Final = 1_767_571_200_000
"""Monday 2026-01-05, midnight UTC: the same demo for the same seed, whenever it is given."""

_INPUT: Final = "demo.telemetry"
_AHEAD_MS: Final = 90 * MINUTE_MS
"""How far the fleet may be ahead of the detector: the embedded broker keeps 5 MB a partition, no more."""
_LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Script:
    """What is played."""

    fleet: Fleet
    fault: Fault
    minutes: int


SCRIPT: Final = Script(
    # Without outages of the telemetry, storms and roll-outs: they are told as incidents of their own, where at all.
    fleet=replace(SMALL, events_per_minute=60.0, nuisances=Nuisances(storms=0.0, rollouts=0.0)),
    fault=parse_fault("latency*1.5@firmware=fw-3.4.1,from=2d9h,until=2d18h"),
    minutes=3 * 1_440 + 6 * 60,
)
"""Two days to learn what is usual (an anchor takes seven, and judges what is as plain as this before); a firmware
slows down one morning; in the evening it is mended."""


@dataclass(slots=True)
class Course:
    """What has happened so far; times in ms since the epoch, of the simulation."""

    expected: dict[str, str]
    """Scope of the injected fault."""
    start: int
    end: int
    incidents: list[Incident] = field(default_factory=list)
    judged_until: int = START_MS
    records: int = 0
    problem: str | None = None

    @property
    def fired(self) -> list[Incident]:
        """The newest firing record of every incident that has fired, by age."""
        newest = {incident.incident_id: incident for incident in self.incidents if incident.state == "firing"}
        return list(newest.values())

    @property
    def resolved(self) -> bool:
        """Whether something has fired, and all that has is resolved."""
        state = {incident.incident_id: incident.state for incident in self.incidents}
        return bool(self.fired) and all(state[incident.incident_id] == "resolved" for incident in self.fired)

    @property
    def right(self) -> bool:
        """Whether exactly the fault's scope was named, and nothing else."""
        return [incident.scope for incident in self.fired] == [self.expected]

    @property
    def over(self) -> bool:
        """Whether nothing more is to come that matters."""
        # The last minutes stay open: nothing comes after them to close them.
        return self.resolved or self.judged_until >= self.end - 5 * MINUTE_MS


class Demo:
    """One performance.

    Args:
        port: of the page on loopback; 0 for any that is free.
        heard: called in the event loop with every change of an incident.

    Attributes:
        service: the worker, once it runs.
    """

    def __init__(self, seed: int, port: int, heard: Callable[[Incident], None], script: Script = SCRIPT) -> None:
        self.course = Course(script.fault.scope, START_MS, START_MS + script.minutes * MINUTE_MS)
        self.service: Service | None = None
        self._world = draw_world(script.fleet, (script.fault,), seed=seed, start_ms=START_MS, minutes=script.minutes)
        self._port = port
        self._heard = heard

    async def run(self, *, stay: bool) -> int:
        """Play until all is resolved or the fleet has no more to say; the worker's exit status. Raises PageError.

        stay: then go on until cancelled, for the page.
        """
        with EmbeddedBroker() as broker:
            host, _, port = broker.bootstrap.rpartition(":")
            settings = Settings(
                brokers=(Address(host, int(port)),),
                inputs={_INPUT: "canonical"},
                web=Address("127.0.0.1", self._port),
                # The other partitions of the input stay empty, and are not waited for any longer than that.
                idle_after_s=3.0,
                # Nothing outlives this process, so there is nothing to go on from.
                checkpoint_s=86_400.0,
            )
            # On this broker, a topic comes into being when it is first asked for.
            await asyncio.to_thread(Topics({"bootstrap.servers": broker.bootstrap}).partitions, topics_needed(settings))
            self.service = Service(settings, default(), self._say, [_Recorder(self._take)])
            gate = _Gate(START_MS + _AHEAD_MS)
            fleet = threading.Thread(target=self._send, args=(broker.bootstrap, gate), daemon=True)
            working = asyncio.create_task(self.service.run())
            fleet.start()
            try:
                await self._play(self.service, working, gate, stay)
            finally:
                gate.close()
                self.service.end()
                await asyncio.wait([working])
                await asyncio.to_thread(fleet.join)
        return working.result()

    async def _play(self, service: Service, working: asyncio.Task[int], gate: _Gate, stay: bool) -> None:
        while not working.done() and (stay or not self.course.over):
            if service.clock is not None:
                self.course.judged_until = service.clock
                gate.open_until(service.clock + _AHEAD_MS)
            await asyncio.wait([working], timeout=_LOOK_S)

    def _take(self, incident: Incident) -> None:
        self.course.incidents.append(incident)
        self._heard(incident)

    def _say(self, line: str) -> None:
        self.course.problem = line

    def _send(self, bootstrap: str, gate: _Gate) -> None:
        """The fleet, in a thread of its own."""

        def progress(batch: Batch) -> None:
            self.course.records += len(batch.records)

        try:
            # To one partition: the fleet is small, and each source to be heard before a minute is over costs time.
            produce(
                gate.batches(self._world), brokers=bootstrap, topic=_INPUT, speed=None, progress=progress, partition=0
            )
        except DeliveryError as error:
            self.course.problem = str(error)


class _Recorder:
    """A sink that passes on what it hears."""

    def __init__(self, take: Callable[[Incident], None]) -> None:
        self._take = take

    async def restore(self, incidents: Sequence[Incident]) -> None:
        """The broker is as new as this."""

    async def send(self, incident: Incident) -> None:
        self._take(incident)

    async def close(self) -> None:
        """Nothing is held."""


class _Gate:
    """Lets the fleet through until a time of the simulation, which moves on; between threads."""

    def __init__(self, until: int) -> None:
        self._until = until
        self._changed = threading.Condition()
        self._closed = False

    def open_until(self, until: int) -> None:
        with self._changed:
            self._until = max(self._until, until)
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def batches(self, world: World) -> Iterator[Batch]:
        """What the fleet sends, each batch when its time has come; ends when the gate is closed."""
        for batch in simulate(world):
            with self._changed:
                while not self._closed and batch.until > self._until:
                    self._changed.wait()
                if self._closed:
                    return
            yield batch
