"""What was counted lately, at two grains: five minutes for the short spans, two hours for days. Raw counts, so that a
new anchor re-scores the past as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.season import DAY_MS, SLOT_MS
from models.snapshot import Plain, pack, unpack

Floats: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.float32]

STEP_MS: Final = 300_000
STEPS: Final = 48
"""Four hours of steps."""
BLOCKS: Final = 84
"""Seven days of blocks of two hours."""
STEPS_PER_DAY: Final = DAY_MS // STEP_MS


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch that evidence is summed over: the last `length` entries of one grain."""

    name: str
    of_blocks: bool
    length: int
    every: int
    """Judged each time so many entries have been closed."""

    @property
    def ms(self) -> int:
        return self.length * (SLOT_MS if self.of_blocks else STEP_MS)


SPANS: Final = (
    Span("15m", False, 3, 3),
    Span("1h", False, 12, 3),
    Span("4h", False, 48, 6),
    Span("1d", True, 12, 1),
    Span("3d", True, 36, 1),
    Span("7d", True, 84, 1),
)


class Ring:
    """The last entries of one grain: n and x, [entries, rows, columns], oldest first as `last` returns them."""

    def __init__(self, size: int, grain_ms: int) -> None:
        self.size = size
        self.grain_ms = grain_ms
        self.entry: int | None = None
        """Index (time / grain) of the newest closed entry."""
        self._n: Counts = np.zeros((size, 0, 0), dtype=np.float32)
        self._x: Counts = np.zeros((size, 0, 0), dtype=np.float32)

    def fit(self, rows: int, columns: int) -> None:
        have = self._n.shape
        if rows <= have[1] and columns <= have[2]:
            return
        shape = (self.size, max(rows, have[1]), max(columns, have[2]))
        for name in ("_n", "_x"):
            grown = np.zeros(shape, dtype=np.float32)
            grown[:, : have[1], : have[2]] = getattr(self, name)
            setattr(self, name, grown)

    def push(self, entry: int, n: Floats, x: Floats) -> None:
        """Close an entry; those between it and the one before were empty."""
        first = entry if self.entry is None else max(self.entry + 1, entry - self.size + 1)
        for empty in range(first, entry):
            self._n[empty % self.size] = 0.0
            self._x[empty % self.size] = 0.0
        self._n[entry % self.size] = n
        self._x[entry % self.size] = x
        self.entry = entry

    def snapshot(self) -> Plain:
        return {"entry": self.entry, "n": pack(self._n), "x": pack(self._x)}

    def restore(self, state: Plain) -> None:
        self.entry, self._n, self._x = state["entry"], unpack(state["n"]), unpack(state["x"])

    def last(self, length: int) -> tuple[Counts, Counts, NDArray[np.int64]]:
        """n, x [length, rows, columns] and the entries' indices, oldest first."""
        newest = self.entry if self.entry is not None else -1
        entries = np.arange(newest - length + 1, newest + 1)
        at = entries % self.size
        return self._n[at], self._x[at], entries
