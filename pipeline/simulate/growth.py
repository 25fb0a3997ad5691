"""Steps and ramps: how much of an effect is in force at which time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def growth(at: NDArray[np.float64], start: float, lasts: float, until: float | None) -> NDArray[np.float64]:
    """0 before `start`, 1 once it `lasts` long (at once if 0), even in between, and 0 again from `until` on."""
    grown = np.clip((at - start) / lasts, 0.0, 1.0) if lasts else np.asarray(at >= start, dtype=np.float64)
    within = np.ones(1) if until is None else np.asarray(at < until, dtype=np.float64)
    return np.multiply(grown, within, dtype=np.float64)
