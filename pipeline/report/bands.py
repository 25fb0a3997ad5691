"""A scope's signal over time: what was observed, what was expected at that hour, and where it should lie.

The band holds 95 % of what chance and the usual moods would give:

- a latency or delay (mean on the log scale): expected x exp(+-1.96 sqrt(s^2 / n + m^2)), s^2 the variance of one unit
  by the anchors, n units;
- a share: the 2.5th to 97.5th percentile of a negative binomial with mean E and variance E + (m E)^2, over n.

m is the standard deviation of moods, which move a whole scope for an hour, on the log scale. It is read from the quiet
stretches of the same scope by the method of moments: from the squared residuals less what sampling explains, not below
`LEAST_MOOD`; with fewer than `LEAST_QUIET` of them it is `USUAL_MOOD`. Over-dispersed counts: Noufaily et al. 2013.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.detect.channels import EVERY, SHIFTS, Channel
from pipeline.messages import Signal
from pipeline.observation import DIMENSIONS
from pipeline.report.courses import Courses

Floats: TypeAlias = NDArray[np.float64]

Z95: Final = 1.96
LEAST_MOOD: Final = 0.02
USUAL_MOOD: Final = 0.05
LEAST_QUIET: Final = 12
"""Stretches from which moods can be read."""
MEDIAN_SQUARE: Final = 0.455
"""Median of the square of a standard normal."""
MOST_POINTS: Final = 180
"""Of a drawing: more stretches are added together."""
LEAST_UNITS: Final = 1e-9
TAIL_SMOOTH: Final = 0.5
"""Added to what was counted and expected beyond a tail's cut: a stretch without any still has a place."""


@dataclass(frozen=True, slots=True)
class Band:
    """[points] in the units of the wire (ms, share, records a minute); NaN where nothing was counted or expected.

    starts: ms epoch, `grain_ms` long each. units: device-minutes behind each (records of a feed).
    """

    starts: NDArray[np.int64]
    grain_ms: int
    observed: Floats
    expected: Floats
    low: Floats
    high: Floats
    units: Floats


@dataclass(frozen=True, slots=True)
class _Sums:
    """[entries] of a scope and channel, over cohorts whose anchors were known. Of a shift x and expected are sums of
    what is beside the level, and `variance` that of x; base: log of the ms that the level means."""

    index: NDArray[np.int64]
    n: Floats
    x: Floats
    expected: Floats
    variance: Floats
    base: float
    tail_scale: float


