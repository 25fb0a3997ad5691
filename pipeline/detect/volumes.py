"""How many records a minute each cohort sends at each hour, all cohorts at once."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models import season
from models.snapshot import Plain, SnapshotError, pack, unpack
from models.volume import RATE
from pipeline.detect.feed import BACKFILL_FACTOR, BACKFILL_SLACK

Floats: TypeAlias = NDArray[np.float64]


class VolumeBook:
    """Records a minute by row and slot of the day; each day's mean of a slot moves it by `RATE`.

    As `VolumeProfile`, for thousands of rows. A minute in which a cohort said nothing counts as well.
    """

    def __init__(self) -> None:
        self._means = np.full((0, season.SLOTS), np.nan)
        self._records = np.zeros(0)
        self._minutes = np.zeros(0)
        self._slot = -1

    def fit(self, rows: int) -> None:
        have = len(self._records)
        if rows <= have:
            return
        more = max(rows, have * 3 // 2) - have
        self._means = np.concatenate((self._means, np.full((more, season.SLOTS), np.nan)))
        self._records = np.concatenate((self._records, np.zeros(more)))
        self._minutes = np.concatenate((self._minutes, np.zeros(more)))

    def forget(self, row: int) -> None:
        self._means[row], self._records[row], self._minutes[row] = np.nan, 0.0, 0.0

    def expected(self, minute: int, rows: int) -> Floats:
        """[rows] records a minute; not a number where nothing is known of this slot nor of the one before it."""
        slot = season.slot_of(minute)
        now, before = self._means[:rows, slot], self._means[:rows, slot - 1]
        return np.asarray(np.where(np.isnan(now), before, now))

    def learn(self, minute: int, records: Floats, trusted: NDArray[np.bool_]) -> None:
        """Count a minute, [rows]."""
        slot = season.slot_of(minute)
        if slot != self._slot:
            if self._slot >= 0:
                self._fold()
            self._slot = slot
        count = len(records)
        self._records[:count] += np.where(trusted, records, 0.0)
        self._minutes[:count] += trusted

    def _fold(self) -> None:
        seen = self._minutes > 0
        found = self._records[seen] / self._minutes[seen]
        held = self._means[seen, self._slot]
        self._means[seen, self._slot] = np.where(np.isnan(held), found, RATE * found + (1.0 - RATE) * held)
        self._records[:], self._minutes[:] = 0.0, 0.0

    def take(self, row: int, means: Floats) -> None:
        """Take up what was learnt elsewhere, [SLOTS]."""
        self._means[row] = means

    def means(self, rows: NDArray[np.intp]) -> Floats:
        """[rows, SLOTS]."""
        return np.asarray(self._means[rows])

    def snapshot(self, rows: int) -> Plain:
        return {
            "means": pack(self._means[:rows]),
            "records": pack(self._records[:rows]),
            "minutes": pack(self._minutes[:rows]),
            "slot": self._slot,
        }

    def restore(self, state: Plain, rows: int) -> None:
        """Raises SnapshotError when it is not of so many rows."""
        self._means = unpack(state["means"])
        self._records = unpack(state["records"])
        self._minutes = unpack(state["minutes"])
        shapes = self._means.shape, self._records.shape, self._minutes.shape
        if shapes != ((rows, season.SLOTS), (rows,), (rows,)):
            msg = f"volumes of {shapes} are not those of {rows} cohorts"
            raise SnapshotError(msg)
        self._slot = state["slot"]


def is_backfill(expected: Floats, records: Floats) -> NDArray[np.bool_]:
    """Far more than usual: what was held back is delivered. Of what is not known yet nothing is."""
    return np.asarray(records > BACKFILL_FACTOR * expected + BACKFILL_SLACK)  # false for not a number
