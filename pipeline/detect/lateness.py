"""Is a feed late? Its records come long after what they tell of, and the devices are as they were."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Final

from models.snapshot import Plain
from pipeline.messages import MINUTE_MS

LATE_LOG: Final = math.log(2.0)
"""Mean excess of the log of the delay from which a feed is late; where cut points leave less room ..."""
ROOM: Final = 0.6
"""... this part of the way to the upper one."""
LATE_MS: Final = 10_000
"""And so much more than usual: twice nothing is nothing."""
LATE_MINUTES: Final = 3
SOUND_MINUTES: Final = 10
LEAST_UNITS: Final = 8.0
_FADE: Final = 0.5 ** (1 / 5)
"""Sums lose half of their weight in five minutes: thin feeds are told from several."""


@dataclass(slots=True)
class Lateness:
    """One operator's delay, or that of one of its device classes.

    since: minute from which it is late, None while it is not. delay_ms, usual_ms: mean delay now, usual median.
    """

    units: float = 0.0
    excess: float = 0.0
    room: float = 0.0
    lag: float = 0.0
    usual: float = 0.0
    last: int | None = None
    high: int = 0
    sound: int = 0
    since: int | None = None

    @property
    def delay_ms(self) -> float:
        return self.lag / self.units if self.units > 0 else 0.0

    @property
    def usual_ms(self) -> float:
        return self.usual / self.units if self.units > 0 else 0.0

    def rest(self) -> None:
        """The feed is silent or catches up: what comes says nothing of how late it is."""
        self.units = self.excess = self.room = self.lag = self.usual = 0.0
        self.high = 0

    def take(self, minute: int, units: float, excess: float, room: float, lag: float, usual: float) -> None:
        """Take a minute; all but the first two are sums over units.

        Args:
            excess: log of the delay less what is expected. room: log of the upper cut point less what is expected.
            lag: mean delay in ms. usual: usual median in ms.
        """
        fade = _FADE ** ((minute - self.last) // MINUTE_MS if self.last is not None else 0)
        self.last = minute
        self.units = fade * self.units + units
        self.excess = fade * self.excess + excess
        self.room = fade * self.room + room
        self.lag = fade * self.lag + lag
        self.usual = fade * self.usual + usual
        if units <= 0 or self.units < LEAST_UNITS:
            return
        least = min(LATE_LOG, ROOM * self.room / self.units)
        mean = self.excess / self.units
        # This minute itself as well: what a device sends after an hour offline weighs on, among records in time.
        late = min(mean, excess / units) >= least > 0 and self.delay_ms >= self.usual_ms + LATE_MS
        self.high = self.high + 1 if late else 0
        self.sound = self.sound + 1 if mean < least / 2 or self.delay_ms < self.usual_ms + LATE_MS / 2 else 0
        if self.since is None and self.high >= LATE_MINUTES:
            self.since, self.sound = minute - (self.high - 1) * MINUTE_MS, 0
        elif self.since is not None and self.sound >= SOUND_MINUTES:
            self.since = None

    def snapshot(self) -> Plain:
        return asdict(self)

    @classmethod
    def of(cls, state: Plain) -> Lateness:
        """What a snapshot was taken of."""
        return cls(**state)
