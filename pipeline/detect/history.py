"""What was counted lately, at two grains: a quarter of an hour for the short spans, four hours for days. Raw counts, so
that a new anchor re-scores the past as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.season import DAY_MS, SLOT_MS
from models.snapshot import Plain, pack, unpack
from pipeline.detect.references import References

Floats: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.float32]
Rows: TypeAlias = NDArray[np.intp]

STEP_MS: Final = 900_000
STEPS: Final = 16
"""Four hours of steps."""
BLOCK_MS: Final = 2 * SLOT_MS
BLOCKS: Final = 42
"""Seven days of blocks of four hours."""
DAY_BLOCKS: Final = DAY_MS // BLOCK_MS


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch that evidence is summed over: the last `length` entries of one grain."""

    name: str
    of_blocks: bool
    length: int
    every: int
    """Judged each time so many entries have been closed."""

    @property
    def grain_ms(self) -> int:
        return BLOCK_MS if self.of_blocks else STEP_MS

    @property
    def ms(self) -> int:
        return self.length * self.grain_ms


SPANS: Final = (
    Span("15m", False, 1, 1),
    Span("1h", False, 4, 1),
    Span("4h", False, 16, 2),
    Span("12h", True, 3, 1),
    Span("1d", True, 6, 1),
    Span("2d", True, 12, 1),
    Span("3d", True, 18, 1),
    Span("7d", True, 42, 1),
)


@dataclass(frozen=True, slots=True)
class Sums:
    """What was counted and what the anchors expect of it, [leaves, columns], or with a leading axis of entries."""

    n: Floats
    x: Floats
    expected: Floats


@dataclass(frozen=True, slots=True)
class Series:
    """Sums by entry of a span, oldest first; `entries` are their indices, `grain_ms` long each."""

    sums: Sums
    entries: NDArray[np.int64]
    grain_ms: int


class Ring:
    """The last entries of one grain: n and x, [entries, rows, columns]."""

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

    def at(self, entry: int) -> tuple[Counts, Counts]:
        """n, x [rows, columns] of one entry; views."""
        return self._n[entry % self.size], self._x[entry % self.size]

    def entries(self, length: int) -> NDArray[np.int64]:
        """Indices of the last entries, oldest first."""
        newest = self.entry if self.entry is not None else -1
        return np.arange(newest - length + 1, newest + 1)


