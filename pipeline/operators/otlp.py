"""OTLP logs, in protobuf or JSON as the collector's Kafka exporter writes them: each log record is an observation.

Sources are attributes by their names, those of the resource as `resource.<name>`, the scope's `scope.name`, keys of a
body that is a map as `body.<key>`, a body of text as `body`, `event_name` and `severity`. What an attempt was follows
from `operation` or the event's name; without either it is a `log`. An error by severity is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pipeline.operators.identity import Identity
from pipeline.operators.jsontext import UnusableRecordError
from pipeline.operators.otlp_log import LogRecord, json_records, proto_records
from pipeline.operators.payload import Record, plausible
from pipeline.operators.profile import PLAIN, Profile
from pipeline.operators.reading import MOST_FOUND, Found, Reading, RecordAdapter, digest, header_sources, stable

USUAL: Final = {
    "operation": ("operation", "event.name", "event_name"),
    "operator": ("operator", "resource.operator"),
    "device_class": (
        "device_class",
        "resource.device_class",
        "resource.device.model.name",
        "resource.device.model.identifier",
        "device.model.name",
    ),
    "firmware": ("firmware", "resource.firmware", "resource.os.version", "os.version"),
    "environment": (
        "environment",
        "resource.environment",
        "resource.deployment.environment.name",
        "resource.deployment.environment",
    ),
    "outcome": ("outcome", "event.outcome"),
    "latency_ms": ("latency_ms", "duration_ms"),
    "retries": ("retries", "http.request.resend_count"),
    "device_id": ("device_id", "resource.device.id", "device.id"),
    "session_id": ("session_id", "session.id"),
    "seq": ("seq",),
    "seq_scope": ("seq_scope",),
    "cached": ("cached",),
    "count": ("count",),
    "error_code": ("error_code", "error.type", "exception.type"),
    "app_version": ("app_version", "resource.service.version"),
    "event_id": ("event_id", "log.record.uid"),
}
_OUTCOMES: Final = {"success": "ok", "failure": "error"}
_OWN: Final = frozenset(("severity", "scope.name", "body"))
_ERROR: Final = 17
"""Severity numbers from here on are errors."""
_NS_A_MS: Final = 1_000_000


class Otlp(RecordAdapter):
    """The adapter of OTLP logs."""

    version = "otlp/1"

    def __init__(self, profile: Profile = PLAIN, *, keep_raw: bool = True) -> None:
        super().__init__(profile, keep_raw=keep_raw)
        self.identity = Identity(profile, USUAL)
        self._mapped = self.identity.used | _OWN

    def read(self, record: Record) -> Reading:
        carried = header_sources(record)
        found: list[Found] = []
        unknown = 0
        for log in _records(record.value):
            if len(found) > MOST_FOUND:
                break
            unknown += self._log(log, carried, record, found)
        if not found:
            raise UnusableRecordError(reason="otlp.no_records", detail="no log record in it")
        return Reading(found, unknown)

    def _log(self, log: LogRecord, carried: dict[str, str], record: Record, out: list[Found]) -> int:
        values = {**carried, **log.values} if carried else log.values
        wrong = list(log.wrong)
        fields = self.identity.of(values)
        observed = plausible(log.observed_ns // _NS_A_MS)
        if log.time_ns:
            fields["occurred_at"] = min(log.time_ns // _NS_A_MS, 2**62)
            if log.observed_ns and log.observed_ns < log.time_ns:
                wrong.append("otlp.observed_before")
        else:
            wrong.append("otlp.time_missing")
        if observed is not None and (record.timestamp is None or self.profile.clock == "observed"):
            fields["received_at"] = observed
        operation = fields.setdefault("operation", "log")
        if isinstance(operation, str):
            fields["operation"] = self.profile.operations.get(operation, operation)
        self._outcome(fields, log)
        if "event_id" not in fields:
            fields["event_id"] = digest(stable(log.values), b"%d" % log.time_ns, log.span)
        unmapped = [name for name in log.values if name not in self._mapped]
        raw = {name: log.values[name] for name in unmapped} if self.keep_raw and unmapped else None
        out.append(Found(fields, tuple(wrong), raw))
        return len(unmapped)

    def _outcome(self, fields: dict[str, Any], log: LogRecord) -> None:
        said = fields.get("outcome")
        if isinstance(said, str):
            fields["outcome"] = _OUTCOMES.get(said, said)
        elif said is None and log.severity >= _ERROR:
            fields["outcome"] = self.profile.outcomes.get(str(fields.get("error_code", "")), "error")


def _records(value: bytes) -> Iterator[LogRecord]:
    # A message of protobuf begins with a line feed, which may stand before JSON as well.
    return json_records(value) if value.lstrip()[:1] == b"{" else proto_records(value)
