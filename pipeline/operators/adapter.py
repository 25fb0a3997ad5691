"""What every adapter offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from pipeline.messages import Place, Reject
from pipeline.observation import Observation
from pipeline.records import RecordBatch


@dataclass(slots=True)
class Decoded:
    """A batch after its adapter; `observations`, `arrivals` and `where` run side by side.

    arrivals: when the first system that we trust received each, ms since the epoch.
    where: index into the batch of the record that each observation came from (one record may hold several).
    violations: contract clauses that an observation violates, by its index; most have none.
    raw: values that were replaced (an enum's unknown member), by observation's index and field.
    unknown_fields: fields that were not understood, and ignored.
    """

    observations: list[Observation] = field(default_factory=list)
    arrivals: list[int] = field(default_factory=list)
    where: list[int] = field(default_factory=list)
    violations: dict[int, tuple[str, ...]] = field(default_factory=dict)
    raw: dict[int, dict[str, str]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    unknown_fields: int = 0


class Adapter(ABC):
    """Turns records of one wire format into Observations. Pure: the same batch gives the same answer."""

    @abstractmethod
    def decode(self, batch: RecordBatch) -> Decoded:
        """Every record ends as observations or as a reject."""


def place(batch: RecordBatch, index: int) -> Place:
    return Place(batch.origin, batch.positions[index])


def reject(batch: RecordBatch, index: int, reason: str, field: str | None, detail: str) -> Reject:
    """A reject of a record of a batch."""
    received_at = batch.timestamps[index] if batch.timestamps is not None else None
    return Reject(reason, field, place(batch, index), detail, batch.values[index], received_at)
