"""The canonical types: what one device or back end saw, after an operator's adapter."""

from __future__ import annotations

from typing import Final, NamedTuple

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


class Observation(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One thing that was attempted, in the fields of the wire contract; every instance satisfies its bounds.

    Times are milliseconds since the epoch, UTC. `None` is absent: a missing value is never zero. Violated contract
    clauses ride beside the observation (see `pipeline.operators`), as most have none.
    """

    event_id: str
    operation: str
    operator: str
    device_class: str
    firmware: str = UNKNOWN
    environment: str = UNKNOWN
    outcome: str = UNKNOWN
    latency_ms: float | None = None
    retries: int | None = None
    device_id: str | None = None
    session_id: str | None = None
    seq: int | None = None
    seq_scope: str | None = None
    occurred_at: int | None = None
    sent_at: int | None = None
    received_at: int | None = None
    cached: bool = False
    count: int = 1
    error_code: str | None = None
    app_version: str | None = None
