"""How a receiver is reached over HTTP: whom we trust, and who we are."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp


def _nobody() -> None:
    return None


@dataclass(frozen=True, slots=True)
class HttpAccess:
    """tls: None for the system's certificates. authorization: value of that header, asked for with each request, so
    that a token that somebody else keeps fresh is taken up; raises OSError when it cannot be had now.
    """

    tls: ssl.SSLContext | None = None
    authorization: Callable[[], str | None] = _nobody

    def session(self, timeout_s: float) -> aiohttp.ClientSession:
        """One that keeps no cookies: who we are is said with each request."""
        connector = aiohttp.TCPConnector(ssl=self.tls if self.tls is not None else True)
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        return aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())

    def headers(self) -> dict[str, str]:
        """Raises OSError."""
        authorization = self.authorization()
        return {} if authorization is None else {"Authorization": authorization}
