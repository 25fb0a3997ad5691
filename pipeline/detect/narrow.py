"""Where a breach is: the smallest scope that holds it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.lattice import Scope
from pipeline.observation import DIMENSIONS, Cohort

Floats: TypeAlias = NDArray[np.float64]

HOLDS: Final = 0.9
"""Of the bad attempts beyond what is allowed: so many lie in a scope that holds the breach."""
TELLS: Final = 3.0
"""Bad attempts that the rest may have: with fewer it cannot tell that it is not affected, and the wider scope is
named."""


def narrow(
    base: Scope, cohorts: Sequence[Cohort], inside: NDArray[np.bool_], of: Floats, bad: Floats, allowed: float
) -> Scope:
    """The scope within `base` with the fewest attempts, and of those the shallowest, that holds the breach while the
    rest keeps the line and has enough attempts to show it; `base` where there is none.

    Args:
        inside: [cohorts] those that the breach is of. of, bad: [cohorts] attempts and bad ones.
    """
    free = [name for name in DIMENSIONS if name not in dict(base)]
    rows = np.flatnonzero(inside & (of > 0)).tolist()
    # Beyond what is allowed, cohort by cohort: what good ones leave over excuses nobody.
    excess = np.maximum(bad - allowed * of, 0.0)
    most = HOLDS * float(excess[rows].sum())
    best = (float(of[rows].sum()), len(base), base)
    for depth in range(1, len(free) + 1):
        for names in combinations(free, depth):
            groups: dict[tuple[str, ...], list[int]] = {}
            for row in rows:
                groups.setdefault(tuple(getattr(cohorts[row], name) for name in names), []).append(row)
            for values, members in groups.items():
                total, hits = float(of[members].sum()), float(bad[members].sum())
                left = float(of[rows].sum()) - total
                keeps = left * allowed >= TELLS and float(bad[rows].sum()) - hits < allowed * left
                if keeps and float(excess[members].sum()) >= most:
                    named = dict(base) | dict(zip(names, values, strict=True))
                    scope = tuple((name, named[name]) for name in DIMENSIONS if name in named)
                    best = min(best, (total, len(scope), scope))
    return best[2]
