"""The simulated fleet in the operators' formats: each record as the message that a device or back end would send.

What a format cannot say is left out, as it would be (docs/formats.md has the table). `CONFIGURATION` has, for each
format, the operator's file with which it is read back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from pipeline.operators.payload import recorded
from pipeline.simulate.events import Batch, Record

_STATUS: Final = {"ok": 200, "error": 500, "denied": 403, "timeout": 0}
_CODE: Final = {"error": "E-500", "denied": "E-403", "timeout": "E-408"}
_TOKENS: Final = {"production": "PROD", "certification": "QA"}


class Message(NamedTuple):
    """As it goes to Kafka; at: ms since the epoch."""

    key: str
    value: bytes
    at: int


def messages(batch: Batch, format_name: str) -> Iterator[tuple[str, bytes, int]]:
    """A block of records as messages of a format, in arrival order."""
    if format_name == "canonical":
        yield from batch.messages()
        return
    write = WRITERS[format_name]
    for record in batch.records:
        yield Message(record.device_id or "", write(_said(record)), record.received_at or 0)


def lines(batch: Batch, format_name: str, topic: str = "simulated") -> bytes:
    """A block of records as lines of a recording (`pipeline.operators.payload`)."""
    if format_name == "canonical":
        return batch.ndjson()
    return b"".join(recorded(value, topic, at) + b"\n" for _, value, at in messages(batch, format_name))


def _said(record: Record) -> dict[str, Any]:
    """Fields that a record has; what it left out is not there."""
    return {
        name: value
        for name in record.__struct_fields__
        if (value := getattr(record, name)) is not None and value is not msgspec.UNSET
    }


def _cmcd(said: dict[str, Any]) -> bytes:
    outcome, latency = said.get("outcome"), said.get("latency_ms")
    ms = "" if latency is None else f"{latency:.0f}" if isinstance(latency, float) else str(latency)
    match said["operation"]:
        case "playback_start" if outcome in _CODE:
            members = [f'e=ps,sta=f,ec=("{_CODE[outcome]}")']
        case "playback_start":
            members = ["e=ps,sta=p", f"msd={ms}" if ms else ""]
        case "license_request":
            members = ["e=rr,ot=k", f"ttlb={ms}" if ms else "", 'url="https://licence.example/"']
            if outcome in _STATUS:
                members.append(f"rc={_STATUS[outcome]}")
        case "heartbeat":
            members = ["e=t"]
        case operation:
            members = [f'e=ce,cen="{operation}"', f"com.example-ms={ms}" if ms else ""]
            if outcome is not None:
                members.append(f'com.example-outcome="{outcome}"')
    sid = f"{said['device_id']}.{said['seq']}"
    members += [f'sid="{sid}"', "sn=0", "v=2", f"com.example-seq={said['seq']}"]
    if "occurred_at" in said:
        members.append(f"ts={said['occurred_at']}")
    custom = {
        "operator": "operator",
        "device_class": "model",
        "firmware": "fw",
        "environment": "env",
        "device_id": "dev",
    }
    members += [f'com.example-{key}="{said[name]}"' for name, key in custom.items() if name in said]
    return ",".join(filter(None, members)).encode()


def _rdk(said: dict[str, Any]) -> bytes:
    outcome, latency, at = said.get("outcome"), said.get("latency_ms"), said.get("occurred_at")
    markers: list[dict[str, Any]] = [{"mac": said["device_id"]}, {"PartnerId": said["operator"]}]
    if "firmware" in said:
        markers.append({"Version": said["firmware"]})
    if "device_class" in said:
        markers.append({"EX_model": str(said["device_class"])})
    environment = said.get("environment")
    markers += [{"EX_build": _TOKENS.get(str(environment), str(environment))}, {"EX_event": said["event_id"]}]
    if isinstance(at, int):
        markers.append({"Time": datetime.fromtimestamp(at / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")})
    if said.get("cached"):
        markers.append({"REPORT_TYPE": "CACHED"})
    match said["operation"]:
        case "playback_start" if outcome == "denied":
            markers.append({"VideoStartFailure": '{"cat":40}'})
        case "playback_start":
            tune: dict[str, Any] = {"tst": {"ok": 1, "error": 0, "timeout": 0}.get(str(outcome), 7)}
            if isinstance(at, int):
                tune["tbu"] = at
            if latency is not None:
                tune["gff"] = latency
            if isinstance(said.get("retries"), int) and said["retries"] >= 0:
                tune["tat"] = said["retries"] + 1
            markers.append({"VideoStartTime": orjson.dumps(tune).decode()})
        case "license_request":
            seconds = f"{latency / 1_000:.4f}" if isinstance(latency, float) else ""
            # 28 is curl's for a timeout.
            status = {"ok": 200, "error": 500, "denied": 403, "timeout": 28}.get(str(outcome), "")
            markers.append({"HttpRequestEnd": f"5,0,{status},{seconds}"})
        case "heartbeat":
            pass
        case operation:
            markers += [
                {f"EX_{operation}_{name}": str(value)}
                for name, value in (("ms", latency), ("result", outcome), ("retries", said.get("retries")))
                if value is not None
            ]
    return orjson.dumps({"searchResult": markers})


def _bulkdata(said: dict[str, Any]) -> bytes:
    report: dict[str, Any] = {}
    at = said.get("occurred_at")
    if isinstance(at, int):
        report["CollectionTime"] = at // 1_000
    names = {
        "device_class": "DeviceInfo.ModelName",
        "firmware": "DeviceInfo.SoftwareVersion",
        "device_id": "DeviceInfo.SerialNumber",
        "operator": "X_EX_Operator",
        "environment": "X_EX_Environment",
        "event_id": "X_EX_Event",
    }
    report |= {f"Device.{path}": said[name] for name, path in names.items() if name in said}
    if said["operation"] != "heartbeat":
        values = {"Ms": said.get("latency_ms"), "Result": said.get("outcome"), "Retries": said.get("retries")}
        path = f"Device.X_EX_{said['operation']}"
        report |= {f"{path}.{name}": value for name, value in values.items() if value is not None}
    return orjson.dumps({"Report": [report]})


def _otlp(said: dict[str, Any]) -> bytes:
    own = ("device_class", "firmware", "environment", "operator")
    left_out = (*own, "occurred_at", "sent_at", "received_at")
    log: dict[str, Any] = {
        "observedTimeUnixNano": str(1_000_000 * said["received_at"]),
        "attributes": [_attribute(name, value) for name, value in said.items() if name not in left_out],
    }
    if isinstance(said.get("occurred_at"), int):
        log["timeUnixNano"] = str(1_000_000 * said["occurred_at"])
    resource = [_attribute(name, said[name]) for name in own if name in said]
    return orjson.dumps(
        {"resourceLogs": [{"resource": {"attributes": resource}, "scopeLogs": [{"logRecords": [log]}]}]}
    )


def _attribute(key: str, value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"key": key, "value": {"boolValue": value}}
        case int():
            return {"key": key, "value": {"intValue": str(value)}}
        case float():
            return {"key": key, "value": {"doubleValue": value}}
        case _:
            return {"key": key, "value": {"stringValue": str(value)}}


def _cloudevents(said: dict[str, Any]) -> bytes:
    event = {
        "specversion": "1.0",
        "id": said["event_id"],
        "source": f"/devices/{said['device_id']}",
        "type": said["operation"],
        "data": {name: value for name, value in said.items() if name not in ("event_id", "received_at")},
    }
    return orjson.dumps(event)


WRITERS: Final[dict[str, Callable[[dict[str, Any]], bytes]]] = {
    "cmcd": _cmcd,
    "rdk": _rdk,
    "bulkdata": _bulkdata,
    "otlp": _otlp,
    "cloudevents": _cloudevents,
}

_OUTCOMES: Final = "outcomes: {E-500: error, E-403: denied, E-408: timeout}"

CONFIGURATION: Final = {
    "cmcd": f"""\
