"""The installed Chromium, headless, driven by Playwright and kept on loopback."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, Request, Route, WebSocket, async_playwright, expect

# A browser beside a broker and other tests takes its time; what is expected and never comes is told all the same.
expect.set_options(timeout=60_000)

# What the fixture `chromium` gives: opens a page that ends with the test.
OpenPage = Callable[[], Awaitable[Page]]

_NAMES = ("chromium", "chromium-browser", "google-chrome")

# What a browser does beside showing pages: look for updates, sync, measure. Nothing may leave the machine.
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
# Tests may run as root in a container, where neither a sandbox nor a GPU is to be had.
_CONTAINED = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# Schemes that name no host: what the page itself made, and pages on disk (which those of a server may not ask for).
_LOCAL_SCHEMES = frozenset({"about", "blob", "data", "file"})


def missing() -> str | None:
    """Why no Chromium can be had on this machine; None when one can."""
    return None if any(map(shutil.which, _NAMES)) else f"no {' or '.join(_NAMES)} on the PATH"


class Pages:
    """Opens pages of one browser, and remembers what no page of ours may do."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.faults: list[str] = []

    async def open(self) -> Page:
        """An empty page in a context of its own, with its own cookies and cache."""
        context = await self._browser.new_context()
        await context.route("**/*", self._guard)
        page = await context.new_page()
        page.on("pageerror", lambda error: self.faults.append(f"uncaught in the page: {error}"))
        # A WebSocket is no request that a route sees.
        page.on("websocket", self._note_socket)
        return page

    async def _guard(self, route: Route, request: Request) -> None:
        if self._note(request.url):
            await route.continue_()
        else:
            await route.abort()

    def _note_socket(self, socket: WebSocket) -> None:
        self._note(socket.url)

    def _note(self, url: str) -> bool:
        """Whether `url` stays on this machine; a fault when it does not."""
        parts = urlsplit(url)
        local = parts.scheme in _LOCAL_SCHEMES or parts.hostname in _LOOPBACK
        if not local:
            self.faults.append(f"request left loopback: {url}")
        return local


@asynccontextmanager
async def pages() -> AsyncIterator[Pages]:
    """A browser with an empty profile, gone at the end."""
    executable = next(path for path in map(shutil.which, _NAMES) if path is not None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=[*_QUIET, *_CONTAINED])
        try:
            yield Pages(browser)
        finally:
            await browser.close()
