"""How the feeds did, block by block: records against the expected, by operator and by its device classes."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

from pipeline.detect.evidence import Evidence, FeedPart
from pipeline.web.trends import BLOCK_MS

MOST_SERIES: Final = 2_000
"""Beyond, the one goes that has been silent longest."""
MOST_BLOCKS: Final = 288
"""A day."""


@dataclass(slots=True)
class Volume:
    """One block: records that came, and that were expected; delay_ms: the mean of its last minute."""

    at: int
    records: float
    expected: float
    delay_ms: float


class FeedTrends:
    """By operator, and by operator and device class."""

    def __init__(self) -> None:
        self._series: OrderedDict[tuple[str, str | None], deque[Volume]] = OrderedDict()
        self._last: dict[str, int] = {}
        """By operator, the last minute that was taken."""

    def take(self, evidence: Evidence) -> None:
        """Take a minute; one that was taken before is left."""
        for operator, feed in evidence.feeds.items():
            if self._last.get(operator, -1) >= evidence.minute:
                continue
            self._last[operator] = evidence.minute
            self._add((operator, None), evidence.minute, feed)
            for device_class, part in feed.parts.items():
                self._add((operator, device_class), evidence.minute, part)
        while len(self._series) > MOST_SERIES:
            (operator, _), _ = self._series.popitem(last=False)
            if not any(key[0] == operator for key in self._series):
                self._last.pop(operator, None)

    def of(self, operator: str, device_class: str | None = None) -> list[Volume]:
        """The blocks of an operator, or of one of its device classes; oldest first."""
        return list(self._series.get((operator, device_class), ()))

    def _add(self, key: tuple[str, str | None], minute: int, part: FeedPart) -> None:
        blocks = self._series.setdefault(key, deque(maxlen=MOST_BLOCKS))
        self._series.move_to_end(key)
        start = minute - minute % BLOCK_MS
        if not blocks or blocks[-1].at != start:
            blocks.append(Volume(start, 0.0, 0.0, 0.0))
        blocks[-1].records += part.records
        blocks[-1].expected += part.expected
        blocks[-1].delay_ms = part.delay_ms
