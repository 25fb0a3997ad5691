"""The pictures of docs/how-it-decides.md, from a real run: python -m tests.docs.pictures

A small fleet of which one firmware gets a little worse in four ways, while the telemetry of one operator comes late for
some hours, is simulated and replayed as `seamwatch simulate` and `seamwatch replay --report` do. The report is opened
in headless Chromium, and so is the page of a worker that has heard all of it up to the minute in which it fired.
Prints what was said. Some minutes on one core.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.async_api import Locator, Page
from prometheus_client import CollectorRegistry

from pipeline import cli
from pipeline.detect.evidence import Anchors, Evidence
from pipeline.engine import Engine, Said
from pipeline.intent import default
from pipeline.messages import MINUTE_MS, Incident
from pipeline.recordfile import RecordFiles
from pipeline.replay import Run, replay
from pipeline.report.backtest import backtest
from pipeline.report.courses import Courses
from pipeline.report.page import render
from pipeline.stream.health import Health
from pipeline.web import Board, application
from tests.docs.blocks import ROOT
from tests.integration import chromium
from tests.integration.serving import serving

WORSE: Final = "@firmware=fw-3.4.1,from=8d,until=9d18h"
FAULTS: Final = (
    f"latency*1.12{WORSE}",
    f"failure*1.8{WORSE}",
    f"retry*1.8{WORSE}",
    f"gap*1.8{WORSE}",
    "delay+45s@operator=altura,from=8d14h,until=8d20h",
)
FLEET: Final = ("--preset", "small", "--events-per-minute", "100", "--days", "10.5", "--seed", "5")
LATELY: Final = 36 * 60 * MINUTE_MS
"""How long the page has heard of it before the incident fired: what it draws begins some time before the fault."""
WIDTH: Final = 1000
MARGIN: Final = 14


@dataclass
class Heard:
    """What the report and a worker's page hear.

    known: incidents so far, in the order in which they are told.
    """

    courses: Courses = field(default_factory=Courses)
    said: list[Evidence | Anchors] = field(default_factory=list)

    def take(self, message: Said) -> None:
        self.courses.take(message)
        if isinstance(message, Evidence | Anchors):
            self.said.append(message)

    def board(self, incidents: Iterable[Incident], until: int) -> Board:
        """As it was at `until`, ms since the epoch."""
        board = Board(default())
        recent = [one for one in self.said if until - LATELY < one.minute <= until]
        anchors = [one for one in self.said if isinstance(one, Anchors) and one.minute <= until][-1:]
        told = [one for one in incidents if one.at <= until]
        for message in [*anchors, *recent, *told]:
            board.take(message)
        return board


async def shoot(page: Page, parts: Sequence[Locator], to: Path) -> None:
    """What `parts` span, with a margin around it."""
    boxes = []
    for part in parts:
        await part.scroll_into_view_if_needed()
    scrolled = await page.evaluate("[scrollX, scrollY]")
    for part in parts:
        box = await part.bounding_box()
        if box is None:
            raise LookupError(f"{to.name}: a part of it cannot be seen")  # noqa: EM102
        boxes.append(box)
    left = max(min(box["x"] for box in boxes) + scrolled[0] - MARGIN, 0)
    top = max(min(box["y"] for box in boxes) + scrolled[1] - MARGIN, 0)
    right = min(max(box["x"] + box["width"] for box in boxes) + scrolled[0] + MARGIN, WIDTH)
    bottom = max(box["y"] + box["height"] for box in boxes) + scrolled[1] + MARGIN
    clip = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    await page.screenshot(path=to, full_page=True, clip=clip)  # type: ignore[arg-type]  # a TypedDict of these keys
    print(f"{to}: {to.stat().st_size // 1000} kB, {right - left:.0f} x {bottom - top:.0f}")


async def draw(report: Path, board: Board, incident: Incident, into: Path) -> None:
    """Open both, and keep what explains."""
    async with chromium.pages() as pages:
        page = await pages.open()
        await page.set_viewport_size({"width": WIDTH, "height": 900})
        await page.emulate_media(color_scheme="light")
        await page.goto(report.as_uri(), timeout=120_000)
        card = page.locator(f'[id="{incident.incident_id}"]')
        figures = card.locator("figure")
        await shoot(page, [card.locator("h4", has_text="Signals"), figures.nth(1)], into / "signals.png")
        await shoot(page, [card.locator("h4", has_text="evidence came"), figures.last], into / "ledger.png")
        app = application(board, CollectorRegistry(), Health(connected=True, assigned=True, loaded=True))
        async with serving(app) as url:
            await page.goto(f"{url}/")
            await shoot(page, [page.locator("section").first], into / "now.png")
            await page.goto(f"{url}/incidents/{incident.incident_id}")
            firmwares = page.get_by_role("table", name="Firmware")
            await shoot(page, [page.locator("#reach"), firmwares], into / "reach.png")
        if pages.faults:
            raise RuntimeError("; ".join(pages.faults))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.docs.pictures", description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "pictures", help="default: %(default)s")
    options = parser.parse_args(argv)
    if (reason := chromium.missing()) is not None:
        print(f"no Chromium: {reason}", file=sys.stderr)
        return 2
    options.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        records, report = Path(folder) / "fleet.ndjson.zst", Path(folder) / "report.html"
        faults = [word for fault in FAULTS for word in ("--fault", fault)]
        cli.main(["simulate", *FLEET, *faults, "--out", str(records)])
        heard = Heard()
        run = Run(Engine(default(), listen=heard.take))
        files = RecordFiles([str(records)])
        replay(files, [run])
        result = run.result(files.faults)
        report.write_text(render(result, [records.name], heard.courses, backtest(result, default())))
        for one in result.incidents:
            print(f"{one.state}, {one.severity}: {one.summary}")
        fired = next(one for one in result.incidents if one.state == "firing" and one.kind == "pattern")
        board = heard.board(result.incidents, fired.at)
        asyncio.run(draw(report, board, fired, options.into))
    return 0


if __name__ == "__main__":
    sys.exit(main())
