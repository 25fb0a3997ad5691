"""The wire contract, sentence by sentence, through the ingest stage: bytes in; windows, rejects and totals out."""

import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest import Ingest
from pipeline.messages import MINUTE_MS, UNIT, CohortWindow, Rate, Reject, Tick, Windows
from pipeline.observation import Observation
from pipeline.operators import ADAPTERS
from pipeline.records import RecordBatch

START = 1_767_571_200_000
HOUR = 3_600_000
MEBIBYTE = 1 << 20

REQUIRED = ("event_id", "operation", "operator", "device_class")
LONGEST = {
    "event_id": 256, "operation": 128, "operator": 128, "device_class": 128, "firmware": 128, "device_id": 256,
    "session_id": 256, "seq_scope": 256, "error_code": 256, "app_version": 128,
}  # fmt: skip


def record(number: int = 0, **fields: object) -> dict[str, object]:
    """A good record; a field that is given as ... is left out."""
    good: dict[str, object] = {
        "event_id": f"e{number}",
        "operation": "playback_start",
        "operator": "altura",
        "device_class": "stb-g2",
        "received_at": START + 1_000 * number,
    }
    return {name: value for name, value in {**good, **fields}.items() if value is not ...}


def encoded(number: int = 0, **fields: object) -> bytes:
    return json.dumps(record(number, **fields)).encode()


@dataclass
class Run:
    """What one stage says of some records."""

    ingest: Ingest
    windows: list[Windows] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def cohorts(self) -> list[CohortWindow]:
        return [cohort for window in self.windows for cohort in window.cohorts]

    @property
    def cohort(self) -> CohortWindow:
        """The only one there is."""
        (only,) = self.cohorts
        return only

    def total(self, name: str) -> int:
        return sum(getattr(cohort, name) for cohort in self.cohorts)

    def clauses(self) -> Counter[str]:
        return sum((Counter(cohort.clauses) for cohort in self.cohorts), Counter())


def run(values: Iterable[bytes], batch: int = 4_000, timestamps: Sequence[int] | None = None) -> Run:
    values = list(values)
    out = Run(Ingest("replay"))
    answers = []
    for at in range(0, len(values), batch):
        part = slice(at, at + batch)
        stamps = None if timestamps is None else timestamps[part]
        positions = range(at + 1, at + 1 + len(values[part]))
        answers += out.ingest.feed(RecordBatch("in.ndjson", positions, values[part], stamps))
    for answer in [*answers, *out.ingest.flush()]:
        match answer:
            case Windows():
                out.windows.append(answer)
            case Reject():
                out.rejects.append(answer)
            case Tick():
                pass
    return out


def rejected(value: bytes) -> Reject:
    """Why the record in the second of three lines is refused; it stops nothing."""
    out = run([encoded(0), value, encoded(2)])
    assert out.ingest.totals.accepted == 2
    (only,) = out.rejects
    assert str(only.place) == "in.ndjson:2"
    assert out.ingest.totals.rejected == {only.reason: 1}
    return only


def observed(value: bytes, timestamps: Sequence[int] | None = None) -> Observation:
    """What the adapter makes of a record that can be used."""
    decoded = ADAPTERS["canonical"]().decode(RecordBatch("in.ndjson", [1], [value], timestamps))
    (only,) = decoded.observations
    return only


# -- records that are refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [b"[]", b"[{}]", b"1", b'"text"', b"null", b"true", b"rubbish", b"{", b'{"a":1}{"b":2}', b'{"a":1} x', b"{'a':1}"],
)
def test_what_is_not_one_json_object_is_refused(value: bytes) -> None:
    assert rejected(value).field is None


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "01", "+1", "1.", ".5", "0x1"])
def test_what_is_no_number_of_json_makes_it_no_json(number: str) -> None:
    assert rejected(encoded(1).replace(b"{", b'{"latency_ms":' + number.encode() + b",", 1)).field is None


def test_a_record_of_a_mebibyte_is_read_and_one_a_byte_longer_is_refused() -> None:
    short = encoded(1)
    longest = short[:-1] + b" " * (MEBIBYTE - len(short)) + b"}"
    assert run([longest]).ingest.totals.accepted == 1
    assert rejected(longest + b" ").field is None


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_record_nested_deeper_than_32_is_refused(opening: str) -> None:
    closing = {"[": "]"}.get(opening, "}")

    def nested(depth: int) -> bytes:
        inner = opening * (depth - 1) + "1" + closing * (depth - 1)
        return encoded(1)[:-1] + f',"extra":{inner}}}'.encode()

    assert run([nested(32)]).ingest.totals.accepted == 1
    assert rejected(nested(33)).field is None


