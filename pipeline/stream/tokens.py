"""OAUTHBEARER tokens: fetched, kept while they are fresh, and given to both Kafka clients.

A token is used for four fifths of its life, so that it does not run out on the way. How long it lives is what the
provider says (`expires_in`), else what the token itself says (`exp` of a JSON Web Token), else five minutes.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pipeline.stream.security import TokenFile, TokenUrl

_UNKNOWN_LIFE_S: Final = 300.0
_USED: Final = 0.8
_ANSWER_S: Final = 10.0
_LARGEST: Final = 1 << 20


class TokenError(Exception):
    """No token can be had; the message names the file or the URL, and no secret."""


class Token(NamedTuple):
    """expires: seconds since the epoch."""

    text: str
    expires: float

    def __repr__(self) -> str:
        return f"Token(…, expires={self.expires:.0f})"


@dataclass(slots=True)
class Tokens:
    """Tokens of one source; may be asked from any thread.

    clock: seconds since the epoch.
    """

    source: TokenFile | TokenUrl
    clock: Callable[[], float] = time.time
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _held: Token | None = field(default=None, repr=False)
    _renew_at: float = 0.0

    def current(self) -> Token:
        """A token that is fresh. Raises TokenError."""
        with self._lock:
            now = self.clock()
            if self._held is None or now >= self._renew_at:
                self._held = self._read(now) if isinstance(self.source, TokenFile) else self._ask(self.source, now)
                self._renew_at = now + _USED * (self._held.expires - now)
            return self._held

    def _read(self, now: float) -> Token:
        path = self.source.path if isinstance(self.source, TokenFile) else None
        try:
            text = path.read_text(encoding="ascii").strip() if path is not None else ""
        except OSError as error:
            msg = f"no token: {path} cannot be read: {error.strerror}"
            raise TokenError(msg) from None
        except UnicodeDecodeError:
            text = ""
        if not text:
            msg = f"no token: {path} holds none"
            raise TokenError(msg)
        return _fresh(Token(text, expiry(text) or now + _UNKNOWN_LIFE_S), now, str(path))

    def _ask(self, source: TokenUrl, now: float) -> Token:
        form = {"grant_type": "client_credentials"} | ({"scope": source.scope} if source.scope is not None else {})
        pair = (urllib.parse.quote(part, safe="") for part in (source.client_id, source.client_secret.reveal()))
        request = urllib.request.Request(
            source.url,
            urllib.parse.urlencode(form).encode(),
            {
                "Authorization": "Basic " + base64.b64encode(":".join(pair).encode()).decode(),
                "Accept": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_S, context=_trust(source)) as answer:
                said = json.loads(answer.read(_LARGEST))
        except urllib.error.HTTPError as error:
            with error:
                msg = f"no token: {source.url} answers {error.code} {error.reason}{_reason(error)}"
            raise TokenError(msg) from None
        except (OSError, ValueError) as error:
            why = getattr(error, "reason", None) or error
            msg = f"no token: {source.url}: {why}"
            raise TokenError(msg) from None
        text = said.get("access_token") if isinstance(said, dict) else None
        if not isinstance(text, str) or not text:
            msg = f"no token: {source.url} answers without access_token"
            raise TokenError(msg)
        life = said.get("expires_in")
        expires = now + life if isinstance(life, int | float) and not isinstance(life, bool) else expiry(text)
        return _fresh(Token(text, expires or now + _UNKNOWN_LIFE_S), now, source.url)


def _fresh(token: Token, now: float, where: str) -> Token:
    if token.expires <= now:
        msg = f"no token: the one from {where} ran out {now - token.expires:.0f} s ago"
        raise TokenError(msg)
    return token


def _trust(source: TokenUrl) -> ssl.SSLContext:
    made = ssl.create_default_context()
    if source.ca is not None:
        made.load_verify_locations(source.ca)
    return made


def _reason(error: urllib.error.HTTPError) -> str:
    """The code that RFC 6749 has an identity provider give, such as invalid_client."""
    try:
        said = json.loads(error.read(_LARGEST))
    except (OSError, ValueError):
        return ""
    code = said.get("error") if isinstance(said, dict) else None
    return f": {code}" if isinstance(code, str) and code.isascii() and code.isprintable() and len(code) < 80 else ""


def expiry(text: str) -> float | None:
    """When a JSON Web Token ends, seconds since the epoch; None where it does not say. Nothing of it is verified."""
    parts = text.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    end = claims.get("exp") if isinstance(claims, dict) else None
    return float(end) if isinstance(end, int | float) and not isinstance(end, bool) else None
