"""Messages come back as they were sent."""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline.codec import Message, decode, encode
from pipeline.detect.channels import ChannelTable
from pipeline.detect.evidence import Evidence
from pipeline.messages import UNIT, Place, Reject, Tick, Windows

MESSAGES: tuple[Any, ...] = get_args(Message)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that messages are made of."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = [field for field in msgspec.structs.fields(kind) if kind not in get_args(field.type)]
        return st.builds(kind, **{field.name: values(field.type) for field in fields})
    if isinstance(kind, type) and issubclass(kind, tuple) and kind is not tuple:
        return st.builds(kind, *(values(of) for of in get_type_hints(kind).values()))
    origin, of = get_origin(kind), get_args(kind)
    if origin is np.ndarray:
        scalar = get_args(of[1])[0]
        elements = st.booleans() if scalar is np.bool_ else NUMBERS
        return arrays(scalar, array_shapes(min_dims=1, max_dims=2, max_side=3), elements=elements)
    if origin is list:
        return st.lists(values(of[0]), max_size=3)
    if origin is tuple and of[-1] is not ...:
        return st.tuples(*(values(one) for one in of))
    if origin is tuple:
        return st.lists(values(of[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(values(of[0]), values(of[1]), max_size=3)
    if origin in (Union, types.UnionType):
        return st.one_of([values(one) for one in of])
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(max_size=10),
        int: INTEGERS,
        float: NUMBERS,
        bool: st.booleans(),
        bytes: st.binary(max_size=20),
        type(None): st.none(),
    }
    return simple[kind]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return bool(one.dtype == other.dtype and one.shape == other.shape and (one == other).all())
    if isinstance(one, msgspec.Struct):
        return type(one) is type(other) and all(
            same(getattr(one, name), getattr(other, name)) for name in one.__struct_fields__
        )
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return type(one) is type(other) and bool(one == other)


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_every_message_comes_back_as_it_was_sent(kind: Any, data: st.DataObject) -> None:
    message = data.draw(values(kind))
    assert same(decode(encode(message)), message)


def test_messages_are_json_tagged_by_their_kind() -> None:
    assert encode(Tick("baseline", 60_000)) == b'{"type":"tick","source":"baseline","minute":60000,"idle":false}'


def test_counts_in_fixed_point_stay_exact_far_beyond_a_days_records() -> None:
    window = Windows("a", 0, "altura", [], rejects={"json.invalid": 10**12 * UNIT // 1000})
    assert decode(encode(window)) == window


def test_a_reject_carries_the_bytes_as_they_came() -> None:
    raw = bytes(range(256))
    message = decode(encode(Reject("json.invalid", None, Place("-", 1), "No JSON.", raw)))
    assert isinstance(message, Reject)
    assert message.value == raw


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b'{"type":"tock","source":"a","minute":0}',
        b'{"type":"tick","source":"a"}',
        b'{"type":"tick","source":"a","minute":"0"}',
        b'{"type":"tick","source":"a","minute":0} x',
    ],
)
def test_what_is_no_message_of_this_version_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode(data)


def test_a_field_that_a_later_version_added_is_passed_over() -> None:
    assert decode(b'{"type":"tick","source":"a","minute":0,"later":1}') == Tick("a", 0)


def test_evidence_of_a_minute_without_cohorts_keeps_its_shape() -> None:
    channels = ChannelTable(("playback_start",)).channels
    nothing = np.zeros((0, len(channels)))
    sent = Evidence("a", 0, [], channels, nothing, nothing, nothing, np.zeros(0, dtype=np.bool_), np.zeros(0), {})
    there = decode(encode(sent))
    assert isinstance(there, Evidence)
    assert there.n.shape == there.x.shape == there.expected.shape == (0, len(channels))