def test_depth_that_would_exhaust_a_parser_is_refused_like_any_other() -> None:
    assert rejected(b"[" * 500_000).field is None
    assert rejected(b'{"a":' * 150_000).field is None


def test_brackets_in_a_text_are_no_depth() -> None:
    assert run([encoded(1, error_code="[{" * 60)]).ingest.totals.accepted == 1


@pytest.mark.parametrize("name", ["operator", "extra"])
@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf"])
def test_invalid_utf8_is_refused_wherever_it_stands(name: str, bad: bytes) -> None:
    value = encoded(1, **{name: "HERE"}).replace(b"HERE", b"x" + bad)
    assert rejected(value).field is None


@pytest.mark.parametrize("name", [*REQUIRED, "received_at"])
@pytest.mark.parametrize("value", [..., None, ""])
def test_a_required_field_that_is_absent_null_or_empty_is_refused_by_name(name: str, value: object) -> None:
    found = rejected(encoded(1, **{name: value}))
    assert (found.reason, found.field) == (f"{name}.absent", name)


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [1, 1.5, True, [], {}, ["x"]])
def test_a_required_field_of_another_type_is_refused_by_name(name: str, value: object) -> None:
    assert rejected(encoded(1, **{name: value})).field == name


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_field_over_its_length_is_refused_by_name(name: str) -> None:
    for letter in ("x", "é", "👍"):
        assert run([encoded(1, **{name: letter * LONGEST[name]})]).ingest.totals.accepted == 1
        assert rejected(encoded(1, **{name: letter * (LONGEST[name] + 1)})).field == name


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("character", ["\x00", "\x1f", "\n", "\t", "\x7f", "\x85", "\x9f"])
@pytest.mark.parametrize("escaped", [True, False])
def test_a_required_field_with_a_control_character_is_refused(name: str, character: str, escaped: bool) -> None:
    value = json.dumps(record(1, **{name: f"a{character}b"}), ensure_ascii=escaped).encode()
    assert rejected(value).field == name


