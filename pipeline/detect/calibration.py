"""The threshold, set by the deployment's own quiet weeks.

The price of a finding is nominal: it holds if evidence is what its name says. How often evidence comes within
`LOOK_NATS` of the threshold in quiet times says whether it is, long before anything false has fired: were all as
assumed, that would happen `budget * e^LOOK_NATS` times a week, as the chance of so much evidence falls by e with every
nat (Ville's inequality). The threshold moves by the log of the ratio of what was seen to that.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.snapshot import Plain

LOOK_NATS: Final = 5.0
PRIOR_COUNT: Final = 5.0
"""Nominal sightings that count as seen: too few more than these raise nothing."""
PRIOR_WEEKS: Final = 1.5
"""The nominal price counts as if it had held for so long: a threshold is raised at once, and lowered with patience."""
HALF_LIFE_WEEKS: Final = 8.0
LOWEST: Final = -1.5
HIGHEST: Final = 6.0
"""Nats that the threshold may move by."""
SAME_MS: Final = 24 * 3_600_000
"""What stands out again within so long is the same thing."""
MOST_KEYS: Final = 2_000
WEEK_MS: Final = 7 * 24 * 3_600_000


def least_budget() -> float:
    """False alarms a week below which the threshold cannot be checked: in all the quiet weeks that are remembered
    (`HALF_LIFE_WEEKS`, summed) fewer than `PRIOR_COUNT` sightings are nominal, and what is seen says nothing."""
    remembered = HALF_LIFE_WEEKS / float(np.log(2.0))
    return PRIOR_COUNT / (remembered * float(np.exp(LOOK_NATS)))


class Calibration:
    """Counts sightings near the threshold in quiet times.

    Attributes:
        seen: sightings, older ones fading.
        weeks: of quiet time, fading likewise.
    """

    def __init__(self) -> None:
        self.seen = 0.0
        self.weeks = 0.0
        self._last: dict[str, int] = {}
        self._nominal = 0.0
        """Sightings a week if all is as assumed."""

    @property
    def offset(self) -> float:
        """Nats to add to the threshold."""
        if self._nominal <= 0.0:
            return 0.0
        nominal = self.weeks * self._nominal
        raised = np.log((self.seen + PRIOR_COUNT) / (nominal + PRIOR_COUNT))
        patience = PRIOR_WEEKS * self._nominal
        lowered = np.log((self.seen + patience) / (nominal + patience))
        return float(np.clip(max(raised, lowered), LOWEST, HIGHEST))

    def pass_time(self, ms: int, budget: float) -> None:
        """So much quiet time has gone by, with `budget` false alarms allowed a week."""
        weeks = ms / WEEK_MS
        fade = 0.5 ** (weeks / HALF_LIFE_WEEKS)
        self.seen, self.weeks = self.seen * fade, self.weeks * fade + weeks
        self._nominal = budget * float(np.exp(LOOK_NATS))

    def sight(self, what: str, at: int) -> None:
        """Something, by its scope and channel, came near the nominal threshold in quiet times."""
        last = self._last.pop(what, None)
        self._last[what] = at
        if last is None or at - last > SAME_MS:
            self.seen += 1.0
        while len(self._last) > MOST_KEYS:
            del self._last[next(iter(self._last))]

    def snapshot(self) -> Plain:
        return {"seen": self.seen, "weeks": self.weeks, "nominal": self._nominal, "last": dict(self._last)}

    def restore(self, state: Plain) -> None:
        self.seen, self.weeks, self._nominal = state["seen"], state["weeks"], state["nominal"]
        self._last = dict(state["last"])
