"""What was seen and expected over a whole replay, kept while it runs: by cohort, channel and hour, bounded.

Sums are kept in single precision. When there are more than `MOST_NUMBERS` of them, neighbouring stretches are added
together and the grain doubles: a longer replay, or a larger fleet, is seen more coarsely, and nothing of it is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.evidence import Anchors, Evidence, FeedPart
from pipeline.detect.judge import FULL_DAYS
from pipeline.detect.references import References
from pipeline.report.words import HOUR_MS

Counts: TypeAlias = NDArray[np.float32]

MOST_NUMBERS: Final = 24_000_000
"""Kept at once, at 4 bytes each: two months of 126 cohorts by the hour."""

_FEED: Final = ("records", "expected", "silent", "late", "rejected")


@dataclass(slots=True)
class Entry:
    """One stretch. n, x, expected: [cohorts, channels], see `Evidence`; expected is not a number (NaN) where part of
    what was counted had no anchor. feeds: [feeds, `_FEED`]: records, those expected, and rejected; minutes silent and
    late."""

    index: int
    n: Counts
    x: Counts
    expected: Counts
    feeds: Counts

    @property
    def numbers(self) -> int:
        return 3 * self.n.size + self.feeds.size


class Courses:
    """Takes what the baseline says, in its order.

    Attributes:
        grain_ms: length of a stretch.
        references: the newest anchors: cohorts, channels, and what a level means in ms.
        feeds: operator and device class (empty: all of them), by row.
        judged_from: arrival minute from which a cohort had a full day of reference; None: none ever had.
        first, last: first and last minute, ms; None without any.
    """

    def __init__(self, most_numbers: int = MOST_NUMBERS) -> None:
        self.grain_ms = HOUR_MS
        self.references = References()
        self.feeds: dict[tuple[str, str], int] = {}
        self.judged_from: int | None = None
        self.first: int | None = None
        self.last: int | None = None
        self._most = most_numbers
        self._entries: list[Entry] = []
        self._numbers = 0

    def take(self, message: object) -> None:
        """What is neither evidence nor anchors is of no interest."""
        if isinstance(message, Anchors):
            self.references.take(message)
            known = (message.days >= FULL_DAYS) & (message.mass > 0).any(axis=1)
            if self.judged_from is None and bool(known.any()):
                self.judged_from = message.minute
        elif isinstance(message, Evidence):
            self._count(message)

    def entries(self) -> list[Entry]:
        """All stretches that hold something, oldest first, each as wide as what was known when it was filled."""
        return self._entries

    def _count(self, evidence: Evidence) -> None:
        rows, columns = self.references.rows(evidence.cohorts), self.references.columns(evidence.channels)
        kinds = [
            (self._feed(operator, kind), part)
            for operator, health in evidence.feeds.items()
            for kind, part in (("", health), *health.parts.items())
        ]
        entry = self._open(evidence.minute // self.grain_ms)
        for row, part in kinds:
            entry.feeds[row] += _feed_row(part)
        use = ~evidence.aside
        if evidence.cohorts and use.any():
            cells = np.ix_(rows[use], columns)
            n, expected = evidence.n[use], evidence.expected[use]
            entry.n[cells] += n
            entry.x[cells] += evidence.x[use]
            unknown = (n > 0) & (expected == 0.0) & (self.references.mass[cells] == 0.0)
            entry.expected[cells] += np.where(unknown, np.nan, expected)
        self.first = evidence.minute if self.first is None else min(self.first, evidence.minute)
        self.last = evidence.minute if self.last is None else max(self.last, evidence.minute)

    def _feed(self, operator: str, kind: str) -> int:
        return self.feeds.setdefault((operator, kind), len(self.feeds))

    def _open(self, index: int) -> Entry:
        """The newest stretch, as wide as what is known by now."""
        if not self._entries or self._entries[-1].index != index:
            empty = np.zeros((0, 0), dtype=np.float32)
            self._entries.append(Entry(index, empty, empty, empty, np.zeros((0, len(_FEED)), dtype=np.float32)))
        entry = self._entries[-1]
        before = entry.numbers
        shape = len(self.references.cohorts), len(self.references.channels)
        if entry.n.shape != shape:
            entry.n, entry.x, entry.expected = (_grown(part, shape) for part in (entry.n, entry.x, entry.expected))
        if len(entry.feeds) != len(self.feeds):
            entry.feeds = _grown(entry.feeds, (len(self.feeds), len(_FEED)))
        self._numbers += entry.numbers - before
        while self._numbers > self._most and len(self._entries) > 1:
            self._coarsen()
        return self._entries[-1]

    def _coarsen(self) -> None:
        self.grain_ms *= 2
        merged: list[Entry] = []
        for entry in self._entries:
            if merged and merged[-1].index == entry.index // 2:
                into = merged[-1]
                for name in ("n", "x", "expected", "feeds"):
                    # What is known only grows, so the later one is as wide or wider.
                    later = getattr(entry, name)
                    setattr(into, name, later + _grown(getattr(into, name), later.shape))
            else:
                merged.append(Entry(entry.index // 2, entry.n, entry.x, entry.expected, entry.feeds))
        self._entries = merged
        self._numbers = sum(entry.numbers for entry in merged)


def _grown(values: Counts, shape: tuple[int, ...]) -> Counts:
    if values.shape == shape:
        return values
    grown = np.zeros(shape, dtype=np.float32)
    grown[: values.shape[0], : values.shape[1]] = values
    return grown


def _feed_row(part: FeedPart) -> Counts:
    silent, late = part.state == "silent", part.late_since is not None
    return np.array(
        [part.records, part.expected, float(silent), float(late), getattr(part, "rejected", 0)], dtype=np.float32
    )
