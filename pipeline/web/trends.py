"""How the cohorts did, block by block: what the pages draw. Bounded by room, so a small fleet is remembered longer."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.channels import EVERY, Channel
from pipeline.detect.evidence import Evidence
from pipeline.messages import MINUTE_MS

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.intp]

BLOCK_MS: Final = 5 * MINUTE_MS
ROOM: Final = 64 << 20
"""Bytes: a day of 1 000 cohorts with five operations, four hours of 5 000."""
MOST_BLOCKS: Final = 2_016
"""A week."""

MOODS: Final = 0.03, 0.10
"""Standard deviation that days, shifts and shares have without a cause, on the log scale: about."""
UNIT_SPREAD: Final = 0.5
"""Standard deviation of one device-minute of latency or delay on the log scale, about."""
Z: Final = 1.96


@dataclass(frozen=True, slots=True)
class Point:
    """One block. Of a share: shares. Of a shift (latency, delay): factors against the expected.

    low, high: where 95 % of blocks lie when nothing is wrong, sampling and usual moods (`MOODS`) together. For the eye:
    no verdict hangs on it.
    """

    at: int
    n: float
    observed: float
    expected: float
    low: float
    high: float


class Trends:
    """Sums of n, x and expected by block, [rows, 3, channels]; rows are those of the cohorts' board."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._columns: dict[Channel, int] = {}
        self._blocks: OrderedDict[int, NDArray[np.float32]] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(block.nbytes for block in self._blocks.values())

    @property
    def since(self) -> int | None:
        """Start of the first block, ms since the epoch."""
        return min(self._blocks, default=None)

    @property
    def channels(self) -> list[Channel]:
        """Every one that was measured."""
        return list(self._columns)

    def evidence(self, evidence: Evidence, at: Rows, rows: Rows) -> None:
        """Count the cohorts `at` of a minute, whose rows are `rows`."""
        if not len(rows):
            return
        columns = np.array([self._columns.setdefault(one, len(self._columns)) for one in evidence.channels])
        start = evidence.minute - evidence.minute % BLOCK_MS
        block = self._block(start, int(rows.max()) + 1)
        # An anchor that knows no level yet expects exactly nothing: there is nothing to hold against.
        known = evidence.expected[at] != 0.0
        for which, part in enumerate((evidence.n, evidence.x, evidence.expected)):
            block[np.ix_(rows, np.array([which]), columns)] += np.where(known, part[at], 0.0)[:, None, :]

    def forget(self, row: int) -> None:
        """Another cohort has this row from now on."""
        for block in self._blocks.values():
            if row < len(block):
                block[row] = 0.0

    def series(self, rows: Rows, channel: Channel, since: int) -> list[Point]:
        """The blocks of some rows together, from the one that holds `since`; those without anything are left out."""
        columns = self._of(channel)
        found = []
        for start in sorted(self._blocks):
            if start + BLOCK_MS <= since:
                continue
            n, x, expected = self._sum(self._blocks[start], rows, columns)
            if n > 0.0:
                found.append(_point(start, channel, n, x, expected))
        return found

    def totals(self, rows: Rows, channel: Channel, since: int) -> Floats:
        """[rows, 3] n, x and expected since then."""
        out = np.zeros((len(rows), 3))
        columns = self._of(channel)
        for start, block in self._blocks.items():
            if start + BLOCK_MS > since:
                there, here = rows < len(block), columns[columns < block.shape[2]]
                out[there] += block[rows[there]][:, :, here].sum(axis=2, dtype=np.float64)
        return out

    def _of(self, channel: Channel) -> Rows:
        """Its columns: one, or those of all operations where a signal is judged over them together."""
        found = [
            column
            for one, column in self._columns.items()
            if one.signal == channel.signal and channel.operation in (EVERY, one.operation)
        ]
        return np.array(found, dtype=np.intp)

    def _block(self, start: int, rows: int) -> NDArray[np.float32]:
        block = self._blocks.get(start)
        columns = len(self._columns)
        if block is None or block.shape[0] < rows or block.shape[2] < columns:
            have = block.shape if block is not None else (0, 3, 0)
            grown = np.zeros((_room_for(rows, have[0]), 3, max(columns, have[2])), dtype=np.float32)
            if block is not None:
                grown[: have[0], :, : have[2]] = block
            block = self._blocks[start] = grown
            self._shed()
        return block

    def _shed(self) -> None:
        while len(self._blocks) > 1 and (len(self._blocks) > MOST_BLOCKS or self.size > self._room):
            del self._blocks[min(self._blocks)]

    def _sum(self, block: NDArray[np.float32], rows: Rows, columns: Rows) -> tuple[float, float, float]:
        there, here = rows[rows < len(block)], columns[columns < block.shape[2]]
        n, x, expected = block[there][:, :, here].sum(axis=(0, 2), dtype=np.float64).tolist()
        return n, x, expected


def _room_for(rows: int, have: int) -> int:
    """Rows to make room for: an eighth more than are needed, as they come one by one."""
    return rows if rows <= have else rows + rows // 8


def _point(at: int, channel: Channel, n: float, x: float, expected: float) -> Point:
    if channel.is_shift:
        spread = Z * (UNIT_SPREAD**2 / n + MOODS[0] ** 2) ** 0.5
        return Point(at, n, float(np.exp((x - expected) / n)), 1.0, float(np.exp(-spread)), float(np.exp(spread)))
    share = min(expected / n, 1.0)
    spread = Z * (share * (1.0 - share) / n + (MOODS[1] * share) ** 2) ** 0.5
    return Point(at, n, x / n, share, max(share - spread, 0.0), min(share + spread, 1.0))
