"""To whom an incident would be routed, by the intent alone.

As what is compiled for Alertmanager routes; see `Intent.receiver_of`. `log` is told nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.intent import Intent, Severity

NOBODY = "nobody"


def receivers_of(intent: Intent, services: Sequence[str], severity: Severity) -> tuple[str, ...]:
    """Names of receivers, each once; `severity=page` where the intent names none for it: whoever routes by that label
    decides."""
    if severity is Severity.LOG:
        return (NOBODY,)
    label = f"severity={severity}"
    known = [service for service in intent.services if service.name in services]
    told = [intent.receiver_of(service, severity) or label for service in known]
    return tuple(dict.fromkeys(told or [intent.routes.get(severity, label)]))
