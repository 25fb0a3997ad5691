"""Devices as small numbers, so that what is known of each can stand in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SESSION: Final = "\x00"
"""Begins the name of a device that is known by its session alone; no valid id holds it."""


class Devices:
    """Numbers the devices of all operators; a number stays the same for as long as its device is remembered.

    Bounded by `cap`: each time half of it has been in use anew, devices that were in no record since the time before
    are forgotten, and their numbers are given to others. So no two devices share one within `cap` / 2 records.
    """

    def __init__(self, cap: int = 1_000_000) -> None:
        self._half = max(cap // 2, 1)
        self._now: dict[str, dict[str, int]] = {}
        self._before: dict[str, dict[str, int]] = {}
        self._used = 0
        """Devices in `_now`."""
        self._next = 0
        self._free: list[int] = []
        self._forgotten: list[int] = []
        self._anonymous = 0

    def numbers(
        self, operators: Sequence[str], devices: Sequence[str | None], sessions: Sequence[str | None]
    ) -> NDArray[np.int64]:
        """Of the device of each record; one without device and session is its own, with a number below zero."""
        tables = self._now
        nobody: dict[str, int] = {}
        out = [
            tables.get(operator, nobody).get(device)  # type: ignore[arg-type]  # None is in no table
            for operator, device in zip(operators, devices, strict=True)
        ]
        for row, number in enumerate(out):
            if number is None:
                out[row] = self.number(operators[row], devices[row], sessions[row])
        return np.array(out, dtype=np.int64)

    def number(self, operator: str, device: str | None, session: str | None) -> int:
        if device is None:
            if session is None:
                self._anonymous += 1
                return -self._anonymous
            device = _SESSION + session
        table = self._now.get(operator)
        if table is not None and (number := table.get(device)) is not None:
            return number
        if self._used >= self._half:
            self._turn()
        before = self._before.get(operator)
        number = before.pop(device, None) if before is not None else None
        if number is None:
            number = self._free.pop() if self._free else self._new()
        self._now.setdefault(operator, {})[device] = number
        self._used += 1
        return number

    def forgotten(self) -> list[int]:
        """Numbers that lost their device since this was asked last: what is kept under them is not of the next one."""
        numbers, self._forgotten = self._forgotten, []
        return numbers

    def _new(self) -> int:
        self._next += 1
        return self._next - 1

    def _turn(self) -> None:
        gone = [number for table in self._before.values() for number in table.values()]
        self._free += gone
        self._forgotten += gone
        self._before, self._now, self._used = self._now, {}, 0
