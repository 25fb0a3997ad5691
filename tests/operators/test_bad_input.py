"""Bytes that anybody may have sent: each record ends as observations or as a refusal, bounded, whatever it holds."""

import gzip
import itertools
import json
import time
import tracemalloc

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts import CLAUSES
from pipeline.observation import Observation
from pipeline.operators import RECORD_ADAPTERS, Decoded, adapter_of
from pipeline.operators.adapter import LONGEST_REJECT
from pipeline.records import RecordBatch
from tests.operators.cases import CASES, payload

AT = 1_790_000_900_000
FORMATS = sorted(RECORD_ADAPTERS)
EXAMPLES = {
    name: [(case, payload(record)) for case in CASES if case.format == name for record in case.records]
    for name in FORMATS
}
each_format = pytest.mark.parametrize("name", FORMATS)


def sound(decoded: Decoded, records: int) -> None:
    """What holds of every answer, whatever was asked."""
    assert len(decoded.observations) == len(decoded.arrivals) == len(decoded.where)
    assert list(decoded.where) == sorted(decoded.where)
    refused = {refusal.where for refusal in decoded.rejects}
    assert len(refused) == len(decoded.rejects), "one refusal a record"
    assert refused | set(decoded.where) == set(range(records)), "no record is lost"
    for observation in decoded.observations:
        assert msgspec.convert(msgspec.to_builtins(observation), Observation) == observation
    for clause in itertools.chain(*decoded.violations.values()):
        assert clause in CLAUSES
    for refusal in decoded.rejects:
        assert refusal.reject.reason
        assert refusal.reject.detail
        assert len(refusal.reject.value) <= 1 << 20


def decode(name: str, *values: bytes) -> Decoded:
    stamps = [AT] * len(values)
    decoded = adapter_of(name, keep_raw=True).decode(RecordBatch("t/0", range(len(values)), list(values), stamps))
    sound(decoded, len(values))
    return decoded


@st.composite
def mangled(draw: st.DrawFn, value: bytes) -> bytes:
    """An example with a few bytes cut out, put in, doubled or changed."""
    out = bytearray(value)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(out)))
        end = min(len(out), at + draw(st.integers(0, 12)))
        match draw(st.integers(0, 3)):
            case 0:
                del out[at:end]
            case 1:
                out[at:at] = draw(st.binary(max_size=6))
            case 2:
                out[at:at] = out[at:end]
            case _:
                out[at:] = b""
    return bytes(out)


@each_format
@given(data=st.data())
def test_an_example_that_was_mangled_is_read_or_refused(name: str, data: st.DataObject) -> None:
    case, value = data.draw(st.sampled_from(EXAMPLES[name]))
    adapter = case.adapter()
    values = [data.draw(mangled(value)), value]
    for stamps in (None, [AT, AT]):
        sound(adapter.decode(RecordBatch("t", range(2), values, stamps)), 2)


@each_format
@given(value=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(name: str, value: bytes) -> None:
    decode(name, value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["1", "-1", "1e9"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
KEYS = {
    "rdk": ["searchResult", "Report", "VideoStartTime", "Time", "mac", "Version", "msg_type", "payload", "source"],
    "bulkdata": ["Report", "CollectionTime", "Device.DeviceInfo.ModelName", "Device", "DeviceInfo", "UpTime"],
    "cmcd": ["e", "ts", "sn", "sid", "sta", "msd", "bsd", "ec", "rc", "ot", "ttlb", "pt", "cen", "v"],
    "otlp": [
        "resourceLogs",
        "scopeLogs",
        "logRecords",
        "attributes",
        "key",
        "value",
        "timeUnixNano",
        "traceId",
        "body",
    ],
    "cloudevents": ["specversion", "id", "source", "type", "time", "data", "data_base64", "sequence", "operation"],
}


@each_format
@given(data=st.data())
def test_known_keys_may_hold_anything(name: str, data: st.DataObject) -> None:
    keys = st.sampled_from(KEYS[name])
    shaped = st.recursive(
        json_values,
        lambda inner: st.dictionaries(keys, inner, max_size=5) | st.lists(inner, max_size=3),
        max_leaves=12,
    )
    document = data.draw(st.dictionaries(keys, shaped, min_size=1, max_size=5))
    decode(name, msgspec.json.encode(document))


def bounded(name: str, value: bytes, seconds: float = 2.0, megabytes: int = 120) -> Decoded:
    """Decodes within time and memory."""
    tracemalloc.start()
    began = time.process_time()
    decoded = decode(name, value)
    took, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Tracing makes it some three times as slow.
    assert took < 3 * seconds
    assert peak < megabytes << 20
    return decoded


def reasons(decoded: Decoded) -> list[str]:
    return [refusal.reject.reason for refusal in decoded.rejects]


@each_format
def test_a_value_of_ten_megabytes_is_refused_and_not_kept_whole(name: str) -> None:
    decoded = bounded(name, b"[" + b"1," * (5 << 20) + b"1]")
    assert reasons(decoded) == ["record.too_long"]
    assert len(decoded.rejects[0].reject.value) == LONGEST_REJECT


@each_format
@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "zstd"])
def test_a_bomb_is_refused(name: str, pack: type[bytes]) -> None:
    assert reasons(bounded(name, pack(bytes(256 << 20)))) == ["record.too_long"]


@each_format
@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "zstd"])
def test_a_compressed_payload_that_does_not_end_is_refused(name: str, pack: type[bytes]) -> None:
    assert reasons(bounded(name, pack(EXAMPLES[name][0][1] * 9)[:-7])) == ["payload.truncated"]


