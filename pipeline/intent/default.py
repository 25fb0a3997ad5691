"""The intent that serves where nobody has written one."""

from __future__ import annotations

from pipeline.intent.model import Intent, Priority, Service


def default() -> Intent:
    """Starting a playback, checking an entitlement, fetching a licence are non-negotiable; the rest makes tickets."""
    return Intent(
        services=(
            Service("playback", ("playback_start",), Priority.NON_NEGOTIABLE),
            Service("entitlement", ("entitlement_check",), Priority.NON_NEGOTIABLE),
            Service("licensing", ("license_request",), Priority.NON_NEGOTIABLE),
            Service("continuity", ("stall",), Priority.DEGRADABLE),
            Service("telemetry", ("heartbeat",), Priority.DEGRADABLE),
        )
    )
