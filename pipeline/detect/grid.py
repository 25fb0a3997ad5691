"""Arrays by cohort and channel that grow as either appears, and forget a row when its cohort goes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

SPARE: Final = 3
"""Rows grow by half, so that a thousand newcomers do not copy everything a thousand times."""


class Grid:
    """An array [rows, ..., columns]; what is new holds `fill`. There may be more rows than were asked for.

    Attributes:
        data: the array itself; a new one after it has grown.
    """

    __slots__ = ("data", "fill")

    def __init__(self, middle: tuple[int, ...] = (), fill: float = 0.0, dtype: DTypeLike = np.float64) -> None:
        self.fill = fill
        self.data: NDArray[Any] = np.full((0, *middle, 0), fill, dtype=dtype)

    def fit(self, rows: int, columns: int) -> None:
        """Make room, and keep what is held."""
        have_rows, have_columns = self.data.shape[0], self.data.shape[-1]
        if rows <= have_rows and columns <= have_columns:
            return
        grown_rows = have_rows if rows <= have_rows else max(rows, have_rows * SPARE // 2)
        shape = (grown_rows, *self.data.shape[1:-1], max(columns, have_columns))
        grown = np.full(shape, self.fill, dtype=self.data.dtype)
        grown[:have_rows, ..., :have_columns] = self.data
        self.data = grown

    def forget(self, row: int) -> None:
        self.data[row] = self.fill
