"""Alertmanager: an alert for each incident that fires, refreshed until it is over.

    firing, recovering      an alert whose end is `hold_s` ahead, posted again every `refresh_s`
    resolved, suppressed    the alert's end is now; that, too, is repeated for `hold_s`, as Prometheus does it: an
                            Alertmanager whose clock is behind ours takes "ended now" for "ends soon"
    forming, severity log   nothing
    another scope           other labels are another alert: the old one ends, the new one begins
    another severity        the same when it rises; it never falls while the alert lasts
    other services          nothing: the label says what was touched when the alert began

The last two because a firing incident is judged again and again, and what goes to and fro would page every time.

While Alertmanager is down the newest state of every incident waits here. What it refuses (4xx) is logged and counted,
and tried again a few times at the pace of refreshes, because a proxy that is being set up refuses as well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias

import aiohttp

from pipeline.messages import Incident
from pipeline.metrics import Metrics
from pipeline.sinks.alert import ACTIVE, GRAVITY, TOLD, annotations_of, instant, is_active, labels_of

NAME: Final = "alertmanager"
_LOG: Final = logging.getLogger(__name__)
_PATH: Final = "/api/v2/alerts"
_LAST_TRY_S: Final = 5.0
_AT_ONCE: Final = float("-inf")
_NEVER: Final = float("inf")
_MAY_PASS: Final = frozenset({408, 425, 429})
"""Refusals that say: later."""

Key: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how long, in seconds.

    Attributes:
        refresh_s: between two posts of an alert that goes on.
        hold_s: how long Alertmanager keeps it without hearing of it: longer than a worker takes to be replaced.
        timeout_s: for one post.
        first_pause_s, longest_pause_s: between tries while it is down, doubling; chance shortens each by up to half.
        refusals: how many times a refused alert is posted until it changes.
    """

    refresh_s: float = 60.0
    hold_s: float = 900.0
    timeout_s: float = 10.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 15.0
    refusals: int = 5


@dataclass(slots=True)
class _Alert:
    incident_id: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts: float
    ends: float | None = None
    """None while it goes on."""
    due_at: float = _AT_ONCE
    """On the loop's clock."""
    version: int = 0
    """Grows with each change, so that one that comes during a post is not taken for delivered."""
    pending: bool = True
    failed: bool = False
    refusals: int = 0

    def change(self) -> None:
        self.version += 1
        self.due_at = _AT_ONCE
        self.pending = True
        self.refusals = 0


class _UnavailableError(Exception):
    """Nobody answers, or not now."""


