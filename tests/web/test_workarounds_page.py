"""The page of workarounds: what is owed, how old it is, and what it hides now."""

import json
from dataclasses import replace

import aiohttp
import msgspec
from prometheus_client import CollectorRegistry

from pipeline.intent import default
from pipeline.stream.health import Health
from pipeline.web import Board, application
from pipeline.workarounds import Workaround
from tests.integration.serving import serving
from tests.sinks.incidents import FIRING
from tests.web.fleet import NOON, evidence

DAY = 86_400_000
KNOWN = Workaround(
    id="slow<start>",
    owner="<b>crew",
    reason="it is &known",
    scope={"operator": "<i>acme"},
    opened_at=NOON - 40 * DAY,
    expires_at=NOON + 10 * DAY,
    link="javascript:alert(1)",
)
GONE = replace(KNOWN, id="gone", expires_at=NOON - 3 * DAY, link="https://tracker.example/7")


async def test_workarounds_are_shown_with_age_end_and_what_they_hide_and_served_as_json() -> None:
    registry, board = CollectorRegistry(), Board()
    board.use(replace(default(), workarounds=(KNOWN, GONE)))
    board.evidence(evidence())
    board.incident(msgspec.structs.replace(FIRING, state="suppressed", workaround=KNOWN.id, at=NOON))
    site = application(board, registry, Health(connected=True, assigned=True, loaded=True))
    async with serving(site) as url, aiohttp.ClientSession() as session:
        page = await (await session.get(f"{url}/workarounds")).text()
        api = json.loads(await (await session.get(f"{url}/api/v1/workarounds")).text())
    assert "1 workaround active, 1 expired" in page
    assert page.index("gone") < page.index("slow&lt;start&gt;"), "what has expired stands first"
    assert "10 days left" in page
    assert "since 3 days" in page
    assert "<b>crew" not in page
    assert "<i>acme" not in page
    assert "javascript:" not in page
    assert 'href="https://tracker.example/7"' in page
    assert f"/incidents/{FIRING.incident_id}" in page
    assert api["debt"] == {"active": 1, "expired": 1, "oldest_days": 40.0, "soonest_days": 10.0}
    assert [one["active"] for one in api["workarounds"]] == [False, True]


async def test_without_workarounds_the_page_says_that_nothing_is_hidden() -> None:
    site = application(Board(), CollectorRegistry(), Health(connected=True, assigned=True, loaded=True))
    async with serving(site) as url, aiohttp.ClientSession() as session:
        assert "Nothing is hidden from anybody." in await (await session.get(f"{url}/workarounds")).text()
