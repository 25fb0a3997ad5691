"""What is served over HTTP, to people and to machines."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html.parser import HTMLParser

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from pipeline.detect.evidence import FeedHealth
from pipeline.metrics import Metrics
from pipeline.observation import Cohort
from pipeline.stream.health import Health
from pipeline.web import Board, application, live
from pipeline.web.cohorts import cohort_id
from tests.integration.serving import serving
from tests.sinks.incidents import FIRING, incident
from tests.web.fleet import NOON, SLOW, WELL, anchors, evidence

HOSTILE = "</bdi><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"


@dataclass
class Site:
    """A worker's site, and what it is fed by."""

    board: Board
    health: Health
    metrics: Metrics
    url: str
    session: aiohttp.ClientSession

    async def get(self, path: str, status: int = 200) -> str:
        async with self.session.get(self.url + path) as answer:
            assert answer.status == status
            return await answer.text()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    registry, board, health = CollectorRegistry(), Board(), Health(connected=True, assigned=True, loaded=True)
    metrics = Metrics(registry)
    async with serving(application(board, registry, health)) as url, aiohttp.ClientSession() as session:
        yield Site(board, health, metrics, url, session)


class _Words(HTMLParser):
    """Text and tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


async def test_the_page_of_a_worker_that_has_seen_nothing_says_so(site: Site) -> None:
    text = _Words(await site.get("/")).text
    assert "Nothing deviates" in text
    assert "No records yet" in text
    assert "No cohort has reported yet." in text


async def test_the_page_says_what_fires_for_whom_by_how_much_and_since_when(site: Site) -> None:
    site.board.evidence(evidence(log_ratio={SLOW: math.log(1.25)}))
    site.board.incident(FIRING)
    text = _Words(await site.get("/")).text
    assert "1 incident firing" in text
    assert FIRING.summary in text
    assert "Operator nordcast Firmware 9.4.1" in text
    assert "playback_start latency bit by bit 1,250 ms 1,000 ms +25 %" in text
    assert "retries all at once 6.0 % 4.0 % +50 %" in text
    assert "Changed behaviour since 2025-12-31 16:00 UTC" in text
    assert "stb-g3 9.4.1" in text


async def test_what_is_most_urgent_stands_first_and_what_is_over_last(site: Site) -> None:
    for at, state in enumerate(("firing", "recovering", "forming", "suppressed", "resolved")):
        site.board.incident(incident(incident_id=state, state=state, summary=f"it is {state}", at=FIRING.at + at))
    text = _Words(await site.get("/")).text
    assert "1 incident firing, 1 recovering, 1 forming, 1 suppressed" in text
    places = [text.rindex(f"it is {state}") for state in ("firing", "recovering", "forming", "suppressed", "resolved")]
    assert places == sorted(places)


async def test_the_cohorts_show_what_deviates_beyond_chance_and_colour_nothing_else(site: Site) -> None:
    site.board.evidence(evidence(units=400, log_ratio={SLOW: math.log(1.25)}, failures={SLOW: 0.06, WELL: 0.021}))
    page = _Words(await site.get("/cohorts"))
    coloured = [attrs["class"] for tag, attrs in page.tags if tag == "td" and "level-" in (attrs["class"] or "")]
    assert coloured == ["number level-2", "number level-4"]
    assert "+25 % 6.0 % of 2.0 %" in page.text
    assert "2.1 % of" not in page.text


async def test_a_cohort_that_still_learns_says_so_and_against_whom_it_is_held(site: Site) -> None:
    site.board.evidence(evidence())
    site.board.anchors(anchors({SLOW: (0.0, False, "9.4.0"), WELL: (3.2, False, "own")}))
    text = _Words(await site.get("/cohorts")).text
    assert "stb-g3 9.4.1 nordcast · production · learning, held against 9.4.0 100" in text
    assert "stb-g3 9.4.0 nordcast · production · learning, day 4 100" in text
    site.board.anchors(anchors({SLOW: (7.0, True, "own"), WELL: (7.0, True, "own")}))
    assert "learning" not in _Words(await site.get("/cohorts")).text


async def test_a_cohort_that_has_stopped_to_report_says_for_how_long(site: Site) -> None:
    site.board.evidence(evidence(0, [SLOW]))
    site.board.evidence(evidence(12, [WELL], aside=[WELL]))
    text = _Words(await site.get("/cohorts")).text
    assert "9.4.1 nordcast · production · silent for 12 min" in text
    assert "9.4.0 nordcast · production · set aside" in text


async def test_three_devices_colour_nothing(site: Site) -> None:
    site.board.evidence(evidence(units=3, log_ratio={SLOW: math.log(1.25)}, failures={SLOW: 1 / 3}))
    page = _Words(await site.get("/cohorts"))
    assert [attrs for tag, attrs in page.tags if tag == "td" and "level-" in (attrs["class"] or "")] == []


async def test_a_silent_feed_is_said_with_its_time(site: Site) -> None:
    site.board.evidence(evidence(feeds={"acme": FeedHealth("silent", NOON - 600_000, 3, 120.0)}))
    assert "acme silent since 2026-01-01 11:50 UTC 3 records a minute, 120 expected" in _Words(await site.get("/")).text


async def test_an_incident_has_a_page_with_its_course_and_who_is_affected(site: Site) -> None:
    site.board.evidence(evidence(units=4000, log_ratio={SLOW: math.log(1.25)}))
    site.board.incident(incident(state="forming", at=FIRING.at - 60_000))
    site.board.incident(FIRING)
    text = _Words(await site.get(f"/incidents/{FIRING.incident_id}")).text
    assert "firing 2026-01-01 00:00 UTC" in text
    assert "forming 2025-12-31 23:59 UTC" in text
    assert "9.4.1 named 1 cohort" in text
    assert "9.4.0 1 cohort not affected" in text


async def test_an_incident_that_nobody_knows_is_a_404_that_leads_back(site: Site) -> None:
    page = _Words(await site.get("/incidents/%3Cscript%3E", 404))
    assert "No such incident here" in page.text
    assert ("a", {"href": "/"}) in page.tags


async def test_markup_in_names_stays_text_on_every_page(site: Site) -> None:
    hostile = Cohort(HOSTILE, HOSTILE, HOSTILE, "production")
    site.board.evidence(evidence(0, [hostile], feeds={HOSTILE: FeedHealth("silent", NOON, 0, 9.0)}))
    scope = {"operator": HOSTILE, "firmware": HOSTILE}
    signals = [FIRING.signals[0].__class__(HOSTILE, HOSTILE, HOSTILE, 1.0, 1.0, 1.0, 1.0, HOSTILE, clause=HOSTILE)]
    changes = {"scope": scope, "summary": HOSTILE, "services": [HOSTILE], "signals": signals, "kind": HOSTILE}
    clean = _Words(await site.get("/"))
    site.board.incident(incident(incident_id="x", state="firing", **changes))
    for path in (
        "/",
        "/incidents",
        "/incidents/x",
        "/cohorts",
        f"/cohorts/compare?c={cohort_id(hostile)}",
        "/operators",
    ):
        page = _Words(await site.get(path))
        assert HOSTILE in page.text
        assert [attrs for tag, attrs in page.tags if tag == "script"] == [
            attrs for tag, attrs in clean.tags if tag == "script"
        ]
        assert all(attrs.get("src") != "x" for _, attrs in page.tags)
        assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
        assert not any(name == "style" for _, attrs in page.tags for name in attrs)


@pytest.mark.parametrize(
    "path", ["/", "/incidents/none", "/api/v1/incidents", "/static/live.js", "/metrics", "/nowhere"]
)
async def test_nothing_is_loaded_from_elsewhere_framed_or_guessed(site: Site, path: str) -> None:
    async with site.session.get(site.url + path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["..%2f__init__.py", "%2e%2e/templates/base.html", "style.css%00", "none"])
async def test_no_other_file_is_served(site: Site, name: str) -> None:
    async with site.session.get(f"{site.url}/static/{name}") as answer:
        assert answer.status == 404


async def test_the_api_gives_the_newest_records_as_the_wire_contract_has_them(site: Site) -> None:
    site.board.incident(incident(state="forming", at=FIRING.at - 1))
    site.board.incident(FIRING)
    said = json.loads(await site.get("/api/v1/incidents"))
    assert said["clock"] == FIRING.at
    (record,) = said["incidents"]
    assert {name: record[name] for name in ("incident_id", "state", "severity", "at", "onset_at", "scope")} == {
        "incident_id": FIRING.incident_id,
        "state": "firing",
        "severity": "page",
        "at": FIRING.at,
        "onset_at": FIRING.onset_at,
        "scope": FIRING.scope,
    }
    assert record["signals"][0]["signal"] == "latency"


async def test_the_api_gives_every_cohort_and_feed(site: Site) -> None:
    site.board.evidence(evidence(log_ratio={SLOW: math.log(1.25)}))
    said = json.loads(await site.get("/api/v1/cohorts"))
    slow = next(cohort for cohort in said["cohorts"] if cohort["firmware"] == "9.4.1")
    assert slow["operator"] == "nordcast"
    assert slow["signals"]["latency"]["ratio"] == pytest.approx(1.25)
    assert slow["signals"]["failure"]["expected"] == pytest.approx(0.02)
    (feed,) = json.loads(await site.get("/api/v1/feeds"))["feeds"]
    assert feed["operator"] == "nordcast"
    assert {name: feed[name] for name in ("state", "since", "records", "expected")} == {
        "state": "ok",
        "since": 0,
        "records": 120,
        "expected": 118.4,
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"connected": False}, "no Kafka broker has answered yet"),
        ({"assigned": False}, "waiting for the group to assign partitions"),
        ({"loaded": False}, "reading back the state of the assigned partitions"),
    ],
)
async def test_a_worker_that_gets_ready_is_alive_and_says_what_it_waits_for(
    site: Site, changes: dict[str, bool], reason: str
) -> None:
    assert await site.get("/readyz") == "ok\n"
    for name, value in changes.items():
        setattr(site.health, name, value)
    assert await site.get("/healthz") == "ok\n"
    assert await site.get("/readyz", 503) == f"{reason}\n"
    assert f"Not ready. {reason.capitalize()}." in _Words(await site.get("/")).text


async def test_a_worker_that_ends_is_neither_alive_nor_ready_and_says_why(site: Site) -> None:
    site.health.problem = "records wait and nothing has been taken for 120 s"
    assert await site.get("/healthz", 503) == "records wait and nothing has been taken for 120 s\n"
    assert await site.get("/readyz", 503) == "records wait and nothing has been taken for 120 s\n"


async def test_metrics_are_in_the_format_that_is_asked_for(site: Site) -> None:
    site.metrics.ready.set(1)
    async with site.session.get(site.url + "/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        families = {family.name: family for family in text_string_to_metric_families(await answer.text())}
        assert families["seamwatch_ready"].samples[0].value == 1
    wanted = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with site.session.get(site.url + "/metrics", headers=wanted) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        assert (await answer.text()).endswith("# EOF\n")


async def test_under_a_prefix_everything_stands_there_and_links_stay_inside() -> None:
    board = Board()
    board.incident(FIRING)
    app = application(board, CollectorRegistry(), Health(), prefix="/seamwatch")
    async with serving(app) as url, aiohttp.ClientSession() as session:
        async with session.get(url + "/seamwatch/") as answer:
            page = _Words(await answer.text())
        links = [attrs.get("href") or attrs.get("src") for _, attrs in page.tags if "href" in attrs or "src" in attrs]
        links = [link for link in links if link != "#content"]
        assert links
        for link in links:
            assert link is not None
            assert link.startswith("/seamwatch/")
            async with session.get(url + link) as answer:
                assert answer.status in (200, 503)


# -- live ------------------------------------------------------------------------------------------------------------


async def _event(content: aiohttp.StreamReader) -> dict[str, object]:
    while not (line := await content.readline()).startswith(b"data: "):
        assert line
    said: dict[str, object] = json.loads(line[6:])
    return said


async def test_a_listener_hears_at_once_what_there_is_and_then_every_change(site: Site) -> None:
    async with site.session.get(site.url + "/events") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        first = await asyncio.wait_for(_event(answer.content), 30)
        assert first == {"version": 0, "clock": None}
        site.board.incident(FIRING)
        assert await asyncio.wait_for(_event(answer.content), 30) == {"version": 1, "clock": FIRING.at}


async def test_many_changes_at_once_are_few_events(site: Site) -> None:
    async with site.session.get(site.url + "/events") as answer:
        await asyncio.wait_for(_event(answer.content), 30)
        for minute in range(500):
            site.board.evidence(evidence(minute))
        last = await asyncio.wait_for(_event(answer.content), 30)
        assert last["version"] == 500


async def test_what_a_listener_was_told_of_is_on_the_page_that_it_then_asks_for(site: Site) -> None:
    await site.get("/")
    async with site.session.get(site.url + "/events") as answer:
        await asyncio.wait_for(_event(answer.content), 30)
        for change in ("forming", "firing", "recovering"):
            site.board.incident(incident(state=change))
            await asyncio.wait_for(_event(answer.content), 30)
            assert f"1 incident {change}" in await site.get("/")
        site.health.loaded = False
        assert "Not ready." in await site.get("/")


async def test_one_listener_too_many_is_told_to_come_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_LISTENERS", 1)
    async with site.session.get(site.url + "/events") as first:
        await asyncio.wait_for(_event(first.content), 30)
        async with site.session.get(site.url + "/events") as second:
            assert second.status == 503
            assert second.headers["Retry-After"] == "30"


async def test_the_end_of_the_worker_does_not_wait_for_open_pages() -> None:
    board = Board()
    async with aiohttp.ClientSession() as session:
        async with asyncio.timeout(30), serving(application(board, CollectorRegistry(), Health())) as url:
            answer = await session.get(url + "/events")
            await _event(answer.content)
        # A stream that was cut off instead of ended would raise here.
        assert await answer.content.read() == b"\n"
