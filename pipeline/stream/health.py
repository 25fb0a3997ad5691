"""How a worker is: what its health pages and its watchdog go by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Health:
    """Changed by the worker, read by whoever asks.

    Attributes:
        connected: a broker has answered.
        assigned: the group has given this worker its partitions, which may be none.
        loaded: the state of every assigned partition has been read back.
        partitions: those that are assigned now, such as `acme.telemetry/3`.
        lag: by partition, records that wait to be taken.
        problem: why the worker is ending, once it is.
    """

    connected: bool = False
    assigned: bool = False
    loaded: bool = False
    partitions: tuple[str, ...] = ()
    lag: dict[str, int] | None = None
    problem: str | None = None

    @property
    def alive(self) -> bool:
        """Restarting would not help."""
        return self.problem is None

    @property
    def ready(self) -> bool:
        """Takes records as they come."""
        return self.alive and self.connected and self.assigned and self.loaded