@pytest.mark.parametrize("value", ["1767571201000", True, 1.5, [], {}, -1, 0, START // 1_000, START * 1_000, 1e300])
def test_a_time_of_arrival_that_is_no_plausible_instant_is_refused_on_disk(value: object) -> None:
    assert rejected(encoded(1, received_at=value)).field == "received_at"


@pytest.mark.parametrize(("year_ms", "plausible"), [(946_684_799_999, False), (946_684_800_000, True)])
def test_plausible_begins_with_2000(year_ms: int, plausible: bool) -> None:
    assert run([encoded(1, received_at=year_ms)]).ingest.totals.accepted == plausible


def test_a_reject_keeps_the_bytes_and_says_what_is_wrong() -> None:
    value = encoded(1, operator=None)
    found = rejected(value)
    assert found.value == value
    assert "operator" in found.detail


# -- optional fields that are bad -----------------------------------------------------------------------------------

BAD: dict[str, list[object]] = {
    "firmware": [1, True, [], {}, "x" * 129, "a\nb"],
    "latency_ms": ["12", True, [], {}, -1, -0.001, 86_400_000.5, 1e300],
    "retries": ["1", True, 1.5, [], -1, 1_001, 1e300],
    "device_id": [1, False, {}, "x" * 257, "a\x00b"],
    "session_id": [1, [], "x" * 257, "a\x1fb"],
    "seq": ["1", True, 0.5, [], -1, 2**63, 1e300],
    "seq_scope": [1, {}, "x" * 257, "\x7f"],
    "occurred_at": ["1767571200000", True, 0.5, [], 2**64, 1e300],
    "sent_at": ["1767571200000", False, 0.5, {}, 2**64],
    "cached": ["true", 1, 0, [], "yes"],
    "count": ["1", True, 1.5, 0, -1, 1_000_001, []],
    "error_code": [1, True, [], "x" * 257, "a\nb"],
    "app_version": [1, {}, "x" * 129, "a\tb"],
    "environment": [1, True, [], {}],
    "outcome": [1, True, [], {}],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_optional_field_costs_that_field_alone_and_is_a_violated_clause(name: str, value: object) -> None:
    whole = {"latency_ms": 12.5, "retries": 1, "outcome": "ok", "firmware": "fw-1", "error_code": "E1"}
    others = {key: kept for key, kept in whole.items() if key != name}
    assert observed(encoded(1, **others, **{name: value})) == observed(encoded(1, **others))
    assert run([encoded(1, **others, **{name: value})]).cohort.clauses == {f"field.{name}": 1}


@pytest.mark.parametrize("name", [*BAD])
@pytest.mark.parametrize("value", [None, ""])
def test_null_and_empty_are_absent_and_no_violation(name: str, value: object) -> None:
    assert observed(encoded(1, **{name: value})) == observed(encoded(1))
    assert run([encoded(1, **{name: value})]).cohort.violating == 0


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("latency_ms", [0, 0.0, 86_400_000, 12, 12.5, 1e3]),
        ("retries", [0, 1_000]),
        ("seq", [0, 2**63 - 1]),
        ("count", [1, 1_000_000]),
        ("cached", [True, False]),
        *[(name, ["x", "é" * longest, " "]) for name, longest in LONGEST.items()],
        ("environment", ["production", "certification", "lab", "unknown"]),
        ("outcome", ["ok", "denied", "error", "timeout", "unknown"]),
    ],
)
def test_values_within_their_bounds_are_kept(name: str, values: list[object]) -> None:
    for value in values:
        assert getattr(observed(encoded(1, **{name: value})), name) == value
        assert run([encoded(1, **{name: value})]).cohort.violating == 0


@pytest.mark.parametrize("name", ["retries", "seq", "count", "occurred_at", "sent_at", "received_at"])
def test_a_whole_number_with_a_fraction_of_zero_is_that_integer(name: str) -> None:
    whole = START if name.endswith("_at") else 3
    seen = observed(encoded(1, **{name: float(whole)}))
    assert getattr(seen, name) == whole
    assert isinstance(getattr(seen, name), int)


@pytest.mark.parametrize("name", ["environment", "outcome"])
def test_an_enum_value_not_in_the_list_becomes_unknown_with_its_raw_value_kept(name: str) -> None:
    value = encoded(1, **{name: "OK"})
    assert getattr(observed(value), name) == "unknown"
    decoded = ADAPTERS["canonical"]().decode(RecordBatch("in.ndjson", [1], [value]))
    assert decoded.raw == {0: {name: "OK"}}
    assert run([value]).cohort.clauses == {f"enum.{name}": 1}


def test_an_explicit_unknown_is_the_same_as_absent() -> None:
    told = encoded(1, firmware="unknown", environment="unknown", outcome="unknown")
    assert run([told]).windows == run([encoded(1)]).windows


def test_a_record_violates_a_clause_once_and_counts_once_however_many_it_violates() -> None:
    out = run([encoded(1, retries="x", count="x", outcome="?"), encoded(2)])
    assert (out.cohort.violating, out.cohort.records) == (1, 2)
    assert out.cohort.clauses == {"enum.outcome": 1, "field.count": 1, "field.retries": 1}
    assert out.cohort.rates["contract"].hits * 2 == out.cohort.rates["contract"].of


def test_unknown_fields_are_ignored_and_counted() -> None:
    out = run([encoded(1, extra=1, more={"operator": "x"}), encoded(2)])
    assert out.ingest.totals.unknown_fields == 2
    assert out.cohort.violating == 0


def test_of_a_repeated_key_the_last_counts() -> None:
    value = encoded(1, firmware="first")[:-1] + b',"firmware":"last"}'
    assert observed(value).firmware == "last"
    assert set(run([value]).cohort.clauses) <= {"json.duplicate_key"}


@pytest.mark.parametrize("text", [" é ", "\u2028", "👍", 'quote " and \\ backslash', "a\u0301"])
def test_any_text_without_control_characters_is_a_name(text: str) -> None:
    for ascii_only in (True, False):
        value = json.dumps(record(1, operator=text, firmware=text), ensure_ascii=ascii_only).encode()
        seen = observed(value)
        assert (seen.operator, seen.firmware) == (text, text)


def test_on_kafka_the_brokers_time_stands_in_for_an_absent_time_of_arrival() -> None:
    out = run([encoded(1, received_at=...)], timestamps=[START + 5])
    assert (out.ingest.totals.first_at, out.cohort.violating) == (START + 5, 0)


# -- one answer, whichever way a record is read ---------------------------------------------------------------------

names = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=8)
good_fields: dict[str, st.SearchStrategy[object]] = {
    "firmware": names,
    "environment": st.sampled_from(["production", "certification", "lab", "unknown"]),
    "outcome": st.sampled_from(["ok", "denied", "error", "timeout", "unknown"]),
    "latency_ms": st.one_of(st.integers(0, 86_400_000), st.floats(0, 86_400_000)),
    "retries": st.integers(0, 1_000),
    "device_id": names,
    "session_id": names,
    "seq": st.integers(0, 2**63 - 1),
    "seq_scope": names,
    "occurred_at": st.integers(START - HOUR, START + HOUR),
    "sent_at": st.integers(START - HOUR, START + HOUR),
    "cached": st.booleans(),
    "count": st.integers(1, 1_000_000),
    "error_code": names,
    "app_version": names,
}
good_records = st.fixed_dictionaries(
    {"event_id": names, "operation": names, "operator": names, "device_class": names}, optional=good_fields
).map(lambda fields: {**record(1), **fields})


