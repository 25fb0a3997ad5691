"""Alertmanager: an alert for each incident that fires, refreshed until it is over.

    firing, recovering      an alert whose end is `hold_s` ahead, posted again every `refresh_s`
    resolved, suppressed    the alert's end is now; that, too, is repeated for `hold_s`, as Prometheus does it: an
                            Alertmanager whose clock is behind ours takes "ended now" for "ends soon"
    resolved, and nobody    it is told all the same, as an alert that ends `late_s` after it was: Alertmanager notifies
    has heard of it         nobody of the end of what it never knew
    forming, severity log   nothing
    another scope           other labels are another alert: the old one ends, the new one begins
    another severity        the same when it rises; it never falls while the alert lasts
    other services          nothing: the label says what was touched when the alert began

The last two because a firing incident is judged again and again, and what goes to and fro would page every time.

A worker that takes over asks Alertmanager first what it has: an alert that goes on keeps its labels, one whose incident
is over by now ends. While Alertmanager is down the newest state of every incident waits here. What it refuses (4xx) is
logged and counted, and tried again a few times at the pace of refreshes: a proxy that is being set up refuses as well.

Of several Alertmanagers each has a sink of its own, because that is how a cluster of them wants it: they tell each
other whom they have notified, not what of. `Told` is what these sinks share.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import aiohttp
import msgspec

from pipeline.messages import Incident
from pipeline.metrics import Metrics
from pipeline.sinks.access import HttpAccess
from pipeline.sinks.alert import ALERTNAME, instant
from pipeline.sinks.alerts import Alert, Alerts, Told

NAME: Final = "alertmanager"
_LOG: Final = logging.getLogger(__name__)
_PATH: Final = "/api/v2/alerts"
_LAST_TRY_S: Final = 5.0
_NEVER: Final = float("inf")
_MAY_PASS: Final = frozenset({408, 425, 429})
"""Refusals that say: later."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how long, in seconds.

    Attributes:
        refresh_s: between two posts of an alert that goes on.
        hold_s: how long Alertmanager keeps it without hearing of it: longer than a worker takes to be replaced.
        timeout_s: for one post.
        first_pause_s, longest_pause_s: between tries while it is down, doubling; chance shortens each by up to half.
        refusals: how many times a refused alert is posted until it changes.
        late_s: how long an alert goes on that is told when its incident is over; longer than a group waits.
    """

    refresh_s: float = 60.0
    hold_s: float = 900.0
    timeout_s: float = 10.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 15.0
    refusals: int = 5
    late_s: float = 300.0


class _There(msgspec.Struct, frozen=True):
    """An alert as Alertmanager tells it; all else that it tells is of no use here."""

    labels: dict[str, str]
    annotations: dict[str, str]


class _UnavailableError(Exception):
    """Nobody answers, or not now."""


class AlertmanagerSink:
    """Posts incidents to the v2 API of one Alertmanager.

    Args:
        url: where it is, without the path of the API.
        now: seconds since the epoch, by which alerts begin and end: the wall clock, whatever the records say.
        page: where the page of this deployment is reached, for the link in each alert.
        name: in the metrics.
        told: shared with the sinks of the other Alertmanagers of the same partition.
        chance: for the jitter of retries.
    """

    def __init__(
        self,
        url: str,
        *,
        metrics: Metrics,
        now: Callable[[], float],
        page: str | None = None,
        name: str = NAME,
        told: Told | None = None,
        access: HttpAccess | None = None,
        pace: Pace | None = None,
        chance: Random | None = None,
    ) -> None:
        self._name = name
        self._access = access or HttpAccess()
        self._url = url.rstrip("/") + _PATH
        self._metrics = metrics
        self._now = now
        self._pace = pace or Pace()
        self._chance = chance or Random()
        self._alerts = Alerts(page.rstrip("/") if page is not None else None, told)
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unanswered = False
        """It did not say what alerts it has when it was asked last."""
        self._counted = 0
        """What this one has added to the gauge of pending incidents; other partitions have sinks of their own."""

    async def restore(self, incidents: Sequence[Incident]) -> None:
        """Go on with what fires, and end what is over, under the labels that Alertmanager has heard before."""
        for incident in incidents:
            self._alerts.restore(incident, self._now())
        self._wake()

    async def send(self, incident: Incident) -> None:
        self._alerts.take(incident, self._now())
        self._wake()

    @property
    def owed(self) -> list[str]:
        """Incidents that no Alertmanager has heard of."""
        return self._alerts.owed

    def owe(self, incidents: Sequence[Incident]) -> None:
        """Tell of these, which an earlier worker has told nobody of, even if they are over; after `restore`."""
        for incident in incidents:
            self._alerts.owe(incident, self._now())
        if incidents:
            self._wake()

    async def close(self) -> None:
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with asyncio.timeout(_LAST_TRY_S), self._session() as session:
                await self._adopt(session)
                await self._deliver_due(session, only_changes=True)
        except (TimeoutError, _UnavailableError):
            _LOG.warning("ended with %d incidents that Alertmanager does not know the newest of", self._alerts.pending)
        # Whoever takes over counts them.
        self._metrics.sink_pending.shift(-self._counted, self._name)
        self._counted = 0

    # -- delivery ----------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        self._count()
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
                    await self._adopt(session)
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
        next_at = min((alert.due_at for alert in self._alerts), default=_NEVER)
        wait = None if next_at == _NEVER else max(0.0, next_at - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(wait):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _adopt(self, session: aiohttp.ClientSession) -> None:
        """Ask what earlier workers have posted. Raises _UnavailableError."""
        if self._alerts.restoring:
            if self._unanswered:
                self._metrics.sink_retries.add(1, self._name)
            try:
                answer = await self._get(session)
            except _UnavailableError:
                self._unanswered = True
                self._metrics.sink_failures.add(1, self._name)
                raise
            self._unanswered = False
            if isinstance(answer, str):
                _LOG.error("Alertmanager does not say what alerts it has; some may page again: %s", answer)
            there = [] if isinstance(answer, str) else answer
            self._alerts.adopt(((one.labels, one.annotations) for one in there), self._now())
            self._count()

    async def _deliver_due(self, session: aiohttp.ClientSession, *, only_changes: bool = False) -> None:
        clock = asyncio.get_running_loop().time
        for alert in self._alerts:
            # It may have begun anew during another's post.
            if alert in self._alerts and alert.due_at <= clock() and (alert.pending or not only_changes):
                try:
                    await self._deliver(session, alert)
                except _UnavailableError:
                    # One that always fails must not stand before the others.
                    self._alerts.postpone(alert)
                    raise
            given_up = alert.refusals >= self._pace.refusals
            waits = self._alerts.is_late(alert) and not given_up
            if alert.ends is not None and not waits and self._now() >= alert.ends + self._pace.hold_s:
                # By now it has ended there by itself at the latest.
                self._alerts.drop(alert)
                self._count()

    async def _deliver(self, session: aiohttp.ClientSession, alert: Alert) -> None:
        """One post. Raises _UnavailableError when it should be tried again soon."""
        version = alert.version
        goes_on = alert.ends is None or self._alerts.is_late(alert)
        if alert.failed:
            self._metrics.sink_retries.add(1, self._name)
        try:
            refusal = await self._post(session, self._body(alert))
        except _UnavailableError:
            alert.failed = True
            self._metrics.sink_failures.add(1, self._name)
            raise
        alert.failed = refusal is not None
        next_at = asyncio.get_running_loop().time() + self._pace.refresh_s
        if refusal is not None:
            self._metrics.sink_failures.add(1, self._name)
            _LOG.error("Alertmanager refuses incident %s: %s", alert.incident_id, refusal)
            alert.refusals += 1
            if alert.refusals >= self._pace.refusals:
                next_at = _NEVER
        else:
            self._metrics.sink_sends.add(1, self._name)
            self._metrics.sink_success_at.set(self._now(), self._name)
            alert.refusals = 0
            if goes_on:
                if self._alerts.is_late(alert):
                    alert.ends = self._now() + self._pace.late_s
                self._alerts.heard(alert)
        if alert.version == version:
            alert.due_at = next_at
            alert.pending = refusal is not None
        self._count()

    async def _post(self, session: aiohttp.ClientSession, body: dict[str, object]) -> str | None:
        """None when it was taken, else why it was refused. Raises _UnavailableError."""
        answer = await self._ask(session, "POST", json=[body])
        return answer if isinstance(answer, str) else None

    async def _get(self, session: aiohttp.ClientSession) -> list[_There] | str:
        """What it has of ours, or why it does not say. Raises _UnavailableError."""
        answer = await self._ask(session, "GET", params={"filter": f'alertname="{ALERTNAME}"', "active": "true"})
        try:
            return answer if isinstance(answer, str) else msgspec.json.decode(answer, type=list[_There])
        except msgspec.MsgspecError as error:
            return f"its answer is not one of Alertmanager's: {error}"

    async def _ask(self, session: aiohttp.ClientSession, method: str, **request: Any) -> bytes | str:
        """The body of a success, or a refusal. Raises _UnavailableError."""
        try:
            headers = self._access.headers()
            async with session.request(method, self._url, headers=headers, allow_redirects=False, **request) as answer:
                body = await answer.read()
                if answer.status < 300:
                    return body
                what = f"{answer.status} {body[:500].decode(errors='replace').strip()}"
                if answer.status >= 500 or answer.status in _MAY_PASS:
                    raise _UnavailableError(what)
                return what
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _UnavailableError(str(error) or type(error).__name__) from error

    def _body(self, alert: Alert) -> dict[str, object]:
        if alert.ends is None:
            ends = self._now() + self._pace.hold_s
        else:
            ends = self._now() + self._pace.late_s if self._alerts.is_late(alert) else alert.ends
        body: dict[str, object] = {
            "labels": alert.labels,
            "annotations": alert.annotations,
            "startsAt": instant(round(alert.starts * 1000)),
            "endsAt": instant(round(ends * 1000)),
        }
        link = alert.annotations.get("link")
        return body if link is None else {**body, "generatorURL": link}

    def _session(self) -> aiohttp.ClientSession:
        return self._access.session(self._pace.timeout_s)

    def _pause(self, failures: int) -> float:
        longest: float = min(self._pace.longest_pause_s, self._pace.first_pause_s * 2.0 ** min(failures, 16))
        return longest * self._chance.uniform(0.5, 1.0)

    def _count(self) -> None:
        pending = self._alerts.pending
        self._metrics.sink_pending.shift(pending - self._counted, self._name)
        self._counted = pending
