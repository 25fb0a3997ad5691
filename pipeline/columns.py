"""Observations field by field: what stages that count look at, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import astuple

from pipeline.observation import Environment, Observation, Outcome


@dataclass(frozen=True, slots=True)
class Columns:
    """The fields of some observations, each as a tuple; in the order of `Observation`."""

    event_id: tuple[str, ...]
    operation: tuple[str, ...]
    operator: tuple[str, ...]
    device_class: tuple[str, ...]
    firmware: tuple[str, ...]
    environment: tuple[Environment, ...]
    outcome: tuple[Outcome, ...]
    latency_ms: tuple[float | None, ...]
    retries: tuple[int | None, ...]
    device_id: tuple[str | None, ...]
    session_id: tuple[str | None, ...]
    seq: tuple[int | None, ...]
    seq_scope: tuple[str | None, ...]
    occurred_at: tuple[int | None, ...]
    sent_at: tuple[int | None, ...]
    received_at: tuple[int | None, ...]
    cached: tuple[bool, ...]
    count: tuple[int, ...]
    error_code: tuple[str | None, ...]
    app_version: tuple[str | None, ...]


def columns(observations: Iterable[Observation]) -> Columns:
    """Turn rows into columns; there must be at least one."""
    return Columns(*zip(*map(astuple, observations), strict=True))
