"""What each adapter costs, in µs of CPU an observation, beside bare orjson on the same bytes.

python -m tests.bench.adapters            # a table; `rows()` for who wants the numbers
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec
import orjson
from http_sfv.dictionary import Dictionary

from pipeline.operators import RECORD_ADAPTERS, adapter_of
from pipeline.operators.profile import Measure, Profile
from pipeline.records import RecordBatch

AT: Final = 1_790_000_902_000
RECORDS: Final = 4_000
ROUNDS: Final = 7
TARGETS: Final = {"canonical": 2.0, "cmcd": 25.0, "rdk": 10.0}
"""µs an observation; a line of CMCD is one."""


class Row(NamedTuple):
    """cost: of the adapter. orjson: of decoding the same bytes as JSON; None where they are none. sfv: of http-sfv."""

    format: str
    record_bytes: int
    observations_a_record: float
    cost_us: float
    orjson_us: float | None
    sfv_us: float | None
    target_us: float | None


def _canonical(n: int) -> bytes:
    return msgspec.json.encode(
        {
            "event_id": f"e{n}",
            "operation": "playback_start",
            "operator": "acme",
            "device_class": "stb-g2",
            "firmware": "fw-2.4.1",
            "environment": "production",
            "outcome": "ok",
            "latency_ms": 900.5 + n % 70,
            "retries": 0,
            "device_id": f"d{n % 977}",
            "seq": n,
            "occurred_at": AT - 2_000 + n,
            "received_at": AT + n,
        }
    )


def _cmcd(n: int) -> bytes:
    return (
        f'e=ps,sta=p,sid="6e2f{n}",sn=4,ts={AT - 2_000 + n},msd={900 + n % 70},v=2,br=(4500;v 128;a),bl=(12000;v),'
        f'cid="asset-{n % 50}",com.acme-model="stb-g2",com.acme-fw="fw-2.4.1"'
    ).encode()


def _rdk(n: int) -> bytes:
    phases = '"las":300,"lat":410,"lpr":20,"lnw":380,"lps":10,"gff":1840,"tat":1,"tst":1'
    tune = f'{{"ver":5,"tbu":{AT - 500_000 + n},{phases}}}'
    markers: list[dict[str, object]] = [
        {"mac": f"14:CF:E2:00:{n // 256:02X}:{n % 256:02X}"},
        {"Version": "CGM4140COM_4.4p1s11_PROD_sey"},
        {"PartnerId": "acme"},
        {"Time": "2026-09-21 14:28:21"},
        {"Profile": "RDKV_1"},
        {"VideoStartTime": [tune, tune]},
        {"HttpRequestEnd": ["5,0,200,0.3801,0.01,0.02", "4,0,200,0.0801,0.01,0.02"]},
        {"ENT_ms_accum": ["120", "140", "131"]},
    ]
    markers += [{f"SYS_INFO_{i}": str(i * n)} for i in range(12)]
    return orjson.dumps({"searchResult": markers})


def _bulkdata(n: int) -> bytes:
    report = {
        "CollectionTime": AT // 1_000,
        "Device.DeviceInfo.ModelName": "stb-g2",
        "Device.DeviceInfo.SoftwareVersion": "fw-1",
        "Device.DeviceInfo.SerialNumber": f"S{n}",
        "Device.DeviceInfo.UpTime": 1_000 + n,
        "Device.X_ACME.DnsMs": "21",
        **{f"Device.WiFi.Radio.{i}.Channel": i for i in range(20)},
    }
    return orjson.dumps({"Report": [report]})


def _otlp(n: int) -> bytes:
    def attribute(key: str, value: str) -> dict[str, object]:
        return {"key": key, "value": {"stringValue": value}}

    log = {
        "timeUnixNano": str(1_000_000 * (AT + n)),
        "observedTimeUnixNano": str(1_000_000 * (AT + n + 200)),
        "severityNumber": 9,
        "eventName": "playback_start",
        "attributes": [
            {"key": "latency_ms", "value": {"doubleValue": 900.5}},
            attribute("outcome", "ok"),
            attribute("session_id", f"s{n}"),
        ],
    }
    resource = [attribute("device_class", "g2"), attribute("firmware", "fw-1"), attribute("device_id", f"d{n}")]
    return orjson.dumps(
        {"resourceLogs": [{"resource": {"attributes": resource}, "scopeLogs": [{"logRecords": [log] * 4}]}]}
    )


def _cloudevents(n: int) -> bytes:
    data = {
        "operation": "playback_start",
        "device_class": "g2",
        "firmware": "fw-1",
        "latency_ms": 900.5,
        "outcome": "ok",
    }
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": str(n),
            "source": "/d/1",
            "type": "x",
            "time": "2026-09-21T14:13:21Z",
            "data": data,
        }
    )


SAMPLES: Final[dict[str, Callable[[int], bytes]]] = {
    "canonical": _canonical,
    "cmcd": _cmcd,
    "rdk": _rdk,
    "bulkdata": _bulkdata,
    "otlp": _otlp,
    "cloudevents": _cloudevents,
}
PROFILES: Final = {
    "cmcd": Profile("acme", "cmcd", fields={"device_class": ("com.acme-model",), "firmware": ("com.acme-fw",)}),
    "rdk": Profile("acme", "rdk", measures=(Measure("entitlement_check", latency="ENT_ms_accum"),)),
    "bulkdata": Profile("acme", "bulkdata", measures=(Measure("dns_lookup", latency="Device.X_ACME.DnsMs"),)),
    "otlp": Profile("acme", "otlp"),
    "cloudevents": Profile("acme", "cloudevents", payload="canonical"),
}


def rows(records: int = RECORDS, rounds: int = ROUNDS) -> list[Row]:
    """The best of some rounds: what else the machine does only adds."""
    return [_row(name, records, rounds) for name in ("canonical", *RECORD_ADAPTERS)]


def _row(name: str, records: int, rounds: int) -> Row:
    values = [SAMPLES[name](number) for number in range(records)]
    batch = RecordBatch("t/0", range(records), values, [AT + number for number in range(records)])
    adapter = adapter_of(name, PROFILES.get(name, Profile()))
    decoded = adapter.decode(batch)
    assert not decoded.rejects, decoded.rejects[0]
    seen = len(decoded.observations)
    is_json = values[0][:1] == b"{"
    return Row(
        format=name,
        record_bytes=round(sum(map(len, values)) / records),
        observations_a_record=seen / records,
        cost_us=_best(lambda: adapter.decode(batch), rounds) / seen,
        orjson_us=_best(lambda: [orjson.loads(value) for value in values], rounds) / seen if is_json else None,
        sfv_us=None if is_json else _best(lambda: _sfv(values[: records // 10]), 3) / (records // 10),
        target_us=TARGETS.get(name),
    )


def _sfv(values: Sequence[bytes]) -> None:
    for value in values:
        Dictionary().parse(value)


def _best(work: Callable[[], object], rounds: int) -> float:
    """µs of CPU, in the quickest round."""
    least = float("inf")
    gc.disable()
    for _ in range(rounds):
        began = time.process_time()
        work()
        least = min(least, time.process_time() - began)
    gc.enable()
    return 1e6 * least


def table(found: Sequence[Row]) -> str:
    lines = [f"{'format':<12}{'bytes':>7}{'obs/rec':>9}{'µs/obs':>9}{'orjson':>9}{'http-sfv':>10}{'target':>8}"]
    for row in found:
        others = [f"{value:.2f}" if value is not None else "–" for value in (row.orjson_us, row.sfv_us)]
        target = f"{row.target_us:.0f}" if row.target_us is not None else "–"
        lines.append(
            f"{row.format:<12}{row.record_bytes:>7}{row.observations_a_record:>9.1f}{row.cost_us:>9.2f}"
            f"{others[0]:>9}{others[1]:>10}{target:>8}"
        )
    return "\n".join(lines)


def main() -> int:
    print(table(rows()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
