"""Whom does a new firmware succeed? The one that loses the devices which the newcomer gains.

A newcomer is judged from its first minutes by the anchors of the firmwares that its devices may have come from, each
weighted by how likely it is: at first by their size, then by who drains. Sums are kept over the last hours. With V what
an old firmware sends usually, O what it sent, N what the newcomer sent and f the common factor of all old ones (what
the whole group sent over what it sends usually), the drain is D = f V - O, and

    log likelihood ratio = (min(D, N) N - N^2 / 2) / variance,   variance = DISPERSION (f V + N) + (WANDER f V)^2

of "these devices left here" against "none did". It is added up over the operator's device classes and environments in
which the same two firmwares meet: thin ones are told by the others. A firmware that comes back has an anchor of its own
and needs none of this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.snapshot import Plain, pack, unpack
from pipeline.messages import MINUTE_MS
from pipeline.observation import Cohort

Floats: TypeAlias = NDArray[np.float64]

LOOK_MS: Final = 30 * MINUTE_MS
HALF_LIFE_MS: Final = 4 * 3_600_000
"""Of the sums: late in a staged roll-out the drain is plain, early it is not."""
SETTLED_MS: Final = 48 * 3_600_000
"""After so long what was found is taken for true: profiles of volume have learnt the roll-out by then."""
DISPERSION: Final = 3.0
"""Variance of a count over its mean: devices send several records a visit."""
WANDER: Final = 0.05
"""Log standard deviation of a firmware's share of its class over hours, with nothing rolled out."""
MOST_CANDIDATES: Final = 8


@dataclass(slots=True)
class Courtship:
    """A newcomer whose predecessor is being found out.

    candidates: rows, the largest first. prior: their weights at the beginning. ratio: log likelihood ratios.
    """

    since: int
    candidates: list[int]
    prior: Floats
    ratio: Floats
    weights: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.weights = self.prior / self.prior.sum()


class Succession:
    """All courtships of one stage. Rows are those of the anchor book."""

    def __init__(self) -> None:
        self.open: dict[int, Courtship] = {}
        self._seen = np.zeros(0)
        self._usual = np.zeros(0)
        self._look: int | None = None

    def begin(self, row: int, candidates: list[int], volumes: Floats, minute: int) -> Courtship:
        """`volumes`: records a minute by row, not a number where unknown."""
        usual = np.nan_to_num(volumes[candidates]) + 1e-3
        order = np.argsort(-usual, kind="stable")[:MOST_CANDIDATES]
        court = Courtship(minute, [candidates[i] for i in order], usual[order], np.zeros(len(order)))
        if len(order) > 1:
            if not self.open:
                self._seen[:], self._usual[:] = 0.0, 0.0
            self.open[row] = court
        return court

    def forget(self, row: int) -> None:
        """A row is given to another cohort."""
        self.open.pop(row, None)
        for newcomer, court in list(self.open.items()):
            if row in court.candidates:
                self.open.pop(newcomer)
        if row < len(self._seen):
            self._seen[row] = self._usual[row] = 0.0

    def count(self, minute: int, records: Floats, usual: Floats, trusted: NDArray[np.bool_]) -> None:
        """Take a minute, [rows]; rows whose usual volume is unknown say nothing."""
        if not self.open:
            return
        rows = len(records)
        if rows > len(self._seen):
            more = rows - len(self._seen)
            self._seen = np.concatenate((self._seen, np.zeros(more)))
            self._usual = np.concatenate((self._usual, np.zeros(more)))
        self._seen[:rows] += np.where(trusted, records, 0.0)
        self._usual[:rows] += np.where(trusted, np.nan_to_num(usual), 0.0)

    def look(self, minute: int, cohorts: list[Cohort]) -> dict[int, Courtship]:
        """Every half hour: weigh the candidates anew. Newcomers whose weights have changed, by row."""
        look = minute // LOOK_MS
        if look == self._look or not self.open:
            self._look = look
            return {}
        self._look = look
        groups: dict[tuple[str, str, str], list[int]] = {}
        for row, cohort in enumerate(cohorts):
            groups.setdefault((cohort.operator, cohort.device_class, cohort.environment), []).append(row)
        pairs: dict[tuple[str, str, str], float] = {}
        for row, court in self.open.items():
            cohort = cohorts[row]
            members = groups[cohort.operator, cohort.device_class, cohort.environment]
            old = [other for other in members if other not in self.open]
            self._weigh(row, court, members, old)
            for candidate, ratio in zip(court.candidates, court.ratio.tolist(), strict=True):
                pair = (cohort.operator, cohort.firmware, cohorts[candidate].firmware)
                pairs[pair] = pairs.get(pair, 0.0) + ratio
        changed: dict[int, Courtship] = {}
        for row, court in list(self.open.items()):
            cohort = cohorts[row]
            told = np.array(
                [pairs[cohort.operator, cohort.firmware, cohorts[candidate].firmware] for candidate in court.candidates]
            )
            weights = court.prior * np.exp(told - told.max())
            weights /= weights.sum()
            if np.abs(weights - court.weights).max() > 1e-4:
                court.weights = weights
                changed[row] = court
            if minute - court.since >= SETTLED_MS:
                self.open.pop(row)
        fade = 0.5 ** (LOOK_MS / HALF_LIFE_MS)
        self._seen *= fade
        self._usual *= fade
        return changed

    def _weigh(self, row: int, court: Courtship, members: list[int], old: list[int]) -> None:
        usual = self._usual[old].sum()
        if usual <= 0:
            return
        common = self._seen[members].sum() / usual
        gained = self._seen[row]
        would = common * self._usual[court.candidates]
        lost = np.minimum(would - self._seen[court.candidates], gained)
        variance = DISPERSION * (would + gained) + (WANDER * would) ** 2 + 1.0
        court.ratio = (lost * gained - gained**2 / 2.0) / variance

    def snapshot(self) -> Plain:
        return {
            "open": [
                [row, court.since, court.candidates, court.prior.tolist(), court.ratio.tolist(), court.weights.tolist()]
                for row, court in self.open.items()
            ],
            "seen": pack(self._seen),
            "usual": pack(self._usual),
            "look": self._look,
        }

    def restore(self, state: Plain) -> None:
        self.open = {}
        for row, since, candidates, prior, ratio, weights in state["open"]:
            court = self.open[row] = Courtship(since, list(candidates), np.array(prior), np.array(ratio))
            court.weights = np.array(weights)
        self._seen, self._usual = unpack(state["seen"]), unpack(state["usual"])
        self._look = state["look"]
