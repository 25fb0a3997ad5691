"""Server-Sent Events: that something changed. The page then fetches itself anew, so it is drawn in one way only."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import msgspec
from aiohttp import web

from pipeline.web.board import Board

MOST_LISTENERS: Final = 64
"""Beyond, the page falls back to asking now and then."""
LEAST_PAUSE_S: Final = 1.0
"""Between two events: a simulated fleet changes the board hundreds of times a second."""
HEARTBEAT_S: Final = 15.0
"""So that a proxy keeps the connection, and a listener that has gone is noticed."""


class Live:
    """The listeners of one board.

    All are told at once, and of the same version: what one of them then asks for serves the others as well.

    Attributes:
        told: the version that the listeners know of; None while there is none.
    """

    def __init__(self, board: Board) -> None:
        self.told: int | None = None
        self._board = board
        self._listeners: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._tick = asyncio.Event()

    async def events(self, request: web.Request) -> web.StreamResponse:
        """One listener, until it goes or the worker ends."""
        if len(self._listeners) >= MOST_LISTENERS:
            raise web.HTTPServiceUnavailable(text="too many listeners\n", headers={"Retry-After": "30"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        await response.prepare(request)
        if self._ticker is None:
            self.told = self._board.version
            self._ticker = asyncio.create_task(self._tell_of_changes(self.told))
        task = asyncio.create_task(self._serve(response))
        self._listeners.add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._listeners.discard(task)
            task.cancel()
            if not self._listeners and self._ticker is not None:
                self._ticker.cancel()
                self._ticker = self.told = None
        if not task.cancelled():
            # That somebody closed the page is the usual end; anything else is ours.
            with suppress(ConnectionResetError):
                task.result()
        return response

    async def end(self, _: web.Application) -> None:
        """Let all listeners go, so that the server need not wait for them."""
        for task in tuple(self._listeners):
            task.cancel()

    async def _tell_of_changes(self, version: int) -> None:
        while True:
            await asyncio.sleep(LEAST_PAUSE_S)
            version = self.told = await self._board.changed(version)
            waiting, self._tick = self._tick, asyncio.Event()
            waiting.set()

    async def _serve(self, response: web.StreamResponse) -> None:
        while True:
            tick = self._tick
            data = msgspec.json.encode({"version": self.told, "clock": self._board.clock})
            await response.write(b"event: change\ndata: " + data + b"\n\n")
            while not tick.is_set():
                try:
                    async with asyncio.timeout(HEARTBEAT_S):
                        await tick.wait()
                except TimeoutError:
                    await response.write(b": still here\n\n")