version: 1
format: cmcd
fields:
  operator: com.example-operator
  device_class: com.example-model
  firmware: com.example-fw
  environment: com.example-env
  device_id: com.example-dev
  seq: com.example-seq
  seq_scope: com.example-dev
  latency_ms: com.example-ms
  outcome: com.example-outcome
{_OUTCOMES}
""",
    "rdk": """\
version: 1
format: rdk
fields:
  device_class: EX_model
environment: {from: EX_build, tokens: {PROD: production, QA: certification}}
measures:
  entitlement_check:
    latency: EX_entitlement_check_ms
    outcome: EX_entitlement_check_result
    retries: EX_entitlement_check_retries
""",
    "bulkdata": """\
version: 1
format: bulkdata
fields:
  operator: Device.X_EX_Operator
  environment: Device.X_EX_Environment
measures:
"""
    + "".join(
        f"  {operation}:\n"
        f"    latency: Device.X_EX_{operation}.Ms\n"
        f"    outcome: Device.X_EX_{operation}.Result\n"
        f"    retries: Device.X_EX_{operation}.Retries\n"
        for operation in ("playback_start", "entitlement_check", "license_request")
    ),
    "otlp": "version: 1\nformat: otlp\n",
    "cloudevents": "version: 1\nformat: cloudevents\npayload: canonical\n",
}
"""By format, the operator's file with which its simulated messages are read back."""