@each_format
def test_very_many_compressed_pieces_are_refused_soon(name: str) -> None:
    assert reasons(bounded(name, gzip.compress(b"") * 40_000)) == ["payload.corrupt"]


@each_format
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"searchResult":[', b'{"Report":['])
def test_deep_nesting_is_refused(name: str, opening: bytes) -> None:
    decoded = bounded(name, opening * 60_000)
    assert decoded.rejects


HEAVY = {
    "cmcd-members": ("cmcd", b",".join(b'k%d="%d"' % (i, i) for i in range(60_000))),
    "cmcd-commas": ("cmcd", b"a," * 500_000),
    "cmcd-quotes": ("cmcd", b'a="' * 300_000),
    "cmcd-backslashes": ("cmcd", b'a="' + b"\\" * 900_000),
    "cmcd-parameters": ("cmcd", b"a=1" + b";b=1" * 200_000 + b"!"),
    "cmcd-brackets": ("cmcd", b"a=(" * 300_000),
    "cmcd-spaces": ("cmcd", b"a=1" + b" " * 900_000 + b"!"),
    "cmcd-lines": ("cmcd", b"e=t\n" * 200_000),
    "rdk-markers": ("rdk", b'{"searchResult":[' + b",".join(b'{"m%d":"1"}' % i for i in range(70_000)) + b"]}"),
    "rdk-same-marker": ("rdk", b'{"searchResult":[' + b",".join([b'{"m":"1"}'] * 100_000) + b"]}"),
    "rdk-tunes": ("rdk", b'{"searchResult":[{"VideoStartTime":[' + b",".join([b'"{}"'] * 200_000) + b"]}]}"),
    "bulk-parameters": ("bulkdata", b'{"Report":[{' + b",".join(b'"a.%d":1' % i for i in range(80_000)) + b"}]}"),
    "bulk-rows": ("bulkdata", b"ReportTimestamp,Device.A\n" + b"1,2\n" * 250_000),
    "bulk-columns": ("bulkdata", b"ReportTimestamp," + b"A.b," * 250_000 + b"\n1,2"),
    "otlp-empty-records": ("otlp", bytes([10]) + bytes([0xD0, 0x0F]) + bytes([18, 0]) * 1000),
    "otlp-attributes": (
        "otlp",
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":['
        + b",".join([b'{"timeUnixNano":"1790000001250000000"}'] * 20_000)
        + b"]}]}]}",
    ),
    "cloudevents-batch": ("cloudevents", b"[" + b",".join([b'{"specversion":"1.0"}'] * 40_000) + b"]"),
    "cloudevents-data": (
        "cloudevents",
        b'{"specversion":"1.0","data":{' + b",".join(b'"k%d":1' % i for i in range(90_000)) + b"}}",
    ),
}


@pytest.mark.parametrize("what", HEAVY)
def test_what_is_heavy_takes_bounded_time_and_memory(what: str) -> None:
    name, value = HEAVY[what]
    bounded(name, value)


@pytest.mark.parametrize("said", ['["norvik"]', '{"a": 1}', "[]", "[[1]]"])
def test_a_report_whose_operator_is_no_name_is_refused_or_read_and_nothing_of_it_remembered(said: str) -> None:
    report = (
        b'{"searchResult":[{"mac":"14:CF:E2:40:00:01"},{"Version":"CGM4140COM_4.4p1s11"},{"PartnerId":"norvik"},'
        b'{"PartnerId":' + said.encode() + b'},{"Time":"2026-09-21 14:28:21"},{"Profile":"RDKV_1"}]}'
    )
    assert decode("rdk", report, report).observations == []


@pytest.mark.parametrize(
    "text", ["a\u0007b", "\u0085", "\ud800", "../../etc/passwd", "<script>alert(1)</script>", "\u202ea"]
)
def test_odd_names_are_left_out_and_counted_or_kept_as_they_are(text: str) -> None:
    """Markup and paths are only text; who shows or stores them escapes them. Control characters are no name."""
    value = b'{"searchResult":[{"mac":"m"},{"Version":%b}]}' % json.dumps(text).encode()
    decoded = decode("rdk", value)
    [observation] = decoded.observations
    if text.isprintable() or text == "\u202ea":
        assert observation.firmware == text
    else:
        assert observation.firmware == "unknown"
        assert decoded.violations[0] == ("field.firmware",)


@each_format
def test_no_number_is_silently_zero(name: str) -> None:
    """What cannot be read as a number is absent and counted, never 0."""
    given = {
        "cmcd": b'e=rr,ot=k,rc="x",ttlb=-5,url="u",sid="a",sn=0,ts=1790000001000,v=2',
        "rdk": b'{"searchResult":[{"VideoStartTime":"{\\"gff\\":\\"soon\\",\\"tst\\":1,\\"tat\\":\\"x\\"}"}]}',
        "bulkdata": b'{"Report":[{"CollectionTime":"x"}]}',
        "otlp": b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1790000001250000000","attributes":'
        b'[{"key":"latency_ms","value":{"stringValue":"fast"}}]}]}]}]}',
        "cloudevents": b'{"specversion":"1.0","id":"1","source":"s","type":"t",'
        b'"data":{"operation":"x","latency_ms":-1}}',
    }[name]
    for observation in decode(name, given).observations:
        assert observation.latency_ms is None
        assert observation.retries is None
        assert observation.occurred_at != 0
