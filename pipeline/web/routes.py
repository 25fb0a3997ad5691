"""What is served, and under which rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from pipeline.messages import Action, Change, Decision
from pipeline.web import records as say
from pipeline.web.access import Access
from pipeline.web.api import Act, Api, NotDoneError, Snapshots, tagged
from pipeline.web.board import Board
from pipeline.web.endpoints import BASE
from pipeline.web.guards import HEADERS, LARGEST_REQUEST, guard
from pipeline.web.health import Health, unready, unwell
from pipeline.web.live import Live
from pipeline.web.openapi import document
from pipeline.web.pages import Pages

_HERE: Final = Path(__file__).parent
_STATIC: Final = {
    "style.css": "text/css",
    "live.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


class NoSnapshots:
    """Of a site without a deployment behind it."""

    async def listed(self) -> Sequence[say.StateInfo]:
        return ()

    async def of(self, source: str) -> tuple[int, Any] | None:
        return None


async def act_nowhere(messages: Sequence[Action | Change | Decision]) -> None:
    """Of a site without a deployment behind it. Raises NotDoneError."""
    msg = "there is no Kafka behind this page"
    raise NotDoneError(msg)


def _no_time() -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Behind:
    """What a site works with beside its board.

    act: sends what people do. snapshots: of the stages. now: wall clock, ms since the epoch.
    """

    act: Act = act_nowhere
    snapshots: Snapshots = field(default_factory=NoSnapshots)
    now: Callable[[], int] = _no_time


def application(
    board: Board,
    registry: CollectorRegistry,
    health: Health,
    prefix: str = "",
    access: Access | None = None,
    behind: Behind | None = None,
) -> web.Application:
    """Everything a worker serves.

    Args:
        board: what the pages show; whoever calls feeds it.
        registry: what /metrics exports.
        health: asked at each request for /healthz and /readyz.
        prefix: path under which all of it stands, such as `/seamwatch`, without a slash at its end.
        access: who may read and act; everybody on loopback unless told otherwise.
    """
    access, behind = access or Access(), behind or Behind()
    live = Live(board)
    api = Api(board, behind.act, behind.snapshots, behind.now)
    pages = Pages(board, api, health, live, access, prefix)
    machines = _Machines(registry, health, prefix)
    app = web.Application(client_max_size=LARGEST_REQUEST, middlewares=[guard(access, prefix, pages.refusal)])
    app.add_routes(
        [
            *pages.routes(),
            *api.routes(prefix),
            web.get(f"{prefix}{BASE}/openapi.json", machines.openapi),
            web.get(f"{prefix}/events", live.events),
            web.get(f"{prefix}/static/{{name}}", machines.static),
            web.get(f"{prefix}/healthz", machines.healthz),
            web.get(f"{prefix}/readyz", machines.readyz),
            web.get(f"{prefix}/metrics", machines.metrics),
        ]
    )
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(live.end)
    return app


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


class _Machines:
    """What is for machines: health, metrics, files, and the description of the API."""

    def __init__(self, registry: CollectorRegistry, health: Health, prefix: str) -> None:
        self._registry = registry
        self._health = health
        self._document = msgspec.json.encode(document(prefix))
        self._files = {name: (_HERE / "static" / name).read_bytes() for name in _STATIC}

    async def openapi(self, request: web.Request) -> web.Response:
        response = web.Response(body=self._document, content_type="application/json")
        return tagged(request, response, self._document)

    async def static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._files:
            raise web.HTTPNotFound
        body = self._files[name]
        return tagged(request, web.Response(body=body, content_type=_STATIC[name], charset="utf-8"), body)

    async def healthz(self, request: web.Request) -> web.Response:
        return _state(unwell(self._health))

    async def readyz(self, request: web.Request) -> web.Response:
        return _state(unready(self._health))

    async def metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})


def _state(reason: str | None) -> web.Response:
    """200 `ok`, or 503 and a sentence."""
    return web.Response(text="ok\n") if reason is None else web.Response(text=f"{reason}\n", status=503)
