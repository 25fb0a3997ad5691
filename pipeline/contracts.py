"""Clauses of an interface that a record may violate without being refused: what each says, and how grave it is."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class Gravity(StrEnum):
    """How much a violation costs what is built on it."""

    NOTE = "note"
    WARNING = "warning"
    SERIOUS = "serious"


class Clause(NamedTuple):
    id: str
    sentence: str
    gravity: Gravity


_FIELDS: Final = (
    "firmware", "environment", "outcome", "latency_ms", "retries", "device_id", "session_id", "seq", "seq_scope",
    "occurred_at", "sent_at", "received_at", "cached", "count", "error_code", "app_version",
)  # fmt: skip

CLAUSES: Final[dict[str, Clause]] = {
    clause.id: clause
    for clause in (
        *(
            Clause(f"field.{name}", f"{name}, where present, is of its type and within its bounds.", Gravity.WARNING)
            for name in _FIELDS
        ),
        Clause("enum.environment", "environment is one of the listed values.", Gravity.NOTE),
        Clause("enum.outcome", "outcome is one of the listed values.", Gravity.WARNING),
        Clause("clock.unit", "Times are milliseconds since the epoch.", Gravity.SERIOUS),
        Clause("clock.uptime", "Times are of a calendar clock, not time since start.", Gravity.SERIOUS),
        Clause("clock.future", "A device's clock is not ahead of its record's arrival.", Gravity.WARNING),
        Clause("clock.jump", "A device's clock does not jump.", Gravity.WARNING),
        Clause("seq.reset", "A sequence continues; it does not start again.", Gravity.NOTE),
        Clause("seq.jump", "A sequence grows by one.", Gravity.WARNING),
    )
}
