"""Attempts and bad ones of every cohort against every threshold, lately: where a breach is, and where a drift goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.snapshot import Plain, pack, unpack
from pipeline.detect.history import BLOCK_MS, BLOCKS, STEP_MS, STEPS, Ring
from pipeline.observation import Cohort

Floats: TypeAlias = NDArray[np.float64]


class Tally:
    """Rings of quarters of an hour (four hours back) and of four hours (a week back), [cohorts, thresholds].

    Attributes:
        cohorts: in order of appearance; the rows.
    """

    def __init__(self, thresholds: Sequence[str]) -> None:
        self._ids = list(thresholds)
        self.cohorts: list[Cohort] = []
        self._row: dict[Cohort, int] = {}
        self._rings = (Ring(STEPS, STEP_MS), Ring(BLOCKS, BLOCK_MS))
        self._open: list[Floats] = [np.zeros((2, 0, len(self._ids))) for _ in self._rings]
        self._entry: list[int | None] = [None, None]

    def open(self, minute: int) -> None:
        """Time has come to a minute: close the entries that are over."""
        for i, ring in enumerate(self._rings):
            entry, held = minute // ring.grain_ms, self._entry[i]
            if held is not None and entry > held:
                ring.fit(len(self.cohorts), len(self._ids))
                ring.push(held, self._open[i][0], self._open[i][1])
                self._open[i][:] = 0.0
            self._entry[i] = entry if held is None else max(held, entry)

    def count(self, cohorts: Sequence[Cohort], attempts: Floats, bad: Floats) -> None:
        """[cohorts, thresholds] each."""
        for cohort in cohorts:
            if cohort not in self._row:
                self._row[cohort] = len(self.cohorts)
                self.cohorts.append(cohort)
        new = len(self.cohorts) - self._open[0].shape[1]
        rows = [self._row[cohort] for cohort in cohorts]
        for i, held in enumerate(self._open):
            wide = np.concatenate((held, np.zeros((2, new, len(self._ids)))), axis=1) if new else held
            wide[:, rows] += (attempts, bad)
            self._open[i] = wide

    def lately(self, threshold: int, ms: int) -> tuple[Floats, Floats]:
        """[cohorts] attempts and bad ones of the last `ms` and what is open, a little more than asked for."""
        i = 0 if ms <= STEPS * STEP_MS else 1
        ring, held = self._rings[i], self._open[i]
        of, bad = (part[:, threshold].copy() for part in held)
        entries = min(-(-ms // ring.grain_ms), ring.size)
        for entry in self._entries(i, entries):
            for total, part in zip((of, bad), ring.at(entry), strict=True):
                total[: len(part)] += part[:, threshold]
        return of, bad

    def course(self, threshold: int) -> tuple[NDArray[np.int64], Floats, Floats]:
        """Starts of the last blocks (ms), and [blocks, cohorts] attempts and bad ones; the open block is left out."""
        ring, entries = self._rings[1], self._entries(1, BLOCKS)
        out = np.zeros((2, len(entries), len(self.cohorts)))
        for at, entry in enumerate(entries):
            for total, part in zip(out, ring.at(entry), strict=True):
                total[at, : len(part)] = part[:, threshold]
        return np.array(entries, dtype=np.int64) * BLOCK_MS, out[0], out[1]

    def _entries(self, ring: int, length: int) -> list[int]:
        """The last closed ones, oldest first; those that a silence skipped are not in the ring yet."""
        held = self._rings[ring]
        return [] if held.entry is None else held.entries(length).tolist()

    def snapshot(self) -> Plain:
        return {
            "thresholds": list(self._ids),
            "cohorts": [list(cohort) for cohort in self.cohorts],
            "rings": [ring.snapshot() for ring in self._rings],
            "open": [pack(held) for held in self._open],
            "entry": list(self._entry),
        }

    def restore(self, state: Plain) -> None:
        """Take up a tally of the same thresholds; of others nothing is known."""
        if state["thresholds"] != self._ids:
            return
        self.cohorts = [Cohort(*cohort) for cohort in state["cohorts"]]
        self._row = {cohort: row for row, cohort in enumerate(self.cohorts)}
        for ring, held in zip(self._rings, state["rings"], strict=True):
            ring.restore(held)
        self._open = [unpack(held) for held in state["open"]]
        self._entry = list(state["entry"])
