"""A whole worker tells: the sign of life, the alert and the signed change of an incident that it has found itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from aiohttp import web

from pipeline.sinks.signing import HEADER, verify
from pipeline.stream.embedded import EmbeddedBroker
from pipeline.stream.secret import Secret
from pipeline.stream.telling import Telling
from tests.integration.serving import serving
from tests.stream.live import Live, fleet

SECRET = "a secret of this test alone"


@pytest.fixture
def live() -> Iterator[Live]:
    with EmbeddedBroker() as broker:
        deployment = Live(broker.bootstrap, session_s=4.0)
        deployment.touch()
        yield deployment


async def test_a_worker_that_finds_an_incident_tells_of_it_and_that_it_is_alive(live: Live) -> None:
    alerts: dict[str, dict[str, Any]] = {}
    changes: list[dict[str, Any]] = []

    async def take_alerts(request: web.Request) -> web.Response:
        for alert in await request.json():
            alerts[alert["labels"]["alertname"]] = alert
        return web.Response()

    async def known(_: web.Request) -> web.Response:
        return web.json_response([])

    async def take_change(request: web.Request) -> web.Response:
        body = await request.read()
        assert verify(SECRET.encode(), request.headers[HEADER], body, time.time())
        changes.append(msgspec.json.decode(body))
        return web.Response()

    app = web.Application(client_max_size=1 << 20)
    app.router.add_post("/api/v2/alerts", take_alerts)
    app.router.add_get("/api/v2/alerts", known)
    app.router.add_post("/hook", take_change)
    # An operator is silent for half an hour.
    live.write(fleet(270, silent=range(200, 230)))
    async with serving(app) as url:
        told = Telling((url,), webhook=f"{url}/hook", webhook_secret=Secret(SECRET), page="https://seamwatch.example")
        async with live.working(telling=told):

            def all_told() -> bool:
                fired = any(change["incident"]["state"] == "firing" for change in changes)
                return fired and {"SeamwatchAlive", "SeamwatchIncident"} <= alerts.keys()

            await live.until(all_told, within=150.0)
    alert = alerts["SeamwatchIncident"]
    assert alert["labels"]["kind"] == "feed"
    link = alert["annotations"]["link"]
    assert link.startswith("https://seamwatch.example/incidents/")
    fired = next(change for change in changes if change["incident"]["state"] == "firing")
    assert fired["message"]["link"] == link
    assert len(alert["annotations"]["text"]) <= 320
    assert alerts["SeamwatchAlive"]["labels"]["deployment"] == live.group
