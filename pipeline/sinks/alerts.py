"""Which alerts there should be at Alertmanager, by what was told of incidents. No network, and `now` is given."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from pipeline.messages import Incident
from pipeline.sinks.alert import ACTIVE, GRAVITY, TOLD, annotations_of, labels_of

AT_ONCE: Final = float("-inf")
_LOG: Final = logging.getLogger(__name__)
MOST_REMEMBERED: Final = 10_000
"""Incidents of which the time of the newest record is known; those that changed longest ago go."""

MOST_OWED: Final = 100
"""Incidents that are over and of which nobody has heard; those that ended longest ago are given up."""

Key: TypeAlias = tuple[tuple[str, str], ...]


class Told:
    """Which alerts any of several Alertmanagers has taken while they went on: those of one partition share it, as they
    do what they have told. Bounded; what was told longest ago goes."""

    def __init__(self) -> None:
        self._alerts: OrderedDict[tuple[str, int], None] = OrderedDict()

    def add(self, alert: Alert) -> None:
        self._alerts[alert.incident_id, alert.began] = None
        if len(self._alerts) > MOST_REMEMBERED:
            self._alerts.popitem(last=False)

    def __contains__(self, alert: Alert) -> bool:
        return (alert.incident_id, alert.began) in self._alerts


@dataclass(slots=True)
class Alert:
    """One alert, as it should be there. Times are seconds since the epoch, but for `due_at`."""

    incident_id: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts: float
    began: int = 0
    """`at` of the record that it began with: the same at every Alertmanager."""
    ends: float | None = None
    """None while it goes on."""
    owed: bool = False
    """It is over, and should be heard of all the same if nobody has."""
    due_at: float = AT_ONCE
    """When to post it, on the clock of whoever does."""
    version: int = 0
    """Grows with each change, so that one that comes during a post is not taken for delivered."""
    pending: bool = True
    failed: bool = False
    refusals: int = 0

    def change(self) -> None:
        self.version += 1
        self.due_at = AT_ONCE
        self.pending = True
        self.refusals = 0


class Alerts:
    """The alerts of the incidents of one partition.

    Args:
        page: where the page of this deployment is reached, for the link in each alert.
        told: shared with those of the other Alertmanagers.
    """

    def __init__(self, page: str | None = None, told: Told | None = None) -> None:
        self._page = page
        self._told = told if told is not None else Told()
        self._alerts: dict[Key, Alert] = {}
        self._restored: set[str] = set()
        self._adopted = False
        self._newest_at: OrderedDict[str, int] = OrderedDict()

    def __iter__(self) -> Iterator[Alert]:
        return iter(tuple(self._alerts.values()))

    def __contains__(self, alert: Alert) -> bool:
        """Is it still what should be there?"""
        return self._alerts.get(_key(alert.labels)) is alert

    @property
    def restoring(self) -> bool:
        """Is it open what earlier workers have told?"""
        return not self._adopted

    @property
    def pending(self) -> int:
        """Incidents whose newest state is not delivered."""
        return len({alert.incident_id for alert in self._alerts.values() if alert.pending})

    @property
    def owed(self) -> list[str]:
        """Incidents of which nobody has heard, whether they go on or not; the most recent ones."""
        untold = [one.incident_id for one in self if one not in self._told and (one.ends is None or one.owed)]
        return list(dict.fromkeys(untold))[-MOST_OWED:]

    def is_late(self, alert: Alert) -> bool:
        """Is it over, and nobody has heard of it?"""
        return alert.owed and alert not in self._told

    def heard(self, alert: Alert) -> None:
        """It was taken while it went on."""
        self._told.add(alert)

    def take(self, incident: Incident, now: float) -> None:
        """Take a change of an incident; one from before the newest, said again after a crash, is passed over."""
        if incident.at < self._newest_at.get(incident.incident_id, incident.at):
            return
        self._newest_at[incident.incident_id] = incident.at
        self._newest_at.move_to_end(incident.incident_id)
        if len(self._newest_at) > MOST_REMEMBERED:
            self._newest_at.popitem(last=False)
        wanted = None
        if incident.state in ACTIVE and (severity := self._severity(incident)) in TOLD:
            wanted = labels_of(incident) | {"severity": severity}
        key = _key(wanted) if wanted is not None else None
        for other, alert in self._alerts.items():
            if alert.incident_id == incident.incident_id and alert.ends is None and other != key:
                alert.ends = max(now, alert.starts)
                # One that another alert goes on for, or that nobody should be told of by now, is not owed.
                alert.owed = wanted is None and _is_news(incident)
                alert.annotations = self._annotations(incident)
                alert.change()
        if wanted is not None and key is not None:
            mine = self._alerts.get(key)
            if mine is None or mine.ends is not None:
                mine = self._alerts[key] = Alert(incident.incident_id, wanted, {}, now, incident.at)
            mine.annotations = self._annotations(incident)
            mine.change()
        self._give_up()

    def owe(self, incident: Incident, now: float) -> None:
        """An earlier worker has told nobody of it; `incident` is its newest record, restored before."""
        goes_on = incident.state in ACTIVE
        if not (goes_on or _is_news(incident)) or any(one.incident_id == incident.incident_id for one in self):
            return
        # It was of some severity once, which the newest record need not have any more.
        severity = incident.severity if incident.severity in TOLD else "ticket"
        labels = labels_of(incident) | {"severity": severity}
        late = Alert(incident.incident_id, labels, self._annotations(incident), now, incident.at)
        if not goes_on:
            late.ends, late.owed = now, True
        self._alerts[_key(labels)] = late
        self._give_up()

    def restore(self, incident: Incident, now: float) -> None:
        """Take the newest record of an incident that an earlier worker may have told; `adopt` says what it has."""
        self._adopted = False
        self._restored.add(incident.incident_id)
        self.take(incident, now)

    def adopt(self, there: Iterable[tuple[Mapping[str, str], Mapping[str, str]]], now: float) -> None:
        """Make those our own that are there (labels and annotations), as far as their incidents are ours.

        One that goes on keeps its labels, so that nobody is paged for a change of workers; one that is over ends. An
        incident is ours when it was restored, or has been taken since: whoever told of it may have been killed before
        that was recorded, so that it is taken anew.
        """
        ours = self._restored | {alert.incident_id for alert in self}
        for told, said in there:
            labels = dict(told)
            incident_id = labels.get("incident_id", "")
            if incident_id not in ours:
                continue
            mine = next((one for one in self if one.incident_id == incident_id and one.ends is None), None)
            if mine is not None and _scope(mine.labels) == _scope(labels):
                graver = min(mine.labels["severity"], labels.get("severity", "log"), key=GRAVITY.index)
                if graver == labels.get("severity"):
                    del self._alerts[_key(mine.labels)]
                    mine.labels = labels
                    self._alerts[_key(labels)] = mine
                    self.heard(mine)
                    continue
            known = self._alerts.get(_key(labels))
            if known is not None:
                self.heard(known)
            else:
                self._alerts[_key(labels)] = Alert(incident_id, labels, dict(said), now, ends=now)
        self._restored.clear()
        self._adopted = True

    def postpone(self, alert: Alert) -> None:
        """Let the others go before it."""
        key = _key(alert.labels)
        self._alerts[key] = self._alerts.pop(key)

    def drop(self, alert: Alert) -> None:
        """It is over there as well."""
        if alert in self:
            del self._alerts[_key(alert.labels)]

    def _give_up(self) -> None:
        late = [alert for alert in self if self.is_late(alert)]
        for alert in late[: max(len(late) - MOST_OWED, 0)]:
            _LOG.error(
                "incident %s is over, and nobody was told of it: too many others wait as well", alert.incident_id
            )
            self.drop(alert)

    def _severity(self, incident: Incident) -> str:
        """The gravest of the record's and that of the incident's alert."""
        lasting = [
            alert.labels["severity"]
            for alert in self._alerts.values()
            if alert.incident_id == incident.incident_id and alert.ends is None
        ]
        return min([*lasting, incident.severity], key=GRAVITY.index)

    def _annotations(self, incident: Incident) -> dict[str, str]:
        link = None if self._page is None else f"{self._page}/incidents/{incident.incident_id}"
        return annotations_of(incident, link)


def _key(labels: Mapping[str, str]) -> Key:
    """What is another alert when it changes."""
    return tuple(sorted((name, value) for name, value in labels.items() if name != "service"))


def _is_news(incident: Incident) -> bool:
    """Of an incident that is over: should whoever has not heard of it hear of it now?"""
    return incident.state == "resolved" and incident.merged_into is None and incident.verdict != "false_alarm"


def _scope(labels: Mapping[str, str]) -> Key:
    return tuple(pair for pair in _key(labels) if pair[0] != "severity")
