"""Serves a site in a thread with an event loop of its own: a page waits for no judgement, and no record for a page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Final, TypeVar

from aiohttp import web

from pipeline.web.guards import IDLE_S

GRACE_S: Final = 1.0
"""For open pages to be let go of at the end."""
LONGEST_LINE: Final = 32 << 10
"""Bytes of an address."""
_ANSWER_S: Final = 10.0

T = TypeVar("T")


class Server:
    """One site, from `start` to `stop`.

    Args:
        make: makes the application, in the thread that serves it.
        beside: runs beside it on the same loop, until cancelled.
    """

    def __init__(self, make: Callable[[], web.Application], beside: Callable[[], Awaitable[None]]) -> None:
        self._make = make
        self._beside = beside
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        self._thread: threading.Thread | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Serve from now on; where. Raises OSError when the place is taken or is none."""
        started: Future[tuple[str, int]] = Future()
        self._thread = threading.Thread(target=self._run, args=(host, port, started), name="seamwatch-web", daemon=True)
        self._thread.start()
        return await asyncio.wrap_future(started)

    async def stop(self) -> None:
        """Let everybody go, and end."""
        if self._loop is not None and self._thread is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._ended.set)
            await asyncio.to_thread(self._thread.join, _ANSWER_S)

    def ask(self, question: Callable[[], T]) -> T:
        """What `question` says on the site's own loop, for another thread. Raises TimeoutError."""
        if self._loop is None:
            return question()
        done: Future[T] = Future()

        def answer() -> None:
            try:
                done.set_result(question())
            except Exception as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(answer)
        return done.result(_ANSWER_S)

    def _run(self, host: str, port: int, started: Future[tuple[str, int]]) -> None:
        try:
            asyncio.run(self._serve(host, port, started))
        except OSError as error:
            if not started.done():
                started.set_exception(error)

    async def _serve(self, host: str, port: int, started: Future[tuple[str, int]]) -> None:
        self._loop = asyncio.get_running_loop()
        # aiohttp closes a connection that has sent no whole request head for so long.
        runner = web.AppRunner(
            self._make(),
            access_log=None,
            keepalive_timeout=IDLE_S,
            shutdown_timeout=GRACE_S,
            handle_signals=False,
            # Names of 128 signs of four bytes, percent-encoded, and several of them.
            max_line_size=LONGEST_LINE,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
            bound = runner.addresses[0]
            beside = asyncio.ensure_future(self._beside())
            started.set_result((bound[0], bound[1]))
            try:
                await self._ended.wait()
            finally:
                beside.cancel()
                await asyncio.wait([beside])
        finally:
            await runner.cleanup()
