"""Is the telemetry itself sound? Expected volume by hour, silence of an operator, backfill of a cohort.

What is set aside here is a matter of the feed: shown, but neither judged nor learnt from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from models.season import SLOTS, slot_of
from pipeline.detect.evidence import FeedHealth
from pipeline.messages import MINUTE_MS

SILENT_SHARE: Final = 0.25
"""Arrivals below this share of the expected are silence, once it has lasted `SILENT_MINUTES`."""
SILENT_MINUTES: Final = 3
DISTRUST_MINUTES: Final = 10
"""After silence, what comes back (backfill, retries) is not trusted for so long."""
LEAST_EXPECTED: Final = 4.0
"""Records a minute below which silence says nothing."""
BACKFILL_FACTOR: Final = 2.5
BACKFILL_SLACK: Final = 5.0
LEARNING_RATE: Final = 0.3
GAPS_AFTER_MS: Final = 24 * 3_600_000
"""What an outage lost shows as gaps when each device speaks again: for so long they say nothing new."""


@dataclass(slots=True)
class VolumeProfile:
    """Records a minute by slot of the day; each day's mean of a slot moves it by `LEARNING_RATE`."""

    by_slot: list[float | None] = field(default_factory=lambda: [None] * SLOTS)
    slot: int = -1
    records: int = 0
    minutes: int = 0

    def expected(self, minute: int) -> float | None:
        """Records a minute, None while nothing is known of any slot; an unknown slot is read off its neighbour."""
        slot = slot_of(minute)
        for back in range(SLOTS):
            value = self.by_slot[(slot - back) % SLOTS]
            if value is not None:
                return value if back <= 1 else None
        return None

    def learn(self, minute: int, records: int) -> None:
        slot = slot_of(minute)
        if slot != self.slot:
            if self.slot >= 0 and self.minutes:
                mean, old = self.records / self.minutes, self.by_slot[self.slot]
                self.by_slot[self.slot] = mean if old is None else old + LEARNING_RATE * (mean - old)
            self.slot, self.records, self.minutes = slot, 0, 0
        self.records += records
        self.minutes += 1

    def is_backfill(self, minute: int, records: int) -> bool:
        expected = self.expected(minute)
        return expected is not None and records > BACKFILL_FACTOR * expected + BACKFILL_SLACK


@dataclass(slots=True)
class FeedGate:
    """One operator's feed as a whole, minute by minute."""

    profile: VolumeProfile = field(default_factory=VolumeProfile)
    state: str = "ok"
    since: int = 0
    low_minutes: int = 0
    last_minute: int | None = None
    recovered_at: int | None = None

    def explains_gaps(self, minute: int) -> bool:
        """Are missing numbers those of an outage that is known already?"""
        return self.recovered_at is not None and minute - self.recovered_at < GAPS_AFTER_MS

    def judge(self, minute: int, records: int) -> FeedHealth:
        """Take the operator's records of a minute. Minutes that were skipped had none."""
        expected = self.profile.expected(minute)
        watched = expected is not None and expected > LEAST_EXPECTED
        if watched and self.last_minute is not None:
            self.low_minutes += (minute - self.last_minute) // MINUTE_MS - 1
        low = watched and records < SILENT_SHARE * (expected or 0.0)
        begins = minute - self.low_minutes * MINUTE_MS
        if low:
            self.low_minutes += 1
        if self.low_minutes >= SILENT_MINUTES and self.state != "silent":
            self.state, self.since = "silent", begins
        if not low:
            if self.state == "silent":
                self.state, self.since = "recovering", minute
                self.recovered_at = minute
            elif self.state == "recovering" and minute - self.since >= DISTRUST_MINUTES * MINUTE_MS:
                self.state, self.since = "ok", minute
            self.low_minutes = 0
        self.last_minute = minute
        if self.state == "ok":
            self.profile.learn(minute, records)
        return FeedHealth(self.state, self.since, records, round(expected or 0.0, 3))
