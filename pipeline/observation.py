"""The canonical types: what one device or back end saw, after an operator's adapter."""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple, TypeAlias

import msgspec

UNKNOWN: Final = "unknown"
ENVIRONMENTS: Final = ("production", "certification", "lab", UNKNOWN)
OUTCOMES: Final = ("ok", "denied", "error", "timeout", UNKNOWN)

MAX_LATENCY_MS: Final = 86_400_000.0
MAX_RETRIES: Final = 1_000
MAX_COUNT: Final = 1_000_000
MAX_SEQ: Final = 2**63 - 1
EARLIEST_MS: Final = 946_684_800_000  # 2000-01-01, the first plausible instant
LATEST_MS: Final = 4_102_444_800_000  # 2100-01-01


class Cohort(NamedTuple):
    """Devices that should behave alike: the unit that has a baseline."""

    operator: str
    device_class: str
    firmware: str = UNKNOWN
    environment: str = UNKNOWN

    def __str__(self) -> str:
        return " / ".join(self)


DIMENSIONS: Final = Cohort._fields


Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Instant: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=MAX_SEQ)]


class Observation(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One thing that was attempted, in the fields of the wire contract; every instance satisfies its bounds.

    Times are milliseconds since the epoch, UTC. `None` is absent: a missing value is never zero. Violated contract
    clauses ride beside the observation (see `pipeline.operators`), as most have none.
    """

    event_id: Id
    operation: Name
    operator: Name
    device_class: Name
    firmware: Name = UNKNOWN
    environment: str = UNKNOWN
    outcome: str = UNKNOWN
    latency_ms: Annotated[float, msgspec.Meta(ge=0, le=MAX_LATENCY_MS)] | None = None
    retries: Annotated[int, msgspec.Meta(ge=0, le=MAX_RETRIES)] | None = None
    device_id: Id | None = None
    session_id: Id | None = None
    seq: Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ)] | None = None
    seq_scope: Id | None = None
    occurred_at: Instant | None = None
    sent_at: Instant | None = None
    received_at: Annotated[int, msgspec.Meta(ge=EARLIEST_MS, le=LATEST_MS)] | None = None
    cached: bool = False
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] = 1
    error_code: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    app_version: Annotated[str, msgspec.Meta(max_length=128)] | None = None
