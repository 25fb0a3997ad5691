"""The API's handlers: a request in, a record out."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
from aiohttp import web

from pipeline.inspection import NoSuchPathError, sight
from pipeline.messages import Action, Change, Decision
from pipeline.web import acts, answers
from pipeline.web import records as say
from pipeline.web.access import Principal
from pipeline.web.board import Board, Course
from pipeline.web.cohorts import CohortView
from pipeline.web.endpoints import BASE, ENDPOINTS, Endpoint
from pipeline.web.paging import CursorError

Q = TypeVar("Q", bound=msgspec.Struct)
PRINCIPAL: web.RequestKey[Principal] = web.RequestKey("principal", Principal)


class NotDoneError(Exception):
    """Kafka does not answer, or refuses; says so in a sentence."""


Act = Callable[[Sequence[Action | Change | Decision]], Awaitable[None]]
"""Sends what a person did, all of it or none that counts; raises NotDoneError."""


class Snapshots(Protocol):
    """The newest snapshots of all stages of the deployment. Raises NotDoneError."""

    async def listed(self) -> Sequence[say.StateInfo]: ...

    async def of(self, source: str) -> tuple[int, Any] | None:
        """Position and state; None where there is none."""


class ProblemError(Exception):
    """An answer that is not what was asked for."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        self.detail = detail
        super().__init__(detail)


