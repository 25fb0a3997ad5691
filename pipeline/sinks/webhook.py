"""A signed webhook: each change of an incident as one POST, until its receiver has it.

    2xx                  it has it
    400, 413, 422        it refuses this very record: tried a few times, then set aside, said and counted
    anything else        it is away, or does not know us: tried again for ever, ever more slowly

The last because an endpoint that is being set up, moved or that has forgotten our secret answers 3xx, 401, 404 and so
on; what was meant for it waits in the topic. Deliveries of one incident come in order; one that was broken off after
the receiver had it comes again, with the same key.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import aiohttp
import msgspec

from pipeline.codec import encode
from pipeline.incidents.message import message
from pipeline.messages import Incident
from pipeline.metrics import Metrics
from pipeline.sinks.access import HttpAccess
from pipeline.sinks.signing import HEADER, sign

NAME: Final = "webhook"
KEY_HEADER: Final = "Idempotency-Key"
VERSION: Final = 1
LARGEST: Final = 256 << 10
"""Bytes of a body."""
_LOG: Final = logging.getLogger(__name__)
_REFUSALS: Final = frozenset({400, 413, 422})
_LESS: Final[tuple[dict[str, list[Any]], ...]] = (
    {"ledger": []},
    {"contrast": [], "changes": [], "effects": []},
    {"actions": [], "dangers": [], "signals": [], "containment": [], "runbooks": []},
)
"""What a record is sent without when it is too large, least wanted first."""


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds. first_pause_s, longest_pause_s: between tries, doubling; chance shortens each by up to half.
    refusals: how many times a record that the receiver refuses is sent.
    """

    timeout_s: float = 10.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 60.0
    refusals: int = 5


class Webhook:
    """Deliveries to one URL. A `Delivery` of the route agent.

    Args:
        secret: of the signature.
        now: seconds since the epoch, for the signature.
        page: where people reach the page, for the link in the message.
        chance: for the jitter of retries.
    """

    def __init__(
        self,
        url: str,
        secret: bytes,
        *,
        metrics: Metrics,
        now: Callable[[], float],
        page: str | None = None,
        access: HttpAccess | None = None,
        patience: Patience | None = None,
        chance: Random | None = None,
    ) -> None:
        self._url = url
        self._secret = secret
        self._metrics = metrics
        self._now = now
        self._page = page
        self._access = access or HttpAccess()
        self._patience = patience or Patience()
        self._chance = chance or Random()
        self._session: aiohttp.ClientSession | None = None
        self._counted = 0

    async def deliver(self, incident: Incident, value: bytes) -> None:
        key = key_of(incident, value)
        link = f"{self._page}/incidents/{incident.incident_id}" if self._page is not None else None
        body = body_of(incident, key, link)
        tries = refusals = 0
        while (problem := await self._post(body, key)) is not None:
            why, refused = problem
            self._metrics.sink_failures.add(1, NAME)
            refusals += refused
            if refusals >= self._patience.refusals:
                _LOG.error("the webhook refuses %s: %s; it is set aside", key, why)
                return
            pause = self._pause(tries)
            tries += 1
            _LOG.warning("the webhook does not take %s: %s; trying again in %.1f s", key, why, pause)
            await asyncio.sleep(pause)
            self._metrics.sink_retries.add(1, NAME)
        self._metrics.sink_sends.add(1, NAME)
        self._metrics.sink_success_at.set(self._now(), NAME)

    def waiting(self, count: int) -> None:
        self._metrics.sink_pending.shift(count - self._counted, NAME)
        self._counted = count

    async def close(self) -> None:
        # Whoever takes over counts what waits.
        self.waiting(0)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, body: bytes, key: str) -> tuple[str, bool] | None:
        """None when it was taken; else why not, and whether it is this record that is refused."""
        if self._session is None:
            self._session = self._access.session(self._patience.timeout_s)
        headers = {
            "Content-Type": "application/json",
            KEY_HEADER: key,
            # Signed anew with each try: its age is that of the try.
            HEADER: sign(self._secret, int(self._now()), body),
        }
        try:
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                if 200 <= answer.status < 300:
                    return None
                said = (await answer.content.read(500)).decode(errors="replace").strip()
                return f"{answer.status} {said}", answer.status in _REFUSALS
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return str(error) or type(error).__name__, False

    def _pause(self, tries: int) -> float:
        longest: float = min(self._patience.longest_pause_s, self._patience.first_pause_s * 2.0 ** min(tries, 16))
        return longest * self._chance.uniform(0.5, 1.0)


def key_of(incident: Incident, value: bytes) -> str:
    """Names a record: the same for the same bytes in the topic, however often and by whom it is delivered."""
    return f"{incident.incident_id}-{incident.at}-{hashlib.sha256(value).hexdigest()[:12]}"


def body_of(incident: Incident, key: str, link: str | None) -> bytes:
    """At most `LARGEST` bytes; a record that is too large goes without what is wanted least, which `without` names."""
    without: list[str] = []
    for less in ({}, *_LESS):
        without += less
        incident = msgspec.structs.replace(incident, **less)
        body = _encoded(incident, key, link, without)
        if len(body) <= LARGEST:
            return body
    # Nothing is left that could be long but what was never meant to be: names and the summary.
    short: dict[str, Any] = {"summary": incident.summary[:1_000], "services": [], "scope": {}, "confidence": None}
    return _encoded(msgspec.structs.replace(incident, **short), key, link, [*without, *short])


def _encoded(incident: Incident, key: str, link: str | None, without: list[str]) -> bytes:
    told = message(incident, link)
    whole = {"version": VERSION, "key": key, "incident": msgspec.Raw(encode(incident)), "message": told}
    return msgspec.json.encode({**whole, "without": without} if without else whole)
