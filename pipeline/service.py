"""A worker with all that belongs to it: page, health and metrics, sinks. What `seamwatch worker` and the demo run."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from importlib.metadata import version
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector

from pipeline.behind import AGAIN_S, Snapshots, anchors_of
from pipeline.codec import Message
from pipeline.detect.evidence import Evidence
from pipeline.intent import CurrentIntent, Intent
from pipeline.messages import Action, Change, Decision, Proof, Tick
from pipeline.metrics import Metrics
from pipeline.reload import Directory, Reloader
from pipeline.sinks import AlertmanagerSink, Heartbeat, HttpAccess, MeterSink, Sink, Told, Webhook
from pipeline.stream.agents.courier import Delivery
from pipeline.stream.checkpoints import LostStateError
from pipeline.stream.clients import confluent
from pipeline.stream.handover import NotSentError, send
from pipeline.stream.health import Health
from pipeline.stream.mirror import Mirror
from pipeline.stream.names import Names
from pipeline.stream.proofs import ProofReader
from pipeline.stream.security import context
from pipeline.stream.settings import Address, Settings
from pipeline.stream.telling import Reach
from pipeline.stream.topics import ClusterError
from pipeline.stream.worker import Worker
from pipeline.stream.works import Surroundings
from pipeline.web import Access, Behind, Board, application
from pipeline.web.api import NotDoneError
from pipeline.web.cohorts import CohortView
from pipeline.web.serving import Server
from pipeline.workarounds import debt


class PageError(Exception):
    """The page cannot be served where it should be."""


class Service:
    """One worker process.

    Args:
        say: takes a line for a person.
        sinks: further ones, shared by all partitions.
        access: who may read and act; `access_of` makes it of the settings.

    Attributes:
        clock: the last minute that pattern took here, ms since the epoch; None before the first.
        page: where the page is, once it is served.
    """

    def __init__(
        self,
        settings: Settings,
        intent: Intent,
        say: Callable[[str], None],
        sinks: Sequence[Sink] = (),
        access: Access | None = None,
    ) -> None:
        self.clock: int | None = None
        self.page: Address | None = None
        self._settings = settings
        self._access = access if access is not None else Access()
        self._names = Names(settings.prefix)
        self._client = confluent(settings.bootstrap, settings.security)
        self._board = Board(intent, settings.operators.values())
        self._server = Server(self._application, self._mirror)
        self._minute, self._cohorts = 0, 0
        """The minute that is being judged, and how many cohorts have reported in it so far."""
        self._registry = CollectorRegistry()
        self._metrics = Metrics(self._registry)
        ProcessCollector(registry=self._registry)
        self._metrics.build_info.set(1, version("seamwatch"))
        self._current = CurrentIntent(intent)
        self._reloader: Reloader | None = None
        self._metrics.budget.set(intent.false_pages_per_week)
        self._shared: tuple[Sink, ...] = tuple(sinks)
        around = Surroundings(self._current, self._metrics, self._sinks, self._watch, self._deliveries)
        self._worker = Worker(settings, around, say)
        self._say = say
        told = settings.telling
        self._alertmanager_access = _access(told.alertmanager)
        self._webhook_access = _access(told.webhook_reach)
        self._heartbeat = Heartbeat(
            told.alertmanagers, deployment=settings.group, now=time.time, access=self._alertmanager_access
        )

    @property
    def intent(self) -> Intent:
        """The one that counts now."""
        return self._current.intent

    @property
    def health(self) -> Health:
        return self._worker.health

    def end(self) -> None:
        """Ask for an end in order."""
        self._worker.end()

    def end_on_signals(self) -> None:
        """End in order on SIGTERM and SIGINT."""
        self._worker.end_on_signals()

    def follow(self, directory: Directory) -> None:
        """Read the configuration again on SIGHUP, and when its files change; see `pipeline.reload`."""
        self._reloader = Reloader(directory, use=self._use, refused=self._refuse, say=self._say)
        self._use(self._current.intent, directory.hash)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reloader.ask)

    def _use(self, intent: Intent, of: str) -> None:
        self._current.use(intent)
        self._server.ask(lambda: self._board.use(intent))
        self._metrics.budget.set(intent.false_pages_per_week)
        self._metrics.say_intent(of, time.time())

    def _refuse(self) -> None:
        self._metrics.intent_refused.set(1.0)

    def guard(self) -> None:
        """For a process that is nothing but this service: end it even if its event loop hangs."""
        self._worker.guard()

    async def run(self) -> int:
        """Serve and work until asked to end; the exit status. Raises PageError when the page has no place."""
        async with AsyncExitStack() as stack:
            if self._settings.web is not None:
                await self._serve(self._settings.web, stack)
            if self._reloader is not None:
                stack.callback(asyncio.create_task(self._reloader.run(), name="reload").cancel)
            beating = asyncio.create_task(self._heartbeat.run(), name="heartbeat")
            stack.callback(beating.cancel)
            self._read_proofs(stack)
            return await self._worker.run()

    def cohorts(self) -> list[CohortView]:
        """How the cohorts of the deployment do, as the page has it."""
        return self._server.ask(lambda: self._board.cohorts.view({}))

    async def _serve(self, at: Address, stack: AsyncExitStack) -> None:
        stack.push_async_callback(self._server.stop)
        try:
            self.page = Address(*await self._server.start(at.host, at.port))
        except OSError as error:
            msg = f"the page cannot be served at {at}: {error.strerror}; choose another place: --web HOST:PORT, or off"
            raise PageError(msg) from error

    def _application(self) -> Any:
        """In the thread of the page, as all of the following."""
        behind = Behind(self._act, Snapshots(self._client, self._settings.group, self._names), _now_ms)
        prefix = self._settings.web_prefix
        return application(self._board, self._registry, self.health, prefix, self._access, behind)

    async def _mirror(self) -> None:
        """What the page shows comes from the topics, whatever this worker holds."""
        mirror = Mirror(self._client, self._settings.group, self._names, self._board.take, self._board.doubted)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(mirror.run())
            tasks.create_task(self._learn_of_anchors())

    async def _learn_of_anchors(self) -> None:
        """Frozen anchors are told of once, and not again: those from before the stretch that is read back are in the
        state of pattern. Without it the page only knows less of them."""
        while True:
            try:
                known = await asyncio.to_thread(anchors_of, self._client, self._settings.group, self._names)
            except (ClusterError, LostStateError):
                await asyncio.sleep(AGAIN_S)
                continue
            self._board.cohorts.known(known)
            return

    async def _act(self, messages: Sequence[Action | Change | Decision]) -> None:
        try:
            await asyncio.to_thread(send, self._client, self._names, messages)
        except NotSentError as error:
            raise NotDoneError(str(error)) from error

    def _read_proofs(self, stack: AsyncExitStack) -> None:
        """What drills have shown, for the metrics, for as long as this runs."""
        loop = asyncio.get_running_loop()

        def take(proof: Proof) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._metrics.proof, proof)

        reader = ProofReader(self._client, self._names, take)
        stack.push_async_callback(asyncio.to_thread, reader.stop)
        reader.start()

    def _sinks(self) -> Sequence[Sink]:
        """Those of one partition of the incidents topic."""
        told = Told()
        names = ["alertmanager", *(f"alertmanager-{number}" for number in range(2, 17))]
        alerts = [
            AlertmanagerSink(
                url,
                metrics=self._metrics,
                now=time.time,
                page=self._page_url,
                name=name,
                told=told,
                access=self._alertmanager_access,
            )
            for name, url in zip(names, self._settings.telling.alertmanagers, strict=False)
        ]
        # A meter of its own: what it counts goes with the partition when another worker gets it.
        return (MeterSink(self._metrics), *self._shared, *alerts)

    def _deliveries(self) -> Mapping[str, Delivery]:
        """As `_sinks`."""
        told = self._settings.telling
        if told.webhook is None or told.webhook_secret is None:
            return {}
        webhook = Webhook(
            told.webhook,
            told.webhook_secret.reveal().encode(),
            metrics=self._metrics,
            now=time.time,
            page=self._page_url,
            access=self._webhook_access,
        )
        return {"webhook": webhook}

    @property
    def _page_url(self) -> str | None:
        if self._settings.telling.page is not None:
            return self._settings.telling.page
        return f"http://{self.page}{self._settings.web_prefix}" if self.page is not None else None

    def _watch(self, message: Message) -> None:
        if isinstance(message, Evidence | Tick):
            self._heartbeat.progress(message.minute)
        if isinstance(message, Evidence):
            self.clock = message.minute
            if message.minute != self._minute:
                # Every baseline stage has its say on a minute before the next one is judged.
                self._metrics.cohorts.set(self._cohorts)
                self._minute, self._cohorts = message.minute, 0
            self._cohorts += len(message.cohorts)
            owed = debt(self._current.intent.workarounds, message.minute)
            self._metrics.debt(owed.active, owed.expired, owed.oldest_days * 86_400)
            for operator, feed in message.feeds.items():
                self._metrics.feed(operator, feed.state)
                late = any(part.late_since is not None for part in (feed, *feed.parts.values()))
                self._metrics.feed_late.set(float(late), operator)
                self._metrics.feed_delay.set(feed.delay_ms / 1_000, operator)
                self._metrics.feed_usual_delay.set(feed.usual_delay_ms / 1_000, operator)
                self._metrics.records_pooled.add(feed.pooled, operator)


def _access(reach: Reach) -> HttpAccess:
    return HttpAccess(context(reach.tls) if reach.tls is not None else None, reach.authorization)


def _now_ms() -> int:
    return int(time.time() * 1000)
