"""What every request passes: the host name, who asks, the size and speed of what is sent, and whence it was sent.

In this order: a host that is not ours is sent away before anything else is looked at; then who asks, what that one may
do, and for what changes something whether a page of this site asked for it. Health, metrics and static files are for
everybody: probes and Prometheus come by address or by whatever name, and carry no token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from aiohttp import web
from aiohttp.typedefs import Middleware

from pipeline.web.access import CSRF_COOKIE, Access, is_form_of, is_same_origin
from pipeline.web.api import PRINCIPAL, NotDoneError, ProblemError, problem
from pipeline.web.paging import CursorError

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

LARGEST_REQUEST: Final = 64 << 10
"""Bytes of a body."""
BODY_S: Final = 10.0
"""For a body to come."""
IDLE_S: Final = 30.0
"""A connection that has not sent a whole request head for so long is closed."""

HEADERS: Final = {
    # Nothing from outside, nothing inline: what an operator writes into a name can never become code.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # Forms of our own say whence they come, also to browsers that have no Sec-Fetch-Site; others are told nothing.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
"""On every answer. Kept answers are asked for again each time; they may be used if nothing has changed."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM: Final = "application/x-www-form-urlencoded"
REALM: Final = 'Bearer realm="seamwatch"'

Draw: TypeAlias = Callable[[web.Request, int, str], web.Response]
"""A page that says why there is no other: request, status, sentence."""


def guard(access: Access, prefix: str, draw: Draw) -> Middleware:
    """The middleware of a site; `draw` makes the pages of refusals, for people."""
    free = tuple(f"{prefix}/{name}" for name in ("healthz", "readyz", "metrics"))
    static, sign_in = f"{prefix}/static/", f"{prefix}/login"

    def refuse(request: web.Request, status: int, why: str) -> web.Response:
        response = problem(status, why) if request.path.startswith(f"{prefix}/api/") else draw(request, status, why)
        if status == 401:
            response.headers["WWW-Authenticate"] = REALM
        return response

    async def pass_on(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in free or request.path.startswith(static):
            return await handler(request)
        if not access.is_own_host(request.headers.get("Host", "")):
            return problem(421, "this site is not known by that name; add it to web_hosts if it is its own")
        principal = access.who(request.remote, request.headers, request.cookies)
        if principal is None:
            if request.path == sign_in and access.tokens:
                return await _taken(request, handler)
            return refuse(request, 401, "say who you are, with a token")
        request[PRINCIPAL] = principal
        if request.method in _SAFE:
            return await handler(request)
        if request.path not in (sign_in, f"{prefix}/logout") and not principal.may_act:
            status = 403 if principal.named or not access.tokens else 401
            return refuse(request, status, _no_acting(access))
        if principal.ambient and not is_same_origin(request.headers):
            return refuse(request, 403, "another site asked for this; it is not done")
        return await _taken(request, handler)

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await pass_on(request, handler)
        except ProblemError as error:
            return refuse(request, error.status, error.detail)
        except CursorError as error:
            return refuse(request, 400, str(error))
        except NotDoneError as error:
            return refuse(request, 503, str(error))
        except web.HTTPRedirection:
            raise
        except web.HTTPException as error:
            response = refuse(request, error.status, error.reason)
            for name in ("Allow", "Retry-After"):
                if name in error.headers:
                    response.headers[name] = error.headers[name]
            return response

    return guarded


async def _taken(request: web.Request, handler: Handler) -> web.StreamResponse:
    """With the body here, so that who sends it byte by byte holds up nobody; a form must be one that was drawn here."""
    try:
        async with asyncio.timeout(BODY_S):
            await request.read()
    except TimeoutError:
        raise ProblemError(408, f"the body did not come within {BODY_S:.0f} s") from None
    if request.content_type == _FORM:
        form = await request.post()
        half = form.get("form")
        if not is_form_of(request.cookies.get(CSRF_COOKIE), half if isinstance(half, str) else None):
            raise ProblemError(403, "this form is none of this page's, or an old one; go back and load the page anew")
    return await handler(request)


def _no_acting(access: Access) -> str:
    if access.tokens:
        return "reading is allowed, acting is not; it needs a token that may act"
    if access.proxies:
        return "reading is allowed, acting is not; the proxy has to name a user that may act (web_actors)"
    return "nobody acts from beyond loopback without a token; see web_tokens_file"
