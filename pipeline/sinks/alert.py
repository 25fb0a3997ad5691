"""An incident as Alertmanager sees it: labels that route it, annotations that explain it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from pipeline.messages import Incident, Signal
from pipeline.observation import DIMENSIONS

ALERTNAME: Final = "SeamwatchIncident"
ACTIVE: Final = frozenset({"firing", "recovering"})
"""Recovering is not over: an alert that ended here and began again would page twice for one incident."""
TOLD: Final = frozenset({"page", "ticket"})
"""Severities that are anybody's business; `log` is for the page and the log."""
GRAVITY: Final = ("page", "ticket", "log")


def labels_of(incident: Incident) -> dict[str, str]:
    """What makes the alert itself: another value is another alert. Nothing here grows without bound."""
    labels = {
        "alertname": ALERTNAME,
        "incident_id": incident.incident_id,
        "severity": incident.severity,
        "kind": incident.kind,
    }
    labels |= {dimension: incident.scope[dimension] for dimension in DIMENSIONS if dimension in incident.scope}
    if incident.services:
        labels["service"] = ",".join(incident.services)
    if incident.owner is not None:
        # Of the workaround that has expired: it is theirs to answer.
        labels["owner"] = incident.owner
    return labels


def annotations_of(incident: Incident, link: str | None) -> dict[str, str]:
    """For whom it reaches. Times are those of the records, which in a replay are not those of the clock on the wall."""
    annotations = {
        "summary": incident.summary,
        "description": _description(incident),
        "signals": "; ".join(describe(signal) for signal in incident.signals),
        "onset_at": instant(incident.onset_at),
        "changed_at": instant(incident.at),
        "state": incident.state,
    }
    if incident.workaround is not None:
        annotations["workaround"] = incident.workaround
    if link is not None:
        annotations["link"] = link
    return annotations


def describe(signal: Signal) -> str:
    """A signal in some words: `playback_start latency up: 1250 instead of 1000 ms (x1.25)`."""
    where = "" if signal.operation == "*" else f"{signal.operation} "
    text = f"{where}{signal.signal} {signal.direction}"
    if signal.observed is not None and signal.expected is not None:
        unit = {"latency": " ms", "delay": " ms", "volume": " a minute"}.get(signal.signal, "")
        text += f": {signal.observed:.4g} instead of {signal.expected:.4g}{unit}"
    if signal.ratio is not None:
        text += f" (x{signal.ratio:.3g})"
    return text


def instant(at: int) -> str:
    """Milliseconds since the epoch as RFC 3339."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _description(incident: Incident) -> str:
    scope = ", ".join(f"{dimension} {value}" for dimension, value in incident.scope.items()) or "the whole fleet"
    lines = [
        f"Scope: {scope}.",
        f"Behaviour changed at {instant(incident.onset_at)}.",
        *map(describe, incident.signals),
    ]
    return "\n".join(lines)
