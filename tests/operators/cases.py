"""Example messages and what they become: one YAML file a case, in the folder of its format.

about: what it shows
operator: {fields: {device_class: com.acme-model}}     # of its configuration; format and version are added
records:
  - at: 1790000002000            # the broker's time in ms; without one it stands on disk
    payload: e=ps,sta=p,…        # or one of:
    json: {…}                    #   written as JSON
    proto: {…}                   #   OTLP JSON, written as protobuf
    wrp: {source: …, json: {…}}  #   in Xmidt's WRP, as msgpack
    base64: …
    headers: {ce_id: "1"}
    packed: gzip                 # or zstd
expect:                          # observations in order: fields that are not their default, without event_id
  - {record: 0, operation: …, clauses: […], raw: {…}}
rejects:
  - {record: 1, reason: …}
"""

import base64
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import orjson
import zstandard
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from pipeline.config.operators import operator
from pipeline.config.yamlfile import Section
from pipeline.intent import Fault
from pipeline.observation import Observation
from pipeline.operators import Adapter, Decoded, Profile, adapter_of
from pipeline.records import RecordBatch

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    name: str
    format: str
    profile: Profile
    records: tuple[dict[str, Any], ...]
    expect: list[dict[str, Any]]
    rejects: list[dict[str, Any]]

    def adapter(self, keep_raw: bool = True) -> Adapter:
        return adapter_of(self.format, self.profile, keep_raw=keep_raw)

    def batches(self) -> list[RecordBatch]:
        """The records one by one, as those of a topic and those on disk may stand side by side here."""
        return [batch_of(record, position) for position, record in enumerate(self.records)]

    def decoded(self) -> list[Decoded]:
        adapter = self.adapter()
        return [adapter.decode(batch) for batch in self.batches()]


def batch_of(record: dict[str, Any], position: int = 0) -> RecordBatch:
    value = payload(record)
    if "at" not in record:
        return RecordBatch("case", [position], [value])
    headers = [(name, str(said).encode()) for name, said in record.get("headers", {}).items()]
    return RecordBatch("case/0", [position], [value], [record["at"]], [headers])


def payload(record: dict[str, Any]) -> bytes:
    if "json" in record:
        value = orjson.dumps(record["json"], option=orjson.OPT_NON_STR_KEYS)
    elif "proto" in record:
        value = protobuf(record["proto"])
    elif "wrp" in record:
        inner = payload(record["wrp"])
        value = msgspec.msgpack.encode({"msg_type": 4, "source": record["wrp"]["source"], "payload": inner})
    elif "base64" in record:
        value = base64.b64decode(record["base64"])
    else:
        value = str(record["payload"]).encode()
    match record.get("packed"):
        case "gzip":
            return gzip.compress(value, mtime=0)
        case "zstd":
            return zstandard.ZstdCompressor().compress(value)
        case _:
            return value


def protobuf(document: Any) -> bytes:
    """OTLP JSON as protobuf: its ids are hexadecimal there, which protobuf's own JSON takes for base64."""

    def rewritten(node: Any) -> Any:
        if isinstance(node, list):
            return [rewritten(item) for item in node]
        if not isinstance(node, dict):
            return node
        return {
            key: base64.b64encode(bytes.fromhex(value)).decode() if key in ("traceId", "spanId") else rewritten(value)
            for key, value in node.items()
        }

    return ParseDict(rewritten(document), ExportLogsServiceRequest()).SerializeToString()


def profile_of(document: CommentedMap, format_name: str, file: str = "case") -> Profile:
    """An operator's configuration, which has to be right."""
    document["version"] = 1
    document["format"] = format_name
    faults: list[Fault] = []
    section = Section(file, document, 1, faults)
    profile = operator(section, "acme")
    assert faults == []
    return profile


def shown(decoded: Sequence[Decoded]) -> list[dict[str, Any]]:
    """Observations as cases write them."""
    out = []
    for position, batch in enumerate(decoded):
        for number, observation in enumerate(batch.observations):
            fields = {
                name: value
                for name in Observation.__struct_fields__
                if name != "event_id"
                and (value := getattr(observation, name)) is not None
                and value is not False
                and value != "unknown"
            }
            if fields["count"] == 1:
                del fields["count"]
            fields["arrival"] = batch.arrivals[number]
            fields["record"] = position
            fields["clauses"] = sorted(batch.violations.get(number, ()))
            fields["raw"] = batch.raw.get(number, {})
            out.append(fields)
    return out


def load(path: Path) -> Case:
    document = YAML(typ="safe").load(path.read_text())
    operator_of = YAML(typ="rt").load(path.read_text()).get("operator")
    format_name = path.parent.name
    return Case(
        name=f"{format_name}/{path.stem}",
        format=format_name,
        profile=profile_of(operator_of or CommentedMap(), format_name, str(path)),
        records=tuple(document["records"]),
        expect=document.get("expect") or [],
        rejects=document.get("rejects") or [],
    )


CASES = [load(path) for path in sorted(FOLDER.glob("*/*.yaml"))]
