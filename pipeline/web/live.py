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
"""Between two events to one listener: a simulated fleet changes the board hundreds of times a second."""
HEARTBEAT_S: Final = 15.0
"""So that a proxy keeps the connection, and a listener that has gone is noticed."""


class Live:
    """The listeners of one board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._listeners: set[asyncio.Task[None]] = set()

    async def events(self, request: web.Request) -> web.StreamResponse:
        """One listener, until it goes or the worker ends."""
        if len(self._listeners) >= MOST_LISTENERS:
            raise web.HTTPServiceUnavailable(text="too many listeners\n", headers={"Retry-After": "30"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        await response.prepare(request)
        task = asyncio.create_task(self._tell(response))
        self._listeners.add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._listeners.discard(task)
            task.cancel()
        if not task.cancelled():
            # That somebody closed the page is the usual end; anything else is ours.
            with suppress(ConnectionResetError):
                task.result()
        return response

    async def end(self, _: web.Application) -> None:
        """Let all listeners go, so that the server need not wait for them."""
        for task in tuple(self._listeners):
            task.cancel()

    async def _tell(self, response: web.StreamResponse) -> None:
        version = -1
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    version = await self._board.changed(version)
            except TimeoutError:
                await response.write(b": still here\n\n")
                continue
            data = msgspec.json.encode({"version": version, "clock": self._board.clock})
            await response.write(b"event: change\ndata: " + data + b"\n\n")
            await asyncio.sleep(LEAST_PAUSE_S)
