"""A snapshot as a person reads it: one level at a time, found by a path such as `state.references.cells.level`.

A step of a path is a key, or the number of an item of a list. Arrays are shown with their shape, their range and their
first values. Pure; where snapshots come from is others' business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.snapshot import SnapshotError, unpack

MOST_ITEMS: Final = 100
"""Of a list or a mapping on one sight."""
LONGEST: Final = 160
"""Characters of a value."""


class NoSuchPathError(LookupError):
    """There is nothing at a path."""


@dataclass(frozen=True, slots=True)
class Item:
    """name: the step that leads to it. kind: `mapping`, `list`, `array`, `text`, `number`, `flag`, `bytes`, `nothing`.

    value: what it is, in a line. inner: it can be looked into.
    """

    name: str
    kind: str
    value: str
    inner: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """What is at a path: itself in a line, and what is in it. left_out: items beyond those shown."""

    path: str
    kind: str
    value: str
    items: tuple[Item, ...]
    left_out: int


def sight(root: Any, path: str = "", first: int = 0) -> Sight:
    """What is at `path`, items from `first` on.

    Raises:
        NoSuchPathError: there is nothing there.
    """
    value, steps = root, [step for step in path.split(".") if step]
    while steps:
        # A key may hold dots itself: the shortest one that is there is meant.
        taken = next((size for size in range(1, len(steps) + 1) if _has(value, ".".join(steps[:size]))), 1)
        value = _step(value, ".".join(steps[:taken]), path)
        steps = steps[taken:]
    items = _items(value)
    shown = items[first : first + MOST_ITEMS]
    return Sight(
        path=path,
        kind=_kind(value),
        value=_line(value),
        items=tuple(Item(name, _kind(one), _line(one), _is_inner(one)) for name, one in shown),
        left_out=max(len(items) - first - len(shown), 0),
    )


def _step(value: Any, step: str, path: str) -> Any:
    if _is_array(value):
        value = unpack(value)
    if isinstance(value, Mapping) and step in value:
        return value[step]
    is_list = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes)
    if is_list and step.isdecimal() and int(step) < len(value):
        return value[int(step)]
    msg = f"there is no {step!r} in {path!r}; {_offer(value)}"
    raise NoSuchPathError(msg)


def _has(value: Any, step: str) -> bool:
    return isinstance(value, Mapping) and not _is_array(value) and step in value


def _offer(value: Any) -> str:
    names = [name for name, _ in _items(value)[:12]]
    return f"there is {', '.join(names)}" if names else "there is nothing inside"


def _items(value: Any) -> list[tuple[str, Any]]:
    if _is_array(value):
        value = unpack(value)
    if isinstance(value, Mapping):
        return [(str(name), one) for name, one in value.items()]
    if isinstance(value, np.ndarray):
        return [(str(at), one) for at, one in enumerate(value)] if value.ndim else []
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [(str(at), one) for at, one in enumerate(value)]
    return []


def _is_array(value: Any) -> bool:
    return isinstance(value, Mapping) and value.keys() == {"dtype", "shape", "data"}


def _is_inner(value: Any) -> bool:
    return bool(_items(value)) and not (isinstance(value, list) and len(value) <= 6 and not any(map(_items, value)))


def _kind(value: Any) -> str:
    if _is_array(value) or isinstance(value, np.ndarray):
        return "array"
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (Mapping, "mapping"),
        ((bool, np.bool_), "flag"),
        ((int, float, np.number), "number"),
        (str, "text"),
        (bytes, "bytes"),
        (Sequence, "list"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "nothing")


def _line(value: Any) -> str:
    kind = _kind(value)
    if kind == "array":
        try:
            return _array_line(unpack(dict(value)) if isinstance(value, Mapping) else value)
        except SnapshotError as error:
            return f"not readable: {error}"
    if kind == "mapping":
        return f"{len(value)} entries"
    if kind == "bytes":
        return f"{len(value)} bytes"
    if kind == "list" and _is_inner(value):
        return f"{len(value)} items"
    text = f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _array_line(array: np.ndarray[Any, Any]) -> str:
    shape = " × ".join(map(str, array.shape)) or "one"
    said = f"{array.dtype.name}, {shape}"
    if not array.size:
        return said
    if array.dtype == np.bool_:
        return f"{said}: {int(array.sum())} of {array.size} are true"
    finite = array[np.isfinite(array)]
    if not finite.size:
        return f"{said}: nothing finite"
    return f"{said}: {finite.min():.6g} to {finite.max():.6g}, mean {finite.mean():.6g}"
