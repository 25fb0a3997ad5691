"""A sign of life: an alert that fires as long as Seamwatch makes progress, for a receiver that notices when it stops.

Whoever dies does not say so. So `SeamwatchAlive` is posted to Alertmanager again and again while the clock of pattern,
the last stage that decides anything, goes forward; it goes on only as long as it is. What stops it, then, is all that
would keep incidents from being found or told: no worker, a worker that hangs, Kafka that is away, inputs that are all
silent, an Alertmanager that takes nothing. A route that leads it to a dead man's switch outside of all this, such as
healthchecks.io or PagerDuty's, makes a page of the silence.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp

from pipeline.sinks.access import HttpAccess
from pipeline.sinks.alert import instant

ALERTNAME: Final = "SeamwatchAlive"
_PATH: Final = "/api/v2/alerts"
_LOOK_S: Final = 1.0
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pulse:
    """In seconds. every_s: between two posts. quiet_s: progress is a minute of the arrival clock, so that less than a
    few minutes of silence mean nothing. hold_s: after the last post it ends at Alertmanager.
    """

    every_s: float = 30.0
    quiet_s: float = 300.0
    hold_s: float = 120.0
    timeout_s: float = 10.0


class Heartbeat:
    """Posts to every Alertmanager by itself, as each is a way of its own to whoever listens.

    Args:
        deployment: tells several of them at one Alertmanager apart.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        deployment: str,
        now: Callable[[], float],
        access: HttpAccess | None = None,
        pulse: Pulse | None = None,
    ) -> None:
        self._urls = [url.rstrip("/") + _PATH for url in urls]
        self._labels = {"alertname": ALERTNAME, "deployment": deployment, "severity": "none"}
        self._now = now
        self._access = access or HttpAccess()
        self._pulse = pulse or Pulse()
        self._minute = -1
        self._moved_at: float | None = None

    def progress(self, minute: int) -> None:
        """The clock of pattern stands at `minute`, ms since the epoch."""
        if minute > self._minute:
            self._minute = minute
            self._moved_at = self._now()

    async def run(self) -> None:
        """Until cancelled."""
        async with self._access.session(self._pulse.timeout_s) as session:
            while True:
                now = self._now()
                if self._moved_at is not None and now - self._moved_at < self._pulse.quiet_s:
                    await asyncio.gather(*(self._post(session, url, now) for url in self._urls))
                    await asyncio.sleep(self._pulse.every_s)
                else:
                    # Soon after the first progress it is said, and not only a while later.
                    await asyncio.sleep(min(self._pulse.every_s, _LOOK_S))

    async def _post(self, session: aiohttp.ClientSession, url: str, now: float) -> None:
        alert = {
            "labels": self._labels,
            "annotations": {
                "summary": "Seamwatch looks at what comes in. Only the absence of this means anything.",
                "clock": instant(self._minute),
            },
            "endsAt": instant(round((now + self._pulse.hold_s) * 1000)),
        }
        try:
            async with session.post(url, json=[alert], headers=self._access.headers(), allow_redirects=False) as answer:
                if answer.status >= 300:
                    _LOG.warning("Alertmanager does not take the sign of life: %d", answer.status)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            # Its absence is the message.
            _LOG.warning("Alertmanager does not take the sign of life: %s", str(error) or type(error).__name__)
