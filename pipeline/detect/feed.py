"""Is the telemetry itself sound? Expected volume by hour, silence of an operator, backfill of a cohort.

What is set aside here is a matter of the feed: shown, but neither judged nor learnt from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from river import stats

from models.season import SLOTS, slot_of
from models.snapshot import Plain
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

    by_slot: list[stats.EWMean | None] = field(default_factory=lambda: [None] * SLOTS)
    slot: int = -1
    records: int = 0
    minutes: int = 0

    def expected(self, minute: int) -> float | None:
        """Records a minute, None while nothing is known of any slot; an unknown slot is read off its neighbour."""
        slot = slot_of(minute)
        for back in range(SLOTS):
            mean = self.by_slot[(slot - back) % SLOTS]
            if mean is not None:
                return float(mean.get()) if back <= 1 else None
        return None

    def learn(self, minute: int, records: int) -> None:
        slot = slot_of(minute)
        if slot != self.slot:
            if self.slot >= 0 and self.minutes:
                mean = self.by_slot[self.slot] = self.by_slot[self.slot] or stats.EWMean(LEARNING_RATE)
                mean.update(self.records / self.minutes)
            self.slot, self.records, self.minutes = slot, 0, 0
        self.records += records
        self.minutes += 1

    def snapshot(self) -> Plain:
        means = [None if mean is None else float(mean.get()) for mean in self.by_slot]
        return {"means": means, "slot": self.slot, "records": self.records, "minutes": self.minutes}

    @classmethod
    def of(cls, state: Plain) -> VolumeProfile:
        """The profile that a snapshot was taken of."""
        profile = cls(slot=state["slot"], records=state["records"], minutes=state["minutes"])
        for slot, value in enumerate(state["means"]):
            if value is not None:
                mean = profile.by_slot[slot] = stats.EWMean(LEARNING_RATE)
                mean.update(value)  # the first value is the mean
        return profile

    def is_backfill(self, minute: int, records: int) -> bool:
        expected = self.expected(minute)
        return expected is not None and records > BACKFILL_FACTOR * expected + BACKFILL_SLACK


@dataclass(slots=True)
class FeedGate:
    """One operator's feed as a whole, or a part of it, minute by minute.

    least: records a minute that must be expected for silence to say something. patience: minutes that it must last.
    """

    least: float = LEAST_EXPECTED
    patience: int = SILENT_MINUTES
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
        watched = expected is not None and expected > self.least
        if watched and self.last_minute is not None:
            self.low_minutes += (minute - self.last_minute) // MINUTE_MS - 1
        # What is silent stays so without a record, whatever is expected of the hour that has come.
        low = (watched and records < SILENT_SHARE * (expected or 0.0)) or (self.state == "silent" and records == 0)
        begins = minute - self.low_minutes * MINUTE_MS
        if low:
            self.low_minutes += 1
        if self.low_minutes >= self.patience and self.state != "silent":
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

    def snapshot(self) -> Plain:
        return {
            "least": self.least,
            "patience": self.patience,
            "profile": self.profile.snapshot(),
            "state": self.state,
            "since": self.since,
            "low_minutes": self.low_minutes,
            "last_minute": self.last_minute,
            "recovered_at": self.recovered_at,
        }

    @classmethod
    def of(cls, state: Plain) -> FeedGate:
        """The gate that a snapshot was taken of."""
        return cls(**{**state, "profile": VolumeProfile.of(state["profile"])})
