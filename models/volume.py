"""How much comes at which hour: a regressor of volume on the time of day that forgets slowly."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any, Final

from river import base, stats

from models.season import SLOTS, slot_of
from models.snapshot import Plain

RATE: Final = 0.3


class VolumeProfile(base.Regressor):
    """Volume by slot of the day; each day's mean of a slot moves it by `rate`.

    A slot counts when it is over: within it, what came so far does not excuse what comes. Where a slot was never seen,
    the one before it serves.

    Parameters
    ----------
    on
        Name of the feature that holds the time, ms since the epoch.
    rate
        Weight of the newest day.

    Examples
    --------
    >>> from models.volume import VolumeProfile
    >>> profile = VolumeProfile()
    >>> for minute in range(180):
    ...     profile.learn_one({"minute": minute * 60_000}, 20.0)
    >>> profile.predict_one({"minute": 180 * 60_000})
    20.0
    >>> profile.predict_one({"minute": 12 * 3_600_000})
    nan
    """

    def __init__(self, on: str = "minute", rate: float = RATE) -> None:
        self.on = on
        self.rate = rate
        self._by_slot: list[stats.EWMean | None] = [None] * SLOTS
        self._slot = -1
        self._sum = 0.0
        self._count = 0

    def learn_one(self, x: dict[Hashable, Any], y: float) -> None:
        slot = slot_of(int(x.get(self.on, 0)))
        if slot != self._slot:
            if self._slot >= 0 and self._count:
                mean = self._by_slot[self._slot] = self._by_slot[self._slot] or stats.EWMean(self.rate)
                mean.update(self._sum / self._count)
            self._slot, self._sum, self._count = slot, 0.0, 0
        self._sum += y
        self._count += 1

    def predict_one(self, x: dict[Hashable, Any]) -> float:
        """Not a number where nothing is known of this slot nor of the one before it."""
        slot = slot_of(int(x.get(self.on, 0)))
        for at in (slot, slot - 1):
            mean = self._by_slot[at]
            if mean is not None:
                return float(mean.get())
        return math.nan

    def snapshot(self) -> Plain:
        means = [None if mean is None else float(mean.get()) for mean in self._by_slot]
        return {"means": means, "slot": self._slot, "sum": self._sum, "count": self._count}

    @classmethod
    def of(cls, state: Plain) -> VolumeProfile:
        """The profile that a snapshot was taken of."""
        profile = cls()
        profile._slot, profile._sum, profile._count = state["slot"], state["sum"], state["count"]
        for slot, value in enumerate(state["means"]):
            if value is not None:
                mean = profile._by_slot[slot] = stats.EWMean(profile.rate)
                mean.update(value)  # the first value is the mean
        return profile
