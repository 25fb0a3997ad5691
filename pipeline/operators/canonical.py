"""Canonical NDJSON: observations in the fields of the wire contract, one JSON object a record.

Two ways to the same answer. Nearly every record is what the contract says, and is decoded straight into an
`Observation` (0.5 us). One that is not takes the lenient way, field by field: a bad optional field costs that field
alone, a bad required one the record.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable
from typing import Any, Final

import msgspec
import orjson

from pipeline.observation import (
    EARLIEST_MS,
    ENVIRONMENTS,
    LATEST_MS,
    MAX_COUNT,
    MAX_LATENCY_MS,
    MAX_RETRIES,
    MAX_SEQ,
    OUTCOMES,
    UNKNOWN,
    Observation,
)
from pipeline.operators.adapter import Adapter, Decoded, reject
from pipeline.records import RecordBatch

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 32
"""Nesting of objects and arrays, the record itself being the first."""
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_FAST: Final = msgspec.json.Decoder(Observation)
_ENVIRONMENTS: Final = frozenset(ENVIRONMENTS)
_OUTCOMES: Final = frozenset(OUTCOMES)


class _Refused(Exception):
    """A record cannot be used: reason, field, sentence."""

    def __init__(self, reason: str, field: str | None, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.field = field
        self.detail = detail


class _Bad(Exception):
    """A value cannot be used; the sentence says why."""

    def __init__(self, problem: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail


class Canonical(Adapter):
    """The canonical adapter."""

    def decode(self, batch: RecordBatch) -> Decoded:
        out = Decoded()
        observations, arrivals, where = out.observations, out.arrivals, out.where
        timestamps = batch.timestamps
        fast = _FAST.decode
        for index, value in enumerate(batch.values):
            try:
                observation = fast(value)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                pass
            else:
                arrival = observation.received_at
                if arrival is None and timestamps is not None:
                    arrival = timestamps[index]
                if (
                    arrival is not None
                    and observation.outcome in _OUTCOMES
                    and observation.environment in _ENVIRONMENTS
                    and len(value) <= MAX_BYTES
                    # Control characters cannot hide where there is neither an escape nor anything past "~".
                    and b"\\" not in value
                    and value.isascii()
                    and b"\x7f" not in value
                ):
                    observations.append(observation)
                    arrivals.append(arrival)
                    where.append(index)
                    continue
            self._lenient(batch, index, out)
        return out

    def _lenient(self, batch: RecordBatch, index: int, out: Decoded) -> None:
        try:
            fields = _parse(batch.values[index])
            timestamp = batch.timestamps[index] if batch.timestamps is not None else None
            observation, arrival, violations, raw = _assemble(fields, timestamp)
        except _Refused as error:
            out.rejects.append(reject(batch, index, error.reason, error.field, error.detail))
            return
        if violations:
            out.violations[len(out.observations)] = violations
        if raw:
            out.raw[len(out.observations)] = raw
        out.unknown_fields += sum(name not in _KNOWN for name in fields)
        out.observations.append(observation)
        out.arrivals.append(arrival)
        out.where.append(index)


def _parse(value: bytes) -> dict[str, Any]:
    if len(value) > MAX_BYTES:
        raise _Refused("record.too_long", None, f"{len(value)} bytes; at most {MAX_BYTES} are read")
    if value.startswith(BYTE_ORDER_MARK):
        value = value[len(BYTE_ORDER_MARK) :]
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        try:
            value.decode()
        except UnicodeDecodeError as wrong:
            raise _Refused("utf8.invalid", None, f"byte {wrong.start} is not UTF-8") from error
        if "ecursion" in error.msg:
            raise _Refused("json.too_deep", None, f"nested deeper than {MAX_DEPTH}") from error
        raise _Refused("json.invalid", None, f"not JSON: {error.msg} at column {error.colno}") from error
    if not isinstance(document, dict):
        raise _Refused("json.not_object", None, f"a JSON {_kind(document)}, not an object")
    if _deeper(document, MAX_DEPTH):
        raise _Refused("json.too_deep", None, f"nested deeper than {MAX_DEPTH}")
    return document


def _deeper(document: object, limit: int) -> bool:
    layer: list[object] = [document]
    for _ in range(limit):
        below: list[object] = []
        for item in layer:
            if isinstance(item, dict):
                below += [child for child in item.values() if isinstance(child, dict | list)]
            elif isinstance(item, list):
                below += [child for child in item if isinstance(child, dict | list)]
        if not below:
            return False
        layer = below
    return True


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return {"str": "string", "list": "array", "dict": "object"}[type(value).__name__]


def _text(longest: int) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise _Bad("invalid", f"a {_kind(value)}, not a string")
        if len(value) > longest:
            raise _Bad("too_long", f"{len(value)} characters; at most {longest} fit")
        if not value.isprintable() and any(unicodedata.category(character) == "Cc" for character in value):
            raise _Bad("control_character", "it holds a control character")
        return value

    return read


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise _Bad("invalid", f"a {_kind(value)}, not an integer")
        if not least <= value <= most:
            raise _Bad("out_of_range", f"{value} is not within {least} to {most}")
        return value

    return read


def _latency(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Bad("invalid", f"a {_kind(value)}, not a number")
    if not math.isfinite(value) or not 0 <= value <= MAX_LATENCY_MS:
        raise _Bad("out_of_range", f"{value} is not within 0 to {MAX_LATENCY_MS:.0f}")
    return float(value)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Bad("invalid", f"a {_kind(value)}, not a boolean")
    return value


_REQUIRED: Final[dict[str, Callable[[Any], Any]]] = {
    "event_id": _text(256),
    "operation": _text(128),
    "operator": _text(128),
    "device_class": _text(128),
}
_OPTIONAL: Final[dict[str, Callable[[Any], Any]]] = {
    "firmware": _text(128),
    "latency_ms": _latency,
    "retries": _whole(0, MAX_RETRIES),
    "device_id": _text(256),
    "session_id": _text(256),
    "seq": _whole(0, MAX_SEQ),
    "seq_scope": _text(256),
    "occurred_at": _whole(-(2**63), MAX_SEQ),
    "sent_at": _whole(-(2**63), MAX_SEQ),
    "cached": _boolean,
    "count": _whole(1, MAX_COUNT),
    "error_code": _text(256),
    "app_version": _text(128),
}
_ENUMS: Final = {"environment": _ENVIRONMENTS, "outcome": _OUTCOMES}
_KNOWN: Final = frozenset({*_REQUIRED, *_OPTIONAL, *_ENUMS, "received_at"})
_ARRIVAL: Final = _whole(EARLIEST_MS, LATEST_MS)


def _assemble(
    fields: dict[str, Any], timestamp: int | None
) -> tuple[Observation, int, tuple[str, ...], dict[str, str]]:
    """Observation, arrival, violated clauses, values that were replaced.

    Raises:
        _Refused: a required field is not usable.
    """
    used: dict[str, Any] = {}
    violations: list[str] = []
    raw: dict[str, str] = {}
    for name, read in _REQUIRED.items():
        value = fields.get(name)
        if value is None or value == "":
            raise _Refused(f"{name}.absent", name, f"{name} is required and absent")
        try:
            used[name] = read(value)
        except _Bad as error:
            raise _Refused(f"{name}.{error.problem}", name, f"{name}: {error.detail}") from error
    arrival = _arrival(fields.get("received_at"), timestamp, violations)
    for name, read in _OPTIONAL.items():
        value = fields.get(name)
        if value is None or value == "":
            continue
        try:
            used[name] = read(value)
        except _Bad:
            violations.append(f"field.{name}")
    for name, members in _ENUMS.items():
        value = fields.get(name)
        if value is None or value == "":
            continue
        if not isinstance(value, str):
            violations.append(f"field.{name}")
        elif value in members:
            used[name] = value
        else:
            violations.append(f"enum.{name}")
            used[name] = UNKNOWN
            raw[name] = value
    return Observation(received_at=arrival, **used), arrival, tuple(violations), raw


def _arrival(value: Any, timestamp: int | None, violations: list[str]) -> int:
    """The payload's own arrival time where it is usable, else the broker's; on disk there is no other."""
    if value is None or value == "":
        if timestamp is None:
            raise _Refused("received_at.absent", "received_at", "received_at is required on disk and absent")
        return timestamp
    try:
        return int(_ARRIVAL(value))
    except _Bad as error:
        if timestamp is None:
            raise _Refused(f"received_at.{error.problem}", "received_at", f"received_at: {error.detail}") from error
        violations.append("field.received_at")
        return timestamp
