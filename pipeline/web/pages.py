"""The pages: each a view of what the API answers, drawn by templates that escape."""

from __future__ import annotations

import html
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlencode

import jinja2
import msgspec
from aiohttp import web

from pipeline.web import answers, plots, views, wording
from pipeline.web import records as say
from pipeline.web.access import COOKIE, CSRF_COOKIE, Access, Principal, new_form_secret
from pipeline.web.api import PRINCIPAL, Api, ProblemError, by, tagged
from pipeline.web.board import Board, Course
from pipeline.web.cohorts import SIGNALS
from pipeline.web.health import Health, unready
from pipeline.web.live import Live

MOST_DRAWN: Final = 32
"""Pages that are kept as they were drawn last."""
COOKIE_S: Final = 12 * 3600
"""After a shift, one signs in anew."""
_MARK: Final = f"form-{new_form_secret()}"
"""Stands in a drawn page where the secret of whoever gets it goes; nobody can write it into a name."""
_NOBODY: Final = Principal("", may_act=False, ambient=True, named=False)
_SORTS: Final = ("deviation", "name", "devices", "silence", *SIGNALS)


@dataclass(frozen=True, slots=True)
class _Drawn:
    version: int
    unready: str | None
    text: str


class Pages:
    """Args:
    prefix: path under which the site stands, without a slash at its end.
    """

    def __init__(self, board: Board, api: Api, health: Health, live: Live, access: Access, prefix: str) -> None:
        self._board = board
        self._api = api
        self._health = health
        self._live = live
        self._access = access
        self._prefix = prefix
        self._drawn: OrderedDict[tuple[str, Principal], _Drawn] = OrderedDict()
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {
            "prefix": prefix,
            "wording": wording,
            "scope_of": views.scope_of,
            "board": board,
            "plots": plots,
            "query": urlencode,
        }

    def routes(self) -> list[web.AbstractRouteDef]:
        at = self._prefix
        return [
            web.get(f"{at}/", self.now),
            web.get(f"{at}/incidents", self.incidents),
            web.get(f"{at}/incidents/{{incident_id}}", self.incident),
            web.post(f"{at}/incidents/{{incident_id}}/actions", self.act),
            web.get(f"{at}/cohorts", self.cohorts),
            web.get(f"{at}/cohorts/compare", self.compare),
            web.get(f"{at}/operators", self.operators),
            web.get(f"{at}/workarounds", self.workarounds),
            web.get(f"{at}/state", self.states),
            web.get(f"{at}/state/{{stage}}/{{partition}}", self.state),
            web.get(f"{at}/login", self.login),
            web.post(f"{at}/login", self.sign_in),
            web.post(f"{at}/logout", self.sign_out),
        ]

    # -- pages -------------------------------------------------------------------------------------------------------

    async def now(self, request: web.Request) -> web.Response:
        return self._page(request, lambda: {"view": views.overview(self._board)}, "now.html")

    async def incidents(self, request: web.Request) -> web.Response:
        asked = _asked(request, say.IncidentQuery)

        def view() -> dict[str, Any]:
            return {"page": answers.incidents(self._board, asked), "asked": _given(asked)}

        return self._page(request, view, "incidents.html")

    async def incident(self, request: web.Request) -> web.Response:
        course = self._course(request)
        return self._page(request, lambda: {"view": views.whole(self._board, course)}, "incident.html")

    async def cohorts(self, request: web.Request) -> web.Response:
        asked = _asked(request, say.CohortQuery)

        def view() -> dict[str, Any]:
            page = answers.cohorts(self._board, asked)
            return {
                "page": page,
                "rows": views.cohort_rows(page, self._board.clock),
                "asked": _given(asked),
                "columns": views.COLUMNS,
                "sorts": _SORTS,
                "operators": self._board.cohorts.values("operator"),
                "environments": self._board.cohorts.values("environment"),
            }

        return self._page(request, view, "cohorts.html")

    async def compare(self, request: web.Request) -> web.Response:
        ids = list(dict.fromkeys(request.query.getall("c", [])))
        if not 1 <= len(ids) <= 2:
            raise ProblemError(400, f"one cohort or two can be looked at, and {len(ids)} were chosen")
        found = [self._board.cohorts.named(id) for id in ids]
        if any(view is None for view in found):
            raise ProblemError(404, "no such cohort reports, or has of late")
        chosen = [view for view in found if view is not None]

        def view() -> dict[str, Any]:
            both = [answers.cohort(one) for one in chosen]
            tracks = [answers.cohort_tracks(self._board, one.cohort).tracks for one in chosen]
            keys = list(dict.fromkeys((track.operation, track.signal, track.unit) for of in tracks for track in of))
            pictures = []
            for operation, signal, unit in keys:
                points = [
                    next((one.points for one in of if (one.operation, one.signal) == (operation, signal)), [])
                    for of in tracks
                ]
                title = (
                    wording.signal_name(signal)
                    if operation == "*"
                    else f"{operation} {wording.signal_name(signal).lower()}"
                )
                pictures.append(views.Picture(title, unit, plots.line(points, None)))
            page = say.CohortPage(self._board.clock, len(both), both, None)
            return {"rows": views.cohort_rows(page, self._board.clock), "pictures": pictures, "columns": views.COLUMNS}

        return self._page(request, view, "compare.html")

    async def operators(self, request: web.Request) -> web.Response:
        def view() -> dict[str, Any]:
            rows = {row.feed.operator: row for row in views.feed_rows(self._board)}
            told = answers.changes(self._board, say.ChangeQuery(limit=40))
            return {
                "operators": answers.operators(self._board).operators,
                "feeds": rows,
                "changes": told,
                "drifts": answers.drifts(self._board).drifts,
            }

        return self._page(request, view, "operators.html")

    async def workarounds(self, request: web.Request) -> web.Response:
        def view() -> dict[str, Any]:
            return {"page": answers.workarounds(self._board), "now": self._board.clock or 0}

        return self._page(request, view, "workarounds.html")

    async def states(self, request: web.Request) -> web.Response:
        listed = await self._api.states(request, say.NoQuery())
        return self._answer(request, self._draw(request, "state.html", states=listed.states, sight=None, steps=[]))

    async def state(self, request: web.Request) -> web.Response:
        asked = _asked(request, say.StateQuery)
        source = f"{request.match_info['stage']}/{request.match_info['partition']}"
        sight = await self._api.looked_into(source, asked)
        names = [name for name in asked.path.split(".") if name]
        steps = [(name, ".".join(names[: at + 1])) for at, name in enumerate(names)]
        return self._answer(
            request, self._draw(request, "state.html", states=[], sight=sight, steps=steps, first=asked.first)
        )

    # -- acting ------------------------------------------------------------------------------------------------------

    async def act(self, request: web.Request) -> web.Response:
        course, form = self._course(request), await request.post()
        wanted = {name: str(form[name]) for name in ("verb", "text", "by", "action_id") if form.get(name)}
        try:
            asked = msgspec.convert(wanted, say.ActionRequest)
        except msgspec.ValidationError as error:
            raise ProblemError(400, str(error)) from error
        done = await self._api.acted(course, asked, by(request, asked.by))
        told = urlencode({"told": done.action_id})
        msg = f"{self._prefix}/incidents/{course.newest.incident_id}?{told}#actions"
        raise web.HTTPSeeOther(msg)

    async def login(self, request: web.Request) -> web.Response:
        return self._answer(request, self._draw(request, "refused.html", status=200, why=""))

    async def sign_in(self, request: web.Request) -> web.Response:
        token = str((await request.post()).get("token", "")).strip()
        if self._access.who(None, {}, {COOKIE: token}) is None or not token:
            return self.refusal(request, 401, "no such token is known here")
        response = web.Response(status=303, headers={"Location": f"{self._prefix}/"})
        response.set_cookie(
            COOKIE, token, max_age=COOKIE_S, path=f"{self._prefix}/", httponly=True, samesite="Strict",
            secure=request.headers.get("X-Forwarded-Proto", request.scheme) == "https",
        )  # fmt: skip
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        response = web.Response(status=303, headers={"Location": f"{self._prefix}/"})
        response.del_cookie(COOKIE, path=f"{self._prefix}/")
        return response

    def refusal(self, request: web.Request, status: int, why: str) -> web.Response:
        """A page that says why there is no other."""
        response = self._answer(request, self._draw(request, "refused.html", status=status, why=why))
        response.set_status(status)
        return response

    # ----------------------------------------------------------------------------------------------------------------

    def _page(self, request: web.Request, view: Callable[[], dict[str, Any]], template: str) -> web.Response:
        """Drawn anew only when it could differ: with many listeners everybody asks at once."""
        key = request.path_qs, request.get(PRINCIPAL, _NOBODY)
        drawn, reason = self._drawn.get(key), unready(self._health)
        wanted = self._board.version if self._live.told is None else self._live.told
        if drawn is None or drawn.version < wanted or drawn.unready != reason:
            drawn = _Drawn(self._board.version, reason, self._draw(request, template, **view()))
            self._drawn[key] = drawn
            while len(self._drawn) > MOST_DRAWN:
                self._drawn.popitem(last=False)
        return self._answer(request, drawn.text)

    def _answer(self, request: web.Request, text: str) -> web.Response:
        secret = request.cookies.get(CSRF_COOKIE, "")
        is_new = len(secret) != len(new_form_secret())
        secret = new_form_secret() if is_new else secret
        # What is in a cookie came from outside: it goes into the page as text.
        body = text.replace(_MARK, html.escape(secret)).encode()
        response = tagged(request, web.Response(body=body, content_type="text/html", charset="utf-8"), body)
        if is_new:
            response.set_cookie(CSRF_COOKIE, secret, path=f"{self._prefix}/", httponly=True, samesite="Strict")
        return response

    def _draw(self, request: web.Request, template: str, **values: Any) -> str:
        principal = request.get(PRINCIPAL, _NOBODY)
        return self._templates.get_template(template).render(
            clock=self._board.clock,
            announcement=self._board.announcement,
            unready=unready(self._health),
            doubt=self._board.doubt,
            principal=principal,
            tokens=bool(self._access.tokens),
            form_secret=_MARK,
            told=request.query.get("told"),
            here=request.path.removeprefix(self._prefix),
            **values,
        )

    def _course(self, request: web.Request) -> Course:
        course = self._board.course(request.match_info["incident_id"])
        if course is None:
            raise ProblemError(404, "No such incident is known here; it may be older than what is kept.")
        return course


def _asked(request: web.Request, kind: type[Any]) -> Any:
    """What a form asked for; a field that was left empty was not asked for. Raises ProblemError."""
    given = {name: value for name, value in request.query.items() if value}
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ProblemError(400, str(error)) from error


def _given(asked: msgspec.Struct) -> dict[str, Any]:
    """What differs from the default, for links that ask for the same and more."""
    plain = cast("dict[str, Any]", msgspec.to_builtins(asked))
    usual = msgspec.to_builtins(type(asked)())
    return {name: value for name, value in plain.items() if value != usual[name] and name != "cursor"}
