"""What stands behind the page of a worker: who may read and act, the snapshots of stages, what is known of anchors."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Final

from models.snapshot import unpack
from pipeline.detect.anchors import AnchorPolicy
from pipeline.intent import ConfigurationError, Fault
from pipeline.observation import Cohort
from pipeline.stream import states
from pipeline.stream.checkpoints import LostStateError
from pipeline.stream.names import Names
from pipeline.stream.settings import Settings
from pipeline.stream.topics import ClusterError
from pipeline.web import Access
from pipeline.web import records as say
from pipeline.web.access import Token, TokenFileError, parse_networks, parse_tokens
from pipeline.web.api import NotDoneError
from pipeline.web.cohorts import Anchor

AGAIN_S: Final = 10.0
"""Until what was asked of Kafka is asked again."""
ANCHOR_DAYS: Final = AnchorPolicy().days


class Snapshots:
    """The newest snapshots of all stages, for whoever looks into them; the last one that was opened is kept a while."""

    def __init__(self, client: dict[str, Any], group: str, names: Names) -> None:
        self._where = client, group, names
        self._held: tuple[float, list[states.Held]] = (float("-inf"), [])
        self._open: tuple[states.Held, dict[str, Any]] | None = None

    async def listed(self) -> list[say.StateInfo]:
        return [say.StateInfo(one.source, one.stage, one.position, one.topic, None) for one in await self._all()]

    async def of(self, source: str) -> tuple[int, Any] | None:
        one = next((one for one in await self._all() if one.source == source), None)
        if one is None:
            return None
        if self._open is None or self._open[0] != one:
            try:
                self._open = one, await asyncio.to_thread(states.load, *self._where[:2], one)
            except (ClusterError, LostStateError) as error:
                raise NotDoneError(str(error)) from error
        return one.position, self._open[1]

    async def _all(self) -> list[states.Held]:
        if time.monotonic() - self._held[0] > AGAIN_S:
            try:
                self._held = time.monotonic(), await asyncio.to_thread(states.held, *self._where)
            except ClusterError as error:
                raise NotDoneError(str(error)) from error
        return self._held[1]


def anchors_of(client: dict[str, Any], group: str, names: Names) -> dict[Cohort, Anchor]:
    """What the newest state of pattern knows of anchors; nothing, before there is one."""
    one = next((one for one in states.held(client, group, names) if one.stage == "pattern"), None)
    if one is None:
        return {}
    found = states.references(client, group, one)
    doubt, accepted = dict(found.doubt), dict(found.accepted)
    return {
        Cohort(*cohort): Anchor(days, days >= ANCHOR_DAYS, found.lender[row], doubt.get(row, ""), accepted.get(row, ""))
        for row, (cohort, days) in enumerate(zip(found.cohorts, unpack(found.days).tolist(), strict=True))
    }


def access_of(settings: Settings) -> Access:
    """Who may read and act on the page.

    Raises:
        ConfigurationError: the file of tokens cannot be read, with its place.
    """
    tokens = _tokens(settings.web_tokens_file) if settings.web_tokens_file is not None else ()
    own = {settings.web.host} if settings.web is not None else set()
    return Access(
        tokens=tokens,
        proxies=parse_networks(settings.web_proxies),
        user_header=settings.web_user_header,
        actors=frozenset(settings.web_actors),
        open=settings.web_open,
        hosts=frozenset(name.lower() for name in {*own, *settings.web_hosts}),
    )


def _tokens(path: Path) -> tuple[Token, ...]:
    try:
        return parse_tokens(path.read_text(encoding="utf-8"))
    except TokenFileError as error:
        line, wrong = error.args
        raise ConfigurationError([Fault(str(path), line, wrong, "one line a token")]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError([Fault(str(path), 1, "not UTF-8", "save it as UTF-8")]) from error
    except OSError as error:
        wrong = f"cannot be read: {error.strerror}"
        raise ConfigurationError([Fault(str(path), 1, wrong, "make it readable")]) from error
