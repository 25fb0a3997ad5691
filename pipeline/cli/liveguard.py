"""Asks a live worker how it is: no drill begins during an incident, and none goes on while the detector is unwell."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Final

import msgspec

from pipeline.drill.rehearsal import Progress

ANSWER_S: Final = 5.0
PAUSE_S: Final = 2.0
"""Between two looks, at least."""
_AGAIN_S: Final = 1.0
_LARGEST: Final = 64 << 20


class LiveError(Exception):
    """No drill now; the message says why."""


class _Incident(msgspec.Struct):
    incident_id: str
    state: str
    summary: str = ""


class _Incidents(msgspec.Struct):
    incidents: list[_Incident]


class LiveGuard(Progress):
    """One live worker.

    Args:
        url: of its page, such as `http://127.0.0.1:6066`.
        token: for reading, where it wants one.
        show: told how far the drill is.
    """

    def __init__(self, url: str, token: str | None, show: Callable[[float, str], None]) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._show = show
        self._looked_at = 0.0

    def begin(self) -> None:
        """Raises LiveError when an incident fires, or when it is not well or does not answer."""
        self._well()
        try:
            found = msgspec.json.decode(self._get("/api/v1/incidents?state=firing"), type=_Incidents)
        except (OSError, HTTPException, msgspec.MsgspecError) as error:
            msg = f"{self._url} does not say which incidents there are: {error}"
            raise LiveError(msg) from error
        firing = [incident for incident in found.incidents if incident.state == "firing"]
        if firing:
            more = f" (and {len(firing) - 1} more)" if len(firing) > 1 else ""
            msg = f"an incident is firing, and a drill would stand in its way: {firing[0].summary}{more}"
            raise LiveError(msg)

    def step(self, done: float, what: str) -> None:
        self._show(done, what)
        if time.monotonic() - self._looked_at >= PAUSE_S:
            self._well()

    def _well(self) -> None:
        """Raises LiveError when it is not ready, twice in a row: one answer may get lost."""
        why = self._unready()
        if why is not None:
            time.sleep(_AGAIN_S)
            why = self._unready()
        self._looked_at = time.monotonic()
        if why is not None:
            msg = f"the live detector at {self._url} is unwell: {why}"
            raise LiveError(msg)

    def _unready(self) -> str | None:
        try:
            self._get("/readyz")
        except urllib.error.HTTPError as error:
            return error.read(500).decode("utf-8", "replace").strip() or f"status {error.code}"
        except (OSError, HTTPException) as error:
            return f"no answer: {error}"
        return None

    def _get(self, path: str) -> bytes:
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(self._url + path, headers=headers)
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
            body: bytes = answer.read(_LARGEST)
        return body


def token_of(path: str | None) -> str | None:
    """The first line of a file. Raises OSError."""
    return None if path is None else Path(path).read_text(encoding="utf-8").partition("\n")[0].strip()