class AlertmanagerSink:
    """Posts incidents to the v2 API of one Alertmanager.

    Args:
        url: where it is, without the path of the API.
        now: seconds since the epoch, by which alerts begin and end: the wall clock, whatever the records say.
        page: where the page of this deployment is reached, for the link in each alert.
        chance: for the jitter of retries.
    """

    def __init__(
        self,
        url: str,
        *,
        metrics: Metrics,
        now: Callable[[], float],
        page: str | None = None,
        pace: Pace | None = None,
        chance: Random | None = None,
    ) -> None:
        self._url = url.rstrip("/") + _PATH
        self._metrics = metrics
        self._now = now
        self._page = page.rstrip("/") if page is not None else None
        self._pace = pace or Pace()
        self._chance = chance or Random()
        self._alerts: dict[Key, _Alert] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._counted = 0
        """What this one has added to the gauge of pending incidents; other partitions have sinks of their own."""

    async def restore(self, incidents: Sequence[Incident]) -> None:
        """Go on refreshing what fires. What was over before ends by itself, if nobody has said so."""
        for incident in incidents:
            if is_active(incident):
                await self.send(incident)

    async def send(self, incident: Incident) -> None:
        wanted = None
        if incident.state in ACTIVE and (severity := self._severity(incident)) in TOLD:
            wanted = labels_of(incident) | {"severity": severity}
        key = _key(wanted) if wanted is not None else None
        for other, alert in self._alerts.items():
            if alert.incident_id == incident.incident_id and alert.ends is None and other != key:
                alert.ends = max(self._now(), alert.starts)
                alert.annotations = self._annotations(incident)
                alert.change()
        if wanted is not None and key is not None:
            mine = self._alerts.get(key)
            if mine is None or mine.ends is not None:
                mine = self._alerts[key] = _Alert(incident.incident_id, wanted, {}, self._now())
            mine.annotations = self._annotations(incident)
            mine.change()
        self._count()
        self._wake()

    async def close(self) -> None:
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with asyncio.timeout(_LAST_TRY_S), self._session() as session:
                await self._deliver_due(session, only_changes=True)
        except (TimeoutError, _UnavailableError):
            _LOG.warning("ended with %d incidents that Alertmanager does not know the newest of", self._pending())
        # Whoever takes over counts them.
        self._metrics.sink_pending.shift(-self._counted, NAME)
        self._counted = 0

    def _severity(self, incident: Incident) -> str:
        """The gravest of the record's and that of the incident's alert."""
        lasting = [
            alert.labels["severity"]
            for alert in self._alerts.values()
            if alert.incident_id == incident.incident_id and alert.ends is None
        ]
        return min([*lasting, incident.severity], key=GRAVITY.index)

    # -- delivery ----------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="alertmanager")
        elif self._task.done() and not self._task.cancelled():
            # A mistake of ours ended it; silence would be worse than ending with it.
            self._task.result()
        self._changed.set()

    async def _run(self) -> None:
        failures = 0
        async with self._session() as session:
            while True:
                self._changed.clear()
                try:
                    await self._deliver_due(session)
                except _UnavailableError as error:
                    pause = self._pause(failures)
                    failures += 1
                    _LOG.warning("Alertmanager does not take alerts: %s; trying again in %.1f s", error, pause)
                    await asyncio.sleep(pause)
                else:
                    failures = 0
                    await self._until_due()

    async def _until_due(self) -> None:
        next_at = min((alert.due_at for alert in self._alerts.values()), default=_NEVER)
        wait = None if next_at == _NEVER else max(0.0, next_at - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(wait):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _deliver_due(self, session: aiohttp.ClientSession, *, only_changes: bool = False) -> None:
        clock = asyncio.get_running_loop().time
        for key, alert in list(self._alerts.items()):
            # It may have begun anew during another's post.
            current = self._alerts.get(key) is alert
            if current and alert.due_at <= clock() and (alert.pending or not only_changes):
                try:
                    await self._deliver(session, alert)
                except _UnavailableError:
                    # One that always fails must not stand before the others.
                    self._alerts[key] = self._alerts.pop(key)
                    raise
            if alert.ends is not None and self._now() >= alert.ends + self._pace.hold_s:
                # By now it has ended there by itself at the latest.
                if self._alerts.get(key) is alert:
                    del self._alerts[key]
                self._count()

    async def _deliver(self, session: aiohttp.ClientSession, alert: _Alert) -> None:
        """One post. Raises _UnavailableError when it should be tried again soon."""
        version = alert.version
        if alert.failed:
            self._metrics.sink_retries.add(1, NAME)
        try:
            refusal = await self._post(session, self._body(alert))
        except _UnavailableError:
            alert.failed = True
            self._metrics.sink_failures.add(1, NAME)
            raise
        alert.failed = refusal is not None
        next_at = asyncio.get_running_loop().time() + self._pace.refresh_s
        if refusal is not None:
            self._metrics.sink_failures.add(1, NAME)
            _LOG.error("Alertmanager refuses incident %s: %s", alert.incident_id, refusal)
            alert.refusals += 1
            if alert.refusals >= self._pace.refusals:
                next_at = _NEVER
        else:
            self._metrics.sink_sends.add(1, NAME)
            self._metrics.sink_success_at.set(self._now(), NAME)
            alert.refusals = 0
        if alert.version == version:
            alert.due_at = next_at
            alert.pending = refusal is not None
        self._count()

    async def _post(self, session: aiohttp.ClientSession, body: dict[str, object]) -> str | None:
        """None when it was taken, else why it was refused. Raises _UnavailableError."""
        try:
            async with session.post(self._url, json=[body], allow_redirects=False) as answer:
                if answer.ok and answer.status < 300:
                    return None
                said = (await answer.content.read(500)).decode(errors="replace").strip()
                what = f"{answer.status} {said}"
                if answer.status >= 500 or answer.status in _MAY_PASS:
                    raise _UnavailableError(what)
                return what
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _UnavailableError(str(error) or type(error).__name__) from error

    def _body(self, alert: _Alert) -> dict[str, object]:
        ends = alert.ends if alert.ends is not None else self._now() + self._pace.hold_s
        body: dict[str, object] = {
            "labels": alert.labels,
            "annotations": alert.annotations,
            "startsAt": instant(round(alert.starts * 1000)),
            "endsAt": instant(round(ends * 1000)),
        }
        link = alert.annotations.get("link")
        return body if link is None else {**body, "generatorURL": link}

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._pace.timeout_s))

    def _pause(self, failures: int) -> float:
        longest: float = min(self._pace.longest_pause_s, self._pace.first_pause_s * 2.0 ** min(failures, 16))
        return longest * self._chance.uniform(0.5, 1.0)

    def _annotations(self, incident: Incident) -> dict[str, str]:
        link = None if self._page is None else f"{self._page}/incidents/{incident.incident_id}"
        return annotations_of(incident, link)

    def _pending(self) -> int:
        return len({alert.incident_id for alert in self._alerts.values() if alert.pending})

    def _count(self) -> None:
        pending = self._pending()
        self._metrics.sink_pending.shift(pending - self._counted, NAME)
        self._counted = pending


def _key(labels: dict[str, str]) -> Key:
    """What is another alert when it changes."""
    return tuple((name, value) for name, value in labels.items() if name != "service")
