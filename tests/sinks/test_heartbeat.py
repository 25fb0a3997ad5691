"""The sign of life, through a real Alertmanager to a dead man's receiver."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web

from pipeline.sinks import Heartbeat, Pulse
from pipeline.sinks.heartbeat import ALERTNAME
from tests.integration.monitoring import Start
from tests.integration.serving import serving
from tests.integration.waiting import until_async
from tests.sinks.pager import Pager

MINUTE_MS = 60_000
START = 1_767_225_600_000


async def test_it_reaches_the_dead_mans_receiver_while_there_is_progress_and_falls_silent_after_it(
    alertmanager: Start, pager: Pager
) -> None:
    route = {
        "receiver": "nobody",
        "group_wait": "0s",
        "group_interval": "1s",
        "routes": [{"matchers": [f'alertname="{ALERTNAME}"'], "receiver": "pager", "repeat_interval": "1s"}],
    }
    config = pager.config(route=route)
    receivers = config["receivers"]
    assert isinstance(receivers, list)
    server = await asyncio.to_thread(alertmanager, {**config, "receivers": [*receivers, {"name": "nobody"}]})
    pulse = Pulse(every_s=0.2, quiet_s=4.0, hold_s=2.0, timeout_s=5.0)
    heartbeat = Heartbeat([server.url], deployment="east", now=time.time, pulse=pulse)
    running = asyncio.create_task(heartbeat.run())
    heartbeat.progress(START)

    async def alive() -> bool:
        heartbeat.progress(START + len(pager.notifications) * MINUTE_MS)
        return pager.statuses()[:3] == ["firing"] * 3

    await until_async(alive, within=60, what="three signs of life")
    (alert,) = pager.notifications[0]["alerts"]
    assert alert["labels"] == {"alertname": "SeamwatchAlive", "deployment": "east", "severity": "none"}

    # The worker lives on, and its clock stands: the same minute again is no progress.
    async def silent() -> bool:
        heartbeat.progress(START)
        return pager.statuses()[-1] == "resolved"

    await until_async(silent, within=60, what="its end")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_each_alertmanager_is_told_whatever_the_others_answer() -> None:
    taken: list[str] = []

    async def alerts(request: web.Request) -> web.Response:
        (alert,) = await request.json()
        taken.append(alert["labels"]["alertname"])
        return web.Response(status=503 if len(taken) % 2 else 200)

    app = web.Application()
    app.router.add_post("/api/v2/alerts", alerts)
    async with serving(web.Application()) as gone:
        pass
    async with serving(app) as url:
        pulse = Pulse(every_s=0.01)
        heartbeat = Heartbeat([gone, url], deployment="d", now=time.time, pulse=pulse)
        heartbeat.progress(START)
        running = asyncio.create_task(heartbeat.run())

        async def several() -> bool:
            return len(taken) >= 4

        await until_async(several, within=60, what="signs of life")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert set(taken) == {ALERTNAME}
