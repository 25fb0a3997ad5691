"""Clauses of an interface that a record may violate without being refused: what each says, and how grave it is."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from pipeline.observation import Observation


class Gravity(StrEnum):
    """How much a violation costs what is built on it."""

    NOTE = "note"
    WARNING = "warning"
    SERIOUS = "serious"


class Clause(NamedTuple):
    id: str
    sentence: str
    gravity: Gravity


_REQUIRED: Final = ("event_id", "operation", "operator", "device_class")

_ALL: Final = (
    *(
        Clause(f"field.{name}", f"{name}, where present, is of its type and within its bounds.", Gravity.WARNING)
        for name in Observation.__struct_fields__
        if name not in _REQUIRED
    ),
    Clause("enum.environment", "environment is one of the listed values.", Gravity.NOTE),
    Clause("enum.outcome", "outcome is one of the listed values.", Gravity.WARNING),
    Clause("json.duplicate_key", "No key stands twice in an object.", Gravity.NOTE),
    Clause("clock.unit", "Times are in milliseconds, not in seconds, micro- or nanoseconds.", Gravity.SERIOUS),
    Clause("clock.uptime", "Times are of a calendar clock, not time since start.", Gravity.SERIOUS),
    Clause("clock.implausible", "Times lie between 2000 and 2100.", Gravity.SERIOUS),
    Clause("clock.past", "A record is not older than thirty days when it arrives.", Gravity.WARNING),
    Clause("clock.future", "A record is not from later than the other reports of its device allow.", Gravity.WARNING),
    Clause("clock.jump", "A device's clock is not set ahead.", Gravity.WARNING),
    Clause("seq.reset", "A sequence continues; it does not start again.", Gravity.NOTE),
)

CLAUSES: Final = MappingProxyType({clause.id: clause for clause in _ALL})
NUMBER: Final = MappingProxyType({clause.id: number for number, clause in enumerate(_ALL)})
"""Clauses by number, as columns of counts hold them; `_ALL[number]` is the clause."""


def clause_id(number: int) -> str:
    return _ALL[number].id
