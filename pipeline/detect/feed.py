"""Is the telemetry itself sound? Expected volume by hour, silence of an operator, backfill of a cohort.

What is set aside here is a matter of the feed: shown, but neither judged nor learnt from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from models.snapshot import Plain
from models.volume import VolumeProfile
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
GAPS_AFTER_MS: Final = 24 * 3_600_000
"""What an outage lost shows as gaps when each device speaks again: for so long they say nothing new."""


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
        expected = self.profile.predict_one({"minute": minute})
        watched = expected > self.least  # never, while nothing is known
        if watched and self.last_minute is not None:
            self.low_minutes += (minute - self.last_minute) // MINUTE_MS - 1
        # What is silent stays so without a record, whatever is expected of the hour that has come.
        low = (watched and records < SILENT_SHARE * expected) or (self.state == "silent" and records == 0)
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
            self.profile.learn_one({"minute": minute}, records)
        return FeedHealth(self.state, self.since, records, 0.0 if math.isnan(expected) else round(expected, 3))

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
