"""To whom an incident would be routed, by the intent alone.

As what is compiled for Alertmanager routes: a service with a receiver of its own goes there, whatever the severity that
is told; the others by severity. `log` is told nobody.
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
    by_name = {service.name: service for service in intent.services}
    named = [by_name[name].route for name in services if name in by_name]
    own = [route for route in named if route is not None]
    if own and len(own) == len(services):
        return tuple(dict.fromkeys(own))
    return tuple(dict.fromkeys([*own, intent.routes.get(severity, f"severity={severity}")]))
