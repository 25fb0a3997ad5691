"""The report of a month as a person opens it: from a disk, with no network, in a real Chromium."""

from itertools import pairwise
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from pipeline.intent import Intent, Priority, Service, default
from pipeline.report.account import account
from pipeline.report.backtest import backtest
from pipeline.report.comparison import compare
from pipeline.report.html import render as render_template
from pipeline.report.page import render
from tests.integration.chromium import OpenPage
from tests.report.material import FAILING, HOUR, KNOWN, MISSED, SLOW, START, full, month, played

LENIENT = Intent((Service("playback", ("playback_start",), Priority.DEGRADABLE),), 0.1)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found, courses = month()
    known = [KNOWN, MISSED]
    test = backtest(found, default(), known)
    other = backtest(played(28.0, SLOW, FAILING, intent=LENIENT)[0], LENIENT, known)
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(found, ["month.ndjson.zst"], courses, test, compare(test, other, "lenient")))
    return path


@pytest.fixture(scope="module")
def account_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("account") / "account.html"
    path.write_text(render_template("account.html", told=account([full(START + 3 * HOUR, text="w" * 128)])))
    return path


async def opened(page: Page, path: Path) -> list[str]:
    """What it asked for beside itself, and what the browser complained of; network is off."""
    said: list[str] = []
    page.on("request", lambda request: said.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    await page.context.set_offline(True)
    await page.goto(path.as_uri(), timeout=120_000)
    said.remove(path.as_uri())
    return said


async def test_the_report_of_a_month_opens_without_network_and_shows_all_of_it(
    chromium: OpenPage, report: Path
) -> None:
    page = await chromium()
    assert await opened(page, report) == []
    await expect(page.locator(".headline")).to_contain_text("2 pages, and caught 1 of 2 known incidents")
    for heading in ("Incidents that fired", "Known incidents", "Against lenient", "One by one", "Feeds", "Records"):
        await expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    cards = page.get_by_role("article")
    await expect(cards).to_have_count(2)
    await expect(cards.first.get_by_role("img", name="playback_start latency over time")).to_be_visible()
    await expect(cards.first.get_by_role("img", name="Evidence in nats")).to_be_visible()
    # The style applies although the policy names it by its hash, and the drawing has a size.
    box = await cards.first.locator("polyline.observed").first.bounding_box()
    assert box is not None
    assert box["width"] > 300
    assert await page.evaluate("getComputedStyle(document.querySelector('.observed')).fill") == "none"


async def test_the_ledger_opens_and_the_time_line_leads_to_the_incident(chromium: OpenPage, report: Path) -> None:
    page = await chromium()
    await opened(page, report)
    await page.get_by_text("The ledger:").first.click()
    await expect(page.get_by_role("region", name="Ledger, scrolls sideways").first).to_be_visible()
    await page.locator(".lane a").first.click()
    assert (await page.evaluate("location.hash")).startswith("#")
    await expect(page.locator(":target")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_it_fits_its_window_and_its_text_stands_out(
    width: int, scheme: str, chromium: OpenPage, report: Path, account_page: Path
) -> None:
    for path in (report, account_page):
        page = await chromium()
        await page.set_viewport_size({"width": width, "height": 900})
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        assert await opened(page, path) == []
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
        poor: list[str] = await page.evaluate(FAINT)
        assert poor == []


async def test_on_paper_everything_is_unfolded(chromium: OpenPage, report: Path) -> None:
    page = await chromium()
    await opened(page, report)
    await page.emulate_media(media="print")
    table = page.get_by_role("region", name="Ledger, scrolls sideways").first
    await expect(table).to_be_visible()


async def test_what_a_screen_reader_meets_has_names(chromium: OpenPage, report: Path) -> None:
    page = await chromium()
    await opened(page, report)
    nameless: list[str] = await page.evaluate(NAMELESS)
    assert nameless == []
    levels: list[int] = await page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(e => +e.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


# Text with less than 4.5 to 1 against what lies behind it, as WCAG 2 asks for; colours as a canvas draws them.
FAINT = """() => {
  const context = Object.assign(document.createElement("canvas"), {width: 1, height: 1})
    .getContext("2d", {willReadFrequently: true});
  const light = (layers) => {
    context.clearRect(0, 0, 1, 1);
    for (const colour of layers) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4))
      .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!own || !element.checkVisibility() || element.matches(".unseen, .skip, title")) continue;
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(getComputedStyle(at).backgroundColor);
    const style = getComputedStyle(element);
    const ink = light([...layers, element.matches("svg *") ? style.fill : style.color]), ground = light(layers);
    const ratio = (Math.max(ground, ink) + .05) / (Math.min(ground, ink) + .05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 90)}`);
  }
  return faint;
}"""

# Pictures, tables' header cells, regions and links without a name; ids that are there twice.
NAMELESS = """() => {
  const bad = [];
  for (const e of document.querySelectorAll("svg")) {
    const nested = e.parentElement.closest("svg"), hidden = e.closest("[aria-hidden=true]");
    const named = e.getAttribute("role") === "img" && e.getAttribute("aria-label");
    if (!nested && !hidden && !named) bad.push(e.outerHTML);
  }
  for (const e of document.querySelectorAll("th, a, [role=region] , summary"))
    if (!e.textContent.trim() && !e.getAttribute("aria-label")) bad.push(e.outerHTML);
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  return [...bad.map((text) => text.slice(0, 120)), ...ids.filter((id, i) => ids.indexOf(id) !== i)];
}"""
