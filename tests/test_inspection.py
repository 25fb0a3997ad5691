"""A snapshot is read a level at a time."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.snapshot import pack
from pipeline.inspection import MOST_ITEMS, NoSuchPathError, sight

STATE = {
    "version": 2,
    "watermark": {"acme.telemetry/3": {"minute": 7}},
    "cells": {"level": pack(np.array([[1.0, 2.0], [3.0, np.inf]])), "frozen": pack(np.array([True, False]))},
    "pairs": [[1, "a"], [2, "b"]],
}


def test_the_whole_is_its_names_with_what_each_is() -> None:
    seen = sight(STATE)
    assert [(item.name, item.kind, item.inner) for item in seen.items] == [
        ("version", "number", False),
        ("watermark", "mapping", True),
        ("cells", "mapping", True),
        ("pairs", "list", True),
    ]


def test_an_array_says_its_shape_and_range_and_is_looked_into_by_number() -> None:
    level = sight(STATE, "cells.level")
    assert level.value == "float64, 2 × 2: 1 to 3, mean 2"
    assert [item.value for item in sight(STATE, "cells.level.1").items] == ["3", "inf"]
    assert sight(STATE, "cells.frozen").value == "bool, 2: 1 of 2 are true"


def test_a_name_with_dots_in_it_is_found() -> None:
    assert sight(STATE, "watermark.acme.telemetry/3.minute").value == "7"


def test_what_is_not_there_is_said_with_what_is() -> None:
    with pytest.raises(NoSuchPathError, match="there is level, frozen"):
        sight(STATE, "cells.spread")
    with pytest.raises(NoSuchPathError):
        sight(STATE, "pairs.2")


def test_a_long_list_is_shown_in_parts() -> None:
    seen = sight({"rows": list(range(250))}, "rows")
    assert (len(seen.items), seen.left_out) == (MOST_ITEMS, 150)
    rest = sight({"rows": list(range(250))}, "rows", first=200)
    assert [item.name for item in rest.items][:1] == ["200"]
    assert rest.left_out == 0


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.text(max_size=10))
def test_any_plain_data_is_shown_and_any_path_is_there_or_said_not_to_be(value: object, path: str) -> None:
    for item in sight({"root": value}).items:
        assert len(item.value) < 400
    with contextlib.suppress(NoSuchPathError):
        sight({"root": value}, path)
