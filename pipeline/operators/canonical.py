"""Canonical NDJSON: observations in the fields of the wire contract, one JSON object a record.

Three ways to one answer, the next where one does not do. Nearly every record is what the contract says and is decoded
straight into an `Observation`. One that is so but for escapes or fields that we do not know is parsed first, as control
characters may hide and the fields must be counted. What is left breaks the contract and is read leniently, field by
field: a bad optional field costs that field alone, a bad required one the record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.observation import (
    EARLIEST_MS,
    ENVIRONMENTS,
    LATEST_MS,
    MAX_COUNT,
    MAX_ID,
    MAX_LATENCY_MS,
    MAX_NAME,
    MAX_RETRIES,
    MAX_SEQ,
    OUTCOMES,
    Observation,
)
from pipeline.operators.adapter import Adapter, Decoded, refusal
from pipeline.operators.jsontext import MAX_BYTES, UnusableRecordError, kind, read_object
from pipeline.records import RecordBatch


class Problem(NamedTuple):
    """Why a value cannot be used: a word from a fixed set, and a sentence."""

    word: str
    sentence: str


REASONS: Final = (
    "record.too_long",
    "utf8.invalid",
    "json.invalid",
    "json.not_object",
    "json.too_deep",
    *(
        f"{name}.{problem}"
        for name in ("event_id", "operation", "operator", "device_class")
        for problem in ("absent", "invalid", "too_long", "control_character", "surrogate")
    ),
    *(f"received_at.{problem}" for problem in ("absent", "invalid", "out_of_range")),
)
"""Why a record is refused; the arrival clock adds `received_at.ahead`."""

_LONGEST_RAW: Final = 128
"""Characters that are kept of a value that was replaced."""
_EXACT_FLOAT: Final = 2.0**53
"""Up to here a float tells which integer was meant."""

_ABSENT: Final = Problem("absent", "is required, and absent")

_AT_ONCE: Final = 250
"""Records that are tried together: one that needs a slower way makes so many be tried again."""

_decode: Final = msgspec.json.Decoder(Observation).decode
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Canonical(Adapter):
    """The canonical adapter."""

    version = "canonical/1"

    def decode(self, batch: RecordBatch) -> Decoded:
        out = Decoded()
        values = _unsuspicious(batch.values)
        for first in range(0, len(values), _AT_ONCE):
            some = values[first : first + _AT_ONCE]
            try:
                observations = list(map(_decode, some))
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self._read_each(batch, some, out)
                continue
            arrivals = [observation.received_at for observation in observations]
            if None in arrivals:
                for observation in observations:
                    self._stamp(batch, observation, out)
            else:
                out.observations += observations
                out.arrivals += arrivals  # type: ignore[arg-type]  # none is None
        every = range(len(batch.values))
        refused = {refusal.where for refusal in out.rejects}
        out.where = [index for index in every if index not in refused] if refused else every
        return out

    def _read_each(self, batch: RecordBatch, values: Sequence[bytes], out: Decoded) -> None:
        """Take some records, of which not all go the fast way."""
        for value in values:
            try:
                observation = _decode(value)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self._read(batch, out)
            else:
                self._stamp(batch, observation, out)

    def _read(self, batch: RecordBatch, out: Decoded) -> None:
        """Take the next record one of the slower ways."""
        index = len(out.observations) + len(out.rejects)
        try:
            reading = _observation(batch.values[index])
        except UnusableRecordError as error:
            out.rejects.append(refusal(batch, index, error.reason, error.field, error.detail, error.operator))
            return
        if reading.violations:
            out.violations[len(out.observations)] = reading.violations
        if reading.raw:
            out.raw[len(out.observations)] = reading.raw
        out.unknown_fields += reading.unknown_fields
        self._stamp(batch, reading.observation, out, reading.arrival)

    def _stamp(
        self, batch: RecordBatch, observation: Observation, out: Decoded, problem: Problem | None = None
    ) -> None:
        """Take the next record with its arrival: its own, else the broker's; on disk there is no other."""
        arrival = observation.received_at
        index = len(out.observations) + len(out.rejects)
        if arrival is None and batch.timestamps is not None:
            stamp = batch.timestamps[index]
            # Kafka writes -1 where nobody gave a time.
            arrival = stamp if EARLIEST_MS <= stamp <= LATEST_MS else None
        if arrival is not None:
            out.observations.append(observation)
            out.arrivals.append(arrival)
            return
        word, sentence = problem or _ABSENT
        out.violations.pop(len(out.observations), None)
        out.raw.pop(len(out.observations), None)
        reason, detail = f"received_at.{word}", f"received_at {sentence}"
        out.rejects.append(refusal(batch, index, reason, "received_at", detail, observation.operator))


def _unsuspicious(values: Sequence[bytes]) -> Sequence[bytes]:
    """The values, but empty where the fast way might accept what it must not: over the limit, or a control character.

    One is written as an escape, is DEL, or begins with C2 in UTF-8. A look at all values together is far cheaper than
    one at each, and nearly always enough.
    """
    longest = max(map(len, values), default=0)
    if longest <= MAX_BYTES and not _is_suspicious(b"".join(values)):
        return values
    return [b"" if len(value) > MAX_BYTES or _is_suspicious(value) else value for value in values]


def _is_suspicious(text: bytes) -> bool:
    # `in` is ten times as slow on bytes: it first takes its argument for a number.
    return text.find(b"\\") >= 0 or text.find(b"\x7f") >= 0 or text.find(b"\xc2") >= 0


