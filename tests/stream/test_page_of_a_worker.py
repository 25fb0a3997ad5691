"""The page of a live worker, which answers for the whole deployment, whatever it holds itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from playwright.async_api import expect

from pipeline.cli import main
from pipeline.service import Service
from pipeline.stream.embedded import EmbeddedBroker
from pipeline.stream.settings import Address
from tests.integration.chromium import OpenPage
from tests.stream.live import Live, fleet
from tests.web.looks import LOOKS, faults, width_over

ANYWHERE = Address("127.0.0.1", 0)


@pytest.fixture
def live() -> Iterator[Live]:
    with EmbeddedBroker() as broker:
        found = Live(broker.bootstrap, session_s=4.0)
        found.touch()
        found.write(fleet(250, silent=range(200, 230)))
        yield found


async def _get(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.json()


@asynccontextmanager
async def one_worker(live: Live) -> AsyncIterator[str]:
    """The address of its page."""
    async with live.working(web=ANYWHERE) as service:
        await live.until(lambda: service.page is not None)
        yield f"http://{service.page}"


@asynccontextmanager
async def two_workers(live: Live) -> AsyncIterator[str]:
    """One that does all but ingest and has no page, and one that only ingests; the address of the latter's page."""
    # Of two groups: on the embedded broker, one that two join takes its time.
    async with (
        live.working(stages=("baseline", "pattern", "route")),
        live.working(stages=("ingest",), group=f"{live.group}.ingest", web=ANYWHERE) as other,
    ):
        await live.until(lambda: other.page is not None)
        yield f"http://{other.page}"


async def until_told(url: str) -> dict[str, Any]:
    """The incident, once it fires or more."""
    async with asyncio.timeout(120):
        while True:
            found = (await _get(f"{url}/api/v1/incidents"))["incidents"]
            if found and found[0]["state"] != "forming":
                incident: dict[str, Any] = found[0]
                return incident
            await asyncio.sleep(0.2)


async def test_a_worker_that_only_ingests_shows_all_and_passes_on_what_people_do(live: Live) -> None:
    async with two_workers(live) as url:
        incident = await until_told(url)
        assert incident["scope"]["operator"] == "altura"
        # The page reads each topic at its own pace: of the evidence there is more.
        async with asyncio.timeout(90):
            while (await _get(f"{url}/api/v1/cohorts?limit=500"))["total"] != 24:
                await asyncio.sleep(0.2)
            while {feed["operator"] for feed in (await _get(f"{url}/api/v1/feeds"))["feeds"]} != {"altura", "bluecove"}:
                await asyncio.sleep(0.2)
        asked = {"verb": "acknowledge", "text": "looking", "by": "alice", "action_id": "ack-1"}
        path = f"{url}/api/v1/incidents/{incident['incident_id']}/actions"
        async with aiohttp.ClientSession() as session, session.post(path, json=asked) as answer:
            assert answer.status == 202
            assert await answer.json() == {"action_id": "ack-1", "decision_id": None}
        async with asyncio.timeout(90):
            while True:
                detail = await _get(f"{url}/api/v1/incidents/{incident['incident_id']}")
                if actions := detail["incident"]["actions"]:
                    break
                await asyncio.sleep(0.2)
        assert [(one["verb"], one["by"], one["text"]) for one in actions] == [("acknowledge", "alice", "looking")]


async def test_the_state_of_any_stage_is_read_on_the_page_and_on_the_command_line(
    live: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    async with one_worker(live) as url:
        await until_told(url)
        async with asyncio.timeout(90):
            while len(listed := (await _get(f"{url}/api/v1/state"))["states"]) < 5:
                await asyncio.sleep(1.0)
        assert {one["source"] for one in listed} == {*(f"windows/{n}" for n in range(4)), "evidence/0"}
        # A newer snapshot may replace it while it is read; then it is asked for again.
        async with asyncio.timeout(90):
            while "items" not in (seen := await _get(f"{url}/api/v1/state/evidence/0?path=references")):
                await asyncio.sleep(1.0)
        assert "cohorts" in {item["name"] for item in seen["items"]}
        options = ["--brokers", live.bootstrap, "--prefix", live.names.prefix, "--group", live.group]
    assert main(["inspect", *options]) == 0
    assert "evidence/0" in capsys.readouterr().out
    assert main(["inspect", *options, "evidence/0:references.cohorts"]) == 0
    assert "references.cohorts  list" in capsys.readouterr().out
    assert main(["inspect", *options, "evidence/0:references.nothing"]) == 2
    assert "there is" in capsys.readouterr().err
    assert main(["inspect", *options, "windows/9"]) == 3


async def test_a_person_finds_their_way_through_the_pages_of_a_live_worker(chromium: OpenPage, live: Live) -> None:
    async with one_worker(live) as url:
        incident = await until_told(url)
        page = await chromium()
        for look in LOOKS:
            await look.take(page)
            await page.goto(url)
            for place in ("Now", "Incidents", "Cohorts", "Operators", "Workarounds", "State"):
                await page.get_by_role("navigation", name="Pages").get_by_role("link", name=place).click()
                await expect(page.get_by_role("navigation", name="Pages").locator("[aria-current]")).to_have_text(place)
                assert await width_over(page) == 0, (look, place)
                assert await faults(page) == [], (look, place)
            await page.goto(f"{url}/incidents/{incident['incident_id']}")
            # Its sentence goes on as the telemetry comes back.
            await expect(page.get_by_role("heading", level=1)).to_contain_text(
                "Operator altura: its telemetry is silent"
            )
            assert await width_over(page) == 0, look
            assert await faults(page) == [], look
        await page.get_by_label("In your words").fill("asked altura")
        await page.get_by_role("button", name="Note").click()
        await expect(page.get_by_text("Noted by loopback")).to_be_visible(timeout=60_000)


async def test_a_place_that_is_taken_is_said(live: Live) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Exception, match="the page cannot be served at"):
        await live.service(web=Address("127.0.0.1", port)).run()
    server.close()
    await server.wait_closed()


def test_a_worker_without_a_page_reads_nothing_for_one(live: Live) -> None:
    service = Service(live.settings(web=None), live.service().intent, live.said.append)
    assert service.cohorts() == []
