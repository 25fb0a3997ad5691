"""The page as a person has it before them, in a real Chromium. The fixture fails a page that asks beyond loopback."""

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from playwright.async_api import expect
from prometheus_client import CollectorRegistry

from pipeline.detect.evidence import FeedHealth
from pipeline.messages import Action
from pipeline.observation import Cohort
from pipeline.stream.health import Health
from pipeline.web import Access, Behind, Board, application
from pipeline.web import records as say
from pipeline.web.access import new_token, parse_tokens
from pipeline.web.cohorts import cohort_id
from tests.integration.chromium import OpenPage
from tests.integration.serving import serving
from tests.sinks.incidents import FIRING, incident
from tests.web import seeded
from tests.web.fleet import NOON, SLOW, evidence
from tests.web.looks import LOOKS, Look, faults, width_over

HOSTILE = "9.4.1</bdi><script>document.title = 'taken'</script><img src='http://192.0.2.1/x' onerror=alert(1)>"
LONG = "w" * 128
TOKEN, LINE = new_token("alice", "act")
TOKENS = parse_tokens(LINE)


class Snapshots:
    """The state of one stage."""

    async def listed(self) -> Sequence[say.StateInfo]:
        return [say.StateInfo("windows/0", "baseline", 7, "seamwatch.state.baseline", None)]

    async def of(self, source: str) -> tuple[int, Any] | None:
        return 7, {"anchors": {"cohorts": [["nordcast", "stb-g3"]], "days": 7.0, "lender": LONG}}


@dataclass
class Site:
    board: Board
    url: str


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    board = Board()
    board.evidence(evidence(log_ratio={SLOW: math.log(1.25)}))
    app = application(board, CollectorRegistry(), Health(connected=True, assigned=True, loaded=True))
    async with serving(app) as url:
        yield Site(board, url + "/")


async def test_a_person_sees_the_incident_and_its_scope(chromium: OpenPage, site: Site) -> None:
    site.board.incident(FIRING)
    page = await chromium()
    await page.goto(site.url)
    card = page.get_by_role("article")
    await expect(card.get_by_role("heading")).to_have_text(FIRING.summary)
    await expect(card.get_by_label("Scope")).to_contain_text("nordcast")
    await expect(card.get_by_label("Scope")).to_contain_text("9.4.1")
    await expect(card.get_by_role("row").nth(1)).to_contain_text("1,250 ms")
    await expect(page.get_by_role("heading", level=1)).to_have_text("1 incident firing")


async def test_a_change_arrives_without_a_reload_and_is_announced(chromium: OpenPage, site: Site) -> None:
    page = await chromium()
    await page.goto(site.url)
    await page.evaluate("window.sameDocument = true")
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    site.board.incident(incident(state="forming"))
    await expect(page.get_by_role("heading", level=1)).to_have_text("1 incident forming")
    site.board.incident(incident(at=FIRING.at + 60_000))
    await expect(page.get_by_role("heading", level=1)).to_have_text("1 incident firing")
    await expect(page.get_by_role("status")).to_have_text(f"Firing: {FIRING.summary}")
    await expect(page).to_have_title("1 incident firing · Seamwatch")
    assert await page.evaluate("window.sameDocument") is True


async def test_what_a_reader_has_focused_and_opened_stays_so_over_an_update(chromium: OpenPage, site: Site) -> None:
    for at in range(3):
        site.board.incident(incident(at=FIRING.at + at))
    page = await chromium()
    await page.goto(f"{site.url}incidents/{FIRING.incident_id}")
    summary = page.get_by_text("All 3 records")
    await summary.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("details")).to_have_attribute("open", "")
    site.board.incident(incident(state="recovering", at=FIRING.at + 3))
    await expect(page.get_by_text("All 4 records")).to_be_visible()
    await expect(page.locator("details")).to_have_attribute("open", "")
    assert await page.evaluate("document.activeElement.tagName") == "SUMMARY"


