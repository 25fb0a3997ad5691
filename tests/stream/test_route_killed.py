"""The route agent, killed twenty times between sending and recording: a real worker, Kafka and Alertmanager."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import pytest
from aiohttp import web
from confluent_kafka import Consumer, Producer, TopicPartition

from pipeline.codec import encode
from pipeline.messages import Incident
from pipeline.sinks.signing import HEADER, verify
from pipeline.sinks.webhook import KEY_HEADER
from pipeline.stream.stamps import Stamp
from tests.integration.kafka_cluster import StartCluster
from tests.integration.monitoring import Start
from tests.integration.serving import serving
from tests.integration.waiting import until_async
from tests.sinks.incidents import incident
from tests.stream.live import Live

KILLS: Final = 20
SECRET: Final = "a secret of this test alone"
PARTITIONS: Final = 4
"""Of the incidents topic."""
PATIENCE_S: Final = 120.0
WHERE: Final = ("the receiver has it", "the receiver has not", "Alertmanager has it", "Alertmanager has not")


@dataclass
class Receivers:
    """A webhook, a way to Alertmanager and the receiver of its notifications; any of them may kill the worker."""

    alertmanager: str = ""
    target: tuple[str, str] | None = None
    """Incident, and where its worker is killed."""
    worker: subprocess.Popen[bytes] | None = None
    kills: int = 0
    keys: list[str] = field(default_factory=list)
    """Of the deliveries that the webhook has."""
    told: list[tuple[str, str]] = field(default_factory=list)
    """Status and incident of each notification."""
    posts: int = 0

    def reached(self, incident_id: str, where: str) -> bool:
        """Is it here that the worker dies? It does, then."""
        if self.target != (incident_id, where) or self.worker is None:
            return False
        self.target = None
        self.kills += 1
        self.worker.kill()
        return True

    async def hook(self, request: web.Request) -> web.Response:
        body = await request.read()
        assert verify(SECRET.encode(), request.headers[HEADER], body, time.time())
        incident_id = msgspec.json.decode(body)["incident"]["incident_id"]
        if self.reached(incident_id, "the receiver has not"):
            return web.Response(status=500)
        self.keys.append(request.headers[KEY_HEADER])
        self.reached(incident_id, "the receiver has it")
        return web.Response()

    async def alerts(self, request: web.Request) -> web.Response:
        body = await request.read()
        posted = [one["labels"]["incident_id"] for one in json.loads(body)] if request.method == "POST" else []
        self.posts += len(posted)
        if any(self.reached(one, "Alertmanager has not") for one in posted):
            return web.Response(status=500)
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method,
                f"{self.alertmanager}{request.path_qs}",
                data=body or None,
                headers={"Content-Type": "application/json"},
            ) as answer,
        ):
            said = await answer.read()
        for one in posted:
            self.reached(one, "Alertmanager has it")
        return web.Response(status=answer.status, body=said, content_type="application/json")

    async def pager(self, request: web.Request) -> web.Response:
        for alert in (await request.json())["alerts"]:
            self.told.append((alert["status"], alert["labels"]["incident_id"]))
        return web.Response()


@asynccontextmanager
async def receiving() -> AsyncIterator[tuple[Receivers, str]]:
    receivers = Receivers()
    app = web.Application(client_max_size=1 << 20)
    app.router.add_post("/hook", receivers.hook)
    app.router.add_route("*", "/api/v2/alerts", receivers.alerts)
    app.router.add_post("/pager", receivers.pager)
    async with serving(app) as url:
        yield receivers, url


def write(live: Live, records: Sequence[Incident], offset: int) -> None:
    """As pattern does; `offset` of the evidence that the first of them follows from."""
    producer = Producer({"bootstrap.servers": live.bootstrap, "log_level": 0})
    for number, record in enumerate(records, offset):
        stamp = Stamp(number, 0, 0).header("evidence/0")
        producer.produce(live.names.incidents, encode(record), record.incident_id.encode(), headers=[stamp])
    assert producer.flush(60) == 0


def progress(live: Live) -> tuple[int, set[str]]:
    """Records that are committed as told, and what the commits say beside it."""
    consumer = Consumer({"bootstrap.servers": live.bootstrap, "group.id": live.group, "log_level": 0})
    try:
        partitions = [TopicPartition(live.names.incidents, number) for number in range(PARTITIONS)]
        found = [at for at in consumer.committed(partitions, timeout=60) if at.offset > 0]
        return sum(at.offset for at in found), {at.metadata or "" for at in found}
    finally:
        consumer.close()


@pytest.mark.timeout(900)
async def test_a_route_agent_that_is_killed_between_sending_and_recording_loses_no_notification(
    kafka_clusters: StartCluster, alertmanager: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A worker that was killed must be forgotten soon, or this takes as long as that does twenty times.
    cluster = kafka_clusters(properties={"group.min.session.timeout.ms": "1000"})
    live = Live(cluster.bootstrap)
    await asyncio.to_thread(live.create)
    (tmp_path / "secret").write_text(SECRET)
    names = [f"{number:02}aa" for number in range(KILLS)]
    async with receiving() as (receivers, url):
        route = {"receiver": "pager", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
        pager = {"name": "pager", "webhook_configs": [{"url": f"{url}/pager", "send_resolved": True}]}
        receivers.alertmanager = (await asyncio.to_thread(alertmanager, {"route": route, "receivers": [pager]})).url
        worker = Workers(live, url, tmp_path)
        try:
            for number, name in enumerate(names):
                receivers.target = (name, WHERE[number % len(WHERE)])
                receivers.worker = worker.start()
                write(live, [incident(incident_id=name, scope={"operator": name})], number)
                await ended(receivers.worker, f"death {number + 1} of {KILLS}: {receivers.target}")
            worker.start()

            async def told() -> bool:
                return len(set(receivers.told)) == KILLS

            await until_async(told, within=PATIENCE_S, what="every incident to be told")
            over = [incident(incident_id=one, scope={"operator": one}, state="resolved") for one in names]
            write(live, [msgspec.structs.replace(one, at=one.at + 60_000) for one in over], KILLS)

            async def settled() -> bool:
                all_told = len(set(receivers.told)) == len(set(receivers.keys)) == 2 * KILLS
                return all_told and await asyncio.to_thread(progress, live) == (2 * KILLS, {""})

            await until_async(settled, within=PATIENCE_S, what="every notification and its record")
        except TimeoutError:
            print(f"{receivers}\n{progress(live)}\n{worker.said()}")
            raise
        finally:
            worker.stop()
    deliveries, notifications = Counter(receivers.keys), Counter(receivers.told)
    with capsys.disabled():
        print(
            f"\n{receivers.kills} kills: {len(deliveries)} changes of {KILLS} incidents in {deliveries.total()} "
            f"deliveries, at most {max(deliveries.values())} of one key; {receivers.posts} posts to Alertmanager made "
            f"{notifications.total()} notifications, at most {max(notifications.values())} of one"
        )
    assert receivers.kills == KILLS
    assert notifications.keys() == {(status, one) for one in names for status in ("firing", "resolved")}
    # Alertmanager knows an alert that it has heard of before; the webhook's receiver knows the key.
    assert set(notifications.values()) == {1}
    assert {key.split("-")[0] for key in deliveries} == set(names)
    # Each partition has its own courier, and each may have one delivery under way that is not recorded yet.
    assert deliveries.total() - len(deliveries) <= KILLS * PARTITIONS


class Workers:
    """Route agents of one deployment, one after another."""

    def __init__(self, live: Live, url: str, home: Path) -> None:
        self._log = home / "worker.log"
        self._arguments = [
            *("--brokers", live.bootstrap, "--input", live.input, "--prefix", live.names.prefix),
            *("--group", live.group, "--stages", "route", "--web", "off", "--session", "2", "-v"),
            *("--alertmanager", url, "--webhook", f"{url}/hook", "--webhook-secret-file", str(home / "secret")),
        ]
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                [sys.executable, "-m", "pipeline.cli", "worker", *self._arguments],
                stdout=log,
                stderr=log,
                env={name: value for name, value in os.environ.items() if not name.startswith("SEAMWATCH_")},
            )
        return self._running

    def stop(self) -> None:
        if self._running is not None:
            self._running.kill()
            self._running.wait()

    def said(self) -> str:
        """The end of what they logged, for the report of a test that fails."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-60:])


async def ended(process: subprocess.Popen[Any], what: str) -> None:
    async def over() -> bool:
        return process.poll() is not None

    await until_async(over, within=PATIENCE_S, what=what)
    assert process.returncode < 0, f"{what}: it ended by itself with status {process.returncode}"
