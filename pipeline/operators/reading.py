"""The way of every adapter but the canonical one: a record at a time, each found thing held to the wire contract.

    RecordBatch ──► Record ──► read() ──► Found, Found, … ──► settled ──► Decoded
                       └───────────┴───────────┴──► Refusal

A format's file says what its records hold (`read`); what they all have in common is here: when a record arrived, what
its operator's configuration adds, what may not contradict what came before.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from pipeline.observation import EARLIEST_MS, Observation
from pipeline.operators.adapter import Adapter, Decoded, Refusal, refusal
from pipeline.operators.canonical import settled
from pipeline.operators.identity import Identity
from pipeline.operators.jsontext import UnusableRecordError
from pipeline.operators.payload import Record, plausible, record_of
from pipeline.operators.profile import PLAIN, Profile
from pipeline.operators.recall import Recall
from pipeline.records import RecordBatch

MOST_FOUND: Final = 10_000
"""Observations of one record."""
MOST_RAW: Final = 32
LONGEST_RAW: Final = 128
"""Values that are kept of what could not be mapped, and characters of each."""


class Found(NamedTuple):
    """One observation of a record, before its values are held to the bounds; those that are absent are left out.

    fields: by canonical name. violations: clauses of the format. raw: by source, what could not be mapped.
    """

    fields: dict[str, Any]
    violations: tuple[str, ...] = ()
    raw: Mapping[str, Any] | None = None


class Reading(NamedTuple):
    """What one record holds. unknown: fields that were not understood. arrival: what the record itself says of when it
    came, or at least was made, ms since the epoch. problem: why a part of it could not be used, if one could not."""

    found: list[Found]
    unknown: int = 0
    arrival: int | None = None
    problem: UnusableRecordError | None = None


class RecordAdapter(Adapter):
    """What adapters share.

    Args:
        profile: what is known of the operator.
        keep_raw: whether `Decoded.raw` is asked for; who only counts has no use for it.
    """

    def __init__(self, profile: Profile = PLAIN, *, keep_raw: bool = True) -> None:
        self.profile = profile
        self.whose = None if profile is PLAIN else profile.name
        self.keep_raw = keep_raw
        self.identity = Identity(profile)
        self._sessions = Recall[tuple[Any, ...]]()
        self._arrival_alone = profile.clock == "arrival"
        self._tolerated = {quirk.clause: quirk.expires_at for quirk in profile.quirks}

    @abstractmethod
    def read(self, record: Record) -> Reading:
        """What a record holds.

        Raises:
            UnusableRecordError: nothing in it can be used.
        """

    def decode(self, batch: RecordBatch) -> Decoded:
        out = Decoded()
        where: list[int] = []
        for index in range(len(batch.values)):
            try:
                record = record_of(batch, index)
                reading = self.read(record)
                if len(reading.found) > MOST_FOUND:
                    raise UnusableRecordError(
                        reason="record.too_many", detail=f"holds more than {MOST_FOUND} observations"
                    )
            except UnusableRecordError as error:
                out.rejects.append(self._refusal(batch, index, error))
                continue
            out.unknown_fields += reading.unknown
            kept = len(where)
            refused = reading.problem
            for found in reading.found:
                try:
                    self._take(record.timestamp, reading.arrival, found, out)
                    where.append(index)
                except UnusableRecordError as error:
                    refused = refused or error
            if refused is not None:
                # One refusal a record: what was usable of it has its ids, and is known again when it is fed again.
                found_some = len(where) > kept
                made = self._refusal(batch, index, refused)
                out.rejects.append(
                    made._replace(reject=msgspec.structs.replace(made.reject, partly=True)) if found_some else made
                )
            out.several = out.several or len(where) > kept + 1
        out.where = where
        return out

    def _refusal(self, batch: RecordBatch, index: int, why: UnusableRecordError) -> Refusal:
        whose = why.operator or self.whose
        return refusal(batch, index, why.reason, why.field, why.detail, whose, self.version)

    def _take(self, arrival: int | None, own: int | None, found: Found, out: Decoded) -> None:
        fields = found.fields
        if self._arrival_alone:
            found = self._without_clocks(found)
            fields = found.fields
        if arrival is None:
            arrival = _own_arrival(fields, own)
        elif "received_at" in fields:
            # Only where the operator's configuration believes whoever wrote it.
            arrival = plausible(fields["received_at"]) or arrival
        observation, wrong, replaced = settled(fields)
        if arrival is None:
            raise UnusableRecordError(
                reason="received_at.absent",
                detail="neither a broker nor the record itself says when it arrived",
                field="received_at",
                operator=observation.operator,
            )
        violations = found.violations + wrong if wrong else found.violations
        contradiction = self._contradiction(observation, arrival)
        if contradiction:
            violations += contradiction
        if violations and self._tolerated:
            violations = self._judged(violations, arrival, out)
        number = len(out.observations)
        out.observations.append(observation)
        out.arrivals.append(arrival)
        if violations:
            out.violations[number] = violations if len(violations) == 1 else tuple(dict.fromkeys(violations))
        if self.keep_raw and (found.raw or replaced):
            out.raw[number] = {**_shortened(found.raw or {}), **replaced}

    def _without_clocks(self, found: Found) -> Found:
        """The operator's device clocks are not believed: what they say is kept, and says nothing."""
        said = dict(found.raw or {})
        for name in ("occurred_at", "sent_at"):
            if name in found.fields:
                said[name] = found.fields.pop(name)
        return found._replace(raw=said)

    def _judged(self, violations: tuple[str, ...], arrival: int, out: Decoded) -> tuple[str, ...]:
        """The violations that no quirk of the operator tolerates at that time; the others are counted apart."""
        kept = []
        for clause in violations:
            if arrival < self._tolerated.get(clause, 0):
                out.tolerated[clause] += 1
            else:
                kept.append(clause)
        return tuple(kept)

    def _contradiction(self, seen: Observation, arrival: int) -> tuple[str, ...]:
        """Clauses that a record violates by what else is known."""
        found: tuple[str, ...] = ()
        if seen.session_id is not None:
            key = (seen.operator, seen.session_id)
            identity = (seen.device_class, seen.firmware, seen.device_id)
            before = self._sessions.get(key)
            if before is None:
                self._sessions.put(key, identity)
            elif before != identity:
                found = ("session.identity",)
        released = self.profile.released_at.get(seen.firmware) if self.profile.released_at else None
        if released is not None:
            at = seen.occurred_at if seen.occurred_at is not None else arrival
            if EARLIEST_MS <= at < released:
                found = (*found, "clock.before_firmware")
        return found


