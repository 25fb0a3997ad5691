"""What a stream is like while nothing is wrong: whom there is, how much they do, how slow, how often it fails.

Summed from the windows of its history, a minute of ten: enough to calibrate a fault by.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from pipeline.messages import LATENCY_BIN, LATENCY_BINS, MINUTE_MS, CohortWindow, Windows
from pipeline.observation import DIMENSIONS, Cohort

EVERY: Final = 10
"""Minutes of which one is looked at."""
ALL: Final = "*"
"""Stands for the stream of records as a whole."""
LARGEST_SHARE: Final = 0.6
"""A scope that has more of an operation leaves too little beside it to contrast with."""
BEST_SHARE: Final = 0.3
CHOICES: Final = 3
"""Scopes of one shape that are hit by turns."""

Scope = Mapping[str, str]


def _bins() -> np.ndarray:
    return np.zeros(LATENCY_BINS)


class Usual:
    """Attributes: cohorts: all that have been seen, whatever the minute."""

    def __init__(self) -> None:
        self.cohorts: set[Cohort] = set()
        self._records: Counter[tuple[str, Cohort]] = Counter()
        self._of: Counter[tuple[str, str, Cohort]] = Counter()
        self._hits: Counter[tuple[str, str, Cohort]] = Counter()
        self._latency: defaultdict[tuple[str, Cohort], np.ndarray] = defaultdict(_bins)

    def take(self, windows: Windows) -> None:
        looked_at = windows.minute // MINUTE_MS % EVERY == 0
        for part in windows.cohorts:
            cohort = Cohort(windows.operator, part.device_class, part.firmware, part.environment)
            self.cohorts.add(cohort)
            if looked_at:
                self._count(cohort, part)

    def _count(self, cohort: Cohort, part: CohortWindow) -> None:
        self._records[ALL, cohort] += part.records
        for signal, rate in part.rates.items():
            self._of[ALL, signal, cohort] += rate.of
            self._hits[ALL, signal, cohort] += rate.hits
        for operation, window in part.operations.items():
            self._records[operation, cohort] += window.records
            for signal, rate in window.rates.items():
                self._of[operation, signal, cohort] += rate.of
                self._hits[operation, signal, cohort] += rate.hits
            if window.bins:
                self._latency[operation, cohort][list(window.bins)] += window.weights

    def members(self, scope: Scope) -> frozenset[Cohort]:
        """The cohorts of a scope."""
        return frozenset(
            cohort
            for cohort in self.cohorts
            if all(getattr(cohort, name) == value for name, value in scope.items() if name in DIMENSIONS)
        )

    def records(self, operation: str | None, cohorts: Iterable[Cohort]) -> int:
        """Records seen of an operation (None: of all)."""
        return sum(self._records[operation or ALL, cohort] for cohort in cohorts)

    def rate(self, operation: str | None, signal: str, cohorts: Iterable[Cohort]) -> float | None:
        """Share of the attempts that hit; None where nothing was counted."""
        keys = [(operation or ALL, signal, cohort) for cohort in cohorts]
        of = sum(self._of[key] for key in keys)
        return sum(self._hits[key] for key in keys) / of if of else None

    def quantile(self, operation: str, q: float, cohorts: Iterable[Cohort]) -> float | None:
        """Latency in ms that a share `q` of attempts is below, within half a bin (2 %); None where none was counted."""
        found = [self._latency[operation, cohort] for cohort in cohorts if (operation, cohort) in self._latency]
        if not found:
            return None
        sums = np.cumsum(np.sum(found, axis=0))
        index = int(np.searchsorted(sums, q * sums[-1]))
        return float(np.exp((index + 0.5) * LATENCY_BIN))

    def scope(self, operation: str | None, shape: Sequence[str], turn: int, within: Scope) -> dict[str, str] | None:
        """Somebody to hit: a scope of the dimensions `shape`, inside of `within`, that has a good part of the operation
        and siblings beside it; by turns another. None where there is none."""
        inside = self.members(within)
        whole = self.records(operation, self.cohorts)
        groups: defaultdict[tuple[str, ...], set[Cohort]] = defaultdict(set)
        for cohort in inside:
            groups[tuple(getattr(cohort, name) for name in shape)].add(cohort)
        shares = {values: self.records(operation, group) / whole for values, group in groups.items()} if whole else {}
        fit = [values for values, share in shares.items() if 0.0 < share <= LARGEST_SHARE]
        # One cohort's odd day proves little, so a scope of several is found sooner: that is what is promised.
        fit.sort(key=lambda values: (len(groups[values]) < 2, abs(shares[values] - BEST_SHARE), values))
        if not fit:
            return None
        best = [values for values in fit if (len(groups[values]) < 2) == (len(groups[fit[0]]) < 2)][:CHOICES]
        return {**within, **dict(zip(shape, best[turn // 2 % len(best)], strict=True))}
