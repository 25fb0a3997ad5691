"""The Chromium that other tests rely on runs scripts, sees loopback, and nothing else."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from playwright.async_api import Error

from tests.integration import chromium as browser
from tests.integration.chromium import OpenPage
from tests.integration.ports import LOOPBACK
from tests.integration.services import need


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """A page whose script changes it, served on loopback."""

    async def index(_: web.Request) -> web.Response:
        text = "<title>t</title><p id=p>still</p><script>p.textContent = 'moved'</script>"
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", index)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = web.TCPSite(runner, LOOPBACK, 0)
    await listener.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/"
    await runner.cleanup()


async def test_a_page_on_loopback_is_shown_and_its_script_run(chromium: OpenPage, site: str) -> None:
    page = await chromium()
    await page.goto(site)
    assert await page.locator("#p").inner_text() == "moved"


async def test_a_request_that_leaves_loopback_is_refused_and_noted(site: str) -> None:
    need("Chromium", browser.missing())
    async with browser.pages() as opened:
        page = await opened.open()
        await page.goto(site)
        with pytest.raises(Error):
            await page.goto("http://example.invalid/")
    assert opened.faults == ["request left loopback: http://example.invalid/"]


async def test_an_uncaught_exception_of_a_page_is_noted(site: str) -> None:
    need("Chromium", browser.missing())
    async with browser.pages() as opened:
        page = await opened.open()
        await page.goto(site)
        await page.evaluate("setTimeout(() => { throw new Error('ours') })")
        await page.wait_for_function("true")
    assert opened.faults == ["uncaught in the page: ours"]
