"""CloudEvents, in Kafka's binary mode (attributes are `ce_…` headers) and structured (one JSON object), around payloads
of canonical fields, or of others that the operator's configuration maps.

Sources are the event's attributes by name, and what its data holds as `data.<path>`. The pair of source and id is the
event's own identity. On disk a line is a structured event, or a recorded record with its headers.
"""

from __future__ import annotations

import binascii
from typing import Any, Final

from pipeline.observation import Observation
from pipeline.operators.identity import Identity
from pipeline.operators.jsontext import UnusableRecordError, kind, read_document
from pipeline.operators.measures import Measures
from pipeline.operators.payload import Record
from pipeline.operators.profile import PLAIN, Profile
from pipeline.operators.reading import Found, Reading, RecordAdapter, digest, header_sources, stable
from pipeline.operators.recall import Recall
from pipeline.operators.values import instant

REQUIRED: Final = ("id", "source", "specversion", "type")
VERSION: Final = "1.0"

_CANONICAL: Final = Observation.__struct_fields__
_KNOWN: Final = frozenset((*REQUIRED, "time", "datacontenttype", "dataschema", "subject", "sequence", "partitionkey"))
USUAL: Final = {
    **{name: (f"data.{name}", name.replace("_", "")) for name in _CANONICAL if name not in ("event_id", "seq")},
    "seq": ("data.seq", "sequence"),
    "event_id": ("data.event_id",),
}
_MOST_EVENTS: Final = 1_000
_MOST_PATHS: Final = 4_096
_LONGEST_ID: Final = 256


class CloudEvents(RecordAdapter):
    """The adapter of CloudEvents."""

    version = "cloudevents/1"

    def __init__(self, profile: Profile = PLAIN, *, keep_raw: bool = True) -> None:
        super().__init__(profile, keep_raw=keep_raw)
        self.identity = Identity(profile, USUAL)
        self._measures = Measures(profile)
        self._mapped = self.identity.used | self._measures.used | _KNOWN
        self._said = Recall[str]()
        """What each event said, by source and id."""

    def read(self, record: Record) -> Reading:
        found: list[Found] = []
        unknown = 0
        carried = header_sources(record)
        for attributes, data in _events(record):
            unknown += self._event(attributes, data, carried, record, found)
        return Reading(found, unknown)

    def _event(
        self, attributes: dict[str, Any], data: Any, carried: dict[str, str], record: Record, out: list[Found]
    ) -> int:
        wrong = []
        if any(not isinstance(attributes.get(name), str) or not attributes[name] for name in REQUIRED):
            wrong.append("cloudevents.required")
        elif attributes["specversion"] != VERSION:
            wrong.append("cloudevents.version")
        values = {**carried, **attributes, **_paths(data)}
        is_canonical = self.profile.payload == "canonical" or (
            self.profile.payload is None and isinstance(data, dict) and "operation" in data
        )
        fields = self.identity.of(values)
        if is_canonical and isinstance(data, dict):
            # As they stand: the wire contract has its own types.
            fields |= {name: data[name] for name in _CANONICAL if data.get(name) not in (None, "")}
        at = attributes.get("time")
        if at is not None:
            occurred = instant(at) if isinstance(at, str) else None
            if occurred is None:
                wrong.append("cloudevents.time")
            else:
                fields.setdefault("occurred_at", occurred)
        kind_of = attributes.get("type")
        if isinstance(kind_of, str) and kind_of:
            fields.setdefault("operation", kind_of)
        operation = fields.get("operation")
        if isinstance(operation, str):
            fields["operation"] = self.profile.operations.get(operation, operation)
        if "sequence" in attributes and "seq" in fields and isinstance(attributes.get("source"), str):
            fields.setdefault("seq_scope", attributes["source"][:_LONGEST_ID])
        fields.setdefault("event_id", self._id(attributes, data, record, wrong))
        parts, bad = self._measures.of(values, (fields["operator"], fields.get("device_id")))
        wrong += bad
        unmapped = [name for name in values if name not in self._mapped and name not in carried]
        raw = {name: values[name] for name in unmapped} if self.keep_raw and unmapped else None
        out.append(Found(fields, tuple(wrong), raw))
        for number, part in enumerate(parts):
            out.append(Found({**fields, **part, "event_id": f"{fields['event_id']}.{number}"}))
        return len(unmapped)

    def _id(self, attributes: dict[str, Any], data: Any, record: Record, wrong: list[str]) -> str:
        source, name = attributes.get("source"), attributes.get("id")
        said = digest(stable(data))
        if not isinstance(source, str) or not isinstance(name, str) or not source or not name:
            return digest(stable(attributes), said.encode(), b"%d" % (record.timestamp or 0))
        before = self._said.get((source, name))
        if before is None:
            self._said.put((source, name), said)
        elif before != said:
            wrong.append("cloudevents.id_reused")
        # No space stands in a source, which is a URI reference, so that the pair can be told apart again.
        plain = f"{source} {name}"
        usable = len(plain) <= _LONGEST_ID and plain.isprintable()
        return (
            plain if usable else digest(source.encode("utf-8", "surrogatepass"), name.encode("utf-8", "surrogatepass"))
        )


def _events(record: Record) -> list[tuple[dict[str, Any], Any]]:
    """Attributes and data of each event of a record.

    Raises:
        UnusableRecordError: there is none.
    """
    headers = {name.lower(): value for name, value in record.headers}
    content = headers.get("content-type", headers.get("content_type", b"")).decode("utf-8", "replace").lower()
    if not content.startswith("application/cloudevents") and any(name.startswith("ce_") for name in headers):
        attributes = {
            name[3:]: value.decode("utf-8", "replace") for name, value in headers.items() if name.startswith("ce_")
        }
        return [(attributes, _binary_data(record.value, content))]
    document = read_document(record.value)
    listed = document if isinstance(document, list) else [document]
    if not listed or len(listed) > _MOST_EVENTS:
        raise UnusableRecordError(reason="cloudevents.invalid", detail=f"not one to {_MOST_EVENTS} events")
    for event in listed:
        if not isinstance(event, dict) or not ("specversion" in event or ("id" in event and "source" in event)):
            raise UnusableRecordError(
                reason="cloudevents.invalid", detail=f"{kind(event)} without the attributes of a CloudEvent"
            )
    return [_structured(event) for event in listed]


def _structured(event: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    attributes = {name: value for name, value in event.items() if name not in ("data", "data_base64")}
    packed = event.get("data_base64")
    if packed is None:
        return attributes, event.get("data")
    try:
        plain = binascii.a2b_base64(packed, strict_mode=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise UnusableRecordError(
            reason="cloudevents.invalid", detail=f"data_base64: {error}", field="data_base64"
        ) from error
    return attributes, _binary_data(plain, "application/json")


def _binary_data(value: bytes, content: str) -> Any:
    """Data that is said to be JSON, or not said to be something else, has to be JSON; of other data nothing is read."""
    if not value:
        return None
    if content and "json" not in content:
        return {"": value[:128].decode("utf-8", "replace")}
    return read_document(value)


def _paths(data: Any) -> dict[str, Any]:
    """What the data holds, by path."""
    out: dict[str, Any] = {}
    pending = [("data", data)]
    while pending and len(out) < _MOST_PATHS:
        path, value = pending.pop()
        if isinstance(value, dict):
            pending += [(f"{path}.{name}", inner) for name, inner in value.items()]
        elif value is not None:
            out[path] = value
    return out
