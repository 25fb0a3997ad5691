"""Incidents as metrics: how many there are in each state, how many changes there were, and how long phases took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from pipeline.messages import Incident
from pipeline.metrics import Metrics

KEPT_MS: Final = 24 * 3_600_000
"""A resolved incident is counted for so long; it may be reopened until then."""

PHASES: Final = (
    ("detect", "onset_at", "fired_at"),
    ("acknowledge", "fired_at", "acknowledged_at"),
    ("recover", "fired_at", "recovering_at"),
    ("resolve", "fired_at", "resolved_at"),
)


class MeterSink:
    """Keeps `seamwatch_incidents`, `seamwatch_incident_changes_total` and the times of phases.

    A phase is counted with the record that first tells of its end. What earlier workers have told is not counted again.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._newest: dict[str, Incident] = {}

    async def restore(self, incidents: Sequence[Incident]) -> None:
        for incident in incidents:
            self._take(incident)
        self._show()

    async def send(self, incident: Incident) -> None:
        before = self._newest.get(incident.incident_id)
        if before is None or incident.at >= before.at:
            self._time(before, incident)
        self._take(incident)
        self._metrics.incident_changes.add(1, incident.state, incident.severity)
        self._show()

    async def close(self) -> None:
        """Nothing is held."""

    def _take(self, incident: Incident) -> None:
        known = self._newest.get(incident.incident_id)
        if known is None or incident.at >= known.at:
            self._newest[incident.incident_id] = incident

    def _time(self, before: Incident | None, now: Incident) -> None:
        if now.fired_at is None:
            return
        for phase, begin, field in PHASES:
            end = getattr(now, field)
            if end is not None and (before is None or getattr(before, field) != end):
                seconds = max(0, end - getattr(now, begin)) / 1000
                self._metrics.incident_seconds.add(seconds, phase, now.severity)
                self._metrics.incident_phases.add(1, phase, now.severity)

    def _show(self) -> None:
        latest = max((incident.at for incident in self._newest.values()), default=0)
        self._newest = {
            name: incident
            for name, incident in self._newest.items()
            if incident.state != "resolved" or latest - incident.at <= KEPT_MS
        }
        counts = Counter((incident.state, incident.severity) for incident in self._newest.values())
        states, severities = self._metrics.incidents.labels
        for state in states.known:
            for severity in severities.known:
                self._metrics.incidents.set(counts[state, severity], state, severity)
