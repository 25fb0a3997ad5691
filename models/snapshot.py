"""State as plain data: dictionaries, lists, numbers, text and bytes. Nothing in it can run; a person can read it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Plain = dict[str, Any]

_DTYPES: Final = frozenset({"float64", "float32", "int64", "int32", "bool"})


class SnapshotError(ValueError):
    """A snapshot that this version cannot take up; nothing was taken from it."""


def pack(array: NDArray[Any]) -> Plain:
    """An array with its type and shape; values as they lie in memory (C order, little endian)."""
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": np.ascontiguousarray(array).tobytes()}


def unpack(plain: Plain) -> NDArray[Any]:
    """The array that was packed; a copy that may be written to.

    Raises:
        SnapshotError: type, shape and data do not fit together.
    """
    dtype, shape, data = plain["dtype"], tuple(plain["shape"]), plain["data"]
    if dtype not in _DTYPES:
        msg = f"an array of {dtype!r}; known are {', '.join(sorted(_DTYPES))}"
        raise SnapshotError(msg)
    flat = np.frombuffer(data, dtype=dtype)
    if flat.size != int(np.prod(shape)):
        msg = f"{flat.size} values do not fill the shape {shape}"
        raise SnapshotError(msg)
    return flat.reshape(shape).copy()


def expect_version(plain: Plain, what: str, version: int) -> None:
    """Refuse a snapshot of another version with a clear word."""
    found = plain.get("version")
    if found != version:
        msg = f"the snapshot of {what} has version {found!r}; this program reads {version}"
        raise SnapshotError(msg)