class Api:
    """Args:
    now: ms since the epoch, wall clock: when people act.
    """

    def __init__(self, board: Board, act: Act, snapshots: Snapshots, now: Callable[[], int]) -> None:
        self._board = board
        self._send = act
        self._snapshots = snapshots
        self._now = now

    def routes(self, prefix: str) -> list[web.AbstractRouteDef]:
        return [web.route(one.method, prefix + BASE + one.path, self._handler(one)) for one in ENDPOINTS]

    def _handler(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
        answer = getattr(self, endpoint.name)

        async def handle(request: web.Request) -> web.Response:
            query = _query(request, endpoint.query)
            body = await _body(request, endpoint.body) if endpoint.body is not None else None
            said = await answer(request, query if body is None else body)
            return as_json(request, said, endpoint.status)

        return handle

    # -- reading -----------------------------------------------------------------------------------------------------

    async def incidents(self, _: web.Request, query: say.IncidentQuery) -> say.IncidentPage:
        return answers.incidents(self._board, query)

    async def incident(self, request: web.Request, _: say.NoQuery) -> say.IncidentDetail:
        return answers.incident(self._board, self._course(request))

    async def signals(self, request: web.Request, _: say.NoQuery) -> say.Tracks:
        return answers.tracks(self._board, self._course(request).newest)

    async def reach(self, request: web.Request, _: say.NoQuery) -> say.Reach:
        return answers.lattice(self._board, self._course(request).newest)

    async def changes(self, _: web.Request, query: say.ChangeQuery) -> say.ChangePage:
        return answers.changes(self._board, query)

    async def cohorts(self, _: web.Request, query: say.CohortQuery) -> say.CohortPage:
        return answers.cohorts(self._board, query)

    async def cohort(self, request: web.Request, _: say.NoQuery) -> say.Cohort:
        return answers.cohort(self._view(request))

    async def cohort_signals(self, request: web.Request, _: say.NoQuery) -> say.Tracks:
        return answers.cohort_tracks(self._board, self._view(request).cohort)

    def _view(self, request: web.Request) -> CohortView:
        view = self._board.cohorts.named(request.match_info["cohort_id"])
        if view is None:
            raise ProblemError(404, "no such cohort reports, or has of late")
        return view

    async def feeds(self, _: web.Request, __: say.NoQuery) -> say.FeedList:
        return answers.feeds(self._board)

    async def operators(self, _: web.Request, __: say.NoQuery) -> say.OperatorList:
        return answers.operators(self._board)

    async def workarounds(self, _: web.Request, __: say.NoQuery) -> say.WorkaroundList:
        return answers.workarounds(self._board)

    async def proofs(self, _: web.Request, __: say.NoQuery) -> say.ProofList:
        return answers.proofs(self._board)

    async def drift(self, _: web.Request, __: say.NoQuery) -> say.DriftList:
        return answers.drifts(self._board)

    async def budget(self, _: web.Request, __: say.NoQuery) -> say.Budget:
        return answers.budget(self._board)

    async def states(self, _: web.Request, __: say.NoQuery) -> say.StateList:
        return say.StateList(list(await self._snapshots.listed()))

    async def state(self, request: web.Request, query: say.StateQuery) -> say.StateSight:
        source = f"{request.match_info['stage']}/{request.match_info['partition']}"
        return await self.looked_into(source, query)

    async def looked_into(self, source: str, query: say.StateQuery) -> say.StateSight:
        """One level of a snapshot. Raises ProblemError where there is none."""
        found = await self._snapshots.of(source)
        if found is None:
            raise ProblemError(404, f"no snapshot of {source} has been written")
        position, state = found
        try:
            seen = sight(state, query.path, query.first)
        except NoSuchPathError as error:
            raise ProblemError(404, str(error)) from error
        items = [say.StateItem(one.name, one.kind, one.value, one.inner) for one in seen.items]
        return say.StateSight(source, position, seen.path, seen.kind, seen.value, items, seen.left_out)

    # -- acting ------------------------------------------------------------------------------------------------------

    async def act(self, request: web.Request, asked: say.ActionRequest) -> say.ActionTaken:
        return await self.acted(self._course(request), asked, by(request, asked.by))

    async def acted(self, course: Course, asked: say.ActionRequest, who: str) -> say.ActionTaken:
        """Send what somebody did about an incident. Raises ProblemError."""
        action_id = asked.action_id or uuid.uuid4().hex
        try:
            action, decision = acts.action(course.newest, asked, who, self._now(), action_id)
        except acts.UnfitError as error:
            raise ProblemError(400, str(error)) from error
        await self._send([action] if decision is None else [action, decision])
        return say.ActionTaken(action_id, decision.decision_id if decision is not None else None)

    async def tell_change(self, request: web.Request, asked: say.ChangeRequest) -> say.ChangeTaken:
        change_id = asked.change_id or uuid.uuid4().hex
        try:
            change = acts.change(asked, by(request, asked.by), self._now(), change_id)
        except acts.UnfitError as error:
            raise ProblemError(400, str(error)) from error
        await self._send([change])
        return say.ChangeTaken(change_id)

    async def decide(self, request: web.Request, asked: say.DecisionRequest) -> say.DecisionTaken:
        decision_id = asked.decision_id or uuid.uuid4().hex
        await self._send([acts.decision(asked, by(request, asked.by), self._now(), decision_id)])
        return say.DecisionTaken(decision_id)

    def _course(self, request: web.Request) -> Course:
        course = self._board.course(request.match_info["incident_id"])
        if course is None:
            raise ProblemError(404, "no such incident is known; it may be older than what is kept")
        return course


def by(request: web.Request, said: str | None) -> str:
    """Who acts: as proven, or as said where nobody has to prove it."""
    principal = request[PRINCIPAL]
    return principal.name if principal.named or said is None else said


def as_json(request: web.Request, value: msgspec.Struct, status: int = 200) -> web.Response:
    """With an ETag, and without the body where the asker has it already."""
    body = msgspec.json.encode(value)
    response = web.Response(body=body, status=status, content_type="application/json")
    return tagged(request, response, body) if status == 200 else response


def tagged(request: web.Request, response: web.Response, body: bytes) -> web.Response:
    tag = hashlib.blake2s(body, digest_size=12).hexdigest()
    known = request.headers.get("If-None-Match", "")
    if f'"{tag}"' in known:
        response = web.Response(status=304)
    response.headers["ETag"] = f'W/"{tag}"'
    return response


def problem(status: int, detail: str) -> web.Response:
    titles = {
        400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
        408: "Request Timeout", 413: "Content Too Large", 415: "Unsupported Media Type", 421: "Misdirected Request",
        503: "Service Unavailable",
    }  # fmt: skip
    said = say.Problem(status, titles.get(status, "Error"), detail)
    return web.Response(body=msgspec.json.encode(said), status=status, content_type="application/problem+json")


def _query(request: web.Request, kind: type[Q]) -> Q:
    """Raises ProblemError."""
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise ProblemError(400, f"{name} is given twice")
        given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ProblemError(400, str(error)) from error


async def _body(request: web.Request, kind: type[Q]) -> Q:
    """Raises ProblemError."""
    if request.content_type != "application/json":
        raise ProblemError(415, "send application/json")
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.MsgspecError as error:
        raise ProblemError(400, str(error)) from error
    except UnicodeDecodeError as error:
        raise ProblemError(400, "the body is not UTF-8") from error


__all__ = ["Act", "Api", "CursorError", "NotDoneError", "ProblemError", "Snapshots", "as_json", "by", "problem"]
