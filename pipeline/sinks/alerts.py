"""Which alerts there should be at Alertmanager, by what was told of incidents. No network, and `now` is given."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from pipeline.messages import Incident
from pipeline.sinks.alert import ACTIVE, GRAVITY, TOLD, annotations_of, labels_of

AT_ONCE: Final = float("-inf")
MOST_REMEMBERED: Final = 10_000
"""Incidents of which the time of the newest record is known; those that changed longest ago go."""

Key: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Alert:
    """One alert, as it should be there. Times are seconds since the epoch, but for `due_at`."""

    incident_id: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts: float
    ends: float | None = None
    """None while it goes on."""
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
    """

    def __init__(self, page: str | None = None) -> None:
        self._page = page
        self._alerts: dict[Key, Alert] = {}
        self._restored: set[str] = set()
        self._newest_at: OrderedDict[str, int] = OrderedDict()

    def __iter__(self) -> Iterator[Alert]:
        return iter(tuple(self._alerts.values()))

    def __contains__(self, alert: Alert) -> bool:
        """Is it still what should be there?"""
        return self._alerts.get(_key(alert.labels)) is alert

    @property
    def restoring(self) -> bool:
        """Is it open what earlier workers have told?"""
        return bool(self._restored)

    @property
    def pending(self) -> int:
        """Incidents whose newest state is not delivered."""
        return len({alert.incident_id for alert in self._alerts.values() if alert.pending})

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
                alert.annotations = self._annotations(incident)
                alert.change()
        if wanted is not None and key is not None:
            mine = self._alerts.get(key)
            if mine is None or mine.ends is not None:
                mine = self._alerts[key] = Alert(incident.incident_id, wanted, {}, now)
            mine.annotations = self._annotations(incident)
            mine.change()

    def restore(self, incident: Incident, now: float) -> None:
        """Take the newest record of an incident that an earlier worker may have told; `adopt` says what it has."""
        self._restored.add(incident.incident_id)
        self.take(incident, now)

    def adopt(self, there: Iterable[tuple[Mapping[str, str], Mapping[str, str]]], now: float) -> None:
        """Make those our own that are there (labels and annotations), as far as their incidents were restored.

        One that goes on keeps its labels, so that nobody is paged for a change of workers; one that is over ends.
        """
        for told, said in there:
            labels = dict(told)
            incident_id = labels.get("incident_id", "")
            if incident_id not in self._restored:
                continue
            mine = next((one for one in self if one.incident_id == incident_id and one.ends is None), None)
            if mine is not None and _scope(mine.labels) == _scope(labels):
                graver = min(mine.labels["severity"], labels.get("severity", "log"), key=GRAVITY.index)
                if graver == labels.get("severity"):
                    del self._alerts[_key(mine.labels)]
                    mine.labels = labels
                    self._alerts[_key(labels)] = mine
                    continue
            if _key(labels) not in self._alerts:
                self._alerts[_key(labels)] = Alert(incident_id, labels, dict(said), now, ends=now)
        self._restored.clear()

    def postpone(self, alert: Alert) -> None:
        """Let the others go before it."""
        key = _key(alert.labels)
        self._alerts[key] = self._alerts.pop(key)

    def drop(self, alert: Alert) -> None:
        """It is over there as well."""
        if alert in self:
            del self._alerts[_key(alert.labels)]

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


def _scope(labels: Mapping[str, str]) -> Key:
    return tuple(pair for pair in _key(labels) if pair[0] != "severity")
