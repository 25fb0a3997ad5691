"""Who may read and who may act.

From loopback everybody may do both, until somebody says who may (`tokens` or `proxies`): then acting needs a name. From
beyond loopback nobody may do either without a token or a proxy that vouches, unless reading is `open`. A request that
came through a proxy that nobody named is from beyond, wherever the proxy stands.

Tokens stand in a file, one a line: `NAME read|act SHA256`, with the hash of the token in hexadecimal; `seamwatch token`
makes both. A token has 256 bits of chance, so a plain hash gives nothing away and needs no salt. It comes as
`Authorization: Bearer …`, or in a cookie that the page's own form has set.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Right: TypeAlias = Literal["read", "act"]
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

COOKIE: Final = "seamwatch_token"
CSRF_COOKIE: Final = "seamwatch_form"
LOOPBACK: Final = "loopback"
"""Who acts where nobody has to prove who it is."""
_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
_LINE: Final = re.compile(r"([^\s\x00-\x1f\x7f]{1,64})\s+(read|act)\s+([0-9a-f]{64})")
_NAMES_OF_LOOPBACK: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


class TokenFileError(ValueError):
    """A line of a token file that says nothing; the line's number is the first argument."""


@dataclass(frozen=True, slots=True)
class Token:
    """One line of the file. digest: SHA-256 of the token."""

    name: str
    may: Right
    digest: bytes


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. ambient: the browser vouches by itself (loopback, cookie, proxy), so that a foreign page could make it
    ask; a bearer token is sent on purpose. named: nobody else can claim to be it."""

    name: str
    may_act: bool
    ambient: bool
    named: bool = True


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one site.

    Attributes:
        tokens: whom they let in.
        proxies: networks of proxies that are believed when they name a user.
        user_header: in which they name it.
        actors: users of the proxies that may act; `*` for all.
        open: anybody may read.
        hosts: further names under which the site is reached; addresses and loopback are always its own.
    """

    tokens: tuple[Token, ...] = ()
    proxies: tuple[Network, ...] = ()
    user_header: str = "X-Forwarded-User"
    actors: frozenset[str] = frozenset()
    open: bool = False
    hosts: frozenset[str] = field(default_factory=frozenset)

    @property
    def needs_names(self) -> bool:
        """Whether acting needs a name."""
        return bool(self.tokens or self.proxies)

    def who(self, peer: str | None, headers: Mapping[str, str], cookies: Mapping[str, str]) -> Principal | None:
        """Who asks; None when that is not said, or not believed."""
        bearer = headers.get("Authorization")
        if bearer is not None:
            scheme, _, text = bearer.partition(" ")
            return self._of_token(text.strip(), ambient=False) if scheme.lower() == "bearer" else None
        if self._is_proxy(peer):
            user = headers.get(self.user_header, "").strip()
            if user:
                return Principal(user[:64], "*" in self.actors or user in self.actors, ambient=True)
        elif is_loopback(peer) and not any(name in headers for name in _FORWARDED):
            found = self._of_token(cookies.get(COOKIE, ""), ambient=True)
            return found or Principal(LOOPBACK, not self.needs_names, ambient=True, named=False)
        found = self._of_token(cookies.get(COOKIE, ""), ambient=True)
        return found or (Principal("", may_act=False, ambient=True, named=False) if self.open else None)

    def is_own_host(self, host: str) -> bool:
        """Whether a Host header names this site. A name that somebody else's DNS points here is not one: a page of
        theirs could read ours (DNS rebinding). An address cannot be made to point elsewhere."""
        name = _without_port(host).lower().rstrip(".")
        return name in _NAMES_OF_LOOPBACK or name in self.hosts or _is_address(name)

    def _is_proxy(self, peer: str | None) -> bool:
        if peer is None or not self.proxies:
            return False
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self.proxies)

    def _of_token(self, text: str, *, ambient: bool) -> Principal | None:
        digest = hashlib.sha256(text.encode()).digest()
        found = None
        # All of them, so that the time tells nothing.
        for token in self.tokens:
            if hmac.compare_digest(token.digest, digest):
                found = Principal(token.name, token.may == "act", ambient)
        return found


def is_loopback(peer: str | None) -> bool:
    try:
        return peer is not None and ipaddress.ip_address(peer.partition("%")[0]).is_loopback
    except ValueError:
        return False


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a request comes from a page of this site, or from no page at all."""
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        # No page can forge it; Origin may be `null` for a form of our own.
        return site in ("same-origin", "none")
    origin = headers.get("Origin")
    return origin is None or origin.partition("://")[2].lower() == headers.get("Host", "").lower()


def is_form_of(cookie: str | None, field: str | None) -> bool:
    """Whether a form was drawn for who sends it: both halves of a secret that no other site can read or set."""
    return bool(cookie) and bool(field) and hmac.compare_digest((cookie or "").encode(), (field or "").encode())


def new_form_secret() -> str:
    return secrets.token_urlsafe(24)


def parse_tokens(text: str) -> tuple[Token, ...]:
    """The tokens of a file; blank lines and what follows a # are left out.

    Raises:
        TokenFileError: a line is none, or a name is there twice; arguments are the line's number and what is wrong.
    """
    found: dict[str, Token] = {}
    for number, line in enumerate(text.splitlines(), 1):
        said = line.partition("#")[0].strip()
        if not said:
            continue
        match = _LINE.fullmatch(said)
        if match is None:
            # The line may hold the token itself: it is not quoted.
            raise TokenFileError(number, "no NAME read|act SHA256; make one with `seamwatch token`")
        name, may, digest = match.groups()
        if name in found:
            raise TokenFileError(number, f"{name!r} has a token already")
        found[name] = Token(name, "act" if may == "act" else "read", bytes.fromhex(digest))
    return tuple(found.values())


def parse_networks(parts: Iterable[str]) -> tuple[Network, ...]:
    """Raises ValueError."""
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in parts)


def new_token(name: str, may: Right) -> tuple[str, str]:
    """A token, and the line of the file that lets it in."""
    token = secrets.token_urlsafe(32)
    return token, f"{name} {may} {hashlib.sha256(token.encode()).hexdigest()}"


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
