"""When did it begin, and was it a step or a drift? The best step and the best ramp through one course of evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

RAMP_NATS: Final = 2.0
"""A ramp must fit better than a step by so much to be called a drift."""
INTERVAL_NATS: Final = 1.92
"""Beginnings whose likelihood is within so much of the best one's: half the 95th percentile of chi-square (Wilks)."""
LEAST_RAMP: Final = 3
"""Entries of a ramp."""


@dataclass(frozen=True, slots=True)
class Course:
    """b: [entries] what each adds to b of the effect (see `models.contrast`); info: what it adds to c."""

    b: Floats
    info: Floats

    def nats(self, start: int) -> Floats:
        """[entries] log likelihood ratio, entry by entry, of the effect that there has been since `start`; 0 before."""
        since = np.arange(len(self.b)) >= start
        b, info = np.where(since, self.b, 0.0), np.where(since, self.info, 0.0)
        effect = max(float(b.sum()), 0.0) / max(float(info.sum()), 1e-12)
        return np.asarray(effect * b - effect**2 * info / 2.0)


@dataclass(frozen=True, slots=True)
class Change:
    """start, earliest, latest: entries. odds: nats of the shape that is named against the other one. gain: nats of the
    change against none."""

    start: int
    earliest: int
    latest: int
    is_ramp: bool
    odds: float
    gain: float


def estimate(course: Course) -> Change:
    """Size profiled out: a change that fills only part of the course is larger than the course's mean effect."""
    after_b, after_c = (np.cumsum(part[::-1])[::-1] for part in (course.b, course.info))
    tells = course.info > 0  # nothing begins where nothing was seen
    steps = np.where(tells, _gain(after_b, after_c), 0.0)
    # From `start` on 1, 2, 3, ...: suffix sums of suffix sums.
    ramp_b = np.cumsum(after_b[::-1])[::-1]
    weights = np.arange(1, len(course.b) + 1, dtype=np.float64)
    squares = np.array([float(weights[: len(course.info) - i] ** 2 @ course.info[i:]) for i in range(len(course.info))])
    ramps = np.where(tells, _gain(ramp_b, squares), 0.0)
    if len(ramps) > LEAST_RAMP:
        ramps[-LEAST_RAMP:] = 0.0
    margin = float(ramps.max() - steps.max())
    is_ramp = margin > RAMP_NATS
    gain = ramps if is_ramp else steps
    near = np.flatnonzero(gain >= gain.max() - INTERVAL_NATS)
    return Change(int(np.argmax(gain)), int(near[0]), int(near[-1]), is_ramp, abs(margin), float(gain.max()))


def _gain(b: Floats, c: Floats) -> Floats:
    return np.where(b > 0, b**2 / (2.0 * np.maximum(c, 1e-9)), 0.0)