@given(good_records)
def test_a_good_record_is_the_same_however_it_is_written(fields: dict[str, object]) -> None:
    plain = msgspec.json.encode(fields)
    seen = observed(plain)
    given_fields = {name: value for name, value in fields.items() if value is not None}
    assert {name: getattr(seen, name) for name in given_fields} == given_fields
    ways = [
        json.dumps(fields, ensure_ascii=True).encode(),
        json.dumps(fields, ensure_ascii=False, indent=1).replace("\n", " ").encode(),
        b" \t" + plain + b" \r",
        plain[:-1] + b',"extra":0}',
        plain[:-1] + b',"x":"\\u0041"}',
        msgspec.json.encode(dict(reversed(fields.items()))),
        json.dumps(
            {name: v * 1.0 if isinstance(v, int) and name == "retries" else v for name, v in fields.items()}
        ).encode(),
    ]
    assert [observed(way) for way in ways] == [seen] * len(ways)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
wild_records = st.dictionaries(
    st.sampled_from([*LONGEST, *good_fields, "received_at", "extra"]), anything, max_size=8
).flatmap(lambda wild: st.sampled_from([wild, {**record(1), **wild}]))
wild_lines = st.one_of(
    st.binary(max_size=30),
    wild_records.map(lambda fields: json.dumps(fields).encode()),
    good_records.map(msgspec.json.encode),
)


@given(st.lists(wild_lines, max_size=12), st.integers(1, 5))
def test_every_record_is_accepted_a_duplicate_or_rejected_whatever_it_is(values: list[bytes], batch: int) -> None:
    out = run(values, batch)
    totals = out.ingest.totals
    assert totals.records == len(values)
    assert totals.accepted + totals.duplicates + totals.rejected.total() == len(values)
    assert (out.total("records"), out.total("duplicates")) == (totals.accepted, totals.duplicates)
    assert Counter(reject.reason for reject in out.rejects) == totals.rejected
    assert all(reject.place.position in range(1, len(values) + 1) for reject in out.rejects)


@given(st.lists(wild_lines, max_size=12), st.integers(1, 5))
def test_where_a_batch_ends_changes_nothing(values: list[bytes], batch: int) -> None:
    whole, parts = run(values), run(values, batch)
    assert parts.windows == whole.windows
    assert sorted(map(str, parts.rejects)) == sorted(map(str, whole.rejects))


# -- the arrival clock ----------------------------------------------------------------------------------------------


def arrivals(*seconds: float) -> Run:
    return run(encoded(number, received_at=START + round(1_000 * at)) for number, at in enumerate(seconds))


def ahead(out: Run) -> list[int]:
    """Lines that were refused as too far ahead."""
    assert {reject.reason for reject in out.rejects} <= {"received_at.ahead"}
    return [reject.place.position for reject in out.rejects]


def test_a_record_behind_the_clock_is_late_and_valid() -> None:
    out = arrivals(0, 130, 10, 140)
    assert ahead(out) == []
    assert [(window.minute - START, window.cohorts[0].records) for window in out.windows] == [(0, 1), (120_000, 3)]
    assert out.ingest.totals.last_at == START + 140_000


def test_a_record_an_hour_ahead_moves_the_clock() -> None:
    out = arrivals(0, 3_600, 1)
    assert ahead(out) == []
    assert out.windows[-1].minute == START + HOUR


def test_a_record_more_than_an_hour_ahead_is_refused_when_the_next_does_not_agree() -> None:
    out = arrivals(0, 7_201, 1, 2, 3, 4, 5, 6)
    assert ahead(out) == [2]
    assert out.rejects[0].field == "received_at"
    assert out.cohort.records == 7


