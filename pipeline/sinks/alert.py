"""An incident as Alertmanager sees it: labels that route it, annotations that explain it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from pipeline.incidents.document import document
from pipeline.incidents.escaping import clip
from pipeline.incidents.message import message
from pipeline.messages import Incident, Signal
from pipeline.observation import DIMENSIONS

ALERTNAME: Final = "SeamwatchIncident"
ACTIVE: Final = frozenset({"firing", "recovering"})
"""Recovering is not over: an alert that ended here and began again would page twice for one incident."""
TOLD: Final = frozenset({"page", "ticket"})
"""Severities that are anybody's business; `log` is for the page and the log."""
LONGEST: Final = 16_000
"""Characters of an annotation; what people write into an incident has no bound of its own."""
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
    if causes := causes_of(incident):
        labels["service"] = ",".join(causes)
    if incident.owner is not None:
        # Of the workaround that has expired: it is theirs to answer.
        labels["owner"] = incident.owner
    return labels


def causes_of(incident: Incident) -> list[str]:
    """Services that are named for what is wrong with themselves.

    Those that only suffer with them are left out: an alert that carried both would be found by the inhibition of the
    effect by its cause, and hold up, or be held up by, the wrong one.
    """
    suffering = {effect.service for effect in incident.effects}
    return [service for service in incident.services if service not in suffering] or incident.services


def annotations_of(incident: Incident, link: str | None) -> dict[str, str]:
    """For whom it reaches. Times are those of the records, which in a replay are not those of the clock on the wall."""
    said = message(incident, link)
    annotations = {
        "title": said.title,
        "summary": incident.summary,
        "text": said.text,
        "description": clip(document(said), LONGEST),
        "signals": "; ".join(describe(signal) for signal in incident.signals),
        "onset_at": instant(incident.onset_at),
        "changed_at": instant(incident.at),
        "state": incident.state,
    }
    some = {
        "containment": "\n".join(said.containment),
        "endangers": "\n".join(said.endangers),
        "effects": "\n".join(said.effects),
        "changes": "\n".join(said.changes),
        "not_affected": "; ".join(said.not_affected),
        "runbook_url": next((one for one in said.runbooks if one.startswith(("https://", "http://"))), ""),
        "workaround": incident.workaround or "",
        "link": link or "",
    }
    return annotations | {name: clip(text, LONGEST) for name, text in some.items() if text}


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
