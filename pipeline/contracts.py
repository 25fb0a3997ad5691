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

_COMMON: Final = (
    *(
        Clause(f"field.{name}", f"{name}, where present, is of its type and within its bounds.", Gravity.WARNING)
        for name in Observation.__struct_fields__
        if name not in _REQUIRED
    ),
    Clause("enum.environment", "environment is one of the listed values.", Gravity.NOTE),
    Clause("enum.outcome", "outcome is one of the listed values.", Gravity.WARNING),
    Clause("json.duplicate_key", "No key stands twice in an object.", Gravity.NOTE),
    Clause("clock.unit", "Times are in the unit of the format (canonical: milliseconds).", Gravity.SERIOUS),
    Clause("clock.uptime", "Times are of a calendar clock, not time since start.", Gravity.SERIOUS),
    Clause("clock.implausible", "Times lie between 2000 and 2100.", Gravity.SERIOUS),
    Clause("clock.past", "A record is not older than thirty days when it arrives.", Gravity.WARNING),
    Clause("clock.future", "A record is not from later than the other reports of its device allow.", Gravity.WARNING),
    Clause("clock.jump", "A device's clock is not set ahead.", Gravity.WARNING),
    Clause("seq.reset", "A sequence continues; it does not start again.", Gravity.NOTE),
    Clause("clock.before_firmware", "A record is not older than the firmware that made it.", Gravity.WARNING),
    Clause("session.identity", "Device, device class and firmware stay the same within a session.", Gravity.WARNING),
    Clause("measure.value", "A parameter that is measured holds a number that is not negative.", Gravity.WARNING),
    Clause("counter.fell", "A counter only falls when its device has restarted.", Gravity.WARNING),
)

_CMCD: Final = (
    Clause("cmcd.syntax", "A line is a dictionary of structured fields (RFC 8941).", Gravity.WARNING),
    Clause("cmcd.version", "Keys of version 2 come with v=2.", Gravity.NOTE),
    Clause("cmcd.event_missing", "An event report says of which event (e).", Gravity.WARNING),
    Clause("cmcd.event", "e is one of the events of CTA-5004-B.", Gravity.WARNING),
    Clause("cmcd.ts_missing", "An event report says when (ts).", Gravity.SERIOUS),
    Clause("cmcd.sn_missing", "A report of version 2 is numbered (sn).", Gravity.SERIOUS),
    Clause("cmcd.sn", "sn is an integer that is not negative.", Gravity.SERIOUS),
    Clause("cmcd.msd_repeated", "msd is sent once in a session and mode.", Gravity.WARNING),
    Clause("cmcd.decimal", "What is counted in whole milliseconds, kbps or pieces has no fraction.", Gravity.NOTE),
    Clause("cmcd.type", "Every key has a value of its type.", Gravity.WARNING),
    Clause("cmcd.cen", "cen comes with e=ce alone.", Gravity.NOTE),
    Clause("cmcd.response", "Keys of a response come with e=rr, and those with a url.", Gravity.NOTE),
    Clause("cmcd.sid_length", "sid has at most 64 characters.", Gravity.WARNING),
    Clause("cmcd.state", "sta is one of the states s p k r a e f q d.", Gravity.WARNING),
    Clause("cmcd.ec", "ec is a list of strings.", Gravity.NOTE),
)

_RDK: Final = (
    Clause("rdk.shape", "A report is an array of objects with one marker each.", Gravity.NOTE),
    Clause("rdk.time_unknown", "Time is known.", Gravity.SERIOUS),
    Clause("rdk.time", "Time is written YYYY-MM-DD HH:MM:SS.", Gravity.SERIOUS),
    Clause("rdk.list_full", "An accumulated list has fewer than 20 entries: what came after is lost.", Gravity.WARNING),
    Clause("rdk.ct_count", "There are as many times (_CT) of a marker as values.", Gravity.WARNING),
    Clause("rdk.nested", "What a player writes into a marker can be read.", Gravity.SERIOUS),
    Clause("rdk.cached_order", "A cached report is older than the device's current one.", Gravity.WARNING),
)

_BULKDATA: Final = (
    Clause("bulkdata.time_missing", "A report says when it was collected.", Gravity.SERIOUS),
    Clause("bulkdata.grid", "A device collects at the same phase of its interval.", Gravity.NOTE),
    Clause("bulkdata.ragged", "Every row of a CSV has the cells of the first.", Gravity.SERIOUS),
)

_OTLP: Final = (
    Clause("otlp.id_length", "A trace id has 16 bytes and a span id 8, not all zero.", Gravity.NOTE),
    Clause("otlp.observed_before", "Nothing is observed before it happened.", Gravity.WARNING),
    Clause("otlp.time_missing", "A log record says when it happened (timeUnixNano).", Gravity.SERIOUS),
)

_CLOUDEVENTS: Final = (
    Clause("cloudevents.required", "An event has id, source, specversion and type.", Gravity.SERIOUS),
    Clause("cloudevents.version", "specversion is 1.0.", Gravity.NOTE),
    Clause("cloudevents.time", "time is written as RFC 3339 says.", Gravity.WARNING),
    Clause("cloudevents.id_reused", "Source and id together name one event, with one payload.", Gravity.SERIOUS),
)

_ALL: Final = _COMMON + _CMCD + _RDK + _BULKDATA + _OTLP + _CLOUDEVENTS

CLAUSES: Final = MappingProxyType({clause.id: clause for clause in _ALL})
NUMBER: Final = MappingProxyType({clause.id: number for number, clause in enumerate(_ALL)})
"""Clauses by number, as columns of counts hold them; `_ALL[number]` is the clause."""


def clause_id(number: int) -> str:
    return _ALL[number].id
