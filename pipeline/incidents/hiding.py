"""What is said of an incident that a workaround hides, or hid until it expired."""

from __future__ import annotations

import msgspec

from pipeline.incidents.telling import behind
from pipeline.incidents.wording import instant
from pipeline.intent import Severity
from pipeline.messages import Incident
from pipeline.workarounds import Workaround


def hidden(incident: Incident, by: Workaround) -> Incident:
    """Seen, and paging nobody."""
    why = f"Hidden by workaround {by.id} of {by.owner} until {instant(by.expires_at)}: {by.reason}"
    return msgspec.structs.replace(
        incident,
        state="suppressed",
        workaround=by.id,
        owner=by.owner,
        summary=f"{incident.summary} {why}",
    )


def out_of_sight(incident: Incident, by: Workaround) -> Incident:
    """It is back at what is expected, behind a workaround: that it is over cannot be said."""
    return msgspec.structs.replace(
        incident,
        state="suppressed",
        workaround=by.id,
        owner=by.owner,
        summary=f"{incident.summary} {behind(by)}",
    )


def come_out(incident: Incident, after: Workaround) -> Incident:
    """The workaround has expired: it pages, and its owner is named."""
    why = f"Workaround {after.id} of {after.owner} hid this and expired {instant(after.expires_at)}."
    return msgspec.structs.replace(
        incident,
        severity=str(Severity.PAGE),
        workaround=after.id,
        owner=after.owner,
        summary=f"{incident.summary} {why}",
    )