def test_a_real_gap_moves_the_clock_once_five_more_agree() -> None:
    out = arrivals(0, *(100_000 + i for i in range(6)))
    assert ahead(out) == []
    assert [window.minute for window in out.windows] == [START, START + 99_960_000]
    assert out.ingest.totals.accepted == 7


def test_four_that_agree_are_not_enough() -> None:
    out = arrivals(0, *(100_000 + i for i in range(5)), 1)
    assert ahead(out) == [2, 3, 4, 5, 6]
    assert out.ingest.totals.accepted == 2


def test_agreement_is_to_within_an_hour() -> None:
    assert ahead(arrivals(0, 100_000, *[103_600] * 5)) == []
    assert 2 in ahead(arrivals(0, 100_000, *[103_601] * 5))


def test_what_is_still_held_at_the_end_is_refused() -> None:
    assert ahead(arrivals(0, 100_000, 100_001)) == [2, 3]


def test_records_held_for_a_gap_are_not_lost_where_a_batch_ends() -> None:
    seconds = [0, *range(100_000, 100_006)]
    values = [encoded(i, received_at=START + 1_000 * at) for i, at in enumerate(seconds)]
    assert run(values, 2).windows == run(values).windows


def test_live_the_brokers_clock_bounds_the_arrival_clock() -> None:
    values = [encoded(number, received_at=START + 100_000_000) for number in range(8)]
    out = run(values, timestamps=[START + number for number in range(8)])
    assert out.ingest.totals.rejected["received_at.ahead"] == 8


# -- duplicates, order, gaps ----------------------------------------------------------------------------------------


def numbered(*numbers: int, cached: bool = False) -> list[bytes]:
    """Records of one device a second apart, with these sequence numbers."""
    return [
        encoded(at, event_id=f"{cached}{at}", device_id="d", seq=seq, cached=cached) for at, seq in enumerate(numbers)
    ]


def later(minutes: float) -> bytes:
    """A record without a number that moves the clock on."""
    return encoded(event_id=f"later {minutes}", received_at=START + round(minutes * MINUTE_MS))


def test_the_same_event_id_of_one_operator_is_a_duplicate_and_of_another_is_not() -> None:
    out = run([encoded(1), encoded(1), encoded(1, operator="bluecove")])
    assert (out.ingest.totals.accepted, out.ingest.totals.duplicates) == (2, 1)
    assert [(cohort.records, cohort.duplicates) for cohort in out.cohorts] == [(1, 1), (1, 0)]


def test_a_duplicate_a_day_later_is_known() -> None:
    values = [encoded(hour, received_at=START + hour * HOUR) for hour in range(25)]
    assert run([*values, encoded(0, received_at=START + 24 * HOUR)]).ingest.totals.duplicates == 1


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40)), min_size=1, max_size=25),
    st.lists(st.integers(0, 24), min_size=1, max_size=10),
)
def test_duplicates_change_nothing_but_the_counts_of_duplicates(
    devices: list[tuple[int, int]], again: list[int]
) -> None:
    once = [
        encoded(i, device_id=f"d{device}", seq=seq, latency_ms=seq, retries=seq % 2, outcome="ok", occurred_at=START)
        for i, (device, seq) in enumerate(devices)
    ]
    twice = list(once)
    for at in again:
        twice.append(msgspec.json.encode({**json.loads(once[at % len(once)]), "received_at": START + 30_000}))
    plain, repeated = run(once), run(twice)
    assert repeated.total("duplicates") == len(again)
    without = [
        msgspec.structs.replace(cohort, duplicates=0, rates={k: v for k, v in cohort.rates.items() if k != "duplicate"})
        for cohort in repeated.cohorts
    ]
    expected = [
        msgspec.structs.replace(cohort, rates={k: v for k, v in cohort.rates.items() if k != "duplicate"})
        for cohort in plain.cohorts
    ]
    assert without == expected


def test_a_record_lower_than_the_highest_before_it_is_out_of_order() -> None:
    out = run(numbered(5, 8, 7, 6, 9))
    assert (out.total("sequenced"), out.total("inversions")) == (5, 2)


def test_cached_records_and_duplicates_are_not_judged_for_order() -> None:
    values = [*numbered(5, 8), *numbered(6, cached=True), numbered(5, 8)[0]]
    out = run(values)
    assert (out.total("sequenced"), out.total("inversions"), out.total("cached")) == (2, 0, 1)


