"""One wire format a file: bytes in, Observations and Rejects out. Nothing past this package knows a format.

adapter       what every adapter offers: a batch of records in, observations, arrivals, clauses and refusals out
canonical     the wire contract itself, on a way of its own as most records take it
reading       what all others share; profile: what is peculiar to an operator, as data
cmcd, rdk, bulkdata, otlp, cloudevents      the formats
"""

from __future__ import annotations

from typing import Final

from pipeline.operators.adapter import Adapter, Decoded
from pipeline.operators.bulkdata import BulkData
from pipeline.operators.canonical import Canonical
from pipeline.operators.cloudevents import CloudEvents
from pipeline.operators.cmcd import Cmcd
from pipeline.operators.otlp import Otlp
from pipeline.operators.profile import PLAIN, Profile
from pipeline.operators.rdk import Rdk
from pipeline.operators.reading import RecordAdapter

RECORD_ADAPTERS: Final[dict[str, type[RecordAdapter]]] = {
    "cmcd": Cmcd,
    "rdk": Rdk,
    "bulkdata": BulkData,
    "otlp": Otlp,
    "cloudevents": CloudEvents,
}
ADAPTERS: Final[dict[str, type[Adapter]]] = {"canonical": Canonical, **RECORD_ADAPTERS}
"""By the name that `--format` and the configuration use."""


def adapter_of(format_name: str, profile: Profile = PLAIN, *, keep_raw: bool = False) -> Adapter:
    """An adapter for an operator's feed; canonical records say everything themselves."""
    if format_name == "canonical":
        canonical = Canonical()
        canonical.whose = None if profile is PLAIN else profile.name
        return canonical
    return RECORD_ADAPTERS[format_name](profile, keep_raw=keep_raw)


__all__ = ["ADAPTERS", "PLAIN", "RECORD_ADAPTERS", "Adapter", "Canonical", "Decoded", "Profile", "adapter_of"]
