"""Levels out of counts: a cohort's own, as far as it has seen enough, and else that of its operator and class.

All arrays are [cohorts, channels]. How far a thin cohort leans is how far siblings have been seen to be alike; a prior
that its own counts contradict is worth the less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Groups: TypeAlias = NDArray[np.intp]

LEAST_SHARE: Final = 1e-4
"""A share is never expected below this: a first hit in a quiet stream is news, not proof."""
SIBLING_SPREAD: Final = 0.3
"""Log standard deviation assumed among siblings until it is measured."""
LEAST_SIBLING_SPREAD: Final = 0.05
_SOLID_HITS: Final = 20.0
_SOLID_UNITS: Final = 500.0
_ENOUGH_SIBLINGS: Final = 5


class Levels(NamedTuple):
    """`level` as in `Anchors`, and the units (shift) or expected hits (share) that it rests on."""

    level: Floats
    mass: Floats


def groups_of(keys: Sequence[tuple[str, ...]]) -> tuple[Groups, int]:
    """A code for each key, in order of appearance, and how many there are."""
    codes: dict[tuple[str, ...], int] = {}
    found = [codes.setdefault(key, len(codes)) for key in keys]
    return np.array(found, dtype=np.intp), len(codes)


def share_levels(n: Floats, x: Floats, group: Groups, groups: int) -> Levels:
    """Own share, pulled to that of the group by as many hits as siblings' likeness is worth (1 / tau^2)."""
    total_n, total_x = _group_sum(n, group, groups), _group_sum(x, group, groups)
    parent = np.maximum((total_x + 0.5 * LEAST_SHARE) / (total_n + 0.5), LEAST_SHARE)[group]
    expected = n * parent
    ratio = np.log(np.maximum(x, 1e-12) / np.maximum(expected, 1e-12))
    spread = _sibling_spread(ratio, x > _SOLID_HITS)
    conflict = (x - expected) ** 2 / np.maximum(expected + (spread * expected) ** 2, 1e-3)
    prior = 1.0 / spread**2 / np.maximum(conflict, 1.0)
    level = np.maximum((x + prior) / (n + prior / parent), LEAST_SHARE)
    # The parent says no more than its own hits do.
    return Levels(level, n * level + np.minimum(prior, np.maximum(total_x[group] - x, 0.0)))


def shift_levels(n: Floats, x: Floats, middle: Floats, spread: Floats, group: Groups, groups: int) -> Levels:
    """Own mean, pulled to that of the group; relative to `middle`, each cell's own reference point.

    `spread`: variance of one unit; 0 where there are no cut points, and so no level.
    """
    absolute = middle + x / np.maximum(n, 1e-12)
    total = _group_sum(n, group, groups)
    parent = (_group_sum(n * absolute, group, groups) / np.maximum(total, 1e-12))[group]
    likeness = _sibling_spread(absolute - parent, n > _SOLID_UNITS) ** 2
    conflict = (absolute - parent) ** 2 / np.maximum(spread / np.maximum(n, 1.0) + likeness, 1e-9)
    prior = np.where(total[group] > 0, spread / likeness / np.maximum(conflict, 1.0), 0.0)
    level = (n * absolute + prior * parent) / np.maximum(n + prior, 1e-12) - middle
    mass = n + np.minimum(prior, np.maximum(total[group] - n, 0.0))
    known = spread > 0
    return Levels(np.where(known, level, 0.0), np.where(known, mass, 0.0))


def _group_sum(values: Floats, group: Groups, count: int) -> Floats:
    out = np.zeros((count, values.shape[1]))
    np.add.at(out, group, values)
    return out


def _sibling_spread(log_ratio: Floats, solid: NDArray[np.bool_]) -> Floats:
    """By channel, the standard deviation among rows that are solid enough to tell; a default where too few are."""
    count = solid.sum(axis=0)
    mean = np.where(solid, log_ratio, 0.0).sum(axis=0) / np.maximum(count, 1)
    variance = np.where(solid, (log_ratio - mean) ** 2, 0.0).sum(axis=0) / np.maximum(count - 1, 1)
    measured = np.maximum(np.sqrt(variance), LEAST_SIBLING_SPREAD)
    return np.asarray(np.where(count > _ENOUGH_SIBLINGS, measured, SIBLING_SPREAD))