def test_a_fall_to_zero_or_one_is_a_reset_and_neither_gap_nor_inversion() -> None:
    for first in (0, 1):
        out = run([*numbered(7, 8, 9, first, first + 1), later(10), later(11)])
        assert (out.total("inversions"), out.total("gaps")) == (0, 0)
        assert out.clauses() == {"seq.reset": 1}


def test_scope_session_and_device_are_name_spaces_of_their_own() -> None:
    same = [
        encoded(1, seq=9, seq_scope="x"),
        encoded(2, seq=5, session_id="x"),
        encoded(3, seq=3, device_id="x"),
        encoded(4, seq=8, seq_scope="x"),
        encoded(5, seq=4, session_id="x"),
        encoded(6, seq=2, device_id="x"),
    ]
    assert run(same[:3]).total("inversions") == 0
    assert run(same).total("inversions") == 3


def test_operators_do_not_share_scopes() -> None:
    out = run([encoded(1, seq=9, device_id="x"), encoded(2, seq=5, device_id="x", operator="bluecove")])
    assert (out.total("sequenced"), out.total("inversions")) == (2, 0)


def test_an_explicit_scope_goes_before_the_session_and_the_session_before_the_device() -> None:
    who: dict[str, Any] = {"device_id": "d", "session_id": "s"}
    assert run([encoded(1, seq=9, seq_scope="a", **who), encoded(2, seq=5, **who)]).total("inversions") == 0
    assert run([encoded(1, seq=9, **who), encoded(2, seq=5, session_id="s")]).total("inversions") == 1


def test_a_device_seen_with_sessions_is_not_sequenced_by_itself() -> None:
    out = run([encoded(1, device_id="d", session_id="s"), *numbered(9, 5)])
    assert out.total("sequenced") == 0


def test_numbers_missing_five_minutes_after_a_higher_one_are_gaps() -> None:
    values = numbered(5, 9)
    assert run([*values, later(4.9), later(5.01)]).total("gaps") == 0
    out = run([*values, later(5.1), later(7)])
    assert out.total("gaps") == 3
    assert out.total("expected") == 5


def test_a_number_that_comes_in_time_is_no_gap_cached_or_not() -> None:
    for cached in (True, False):
        values = [*numbered(5, 8), encoded(200, seq=6, device_id="d", cached=cached), later(9), later(10)]
        out = run(values)
        assert (out.total("gaps"), out.total("expected")) == (1, 4)


def test_a_number_that_comes_too_late_was_a_gap() -> None:
    values = [*numbered(5, 7), later(5.2), encoded(330, seq=6, device_id="d"), later(9)]
    assert run(values).total("gaps") == 1


def test_the_weight_of_an_aggregate_is_its_count_in_shares_and_it_is_one_record() -> None:
    out = run([encoded(1, outcome="error", count=3, device_id="d"), encoded(2, outcome="ok", count=1, device_id="d")])
    operation = out.cohort.operations["playback_start"]
    assert (operation.records, operation.attempts) == (2, 4)
    failure = operation.rates["failure"]
    assert failure.hits / failure.of == pytest.approx(0.75, abs=1e-5)


def test_shares_are_among_attempts_with_a_known_outcome() -> None:
    outcomes = ["ok", "error", "denied", "timeout", "unknown"]
    out = run(encoded(i, outcome=outcome, device_id=f"d{i}") for i, outcome in enumerate(outcomes))
    rates = out.cohort.operations["playback_start"].rates
    assert {name: rates[name].hits / rates[name].of for name in ("failure", "denial", "timeout")} == {
        "failure": 0.25,
        "denial": 0.25,
        "timeout": 0.25,
    }


def test_latency_is_counted_of_ok_and_unknown_outcomes_only() -> None:
    for outcome, counted in [("ok", 1), ("unknown", 1), ("error", 0), ("denied", 0), ("timeout", 0)]:
        operation = run([encoded(1, outcome=outcome, latency_ms=100)]).cohort.operations["playback_start"]
        assert len(operation.bins) == counted


def test_a_missing_latency_or_retry_is_not_zero() -> None:
    operation = run([encoded(1, outcome="ok")]).cohort.operations["playback_start"]
    assert operation.bins == ()
    assert "retry" not in operation.rates


# -- device clocks --------------------------------------------------------------------------------------------------


