"""The canonical types: what one device or back end saw, after an operator's adapter."""

from __future__ import annotations

from typing import Annotated, Final, Literal, NamedTuple, TypeAlias, get_args

import msgspec

UNKNOWN: Final = "unknown"
Environment: TypeAlias = Literal["production", "certification", "lab", "unknown"]
Outcome: TypeAlias = Literal["ok", "denied", "error", "timeout", "unknown"]
ENVIRONMENTS: Final[tuple[str, ...]] = get_args(Environment)
OUTCOMES: Final[tuple[str, ...]] = get_args(Outcome)

MAX_NAME: Final = 128
MAX_ID: Final = 256
"""Characters."""
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


Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
Id: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]
# Whatever a device clock may say: what it can mean is for `pipeline.clocks` to tell.
Instant: TypeAlias = Annotated[int, msgspec.Meta(ge=-MAX_SEQ, le=MAX_SEQ)]


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
    environment: Environment = "unknown"
    outcome: Outcome = "unknown"
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
    error_code: Id | None = None
    app_version: Name | None = None