class _Reading(NamedTuple):
    """arrival: what is wrong with the record's own time of arrival, if it has one that is."""

    observation: Observation
    unknown_fields: int
    violations: tuple[str, ...] = ()
    raw: dict[str, str] | None = None
    arrival: Problem | None = None


def _observation(value: bytes) -> _Reading:
    """Read a record that the fast way does not take.

    Raises:
        UnusableRecordError: it is no JSON object, or lacks a required field.
    """
    fields, repeated = read_object(value)
    known = {name: value for name, value in fields.items() if name in _KNOWN}
    unknown = len(fields) - len(known)
    try:
        observation = msgspec.convert(known, Observation)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return _leniently(known, unknown, repeated)
    if _is_suspicious(value) and any(isinstance(text, str) and _unusable(text) for text in known.values()):
        return _leniently(known, unknown, repeated)
    return _Reading(observation, unknown, ("json.duplicate_key",) if repeated else ())


def settled(fields: dict[str, Any]) -> tuple[Observation, tuple[str, ...], dict[str, str]]:
    """An observation of values that an adapter found, held to the bounds of the wire contract; absent ones left out.

    Returns it, the clauses that its values violate, and the enum values that were replaced.

    Raises:
        UnusableRecordError: a required field is not usable.
    """
    try:
        observation = msgspec.convert(fields, Observation)
    except (msgspec.ValidationError, UnicodeEncodeError):
        pass
    else:
        for value in fields.values():
            if value.__class__ is str and not value.isprintable():
                break
        else:
            return observation, (), {}
    reading = _leniently(fields, 0, False)
    return reading.observation, reading.violations, reading.raw or {}


def _leniently(fields: dict[str, Any], unknown: int, repeated: bool) -> _Reading:
    used: dict[str, Any] = {}
    violations = ["json.duplicate_key"] if repeated else []
    raw: dict[str, str] = {}
    lacking: tuple[str, Problem] | None = None
    for name, read in _REQUIRED.items():
        value = fields.get(name)
        found = _ABSENT if value is None or value == "" else read(value)
        if not isinstance(found, Problem):
            used[name] = found
        elif lacking is None:
            lacking = (name, found)
    if lacking is not None:
        name, problem = lacking
        raise UnusableRecordError(
            reason=f"{name}.{problem.word}",
            detail=f"{name} {problem.sentence}",
            field=name,
            operator=used.get("operator"),
        )
    arrival = None
    for name, read in _OPTIONAL.items():
        value = fields.get(name)
        if value is None or value == "":
            continue
        found = read(value)
        if not isinstance(found, Problem):
            used[name] = found
            continue
        violations.append(f"field.{name}")
        if name == "received_at":
            arrival = found
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
            raw[name] = value[:_LONGEST_RAW]
    return _Reading(Observation(**used), unknown, tuple(violations), raw, arrival)


def _unusable(text: str) -> str | None:
    """What keeps a text from being used, whatever its length."""
    if text.isprintable():
        return None
    if _CONTROL.search(text):
        return "control_character"
    return "surrogate" if _SURROGATE.search(text) else None


def _text(longest: int) -> Callable[[Any], str | Problem]:
    def read(value: Any) -> str | Problem:
        if not isinstance(value, str):
            return Problem("invalid", f"is {kind(value)}, not a string")
        if len(value) > longest:
            return Problem("too_long", f"has {len(value)} characters; at most {longest} fit")
        match _unusable(value):
            case None:
                return value
            case "control_character":
                return Problem("control_character", "holds a control character")
            case word:
                return Problem(word, "holds half of a surrogate pair")

    return read


def _whole(least: int, most: int) -> Callable[[Any], int | Problem]:
    def read(value: Any) -> int | Problem:
        if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT_FLOAT:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            return Problem("invalid", f"is {kind(value)}, not an integer")
        if not least <= value <= most:
            return Problem("out_of_range", f"is {value}, not within {least} to {most}")
        return value

    return read


def _latency(value: Any) -> float | Problem:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Problem("invalid", f"is {kind(value)}, not a number")
    if not 0 <= value <= MAX_LATENCY_MS:
        return Problem("out_of_range", f"is {value}, not within 0 to {MAX_LATENCY_MS:.0f}")
    return float(value)


def _flag(value: Any) -> bool | Problem:
    return value if isinstance(value, bool) else Problem("invalid", f"is {kind(value)}, not a boolean")


_name, _id, _instant = _text(MAX_NAME), _text(MAX_ID), _whole(-MAX_SEQ, MAX_SEQ)
_REQUIRED: Final[dict[str, Callable[[Any], str | Problem]]] = {
    "event_id": _id,
    "operation": _name,
    "operator": _name,
    "device_class": _name,
}
_OPTIONAL: Final[dict[str, Callable[[Any], Any]]] = {
    "firmware": _name,
    "latency_ms": _latency,
    "retries": _whole(0, MAX_RETRIES),
    "device_id": _id,
    "session_id": _id,
    "seq": _whole(0, MAX_SEQ),
    "seq_scope": _id,
    "occurred_at": _instant,
    "sent_at": _instant,
    "received_at": _whole(EARLIEST_MS, LATEST_MS),
    "cached": _flag,
    "count": _whole(1, MAX_COUNT),
    "error_code": _id,
    "app_version": _name,
}
_ENUMS: Final = {"environment": frozenset(ENVIRONMENTS), "outcome": frozenset(OUTCOMES)}
_KNOWN: Final = frozenset(Observation.__struct_fields__)
