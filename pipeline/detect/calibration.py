"""The threshold, set by the deployment's own quiet weeks.

The price of a finding is nominal: it holds if evidence is what its name says. How often evidence comes within
`LOOK_NATS` of the threshold in quiet times says whether it is, long before anything false has fired: were all as
assumed, that would happen `budget * e^LOOK_NATS` times a week, as the chance of so much evidence falls by e with every
nat (Ville's inequality). The threshold moves by the log of the ratio of what was seen to that.

What people say of pages counts as well. One that they call false was seen at the threshold itself: if there are more
of them than the budget allows for the quiet time there was, the threshold rises by the log of that ratio, one page
counting as seen and allowed from the start. What they confirm was no sighting of quiet times, and is taken back.
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


class Calibration:
    """Counts sightings near the threshold in quiet times.

    Attributes:
        seen: sightings, older ones fading.
        weeks: of quiet time, fading likewise.
        false_pages: pages that people have called false, fading likewise.
    """

    def __init__(self) -> None:
        self.seen = 0.0
        self.weeks = 0.0
        self.false_pages = 0.0
        self._last: dict[str, int] = {}
        self._nominal = 0.0
        """Sightings a week if all is as assumed."""

    @property
    def offset(self) -> float:
        """Nats to add to the threshold."""
        budget = self._nominal * float(np.exp(-LOOK_NATS))
        told = np.log((self.false_pages + 1.0) / (self.weeks * budget + 1.0)) if self.false_pages > 0 else -np.inf
        if self._nominal <= 0.0:
            return float(np.clip(told, 0.0, HIGHEST))
        nominal = self.weeks * self._nominal
        raised = np.log((self.seen + PRIOR_COUNT) / (nominal + PRIOR_COUNT))
        patience = PRIOR_WEEKS * self._nominal
        lowered = np.log((self.seen + patience) / (nominal + patience))
        return float(np.clip(max(raised, lowered, told), LOWEST, HIGHEST))

    def pass_time(self, ms: int, budget: float) -> None:
        """So much quiet time has gone by, with `budget` false alarms allowed a week."""
        weeks = ms / WEEK_MS
        fade = 0.5 ** (weeks / HALF_LIFE_WEEKS)
        self.seen, self.weeks = self.seen * fade, self.weeks * fade + weeks
        self.false_pages *= fade
        self._nominal = budget * float(np.exp(LOOK_NATS))

    def sight(self, what: str, at: int) -> None:
        """Something, by its scope and channel, came near the nominal threshold in quiet times."""
        last = self._last.pop(what, None)
        self._last[what] = at
        if last is None or at - last > SAME_MS:
            self.seen += 1.0
        while len(self._last) > MOST_KEYS:
            del self._last[next(iter(self._last))]

    def take_back(self, what: str, at: int) -> None:
        """What was sighted last as `what` was no sighting of quiet times: a person has confirmed it.

        It is taken out with what is left of it at least; the fading goes by quiet time, of which there was no more.
        """
        last = self._last.get(what)
        if last is not None:
            self.seen = max(0.0, self.seen - 0.5 ** (max(at - last, 0) / WEEK_MS / HALF_LIFE_WEEKS))

    def snapshot(self) -> Plain:
        return {
            "seen": self.seen,
            "weeks": self.weeks,
            "nominal": self._nominal,
            "last": dict(self._last),
            "false_pages": self.false_pages,
        }

    def restore(self, state: Plain) -> None:
        self.seen, self.weeks, self._nominal = state["seen"], state["weeks"], state["nominal"]
        self._last = dict(state["last"])
        self.false_pages = state.get("false_pages", 0.0)
