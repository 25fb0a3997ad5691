"""Observations field by field: what stages that count look at, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.observation import Observation


class Columns(NamedTuple):
    """Fields of some observations, each in a list of the same length; `attempts` is their `count`."""

    event_id: list[str]
    operation: list[str]
    operator: list[str]
    device_class: list[str]
    firmware: list[str]
    environment: list[str]
    outcome: list[str]
    latency_ms: list[float | None]
    retries: list[int | None]
    device_id: list[str | None]
    session_id: list[str | None]
    seq: list[int | None]
    seq_scope: list[str | None]
    occurred_at: list[int | None]
    sent_at: list[int | None]
    cached: list[bool]
    attempts: list[int]

    @classmethod
    def of(cls, seen: Sequence[Observation]) -> Columns:
        # A pass for each field. Tuples of all fields, transposed, would be shorter; but so many tuples at once keep the
        # garbage collector busier than all of the counting.
        return cls(
            event_id=[one.event_id for one in seen],
            operation=[one.operation for one in seen],
            operator=[one.operator for one in seen],
            device_class=[one.device_class for one in seen],
            firmware=[one.firmware for one in seen],
            environment=[one.environment for one in seen],
            outcome=[one.outcome for one in seen],
            latency_ms=[one.latency_ms for one in seen],
            retries=[one.retries for one in seen],
            device_id=[one.device_id for one in seen],
            session_id=[one.session_id for one in seen],
            seq=[one.seq for one in seen],
            seq_scope=[one.seq_scope for one in seen],
            occurred_at=[one.occurred_at for one in seen],
            sent_at=[one.sent_at for one in seen],
            cached=[one.cached for one in seen],
            attempts=[one.count for one in seen],
        )
