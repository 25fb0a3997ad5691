"""How a worker is, as far as its pages need to know, and what to say when it is not well."""

from __future__ import annotations

from typing import Protocol


class Health(Protocol):
    """Read at each request; `pipeline.stream.health.Health` is one."""

    @property
    def connected(self) -> bool:
        """A broker has answered."""

    @property
    def assigned(self) -> bool:
        """The group has given this worker its partitions, which may be none."""

    @property
    def loaded(self) -> bool:
        """The state of every assigned partition has been read back."""

    @property
    def problem(self) -> str | None:
        """Why the worker is ending, once it is."""


def unwell(health: Health) -> str | None:
    """Why a restart would help; None while it would not."""
    return health.problem


def unready(health: Health) -> str | None:
    """Why records are not taken as they come; None when they are."""
    if health.problem is not None:
        return health.problem
    if not health.connected:
        return "no Kafka broker has answered yet"
    if not health.assigned:
        return "waiting for the group to assign partitions"
    if not health.loaded:
        return "reading back the state of the assigned partitions"
    return None
