"""Plots as the coordinates of an SVG, drawn by the server: complete without JavaScript, and nothing is fetched.

Each fills a box of `WIDTH` × `HEIGHT` that the page stretches to where it stands; words stand beside it as HTML, and
keep their size on a phone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.messages import LedgerEntry
from pipeline.web import records as say
from pipeline.web.trends import BLOCK_MS

WIDTH: Final = 600.0
HEIGHT: Final = 120.0
SERIES: Final = 5
"""Colours; further signals share the last one."""


@dataclass(frozen=True, slots=True)
class Line:
    """Values over time with the band in which they are expected. Paths are empty where there is nothing.

    low, high: of the axis. onset: where the change began, if it is in the picture. beyond: blocks outside of the band.
    """

    band: str
    expected: str
    observed: tuple[str, ...]
    since: int
    until: int
    low: float
    high: float
    onset: float | None
    beyond: int
    last: say.Point


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    series: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """What each stretch of time added to the evidence. sum: the running total, on the same axis scaled to its end.

    zero: height of the axis. names: of the series, in the order of their colours, with their total.
    """

    bars: tuple[Bar, ...]
    sum: str
    zero: float
    since: int
    until: int
    high: float
    total: float
    names: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Whisker:
    """A ratio with its interval on a log axis; one: where 1 is."""

    low: float
    high: float
    at: float
    one: float


def line(tracks: Sequence[Sequence[say.Point]], onset: int | None) -> Line | None:
    """One picture of one or two signals; the band is the first one's. None without a point."""
    tracks = [points for points in tracks if points]
    if not tracks:
        return None
    every = [point for points in tracks for point in points]
    since, until = min(point.at for point in every), max(point.at for point in every) + BLOCK_MS
    low = min(min(point.low, point.observed) for point in every)
    high = max(max(point.high, point.observed) for point in every)
    margin = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
    low, high = low - margin if low > 0.0 else low, high + margin

    def x(at: float) -> float:
        return _round(WIDTH * (at - since) / (until - since))

    def y(value: float) -> float:
        return _round(HEIGHT * (high - value) / (high - low))

    first = tracks[0]
    middles = [x(point.at + BLOCK_MS / 2) for point in first]
    upper = [f"{at},{y(point.high)}" for at, point in zip(middles, first, strict=True)]
    lower = [f"{at},{y(point.low)}" for at, point in zip(middles, first, strict=True)]
    return Line(
        band=f"M{' L'.join(upper + lower[::-1])}Z" if len(first) > 1 else "",
        expected=_path([(at, y(point.expected)) for at, point in zip(middles, first, strict=True)]),
        observed=tuple(_path([(x(point.at + BLOCK_MS / 2), y(point.observed)) for point in one]) for one in tracks),
        since=since,
        until=until,
        low=low,
        high=high,
        onset=x(onset) if onset is not None and since <= onset <= until else None,
        beyond=sum(not point.low <= point.observed <= point.high for point in first),
        last=first[-1],
    )


def ledger(entries: Iterable[LedgerEntry], name_of: dict[tuple[str, str], str]) -> Ledger | None:
    """Bars by stretch, what adds above the axis, what takes away below. name_of: how a signal is called."""
    entries = sorted(entries, key=lambda one: (one.at, one.operation, one.signal))
    if not entries:
        return None
    totals: dict[tuple[str, str], float] = defaultdict(float)
    for entry in entries:
        totals[entry.operation, entry.signal] += entry.nats
    order = sorted(totals, key=lambda key: -abs(totals[key]))
    series = {key: min(at, SERIES - 1) for at, key in enumerate(order)}
    since, until = min(one.at for one in entries), max(one.until for one in entries)
    heights: dict[tuple[int, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for entry in entries:
        heights[entry.at, entry.until][entry.nats < 0.0] += abs(entry.nats)
    high = max(max(up for up, _ in heights.values()), 1e-9)
    deep = max(down for _, down in heights.values())
    zero = HEIGHT * high / (high + deep)
    per_nat, span = HEIGHT / (high + deep), max(until - since, 1)
    reached: dict[tuple[int, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
    bars, total = [], 0.0
    sums: dict[float, float] = {}
    for entry in entries:
        at = reached[entry.at, entry.until]
        size = abs(entry.nats)
        top = zero - (at[0] + size) * per_nat if entry.nats >= 0.0 else zero + at[1] * per_nat
        at[entry.nats < 0.0] += size
        left = WIDTH * (entry.at - since) / span
        width = max(WIDTH * (entry.until - entry.at) / span - 1.0, 0.8)
        bars.append(
            Bar(_round(left), _round(top), _round(width), _round(size * per_nat), series[entry.operation, entry.signal])
        )
        total += entry.nats
        # One point for each end of a stretch, however many signals added to it.
        sums[WIDTH * (entry.until - since) / span] = total
    scale = zero / max(*sums.values(), 1e-9)
    return Ledger(
        bars=tuple(bars),
        sum=_path(
            [(0.0, zero), *((_round(at), _round(min(zero - value * scale, HEIGHT))) for at, value in sums.items())]
        ),
        zero=_round(zero),
        since=since,
        until=until,
        high=high,
        total=total,
        names=tuple((name_of.get(key, key[1]), totals[key]) for key in order[:SERIES]),
    )


def whiskers(groups: Iterable[say.Group]) -> dict[str, Whisker]:
    """By value, all on one axis."""
    known = [group for group in groups if group.ratio and group.low and group.high]
    if not known:
        return {}
    # A group that knows little would squeeze all others together: it runs beyond the edge.
    edge = max(1.15, *(max(group.ratio or 1.0, 1.0 / (group.ratio or 1.0)) for group in known)) ** 1.3
    reach = math.log(edge)

    def x(ratio: float) -> float:
        return _round(100.0 * min(max((math.log(ratio) + reach) / (2.0 * reach), 0.0), 1.0))

    return {
        group.value: Whisker(x(group.low or 1.0), x(group.high or 1.0), x(group.ratio or 1.0), x(1.0))
        for group in known
    }


def spark(values: Sequence[tuple[float, float]]) -> tuple[str, str]:
    """Two paths, of what was observed and what was expected, from zero up: how much there was."""
    if len(values) < 2:
        return "", ""
    high = max(max(pair) for pair in values) or 1.0
    step = WIDTH / (len(values) - 1)
    paths = [
        _path([(_round(at * step), _round(HEIGHT * (1.0 - pair[which] / high))) for at, pair in enumerate(values)])
        for which in (0, 1)
    ]
    return paths[0], paths[1]


def _path(points: Sequence[tuple[float, float]]) -> str:
    if len(points) == 1:
        # A line needs a length to be seen.
        (x, y) = points[0]
        points = [(x - 3.0, y), (x + 3.0, y)]
    return "M" + " L".join(f"{x},{y}" for x, y in points)


def _round(value: float) -> float:
    return round(value, 1)
