"""Log records out of OTLP, in protobuf and in JSON, as one thing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pipeline.operators.jsontext import UnusableRecordError, kind, read_document
from pipeline.operators.values import whole

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

ID_LENGTH: Final = "otlp.id_length"
_TRACE, _SPAN = 16, 8
"""Bytes of an id."""
_MOST_ATTRIBUTES: Final = 1_024


class LogRecord(NamedTuple):
    """values: by source. times: ns since the epoch, 0 is absent. span: trace and span id, as they came."""

    values: dict[str, Any]
    time_ns: int
    observed_ns: int
    severity: int
    span: bytes
    wrong: tuple[str, ...]


def proto_records(value: bytes) -> Iterator[LogRecord]:
    """Raises UnusableRecordError: the bytes are no such message."""
    # Only who reads protobuf loads it.
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    request = ExportLogsServiceRequest()
    try:
        request.ParseFromString(value)
    except DecodeError as error:
        raise UnusableRecordError(reason="otlp.invalid", detail="not a protobuf message of OTLP logs") from error
    for resource in request.resource_logs:
        shared = _proto_attributes(resource.resource.attributes, "resource.")
        for scope in resource.scope_logs:
            if scope.scope.name:
                shared["scope.name"] = scope.scope.name
            for log in scope.log_records:
                values = dict(shared)
                values |= _proto_attributes(log.attributes, "")
                _put_body(values, _proto_value(log.body))
                if log.event_name:
                    values["event_name"] = log.event_name
                wrong = () if _is_id(log.trace_id, _TRACE) and _is_id(log.span_id, _SPAN) else (ID_LENGTH,)
                yield LogRecord(
                    values,
                    log.time_unix_nano,
                    log.observed_time_unix_nano,
                    int(log.severity_number),
                    log.trace_id + log.span_id,
                    wrong,
                )


def _proto_attributes(attributes: Iterable[KeyValue], prefix: str) -> dict[str, Any]:
    return {
        prefix + pair.key: _proto_value(pair.value)
        for pair, _ in zip(attributes, range(_MOST_ATTRIBUTES), strict=False)
    }


def _proto_value(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "int_value":
            return value.int_value
        case "double_value":
            return value.double_value
        case "bool_value":
            return value.bool_value
        case "bytes_value":
            return value.bytes_value.hex()
        case "array_value":
            return [_proto_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: _proto_value(pair.value) for pair in value.kvlist_value.values}
        case _:
            return None


def _is_id(value: bytes, length: int) -> bool:
    """One of its length that is not all zeros; or none."""
    return not value or (len(value) == length and any(value))


def json_records(value: bytes) -> Iterator[LogRecord]:
    """Raises UnusableRecordError: it is not JSON, or not of this shape."""
    document = read_document(value)
    if not isinstance(document, dict) or not isinstance(document.get("resourceLogs"), list):
        raise UnusableRecordError(reason="otlp.invalid", detail=f"{kind(document)} without a list under resourceLogs")
    for resource in _objects(document["resourceLogs"]):
        shared = _json_attributes(_object(resource.get("resource")).get("attributes"), "resource.")
        for scope in _objects(resource.get("scopeLogs")):
            name = _object(scope.get("scope")).get("name")
            if isinstance(name, str) and name:
                shared["scope.name"] = name
            for log in _objects(scope.get("logRecords")):
                values = dict(shared)
                values |= _json_attributes(log.get("attributes"), "")
                _put_body(values, _json_value(log.get("body")))
                if isinstance(log.get("eventName"), str):
                    values["event_name"] = log["eventName"]
                trace, span = log.get("traceId") or "", log.get("spanId") or ""
                wrong = () if _is_hex(trace, _TRACE) and _is_hex(span, _SPAN) else (ID_LENGTH,)
                yield LogRecord(
                    values,
                    _nanoseconds(log.get("timeUnixNano")),
                    _nanoseconds(log.get("observedTimeUnixNano")),
                    whole(log.get("severityNumber")) or 0,
                    _bytes(trace) + _bytes(span),
                    wrong,
                )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _json_attributes(value: Any, prefix: str) -> dict[str, Any]:
    return {
        prefix + pair["key"]: _json_value(pair.get("value"))
        for pair in _objects(value)[:_MOST_ATTRIBUTES]
        if isinstance(pair.get("key"), str)
    }


def _json_value(value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    for name, said in value.items():
        if name in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
            return said
        if name == "intValue":
            # 64 bits do not fit into JSON's numbers, so they come as text.
            count = whole(said)
            return said if count is None else count
        if name == "arrayValue":
            return [_json_value(item) for item in _objects(_object(said).get("values"))]
        if name == "kvlistValue":
            return {
                pair["key"]: _json_value(pair.get("value"))
                for pair in _objects(_object(said).get("values"))
                if isinstance(pair.get("key"), str)
            }
    return None


def _put_body(values: dict[str, Any], body: Any) -> None:
    if isinstance(body, dict):
        values |= {f"body.{name}": value for name, value in body.items()}
    elif body is not None:
        values["body"] = body


def _nanoseconds(value: Any) -> int:
    count = whole(value)
    return count if count is not None and 0 <= count < 2**64 else 0


def _is_hex(value: Any, length: int) -> bool:
    if value == "":
        return True
    if not isinstance(value, str) or len(value) != 2 * length:
        return False
    return all(character in "0123456789abcdefABCDEF" for character in value) and value.strip("0") != ""


def _bytes(value: Any) -> bytes:
    """An id as both forms give it: the bytes that its hexadecimal digits stand for."""
    if isinstance(value, str):
        try:
            return bytes.fromhex(value)
        except ValueError:
            return value.encode("utf-8", "surrogatepass")
    return b""