class History:
    """Counts of the open step and block, and of those that are closed; rows and columns as `references` has them."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._steps = Ring(STEPS, STEP_MS)
        self._blocks = Ring(BLOCKS, BLOCK_MS)
        self._open_n, self._open_x = np.zeros((0, 0)), np.zeros((0, 0))
        self._block_n, self._block_x = np.zeros((0, 0)), np.zeros((0, 0))
        self.step: int | None = None
        """Index of the step that is open."""
        self.blocks_seen = 0

    def count(self, rows: Rows, columns: Rows, n: Floats, x: Floats) -> None:
        """Add to the open step. n, x: [rows, columns]."""
        self._fit()
        cells = np.ix_(rows, columns)
        self._open_n[cells] += n
        self._open_x[cells] += x

    def advance(self, step: int) -> tuple[int, list[Span]] | None:
        """Time has come to the beginning of `step`: close what is over. The end of the closed step (ms) and the spans
        that are due to be judged; None when none was closed."""
        if self.step is None:
            self.step = step
        if step <= self.step:
            return None
        closed, self.step = self.step, step
        self._fit()
        self._steps.push(closed, self._open_n, self._open_x)
        self._block_n += self._open_n
        self._block_x += self._open_x
        self._open_n[:] = 0.0
        self._open_x[:] = 0.0
        per_block = BLOCK_MS // STEP_MS
        block_over = step // per_block > closed // per_block
        if block_over:
            self._blocks.push(closed // per_block, self._block_n, self._block_x)
            self._block_n[:] = 0.0
            self._block_x[:] = 0.0
            self.blocks_seen += 1
        due = [
            span
            for span in SPANS
            if (block_over and self.blocks_seen >= span.length if span.of_blocks else (closed + 1) % span.every == 0)
        ]
        return (closed + 1) * STEP_MS, due

    def forget(self, rows: Rows, since: int, until: int) -> None:
        """Take out what some rows counted from one instant to another (ms): it is explained, and would echo in longer
        spans until it has left them."""
        for ring in (self._steps, self._blocks):
            for entry in ring.entries(ring.size).tolist():
                if entry * ring.grain_ms < until and (entry + 1) * ring.grain_ms > since:
                    for counts in ring.at(entry):
                        counts[rows] = 0.0
        if self.step is not None and self.step * STEP_MS // BLOCK_MS * BLOCK_MS < until:
            self._block_n[rows] = 0.0
            self._block_x[rows] = 0.0

    def totals(self, rows: Rows, span: Span) -> Sums:
        """Of a whole span, by leaf (one of `rows`) and column."""
        ring = self._ring(span)
        return self._summed(ring, rows, ring.entries(span.length))

    def parts(self, rows: Rows, length: int, every: int, of: int) -> list[Sums]:
        """Of stretches of `length` blocks, beginning every so many, within the last `of` blocks."""
        entries = self._blocks.entries(of)
        return [
            self._summed(self._blocks, rows, entries[first : first + length])
            for first in range(0, of - length + 1, every)
        ]

    def days(self, rows: Rows, span: Span) -> list[Sums]:
        """Of whole days at every half day of a span."""
        return self.parts(rows, DAY_BLOCKS, DAY_BLOCKS // 2, span.length)

    def series(self, rows: Rows, columns: Rows, span: Span) -> Series:
        """By entry, for some columns."""
        ring = self._ring(span)
        entries = ring.entries(span.length)
        each = [self._summed(ring, rows, entries[i : i + 1], columns) for i in range(len(entries))]
        stacked = (np.stack([getattr(one, name) for one in each]) for name in ("n", "x", "expected"))
        return Series(Sums(*stacked), entries, ring.grain_ms)

    def _ring(self, span: Span) -> Ring:
        return self._blocks if span.of_blocks else self._steps

    def _summed(self, ring: Ring, rows: Rows, entries: NDArray[np.int64], columns: Rows | None = None) -> Sums:
        pick = np.arange(len(self._references.channels)) if columns is None else columns
        cells = np.ix_(rows, pick)
        n, x, shaped = np.zeros((3, len(rows), len(pick)))
        for entry in entries.tolist():
            units, hits = (part[cells] for part in ring.at(entry))
            n += units
            x += hits
            shaped += units * self._shape(entry * ring.grain_ms, ring.grain_ms, rows)[:, pick]
        return Sums(n, x, self._references.expected(cells, n, shaped))

    def _shape(self, start: int, length: int, rows: Rows) -> Floats:
        """[leaves, columns] shape of the day over a stretch: at the middle of each of its slots."""
        parts = max(1, length // SLOT_MS)
        middles = (start + (2 * i + 1) * length // (2 * parts) for i in range(parts))
        return np.asarray(sum(self._references.shape(at, rows) for at in middles) / parts)

    def _fit(self) -> None:
        shape = self._references.level.shape
        if self._open_n.shape == shape:
            return
        for name in _OPEN:
            old = getattr(self, name)
            grown = np.zeros(shape)
            grown[: old.shape[0], : old.shape[1]] = old
            setattr(self, name, grown)
        self._steps.fit(*shape)
        self._blocks.fit(*shape)

    def snapshot(self) -> Plain:
        return {
            "steps": self._steps.snapshot(),
            "blocks": self._blocks.snapshot(),
            "open": {name: pack(getattr(self, name)) for name in _OPEN},
            "step": self.step,
            "blocks_seen": self.blocks_seen,
        }

    def restore(self, state: Plain) -> None:
        self._steps.restore(state["steps"])
        self._blocks.restore(state["blocks"])
        for name in _OPEN:
            setattr(self, name, unpack(state["open"][name]))
        self.step = state["step"]
        self.blocks_seen = state["blocks_seen"]


_OPEN: Final = ("_open_n", "_open_x", "_block_n", "_block_x")