def _own_arrival(fields: dict[str, Any], made: int | None) -> int | None:
    """When a record arrived of which no broker tells: its own word, else when it was made, sent or happened.

    What stands in for the arrival then says nothing of a delay any more, and is left out.
    """
    arrival = next((at for at in (fields.get("received_at"), made) if plausible(at) is not None), None)
    if arrival is None and "received_at" not in fields:
        arrival = plausible(fields.get("sent_at"))
        if arrival is None:
            arrival = plausible(fields.get("occurred_at"))
    if arrival is not None and "received_at" not in fields:
        for name in ("sent_at", "occurred_at"):
            if fields.get(name) == arrival:
                del fields[name]
    return arrival


def _shortened(raw: Mapping[str, Any]) -> dict[str, str]:
    kept: dict[str, str] = {}
    for name, value in raw.items():
        if len(kept) == MOST_RAW:
            break
        kept[name[:LONGEST_RAW]] = str(value)[:LONGEST_RAW]
    return kept


def stable(value: Any) -> bytes:
    """Decoded JSON as bytes that are the same for the same value."""
    try:
        return orjson.dumps(value)
    except TypeError:
        # A lone surrogate, say, which JSON may hold and no UTF-8 can.
        return repr(value).encode("utf-8", "surrogatepass")


def header_sources(record: Record) -> dict[str, str]:
    """A record's Kafka headers as sources, `header.<name>`."""
    return {f"header.{name}": value.decode("utf-8", "replace") for name, value in record.headers}


def digest(*parts: bytes) -> str:
    """An id that follows from what it names: the same record gives the same, whoever reads it and whenever."""
    # The length keeps ("ab", "c") apart from ("a", "bc").
    text = parts[0] if len(parts) == 1 else b"".join(b"%d:%b" % (len(part), part) for part in parts)
    return blake2b(text, digest_size=12).hexdigest()
