"""Incidents as metrics: how many are in each state, how many have paged, how many changes, how long phases took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from pipeline.messages import Incident
from pipeline.metrics import Metrics

KEPT_MS: Final = 24 * 3_600_000
"""A resolved incident is counted for so long; it may be reopened until then."""
PAGED_MS: Final = 28 * KEPT_MS
"""Four weeks: over one, half a false page cannot be told from none."""

PHASES: Final = (
    ("detect", "onset_at", "fired_at"),
    ("acknowledge", "fired_at", "acknowledged_at"),
    ("recover", "fired_at", "recovering_at"),
    ("resolve", "fired_at", "resolved_at"),
)


class MeterSink:
    """Keeps `seamwatch_incidents`, `…_paged_incidents`, `…_incident_changes_total` and the times of phases.

    One for each partition of the incidents topic. What it has added to the gauges goes with it: another worker counts
    the partition's incidents then, and a sum over workers must not count them twice. A phase is counted with the record
    that first tells of its end. What earlier workers have told is not counted again.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._newest: dict[str, Incident] = {}
        self._shown: Counter[tuple[str, str]] = Counter()
        self._paged: Counter[str] = Counter()

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
        self._newest.clear()
        self._show()

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
            if incident.state != "resolved" or latest - incident.at <= PAGED_MS
        }
        known = self._newest.values()
        shown = Counter(
            (incident.state, incident.severity)
            for incident in known
            if incident.state != "resolved" or latest - incident.at <= KEPT_MS
        )
        paged = Counter(incident.verdict or "none" for incident in known if _has_paged(incident, latest - PAGED_MS))
        for place in {**shown, **self._shown}:
            self._metrics.incidents.shift(shown[place] - self._shown[place], *place)
        for verdict in {**paged, **self._paged}:
            self._metrics.paged.shift(paged[verdict] - self._paged[verdict], verdict)
        self._shown, self._paged = shown, paged


def _has_paged(incident: Incident, since: int) -> bool:
    return incident.severity == "page" and incident.fired_at is not None and incident.fired_at >= since