def band(
    courses: Courses,
    scope: Mapping[str, str],
    signal: Signal,
    since: int,
    until: int,
    troubled: Sequence[tuple[int, int]],
) -> Band | None:
    """Of one signal of a scope from one instant to another; None where nothing was counted.

    `troubled`: stretches, ms, from which nothing is learnt of moods.
    """
    if signal.signal == "volume":
        return _volume(courses, scope, since, until)
    own = "tail" if signal.signal == "latency" and (signal.quantile or 0.0) > 0.5 else signal.signal
    shift = own in SHIFTS
    rows = [row for row, cohort in enumerate(courses.references.cohorts) if _within(cohort._asdict(), scope)]
    columns = [column for column, one in enumerate(courses.references.channels) if _is(one, signal.operation, own)]
    if not rows or not columns:
        return None
    sums = _sums(courses, rows, columns)
    mood = _mood(sums, shift, _quiet(sums.index * courses.grain_ms, courses.grain_ms, troubled))
    pick = (sums.index * courses.grain_ms < until) & ((sums.index + 1) * courses.grain_ms > since)
    if not pick.any():
        return None
    few = max(1, -(-int(np.ptp(sums.index[pick]) + 1) // MOST_POINTS))
    starts, n, x, expected, variance = _grouped(sums, pick, few)
    counted = n > LEAST_UNITS
    known = counted & ~np.isnan(expected)
    with np.errstate(divide="ignore", invalid="ignore"):
        if shift:
            error = Z95 * np.sqrt(variance / n**2 + mood**2)
            middle = sums.base + expected / n
            parts = [np.exp(middle + off) for off in ((x - expected) / n, 0.0, -error, error)]
        else:
            parts = [x, expected, *_edges(expected, mood)]
            if own == "tail":
                beyond = [np.log((part + TAIL_SMOOTH) / (expected + TAIL_SMOOTH)) for part in parts]
                parts = [np.exp(sums.base + sums.tail_scale * part) for part in beyond]
            else:
                parts = [part / n for part in parts]
    # What a share was is known without an anchor as well; what a shift is in ms is not.
    observed = np.where(known if own in (*SHIFTS, "tail") else counted, parts[0], np.nan)
    usual, low, high = (np.where(known, part, np.nan) for part in parts[1:])
    return Band(starts * courses.grain_ms, few * courses.grain_ms, observed, usual, low, high, n)


def _within(cohort: Mapping[str, str], scope: Mapping[str, str]) -> bool:
    return all(cohort[name] == scope[name] for name in DIMENSIONS if name in scope)


def _is(channel: Channel, operation: str, signal: str) -> bool:
    """A signal of all operations is that of each, unless it is one that no operation has."""
    return channel.signal == signal and operation in (EVERY, channel.operation)


def _sums(courses: Courses, rows: Sequence[int], columns: Sequence[int]) -> _Sums:
    references = courses.references
    cells = np.ix_(rows, columns)
    # What a level means in ms is said of the level; an hour's shape, and what is off it, come on top.
    level = np.where(references.shift[list(columns)], references.level[cells], 0.0)
    totals = np.zeros((len(rows), len(columns)))
    found = []
    for entry in courses.entries():
        here = np.ix_([row for row in rows if row < entry.n.shape[0]], [at for at in columns if at < entry.n.shape[1]])
        part = np.s_[: here[0].size, : here[1].size]
        n, x, expected = (values[here].astype(np.float64) for values in (entry.n, entry.x, entry.expected))
        known = ~np.isnan(expected)
        if n[known].sum() > 0:
            n, x, expected = (np.where(known, values, 0.0) for values in (n, x, expected))
        if n.sum() <= 0:
            continue
        totals[part] += n
        levels, variance = (n * level[part]).sum(), (n * references.spread[cells][part]).sum()
        found.append((entry.index, n.sum(), x.sum() - levels, expected.sum() - levels, variance))
    index, n, x, expected, variance = np.array(found, dtype=np.float64).reshape(len(found), 5).T
    total = max(float(totals.sum()), LEAST_UNITS)
    log_base = np.log(np.maximum(references.base_ms[cells], 1e-3))
    return _Sums(
        index.astype(np.int64),
        n,
        x,
        expected,
        variance,
        base=float((totals * log_base).sum() / total),
        tail_scale=float((totals * references.tail_scale[cells]).sum() / total),
    )


def _quiet(starts: NDArray[np.int64], grain_ms: int, troubled: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    quiet = np.ones(len(starts), dtype=np.bool_)
    for since, until in troubled:
        quiet &= (starts >= until) | (starts + grain_ms <= since)
    return quiet


def _mood(sums: _Sums, shift: bool, quiet: NDArray[np.bool_]) -> float:
    """Standard deviation of moods, log scale."""
    use = quiet & ~np.isnan(sums.expected)
    if int(use.sum()) < LEAST_QUIET:
        return USUAL_MOOD
    n, x, expected = sums.n[use], sums.x[use], sums.expected[use]
    if shift:
        # By medians: an odd hour that nobody called an incident must not widen the band.
        squares, sampling = np.median(((x - expected) / n) ** 2) / MEDIAN_SQUARE, np.median(sums.variance[use] / n**2)
        excess = float(squares - sampling)
    else:
        excess = float(((x - expected) ** 2 - expected).sum() / max(float((expected**2).sum()), LEAST_UNITS))
    return float(max(excess, LEAST_MOOD**2) ** 0.5)


def _grouped(
    sums: _Sums, pick: NDArray[np.bool_], few: int
) -> tuple[NDArray[np.int64], Floats, Floats, Floats, Floats]:
    """Sums of `few` stretches each: their first index, then n, x, expected, variance. One that holds nothing is not
    left out: a drawing has a gap there."""
    slots = sums.index[pick] // few
    first, size = int(slots[0]), int(slots[-1] - slots[0]) + 1

    def summed(values: Floats) -> Floats:
        out = np.zeros(size)
        np.add.at(out, slots - first, values[pick])
        return out

    starts = (np.arange(size) + first) * few
    return starts, summed(sums.n), summed(sums.x), summed(sums.expected), summed(sums.variance)


def _edges(expected: Floats, mood: float) -> tuple[Floats, Floats]:
    """Counts between which 95 % lie; `expected` may hold NaN."""
    mean = np.maximum(np.nan_to_num(expected), LEAST_UNITS)
    size = mood**-2
    low, high = (np.asarray(stats.nbinom.ppf(q, size, size / (size + mean))) for q in (0.025, 0.975))
    return low, high


def _volume(courses: Courses, scope: Mapping[str, str], since: int, until: int) -> Band | None:
    """Records a minute of an operator or one of its device classes; what is expected has no interval."""
    row = courses.feeds.get((scope.get("operator", ""), scope.get("device_class", "")))
    if row is None:
        return None
    grain = courses.grain_ms
    minutes = grain / 60_000
    entries = [e for e in courses.entries() if e.index * grain < until and (e.index + 1) * grain > since]
    entries = [entry for entry in entries if row < len(entry.feeds)]
    if not entries:
        return None
    index = np.array([entry.index for entry in entries])
    feeds = np.array([entry.feeds[row] for entry in entries], dtype=np.float64)
    nothing = np.full(len(index), np.nan)
    expected = np.where(feeds[:, 1] > 0, feeds[:, 1] / minutes, np.nan)
    return Band(index * grain, grain, feeds[:, 0] / minutes, expected, nothing, nothing, feeds[:, 0])
