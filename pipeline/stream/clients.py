"""Both Kafka clients, connected as the settings say: confluent-kafka in tools and to read back, aiokafka in Faust."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

# aiokafka has no type hints.
from aiokafka.abc import AbstractTokenProvider  # type: ignore[import-untyped]
from faust.auth import OAuthCredentials, SASLCredentials, SSLCredentials
from faust.types.auth import CredentialsT

from pipeline.stream.security import Password, Security, context
from pipeline.stream.tokens import Tokens


def confluent(bootstrap: str, security: Security) -> dict[str, Any]:
    """Settings of a confluent-kafka client. They hold secrets: never to be shown."""
    client: dict[str, Any] = {"bootstrap.servers": bootstrap, "security.protocol": security.protocol.lower()}
    tls = security.tls
    if tls is not None:
        # librdkafka comes with its own OpenSSL, which does not know by itself where this system keeps its CAs.
        client["ssl.ca.location"] = "probe" if tls.ca is None else str(tls.ca)
        client["ssl.endpoint.identification.algorithm"] = "https"
        if tls.certificate is not None:
            client |= {"ssl.certificate.location": str(tls.certificate), "ssl.key.location": str(tls.key)}
        if tls.key_password is not None:
            client["ssl.key.password"] = tls.key_password.reveal()
    sasl = security.sasl
    if isinstance(sasl, Password):
        client |= {"sasl.username": sasl.username, "sasl.password": sasl.password.reveal()}
    elif sasl is not None:
        client["oauth_cb"] = _teller(Tokens(sasl))
    if security.mechanism is not None:
        client["sasl.mechanism"] = security.mechanism
    return client


def _teller(tokens: Tokens) -> Callable[[str], tuple[str, float]]:
    def tell(_config: str) -> tuple[str, float]:
        token = tokens.current()
        return token.text, token.expires

    return tell


class _TokenProvider(AbstractTokenProvider):  # type: ignore[misc]  # it has no type hints
    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def token(self) -> str:
        # Reading and asking block.
        return (await asyncio.to_thread(self._tokens.current)).text


def credentials(security: Security) -> CredentialsT | None:
    """For Faust, which hands them to aiokafka; None for a connection in the open."""
    tls = context(security.tls) if security.tls is not None else None
    sasl = security.sasl
    if isinstance(sasl, Password):
        return SASLCredentials(
            username=sasl.username, password=sasl.password.reveal(), mechanism=sasl.mechanism, ssl_context=tls
        )
    if sasl is not None:
        return OAuthCredentials(oauth_cb=_TokenProvider(Tokens(sasl)), ssl_context=tls)
    return SSLCredentials(tls) if tls is not None else None
