"""What the route agent knows of whom it tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pipeline.messages import Incident


class Sink(Protocol):
    """Takes the changes of incidents. What cannot be delivered now is kept and tried again by the sink itself."""

    async def restore(self, incidents: Sequence[Incident]) -> None:
        """Take up what earlier workers have told: the newest record of each incident. Nobody is told again."""

    async def send(self, incident: Incident) -> None:
        """Take a change; the newest with an `incident_id` is the incident's state. The same again does no harm."""

    async def close(self) -> None:
        """Deliver what is left, if that is quickly done, and let go of everything."""