def lag(*records: bytes) -> tuple[int, int]:
    """Sum of believed delays, ms, and of how many records."""
    out = run(records)
    return out.total("lag_sum_ms"), out.total("lag_records")


def test_delay_is_arrival_less_occurrence_else_less_sending() -> None:
    assert lag(encoded(10, occurred_at=START + 7_000, sent_at=START + 9_000, device_id="d")) == (3_000, 1)
    assert lag(encoded(10, sent_at=START + 9_000, device_id="d")) == (1_000, 1)


def test_a_record_that_does_not_say_when_it_happened_has_no_delay() -> None:
    out = run([encoded(10, device_id="d")])
    assert (out.total("lag_records"), out.cohort.delay_bins, out.cohort.violating) == (0, (), 0)


def test_the_delay_of_cached_records_is_not_counted() -> None:
    assert lag(encoded(10, occurred_at=START, cached=True, device_id="d")) == (0, 0)


def test_a_clock_that_is_ahead_is_corrected_for_its_skew() -> None:
    ahead_ms = 200_000
    total, records = lag(
        *(
            encoded(at, device_id="d", occurred_at=START + 1_000 * at + ahead_ms - 100 * (1 + at % 3))
            for at in range(300)
        )
    )
    assert records == 300
    assert 0 <= total / records <= 300


@pytest.mark.parametrize("instant", [0, 12_345, 90_000_000])
def test_time_since_start_is_a_violated_clause_and_not_believed(instant: int) -> None:
    out = run([encoded(10, occurred_at=instant, device_id="d")])
    assert (out.total("lag_records"), out.clauses()) == (0, {"clock.uptime": 1})