async def test_markup_in_a_firmware_name_is_text(chromium: OpenPage, site: Site) -> None:
    site.board.evidence(evidence(1, [Cohort("nordcast", "stb-g3", HOSTILE, "production")]))
    page = await chromium()
    await page.goto(site.url + "cohorts")
    await expect(page.get_by_role("rowheader").filter(has_text=HOSTILE)).to_be_visible()
    await page.goto(site.url)
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    # Once as the server drew it, and once as the script put it in place.
    site.board.incident(incident(scope={"firmware": HOSTILE}, summary=f"Firmware {HOSTILE}: slow"))
    await expect(page.get_by_role("article").get_by_label("Scope")).to_contain_text(HOSTILE)
    assert await page.locator("img[onerror]").count() == 0
    assert "taken" not in await page.title()


async def test_the_page_says_everything_without_javascript(chromium: OpenPage, site: Site) -> None:
    site.board.incident(FIRING)
    page = await chromium()
    await page.route("**/live.js", lambda route: route.abort())
    await page.goto(site.url)
    await expect(page.get_by_role("heading", level=1)).to_have_text("1 incident firing")
    await expect(page.get_by_text("live", exact=True)).to_be_hidden()


async def test_a_page_that_has_lost_its_worker_says_that_it_may_be_old(chromium: OpenPage) -> None:
    page = await chromium()
    async with serving(application(Board(), CollectorRegistry(), Health())) as url:
        await page.goto(url + "/")
        await expect(page.get_by_text("live", exact=True)).to_be_visible()
    await expect(page.get_by_role("alert")).to_have_text("connection lost, this may be old")


LONGEST = Cohort(LONG, LONG, LONG, "production")
SEEDED = seeded.fleet()
PATHS = {
    "now": "",
    "incidents": "incidents",
    "incident": f"incidents/{seeded.ID}",
    "feed": "incidents/feed-altura",
    "cohorts": "cohorts",
    "one cohort": f"cohorts/compare?c={cohort_id(SEEDED[0])}",
    "two cohorts": f"cohorts/compare?c={cohort_id(SEEDED[0])}&c={cohort_id(SEEDED[6])}",
    "operators": "operators",
    "workarounds": "workarounds",
    "states": "state",
    "state": "state/windows/0?path=anchors",
    "sign in": "login",
}


@pytest.fixture
async def whole() -> AsyncIterator[str]:
    """A site with everything on it, and names as long as they may be."""
    board = seeded.board(minutes=200)
    board.take(evidence(1, [LONGEST]))
    board.take(
        incident(incident_id="long", scope={"operator": LONG, "firmware": LONG}, summary=f"Operator {LONG}: slow")
    )
    behind = Behind(snapshots=Snapshots())
    app = application(board, CollectorRegistry(), Health(True, True, True), behind=behind, access=Access(tokens=TOKENS))
    async with serving(app) as url:
        yield url + "/"


@pytest.mark.parametrize("look", LOOKS, ids=str)
async def test_no_page_has_a_serious_fault_or_stands_beyond_the_edge(
    chromium: OpenPage, whole: str, look: Look
) -> None:
    page = await chromium()
    await look.take(page)
    found: dict[str, object] = {}
    for name, path in PATHS.items():
        await page.goto(whole + path)
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        # Colours are those of the state that is told apart last.
        if found_here := [
            *await faults(page),
            *[f"{over} px too wide" for over in [await width_over(page)] if over > 0],
        ]:
            found[name] = found_here
    assert found == {}


async def test_names_as_long_as_they_may_be_break_no_page(chromium: OpenPage, whole: str) -> None:
    page = await chromium()
    await page.set_viewport_size({"width": 390, "height": 844})
    for path in ("", "incidents/long", "cohorts?q=www", f"cohorts/compare?c={cohort_id(LONGEST)}", "incidents"):
        await page.goto(whole + path)
        assert await width_over(page) == 0, path


