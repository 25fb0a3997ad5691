"""How much do groups wander on their own? Variance components by the method of moments, level by level.

For residuals r of leaves over many blocks, with weights w, the statistic of level j

    T_j = sum over blocks and groups g of level j of (sum over i in g of w_i r_i)^2

has, under independent effects of variance v_k at each level k and sampling variances D, the expectation

    E T_j = sum_k v_k X_jk + sum_i w_i^2 D_i,   X_jk = sum over groups h of the join of j and k of (sum_{i in h} w_i)^2

One equation a level; non-negative least squares solves them (after Henderson 1953, method I). Nothing is quadratic in
leaves. Sampling noise is taken out, so what comes back is what persists over a whole block: the moods of an hour or a
day that no number of events averages away, and that textbook tests mistake for change.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

CLIP: Final = 5.0
"""Residuals are clipped at so many of their own standard deviations: one wild block must not blind the detector."""


FAR: Final = 4.0
"""Standard deviations beyond which a block is no part of the body."""
MAD: Final = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation."""
LEAST_SCALE: Final = 0.5


def _codes(labels: Sequence[Hashable]) -> NDArray[np.intp]:
    index: dict[Hashable, int] = {}
    return np.array([index.setdefault(label, len(index)) for label in labels], dtype=np.intp)


class Components:
    """Levels of a lattice whose variances are to be measured.

    Args:
        levels: for each level the group of every leaf. The last one is usually the leaf itself.
    """

    def __init__(self, levels: Sequence[Sequence[Hashable]]) -> None:
        self._codes = [_codes(labels) for labels in levels]
        self.groups: Floats = np.array([codes.max() + 1.0 for codes in self._codes])
        """[levels] how many there are."""
        self._joins = [[_codes(list(zip(a, b, strict=True))) for b in levels[: j + 1]] for j, a in enumerate(levels)]

    def fit(self, residual: Floats, sampling: Floats, guess: float) -> Floats:
        """Measure.

        Args:
            residual: [blocks, leaves], any value where `sampling` is infinite.
            sampling: [blocks, leaves] sampling variances, infinite without data.
            guess: a typical variance of moods; sets the weights (not the answer).

        Returns:
            [levels] variances >= 0; zeros when there is nothing to measure.
        """
        count = len(self._codes)
        weight = 1.0 / (guess + sampling)
        if not np.any(weight > 0):
            return np.zeros(count)
        spread = np.sqrt(guess + np.where(np.isfinite(sampling), sampling, 0.0))
        r = np.where(weight > 0, np.clip(residual, -CLIP * spread, CLIP * spread), 0.0)
        noise = float(np.sum(np.where(weight > 0, weight**2 * np.where(np.isfinite(sampling), sampling, 0.0), 0.0)))
        design = np.empty((count, count))
        found = np.empty(count)
        for j, codes in enumerate(self._codes):
            found[j] = np.sum(_sums(weight * r, codes) ** 2) - noise
            for k in range(j + 1):
                design[j, k] = design[k, j] = np.sum(_sums(weight, self._joins[j][k]) ** 2)
        scale = np.sqrt(np.diag(design))
        scale[scale == 0] = 1.0
        from scipy.optimize import nnls  # half a second to load: not at every start of a command

        solution, _ = nnls(design / np.outer(scale, scale), found / scale)
        return np.asarray(solution / scale)


def without_outliers(residual: Floats, sampling: Floats, guess: float, groups: Sequence[Hashable]) -> Floats:
    """Sampling variances in which blocks of a group, and single leaves, that are far out count as not seen.

    Variances describe the body of what happens; how heavy the tails are is for `models.tails` to say. Without this, one
    wild day of one group takes the place of everything else.

    Args:
        residual, sampling: [blocks, leaves], as in `Components.fit`.
        guess: a typical variance of moods; the scale itself is read off the data (median absolute deviations).
        groups: [leaves] that may be off together.
    """
    codes = _codes(groups)
    weight = 1.0 / (guess + sampling)
    total = _sums(weight, codes)
    seen = total > 0
    mean = np.divide(
        _sums(weight * np.where(weight > 0, residual, 0.0), codes), total, out=np.zeros_like(total), where=seen
    )
    off_group = np.abs(mean) / np.sqrt(guess + 1.0 / np.where(seen, total, np.inf))
    off_leaf = np.abs(residual - mean[:, codes]) / np.sqrt(guess + sampling)
    known = weight > 0
    out = sampling.copy()
    for off, where in ((off_group[:, codes], seen[:, codes]), (off_leaf, known)):
        if where.any():
            out[where & known & (off > FAR * max(MAD * float(np.median(off[where & known])), LEAST_SCALE))] = np.inf
    return out


def _sums(values: Floats, codes: NDArray[np.intp]) -> Floats:
    """Sum [blocks, leaves] over groups of leaves: [blocks, groups]."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.concatenate(([True], np.diff(codes[order]) > 0)))
    return np.asarray(np.add.reduceat(values[:, order], starts, axis=1))