@pytest.mark.parametrize("instant", [START // 1_000, START * 1_000, START * 1_000_000])
def test_another_unit_of_time_is_a_violated_clause(instant: int) -> None:
    assert run([encoded(10, occurred_at=instant, device_id="d")]).clauses() == {"clock.unit": 1}


def test_sending_stands_in_for_an_occurrence_that_is_not_believed() -> None:
    assert lag(encoded(10, occurred_at=5, sent_at=START + 9_000, device_id="d")) == (1_000, 1)


# -- windows --------------------------------------------------------------------------------------------------------


def merged(runs: Iterable[Run]) -> dict[tuple[int, str, str], dict[str, Any]]:
    """Windows of several stages added up, by minute, operator and device class."""
    out: dict[tuple[int, str, str], dict[str, Any]] = {}
    for window in (window for one in runs for window in one.windows):
        for cohort in window.cohorts:
            _add(out.setdefault((window.minute, window.operator, cohort.device_class), {}), cohort)
    return out


def _add(into: dict[str, Any], window: Any) -> None:
    fields = msgspec.structs.asdict(window)
    for names in (("bins", "weights"), ("delay_bins", "delay_weights")):
        if names[0] in fields:
            histogram = Counter(dict(zip(fields.pop(names[0]), fields.pop(names[1]), strict=True)))
            into[names[0]] = into.get(names[0], Counter()) + histogram
    for name, value in fields.items():
        match value:
            case int():
                into[name] = into.get(name, 0) + value
            case str():
                assert into.setdefault(name, value) == value
            case dict():
                inner = into.setdefault(name, {})
                for key, part in value.items():
                    if isinstance(part, int):
                        inner[key] = inner.get(key, 0) + part
                    elif isinstance(part, Rate):
                        before = inner.get(key, (0, 0, 0))
                        inner[key] = tuple(a + b for a, b in zip(before, msgspec.structs.astuple(part), strict=True))
                    else:
                        _add(inner.setdefault(key, {}), part)
            case _:
                raise TypeError(name)


@st.composite
def fleets(draw: st.DrawFn) -> list[dict[str, object]]:
    """Records of some devices over a few minutes, in order of arrival."""
    out = []
    at = 0
    for number in range(draw(st.integers(1, 40))):
        at += draw(st.sampled_from([0, 1, 900, 20_000, 61_000]))
        device = draw(st.integers(0, 4))
        out.append(
            record(
                number,
                received_at=START + at,
                device_id=f"d{device}",
                device_class=f"class {device % 2}",
                outcome=draw(st.sampled_from(["ok", "error", "denied", "timeout", "unknown"])),
                latency_ms=draw(st.sampled_from([..., 0, 5, 300.5, 86_400_000])),
                retries=draw(st.sampled_from([..., 0, 2])),
                count=draw(st.sampled_from([..., 1, 7])),
                seq=draw(st.sampled_from([..., 5, 6, 7, 8, 9])),
                occurred_at=draw(st.sampled_from([..., START - 1_000, START + at - 40, START + at + 10])),
                cached=draw(st.sampled_from([..., True])),
                extra=draw(st.sampled_from([..., 1])),
                app_version=draw(st.sampled_from([..., 1])),
            )
        )
    return out


GAP_FIELDS = ("expected", "gaps")


def without_gaps(windows: dict[tuple[int, str, str], dict[str, Any]]) -> dict[tuple[int, str, str], dict[str, Any]]:
    """A gap counts in the minute that was open when it was due, and a log with fewer records has fewer minutes."""
    return {
        key: {
            **{name: value for name, value in window.items() if name not in GAP_FIELDS},
            "rates": {name: rate for name, rate in window["rates"].items() if name != "gap"},
        }
        for key, window in windows.items()
        if window["records"] + window["duplicates"]
    }


def gaps(windows: dict[tuple[int, str, str], dict[str, Any]]) -> Counter[tuple[str, str]]:
    out: Counter[tuple[str, str]] = Counter()
    for (_, _, device_class), window in windows.items():
        for name in GAP_FIELDS:
            out[device_class, name] += window[name]
    return +out


@given(fleets(), st.lists(st.integers(0, 2), min_size=5, max_size=5))
def test_windows_of_any_partition_by_device_add_up_to_those_of_the_whole(
    fleet: list[dict[str, object]], partition: list[int]
) -> None:
    parts: list[list[bytes]] = [[], [], []]
    # Every log learns of the end, as an idle partition does, so that the same gaps are due in all of them.
    end = [encoded(99, event_id=f"end {i}", operator="end", received_at=START + 50 * MINUTE_MS) for i in range(2)]
    for fields in fleet:
        parts[partition[int(str(fields["device_id"])[1:])]].append(msgspec.json.encode(fields))
    whole = merged([run([msgspec.json.encode(fields) for fields in fleet] + end)])
    summed = merged(run(part + end) for part in parts if part)
    whole, summed = ({key: w for key, w in windows.items() if key[1] != "end"} for windows in (whole, summed))
    assert without_gaps(summed) == without_gaps(whole)
    assert gaps(summed) == gaps(whole)


@given(fleets(), st.randoms(use_true_random=False))
def test_the_order_within_a_minute_does_not_matter_to_what_is_not_about_order(
    fleet: list[dict[str, object]], chance: random.Random
) -> None:
    plain = [{name: v for name, v in fields.items() if name not in ("seq", "occurred_at")} for fields in fleet]
    for fields in plain:
        fields["received_at"] = START + 30_000
    shuffled = list(plain)
    chance.shuffle(shuffled)
    assert run(map(msgspec.json.encode, shuffled)).windows == run(map(msgspec.json.encode, plain)).windows


def test_a_device_is_one_voice_in_a_minute_however_often_it_speaks() -> None:
    storm = [encoded(i, device_id="loud", outcome="error", received_at=START) for i in range(99)]
    out = run([*storm, encoded(100, device_id="quiet", outcome="ok", received_at=START)])
    assert out.cohort.operations["playback_start"].rates["failure"] == Rate(2 * UNIT, UNIT, 2 * UNIT)


def test_windows_come_in_order_of_minute_operator_and_cohort() -> None:
    names = ["b", "a", "c"]
    out = run(
        encoded(i, operator=operator, device_class=device, received_at=START + MINUTE_MS * minute)
        for i, (minute, operator, device) in enumerate((m, o, d) for m in range(2) for o in names for d in names)
    )
    assert [(window.minute - START, window.operator) for window in out.windows] == [
        (minute, operator) for minute in (0, MINUTE_MS) for operator in "abc"
    ]
    assert [[cohort.device_class for cohort in window.cohorts] for window in out.windows] == [["a", "b", "c"]] * 6


def _ticks(values: Iterable[bytes]) -> list[int]:
    ingest = Ingest("replay")
    answers = ingest.feed(RecordBatch("in.ndjson", range(1, 10_000), list(values))) + ingest.flush()
    return [answer.minute - START for answer in answers if isinstance(answer, Tick)]


def test_a_tick_follows_each_minute_and_says_all_before_is_closed() -> None:
    ticks = _ticks([encoded(0), later(3), later(4.5)])
    assert ticks == sorted(set(ticks))
    assert ticks[-1] == 4 * MINUTE_MS
