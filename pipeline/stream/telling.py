"""Whom incidents are told over HTTP, and how they are reached: checked as a whole.

alertmanager: [https://am-1:9093, https://am-2:9093]   # every one of a cluster; or a single URL
alertmanager_ca: /etc/seamwatch/ca.pem                 # whose signature is trusted; else the system's
alertmanager_certificate: /etc/seamwatch/worker.pem    # with alertmanager_key: mutual TLS
alertmanager_key: /etc/seamwatch/worker.key
alertmanager_username: seamwatch                       # basic authentication
alertmanager_password_file: /run/secrets/alertmanager  # or $SEAMWATCH_ALERTMANAGER_PASSWORD
alertmanager_token_file: /run/secrets/token            # instead of these: a bearer token, read anew with each request

webhook: https://hooks.example/seamwatch
webhook_secret_file: /run/secrets/webhook              # or $SEAMWATCH_WEBHOOK_SECRET; signs what is sent
webhook_ca: /etc/seamwatch/ca.pem

page_url: https://seamwatch.example                    # where people reach the page, for links
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.stream.secret import Secret, read_secret
from pipeline.stream.security import Complaint, Tls, TlsError, context, secret_of

TELLING: Final = ("alertmanager", "webhook", "page_url")
"""How the settings begin."""
TELLING_SECRETS: Final = ("alertmanager_password", "webhook_secret")
"""As `security.SECRETS`."""
SHORTEST_SECRET: Final = 16
"""Characters: what is shorter can be guessed by whoever has seen a signature."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How to reach a receiver. tls: None for the system's certificates. token_file: read anew with each request."""

    tls: Tls | None = None
    username: str | None = None
    password: Secret | None = None
    token_file: Path | None = None

    def authorization(self) -> str | None:
        """Value of the header; a secret. Raises OSError when the token cannot be read now."""
        if self.token_file is not None:
            try:
                return f"Bearer {read_secret(self.token_file).reveal()}"
            except UnicodeDecodeError as error:
                msg = f"{self.token_file} is not text"
                raise OSError(msg) from error
        if self.username is None or self.password is None:
            return None
        return f"Basic {b64encode(f'{self.username}:{self.password.reveal()}'.encode()).decode()}"


@dataclass(frozen=True, slots=True)
class Telling:
    """alertmanagers: base URLs; none for nowhere. page: where people reach the page; None: where it is served."""

    alertmanagers: tuple[str, ...] = ()
    alertmanager: Reach = Reach()
    webhook: str | None = None
    webhook_secret: Secret | None = None
    webhook_reach: Reach = Reach()
    page: str | None = None


def telling(found: Mapping[str, Any], complain: Complaint, *, read: bool = True) -> Telling:
    """From single settings by name; whatever does not fit together is complained of. read: as of `secure`."""
    password, secret = (secret_of(name, found, complain, read) for name in TELLING_SECRETS)
    if "alertmanager" not in found:
        for name in found:
            if name.startswith("alertmanager_"):
                complain(name, f"{name} is given without alertmanager", "give its URL")
    if "webhook" not in found:
        for name in found:
            if name.startswith("webhook_"):
                complain(name, f"{name} is given without webhook", "give its URL")
    elif secret is None:
        complain("webhook", "what is sent there must be signed", "give webhook_secret_file")
    elif read and 0 < len(secret.reveal()) < SHORTEST_SECRET:
        right = f"give {SHORTEST_SECRET} characters or more, such as of: openssl rand -hex 32"
        complain("webhook_secret", "the secret is too short to keep a signature safe", right)
    return Telling(
        alertmanagers=found.get("alertmanager", ()),
        alertmanager=_reach(found, password, complain, read),
        webhook=found.get("webhook"),
        webhook_secret=secret,
        webhook_reach=Reach(_tls("webhook", found, complain, read)),
        page=found.get("page_url"),
    )


def _reach(found: Mapping[str, Any], password: Secret | None, complain: Complaint, read: bool) -> Reach:
    username, token_file = found.get("alertmanager_username"), found.get("alertmanager_token_file")
    if (username is None) != (password is None):
        given, other = ("username", "password_file") if password is None else ("password", "username")
        complain(f"alertmanager_{given}", "a user and a password go together", f"give alertmanager_{other} as well")
    if token_file is not None:
        if username is not None:
            complain("alertmanager_token_file", "both a token and a user are given", "give one of them")
        elif read:
            try:
                read_secret(token_file)
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is not text"
                complain("alertmanager_token_file", f"{token_file} cannot be read: {why}", "name a file with the token")
    return Reach(_tls("alertmanager", found, complain, read), username, password, token_file)


def _tls(whose: str, found: Mapping[str, Any], complain: Complaint, read: bool) -> Tls | None:
    ca, certificate, key = (found.get(f"{whose}_{name}") for name in ("ca", "certificate", "key"))
    if (certificate is None) != (key is None):
        given, other = ("certificate", "key") if key is None else ("key", "certificate")
        complain(f"{whose}_{given}", f"{given} is given without {other}", f"give {whose}_{other} as well")
        return None
    if ca is None and certificate is None:
        return None
    tls = Tls(ca, certificate, key)
    if read:
        try:
            context(tls)
        except TlsError as error:
            setting = f"{whose}_{error.setting.removeprefix('tls_')}"
            complain(setting, str(error), f"name another file with {setting}")
    return tls
