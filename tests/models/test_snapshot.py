"""State as plain data."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from models.snapshot import SnapshotError, expect_version, pack, unpack


@given(
    st.sampled_from([np.float64, np.float32, np.int64, np.bool_]).flatmap(
        lambda kind: arrays(kind, array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    )
)
def test_an_array_comes_back_to_the_bit_by_way_of_bytes(array: NDArray[Any]) -> None:
    found = unpack(msgspec.msgpack.decode(msgspec.msgpack.encode(pack(array))))
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()


def test_a_slice_is_packed_as_what_it_shows() -> None:
    wide = np.arange(12.0).reshape(3, 4)
    assert unpack(pack(wide[:, 1:3])).tolist() == wide[:, 1:3].tolist()


def test_what_is_unpacked_may_be_written_to_and_is_nobody_elses() -> None:
    plain = pack(np.zeros(3))
    unpack(plain)[:] = 1.0
    assert unpack(plain).tolist() == [0.0, 0.0, 0.0]


def test_a_type_that_could_hold_anything_is_refused() -> None:
    with pytest.raises(SnapshotError, match="an array of 'object'; known are bool, float32, float64, int32, int64"):
        unpack({"dtype": "object", "shape": [1], "data": b"12345678"})


@pytest.mark.parametrize("shape", [[2], [4], [3, 2]])
def test_values_that_do_not_fill_the_shape_are_refused(shape: list[int]) -> None:
    with pytest.raises(SnapshotError, match="3 values do not fill the shape"):
        unpack(pack(np.zeros(3)) | {"shape": shape})


@pytest.mark.parametrize("plain", [{}, {"version": 2}, {"version": "1"}])
def test_a_snapshot_of_another_version_is_refused_by_name(plain: dict[str, Any]) -> None:
    with pytest.raises(SnapshotError, match=r"the snapshot of a baseline stage has version .*; this program reads 1"):
        expect_version(plain, "a baseline stage", 1)


def test_a_snapshot_of_this_version_is_taken() -> None:
    expect_version({"version": 1}, "a baseline stage", 1)
