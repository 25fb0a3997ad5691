"""Moods: how far cohorts and groups of them wander for an hour or a day with nothing wrong.

What makes a small change slow to find is not sampling but this. It is measured on the deployment's own reference days,
for every level of the lattice and every kind of signal, on blocks of four hours and of a day. Until then, and
as a prior after, the values below serve.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.snapshot import Plain
from pipeline.detect.channels import SHIFTS
from pipeline.detect.history import DAY_BLOCKS
from pipeline.detect.lattice import LEVELS

Floats: TypeAlias = NDArray[np.float64]

DAY_MOODS: Final = {
    "all": 0.03,
    "operator": 0.04,
    "device_class": 0.015,
    "firmware": 0.01,
    "environment": 0.015,
    "operator x environment": 0.02,
    "operator x device_class": 0.02,
    "operator x device_class x firmware": 0.01,
    "cohort": 0.035,
}
"""Log standard deviation of a day's mood of a shift, by level."""
RATE_FACTOR: Final = 2.5
"""Shares wander so much more, in log terms."""
TAIL_FACTOR: Final = 1.0
"""A tail held against its body has left most of its moods there."""
PRIOR_TAIL: Final = 0.25
"""1 / degrees of freedom of days of which nothing is known."""
CONTRAST_FACTOR: Final = 0.5
"""Operations of one cohort differ by so much less than cohorts do."""
PRIOR_DOF: Final = 20.0
"""A measured variance is pulled to the prior as if that had been seen with so many degrees of freedom."""
FLOOR: Final = 0.002
COHORT_FLOOR: Final = 0.01
SHOCK_SHORT: Final = 4.0
"""A network's shocks of one to three hours have heavy tails: variance of "all" and "operator" on spans up to 4 h."""
SHOCK_DAY: Final = 1.5
SHOCK_HALF_DAY: Final = 2.5
SHORT: Final = 1.5
"""Variance of the other levels on spans up to 1 h."""
PERSISTENCE: Final = {"2d": 1.75, "3d": 2.5, "7d": 4.0}
"""Moods change from day to day: over days their variance falls by this."""

MEASURED_SPANS: Final = {"4h": 1, "1d": DAY_BLOCKS}
"""Blocks that each measured span takes."""

_SHOCKED: Final = np.array([level in ("all", "operator") for level in LEVELS])
_FLOORS: Final = np.array([COHORT_FLOOR if level == "cohort" else FLOOR for level in LEVELS]) ** 2
_FACTOR: Final = {**dict.fromkeys(SHIFTS, 1.0), "contrast": CONTRAST_FACTOR, "tail": TAIL_FACTOR}
"""By kind; of the others `RATE_FACTOR`."""
_PRIOR: Final = np.array([DAY_MOODS[level] for level in LEVELS]) ** 2


class Moods:
    """Variances by kind of signal, span and level.

    Attributes:
        measured: by kind of mood and measured span, [levels] variances and the degrees of freedom they rest on.
    """

    def __init__(self) -> None:
        self.measured: dict[tuple[str, str], tuple[Floats, Floats]] = {}
        self.tails: dict[str, float] = {}

    def tail(self, kind: str) -> float:
        """1 / degrees of freedom of a cohort's days: 0 where they are Gaussian."""
        return self.tails.get(kind, self.tails.get("latency", PRIOR_TAIL))

    def snapshot(self) -> Plain:
        measured = {f"{kind}/{span}": [v.tolist(), dof.tolist()] for (kind, span), (v, dof) in self.measured.items()}
        return {"measured": measured, "tails": dict(self.tails)}

    def restore(self, state: Plain) -> None:
        self.measured = {}
        for key, (variance, dof) in state["measured"].items():
            kind, span = key.split("/")
            self.measured[kind, span] = (np.array(variance), np.array(dof))
        self.tails = dict(state["tails"])

    def _base(self, kind: str, span: str) -> Floats:
        prior = _PRIOR * _FACTOR.get(kind, RATE_FACTOR) ** 2
        found = self.measured.get((kind, span))
        if found is None:
            return np.asarray(np.maximum(prior, _FLOORS))
        variance, dof = found
        blended = (dof * variance + PRIOR_DOF * prior) / (dof + PRIOR_DOF)
        return np.asarray(np.maximum(blended, _FLOORS * (0.25 if kind == "contrast" else 1.0)))

    def day(self, kind: str) -> Floats:
        """[levels] variance of a day's mood, as measured."""
        return self._base(kind, "1d")

    def variances(self, kinds: Sequence[str], span: str) -> Floats:
        """[channels, levels] variances to judge a span by. They never fall as spans shorten."""
        out = np.empty((len(kinds), len(LEVELS)))
        cache: dict[str, Floats] = {}
        for i, kind in enumerate(kinds):
            if kind not in cache:
                cache[kind] = self._variance(kind, span)
            out[i] = cache[kind]
        return out

    def _variance(self, kind: str, span: str) -> Floats:
        day = self.day(kind)
        if span in PERSISTENCE:
            return np.asarray(np.maximum(day / PERSISTENCE[span], _FLOORS))
        if span == "1d":
            return np.where(_SHOCKED, SHOCK_DAY, 1.0) * day
        if span == "12h":
            return np.where(_SHOCKED, SHOCK_HALF_DAY, 1.0) * np.maximum(day, self._base(kind, "4h"))
        four = np.maximum(self._base(kind, "4h"), day)
        if span == "4h":
            return np.where(_SHOCKED, SHOCK_SHORT, 1.0) * four
        return np.where(_SHOCKED, SHOCK_SHORT, SHORT) * four
