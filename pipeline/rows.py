"""What is counted of records, in arrays: the rows of a minute until it is summed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.clocks import ABSENT
from pipeline.columns import Columns
from pipeline.observation import OUTCOMES
from pipeline.units import Ints

OK, DENIED, ERROR, TIMEOUT, UNKNOWN = range(len(OUTCOMES))
_OUTCOME: Final = {outcome: code for code, outcome in enumerate(OUTCOMES)}
SAYS_NOTHING: Final = -1
"""Retries of a record that does not carry them."""


class Rows(NamedTuple):
    """Of some records, in arrays of one length but for the last two.

    series: number (`pipeline.series`). device: number. flags: of `pipeline.ordering`. outcome: code, as above. count:
    attempts. retries: or `SAYS_NOTHING`. arrival, occurred, sent: ms since the epoch, or `pipeline.clocks.ABSENT`.
    latency: ms, NaN where there is none. clause_row, clause: pairs, a row and the number of a clause that it violates,
    in order of rows.
    """

    series: Ints
    device: Ints
    flags: Ints
    cached: NDArray[np.bool_]
    outcome: Ints
    attempts: Ints
    retries: Ints
    arrival: Ints
    occurred: Ints
    sent: Ints
    latency: NDArray[np.float64]
    clause_row: Ints
    clause: Ints

    @classmethod
    def of(
        cls,
        seen: Columns,
        series: Ints,
        device: Ints,
        flags: NDArray[np.uint8],
        arrival: Ints,
        violated: Iterable[tuple[int, int]],
    ) -> Self:
        """Rows of records; violated: pairs of row and clause number, in order of rows."""
        pairs = np.array(list(violated), dtype=np.int64).reshape(-1, 2)
        size = len(device)
        return cls(
            series=series,
            device=device,
            flags=flags.astype(np.int64),
            cached=np.array(seen.cached, dtype=np.bool_),
            outcome=np.fromiter(map(_OUTCOME.__getitem__, seen.outcome), dtype=np.int64, count=size),
            attempts=np.fromiter(seen.attempts, dtype=np.int64, count=size),
            retries=integers(seen.retries, SAYS_NOTHING),
            arrival=arrival,
            occurred=integers(seen.occurred_at, ABSENT),
            sent=integers(seen.sent_at, ABSENT),
            latency=np.array(seen.latency_ms, dtype=np.float64),
            clause_row=pairs[:, 0],
            clause=pairs[:, 1],
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All rows of some, one after the other."""
        if len(parts) < 2:
            return parts[0] if parts else cls._none()
        rows, shift = [], 0
        for part in parts:
            rows.append(part.clause_row + shift)
            shift += len(part.device)
        *plain, _, clause = (np.concatenate(column) for column in zip(*parts, strict=True))
        return cls._make([*plain, np.concatenate(rows), clause])

    @classmethod
    def _none(cls) -> Self:
        whole = np.empty(0, dtype=np.int64)
        none = cls._make([whole] * len(cls._fields))
        return none._replace(cached=whole.astype(np.bool_), latency=whole.astype(np.float64))

    def part(self, first: int, end: int) -> Self:
        """Rows from `first` up to `end`, exclusive."""
        if first == 0 and end == len(self.device):
            return self
        a, b = np.searchsorted(self.clause_row, (first, end)).tolist()
        plain = [column[first:end] for column in self[:-2]]
        return type(self)._make([*plain, self.clause_row[a:b] - first, self.clause[a:b]])


def integers(values: Sequence[int | None], absent: int) -> Ints:
    """The values, and `absent` for those that are None."""
    try:
        return np.fromiter(values, dtype=np.int64, count=len(values))
    except TypeError:
        return np.fromiter([absent if value is None else value for value in values], dtype=np.int64, count=len(values))