async def test_all_is_reached_by_keyboard_alone(chromium: OpenPage, whole: str) -> None:
    page = await chromium()
    await page.goto(whole)
    await page.keyboard.press("Tab")
    await expect(page.get_by_text("Skip to the content")).to_be_focused()
    for name in ("Seamwatch", "Now", "Incidents", "Cohorts"):
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Cohorts")
    await page.get_by_label("Find", exact=True).fill("9.4.1 nordcast stb-g2")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("checkbox")).to_have_count(2)
    for at in (0, 1):
        await page.get_by_role("checkbox").nth(at).press("Space")
    await page.get_by_role("button", name="Compare").press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("stb-g2 9.4.1 beside stb-g2 9.4.1")


async def test_a_person_signs_in_and_acts_and_sees_it_done(chromium: OpenPage) -> None:
    board = seeded.board(minutes=30)
    taken: list[Action] = []

    async def act(messages: Sequence[object]) -> None:
        # As pattern answers: the incident, with the action in it.
        taken.extend(message for message in messages if isinstance(message, Action))
        newest = board.course(seeded.ID)
        assert newest is not None
        board.take(
            msgspec.structs.replace(newest.newest, at=newest.newest.at + 1, actions=[*newest.newest.actions, *taken])
        )

    behind = Behind(act=act, now=lambda: seeded.NOW)
    app = application(board, CollectorRegistry(), Health(True, True, True), behind=behind, access=Access(tokens=TOKENS))
    async with serving(app) as url:
        page = await chromium()
        await page.goto(f"{url}/incidents/{seeded.ID}")
        await expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
        await page.get_by_role("link", name="Sign in").first.click()
        await page.get_by_label("Token").fill(TOKEN)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_text("Signed in as alice")).to_be_visible()
        await page.goto(f"{url}/incidents/{seeded.ID}")
        await page.get_by_label("In your words").fill("<script>alert(1)</script> known: the CDN")
        await page.get_by_role("button", name="False alarm").click()
        await expect(page.get_by_text("Called a false alarm by alice")).to_be_visible()
        await expect(page.get_by_text("<script>alert(1)</script> known: the CDN")).to_be_visible()
    assert [(action.verb, action.by) for action in taken] == [("false_alarm", "alice")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_stands_out_from_its_ground(chromium: OpenPage, site: Site, scheme: str) -> None:
    """At least 4.5 to 1, as WCAG 2 asks for."""
    for state in ("forming", "firing", "recovering", "suppressed", "resolved"):
        site.board.incident(incident(incident_id=state, state=state))
    loud = [Cohort("acme", "tv", str(number)) for number in range(5)]
    ratios = dict(zip(loud, (-1.0, 0.1, 0.2, 0.4, 1.0), strict=True))
    feeds = {state: FeedHealth(state, NOON, 3, 120.0) for state in ("ok", "silent", "recovering")}
    site.board.evidence(evidence(1, [*loud, SLOW], units=2000, log_ratio=ratios, aside=[SLOW], feeds=feeds))
    page = await chromium()
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await page.goto(site.url)
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    for path in ("", "cohorts", "incidents", "incidents/resolved", "incidents/suppressed"):
        await page.goto(site.url + path)
        await expect(page.get_by_text("live", exact=True)).to_be_visible()
        poor: list[str] = await page.evaluate(CONTRAST)
        assert poor == [], path


# Draws each colour over those beneath it, as the browser does, and gives the elements whose own text is too faint.
CONTRAST = """() => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
  const context = canvas.getContext("2d", {willReadFrequently: true});
  const over = (layers) => {
    context.clearRect(0, 0, 1, 1);
    for (const colour of layers) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!own || !element.checkVisibility() || element.matches(".unseen, .skip")) continue;
    if (getComputedStyle(element).opacity !== "1") poor.push(`opacity ${element.outerHTML.slice(0, 90)}`);
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(getComputedStyle(at).backgroundColor);
    const ground = light(over(layers)), ink = light(over([...layers, getComputedStyle(element).color]));
    const ratio = (Math.max(ground, ink) + .05) / (Math.min(ground, ink) + .05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 90)}`);
  }
  return poor;
}"""
