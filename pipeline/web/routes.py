"""What is served, and under which rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import jinja2
import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from pipeline.web import views, wording
from pipeline.web.board import Board
from pipeline.web.cohorts import CohortView
from pipeline.web.health import Health, unready, unwell
from pipeline.web.live import Live
from pipeline.workarounds import debt

_HERE: Final = Path(__file__).parent
_STATIC: Final = {
    "style.css": "text/css",
    "live.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_HEADERS: Final = {
    # Nothing from outside, nothing inline: what an operator writes into a name can never become code.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

MOST_DRAWN: Final = 32
"""Pages that are kept as they were drawn last."""


def application(board: Board, registry: CollectorRegistry, health: Health, prefix: str = "") -> web.Application:
    """Everything a worker serves.

    Args:
        board: what the pages show; whoever calls feeds it.
        registry: what /metrics exports.
        health: asked at each request for /healthz and /readyz.
        prefix: path under which all of it stands, such as `/seamwatch`, without a slash at its end.
    """
    live = Live(board)
    site = _Site(board, registry, health, live, prefix)
    app = web.Application()
    app.add_routes(
        [
            web.get(f"{prefix}/", site.index),
            web.get(f"{prefix}/incidents/{{incident_id}}", site.incident),
            web.get(f"{prefix}/workarounds", site.workarounds),
            web.get(f"{prefix}/api/v1/workarounds", site.api_workarounds),
            web.get(f"{prefix}/api/v1/incidents", site.api_incidents),
            web.get(f"{prefix}/api/v1/cohorts", site.api_cohorts),
            web.get(f"{prefix}/events", live.events),
            web.get(f"{prefix}/static/{{name}}", site.static),
            web.get(f"{prefix}/healthz", site.healthz),
            web.get(f"{prefix}/readyz", site.readyz),
            web.get(f"{prefix}/metrics", site.metrics),
        ]
    )
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(live.end)
    return app


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A page as it was drawn, and of what."""

    version: int
    unready: str | None
    text: str


class _Site:
    """The handlers, and what they share."""

    def __init__(self, board: Board, registry: CollectorRegistry, health: Health, live: Live, prefix: str) -> None:
        self._live = live
        self._drawn: dict[str, _Drawn] = {}
        self._board = board
        self._registry = registry
        self._health = health
        self._files = {name: (_HERE / "static" / name).read_bytes() for name in _STATIC}
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {"prefix": prefix, "wording": wording, "scope_of": views.scope_of}

    # -- pages -------------------------------------------------------------------------------------------------------

    async def index(self, request: web.Request) -> web.Response:
        return self._page(request.path, lambda: self._draw("index.html", view=views.overview(self._board)))

    async def incident(self, request: web.Request) -> web.Response:
        course = self._board.course(request.match_info["incident_id"])
        if course is None:
            return web.Response(text=self._draw("missing.html"), content_type="text/html", status=404)

        def draw() -> str:
            table = views.cohort_table(self._board, course.newest.scope)
            return self._draw(
                "incident.html", course=course, cohorts=table, others=views.others(self._board, course.newest)
            )

        return self._page(request.path, draw)

    async def workarounds(self, request: web.Request) -> web.Response:
        board, now = self._board, views.now_of(self._board)
        return self._page(
            request.path,
            lambda: self._draw(
                "workarounds.html", rows=views.workarounds(board, now), debt=debt(board.workarounds, now)
            ),
        )

    def _page(self, path: str, draw: Callable[[], str]) -> web.Response:
        """Drawn anew only when it could differ: with many listeners everybody asks at once."""
        drawn = self._drawn.get(path)
        reason = unready(self._health)
        wanted = self._board.version if self._live.told is None else self._live.told
        if drawn is None or drawn.version < wanted or drawn.unready != reason:
            if len(self._drawn) >= MOST_DRAWN:
                self._drawn.clear()
            drawn = self._drawn[path] = _Drawn(self._board.version, reason, draw())
        return web.Response(text=drawn.text, content_type="text/html")

    def _draw(self, template: str, **values: Any) -> str:
        return self._templates.get_template(template).render(
            clock=self._board.clock,
            announcement=self._board.announcement,
            unready=unready(self._health),
            **values,
        )

    async def static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._files:
            raise web.HTTPNotFound
        return web.Response(body=self._files[name], content_type=_STATIC[name], charset="utf-8")

    # -- API ---------------------------------------------------------------------------------------------------------

    async def api_incidents(self, request: web.Request) -> web.Response:
        records = [course.newest for course in self._board.incidents()]
        return _json({"clock": self._board.clock, "incidents": [msgspec.to_builtins(record) for record in records]})

    async def api_workarounds(self, request: web.Request) -> web.Response:
        now = views.now_of(self._board)
        listed = [{**asdict(one), "active": one.is_active(now)} for one in self._board.workarounds]
        return _json({"clock": now, "debt": asdict(debt(self._board.workarounds, now)), "workarounds": listed})

    async def api_cohorts(self, request: web.Request) -> web.Response:
        cohorts = [_plain(view) for view in self._board.cohorts.view({})]
        feeds = {operator: msgspec.to_builtins(feed) for operator, feed in self._board.feeds().items()}
        return _json({"clock": self._board.clock, "cohorts": cohorts, "feeds": feeds})

    # -- for machines ------------------------------------------------------------------------------------------------

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


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", charset="utf-8")


def _plain(view: CohortView) -> dict[str, object]:
    signals = {
        signal: {"n": reading.n, "observed": reading.observed, "expected": reading.expected, "ratio": reading.ratio}
        for signal, reading in view.readings.items()
    }
    return {
        **view.cohort._asdict(),
        "minute": view.minute,
        "devices": view.devices,
        "aside": view.aside,
        "anchor": None if view.anchor is None else asdict(view.anchor),
        "signals": signals,
    }
