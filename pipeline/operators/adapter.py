"""What every adapter offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, NamedTuple

from pipeline.messages import Place, Reject
from pipeline.observation import Observation
from pipeline.operators.jsontext import MAX_BYTES
from pipeline.records import RecordBatch

LONGEST_REJECT: Final = 64 * 1024
"""Of a record over the limit so much is kept: it cannot be fed again, and must fit through a dead-letter queue."""
MOST_HEADERS: Final = 64


class Refusal(NamedTuple):
    """A record that could not be used: where in the batch, and its operator where that could be read."""

    where: int
    operator: str | None
    reject: Reject


@dataclass(slots=True)
class Decoded:
    """A batch after its adapter; `observations`, `arrivals` and `where` run side by side, in the order of the records.

    arrivals: when the first system that we trust received each, ms since the epoch.
    where: index into the batch of the record that each observation came from (one record may hold several).
    violations: contract clauses that an observation violates, by its index; most have none.
    raw: values that were replaced (an enum's unknown member) or could not be mapped, by observation's index and by
        field or source; those that were not mapped only where somebody asked for them.
    tolerated: violations of clauses that a quirk of the operator allows for the time being; they ride on nothing.
    several: some record gave more than one observation.
    unknown_fields: fields that were not understood, and ignored.
    """

    observations: list[Observation] = field(default_factory=list)
    arrivals: list[int] = field(default_factory=list)
    where: Sequence[int] = ()
    violations: dict[int, tuple[str, ...]] = field(default_factory=dict)
    raw: dict[int, dict[str, str]] = field(default_factory=dict)
    rejects: list[Refusal] = field(default_factory=list)
    unknown_fields: int = 0
    tolerated: Counter[str] = field(default_factory=Counter)
    several: bool = False


class Adapter(ABC):
    """Turns records of one wire format into Observations. The same log gives the same answer: what an adapter remembers
    (a device's last report, say) is bounded, and came from the records before.

    Attributes:
        version: format and version of its reader, raised when it reads differently: a record that was refused by
            another is worth another try.
        whose: the operator of all that it reads, where that is known.
    """

    version: ClassVar[str]
    whose: str | None = None

    @abstractmethod
    def decode(self, batch: RecordBatch) -> Decoded:
        """Every record ends as observations or as a refusal."""


def refusal(
    batch: RecordBatch,
    index: int,
    reason: str,
    field: str | None,
    detail: str,
    operator: str | None = None,
    adapter: str = "canonical/1",
) -> Refusal:
    """A refusal of a record of a batch."""
    value = batch.values[index]
    if len(value) > MAX_BYTES:
        value = value[:LONGEST_REJECT]
    received_at = batch.timestamps[index] if batch.timestamps is not None else None
    headers = tuple((name, said) for name, said in batch.headers[index]) if batch.headers is not None else ()
    place = Place(batch.origin, batch.positions[index])
    reject = Reject(reason, field, place, detail, value, received_at, adapter, operator, headers[:MOST_HEADERS])
    return Refusal(index, operator, reject)
