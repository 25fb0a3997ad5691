"""Drawings as numbers. A template puts them into SVG whose width follows the page, so x is in per cent of the width and
y in pixels from the top; only lines, which SVG cannot draw in per cent, are in a box of 1000 by the height that is
stretched to it. Text therefore keeps its size on a phone and on paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.messages import Incident, LedgerEntry
from pipeline.report.bands import Band
from pipeline.report.words import DAY_MS, HOUR_MS, amount, figure, short_instant

BOX: Final = 1_000
HEIGHT: Final = 130
"""Pixels of the area in which lines are drawn."""
HEAD: Final = 14
"""Of these, left free at the top for the label of the highest grid line."""
LEAST_WIDTH: Final = 0.3
"""Per cent: what is shorter would not be seen."""
_STEPS: Final = (
    HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS, DAY_MS, 2 * DAY_MS, 4 * DAY_MS, 7 * DAY_MS, 14 * DAY_MS,
)  # fmt: skip
MOST_TICKS: Final = 8
MOST_GAP: Final = 4
"""Points that may be missing before a line is broken: small cohorts do not report every hour."""


@dataclass(frozen=True, slots=True)
class Tick:
    """minor: left out where there is little room."""

    x: float
    label: str
    anchor: str
    minor: bool


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch in one state."""

    state: str
    x: float
    width: float
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Mark:
    """An instant. kind: `onset`, `fired`, `noticed`, `change`."""

    kind: str
    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Grid:
    y: float
    label: str


class TimeAxis:
    """From instants to places."""

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = max(end, start + 1)

    def x(self, at: float) -> float:
        """Per cent; what is beyond the edges is at them."""
        share = (min(max(at, self.start), self.end) - self.start) / (self.end - self.start)
        return round(100.0 * share, 2)

    def box(self, at: float) -> float:
        return round(self.x(at) * BOX / 100.0, 1)

    def ticks(self) -> list[Tick]:
        """At whole hours or days, at most `MOST_TICKS`."""
        length = self.end - self.start
        step = next((step for step in _STEPS if length <= MOST_TICKS * step), None)
        while step is None or length > MOST_TICKS * step:
            step = 2 * (step or _STEPS[-1])
        first = -(-self.start // step)
        out = []
        for number in range(first, self.end // step + 1):
            x = self.x(number * step)
            anchor = "start" if x < 10 else "end" if x > 90 else "middle"
            out.append(Tick(x, short_instant(number * step), anchor, number % 2 == 1))
        return out

    def span(self, state: str, since: int, until: int) -> Span:
        x = self.x(since)
        return Span(state, x, round(max(self.x(until) - x, LEAST_WIDTH), 2), since, until)


def spans(records: Sequence[Incident], axis: TimeAxis) -> list[Span]:
    """What an incident was when, from its onset on; until the end of the axis where it has not ended."""
    out = [axis.span("onset", records[0].onset_at, records[0].at)] if records[0].onset_at < records[0].at else []
    ends = [record.at for record in records[1:]] + [axis.end]
    for record, end in zip(records, ends, strict=True):
        if record.state == "resolved":
            continue
        if out and out[-1].state == record.state:
            out[-1] = axis.span(record.state, out[-1].since, end)
        else:
            out.append(axis.span(record.state, record.at, end))
    return [span for span in out if span.until > axis.start and span.since < axis.end]


@dataclass(frozen=True, slots=True)
class Line:
    """name: what it is of, for a legend. points: in the box, one polyline a stretch without gaps."""

    name: str
    points: list[str]


@dataclass(frozen=True, slots=True)
class Plot:
    """lines: the first is what was observed. areas: polygons of the band."""

    ticks: list[Tick]
    grid: list[Grid]
    lines: list[Line]
    areas: list[str]


def of_band(band: Band, signal: str, axis: TimeAxis) -> Plot | None:
    """None where there is nothing to draw."""
    middles = (band.starts + band.grain_ms // 2).tolist()
    columns = [part.tolist() for part in (band.observed, band.expected, band.low, band.high)]
    values = [value for column in columns for value in column if math.isfinite(value)]
    if not values:
        return None
    low, high = min(values), max(values)
    scale = _Scale(low if signal in ("latency", "delay") else 0.0, high)
    edges = list(zip(middles, columns[2], columns[3], strict=True))
    return Plot(
        ticks=axis.ticks(),
        grid=[Grid(scale.y(value), amount(signal, value)) for value in scale.ticks()],
        lines=[
            Line("observed", _lines(list(zip(middles, columns[0], strict=True)), axis, scale)),
            Line("expected", _lines(list(zip(middles, columns[1], strict=True)), axis, scale)),
        ],
        areas=_areas(edges, axis, scale),
    )


def of_ledger(entries: Sequence[LedgerEntry], names: Sequence[str], axis: TimeAxis) -> Plot:
    """Evidence as it came together: the sum of all signals, then each signal's own. names: of each entry's signal."""
    order = list(dict.fromkeys(names))
    groups = [list(entries), *([e for e, n in zip(entries, names, strict=True) if n == one] for one in order)]
    courses = [_cumulated(group) for group in groups]
    values = [value for course in courses for _, value in course]
    scale = _Scale(min(0.0, *values), max(values))
    return Plot(
        ticks=axis.ticks(),
        grid=[Grid(scale.y(value), figure(value)) for value in scale.ticks()],
        lines=[
            Line(name, _lines(course, axis, scale))
            for name, course in zip(("all together", *order), courses, strict=True)
            if name == "all together" or len(order) > 1
        ],
        areas=[],
    )


def _cumulated(entries: Sequence[LedgerEntry]) -> list[tuple[int, float]]:
    """One point for each end of a stretch, however many signals added to it."""
    total = 0.0
    out = {min(entry.at for entry in entries): 0.0}
    for entry in sorted(entries, key=lambda entry: entry.until):
        total += entry.nats
        out[entry.until] = total
    return list(out.items())


class _Scale:
    """From values to pixels from the top."""

    def __init__(self, low: float, high: float) -> None:
        room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        self.low = low - room if low != 0.0 else low
        self.high = high + room

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - share * (HEIGHT - HEAD), 1)

    def ticks(self) -> list[float]:
        """Two to four round values."""
        raw = (self.high - self.low) / 3.0
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * part for part in (1.0, 2.0, 5.0, 10.0) if power * part >= raw)
        first = math.ceil(self.low / step)
        return [number * step for number in range(first, math.floor(self.high / step) + 1)]


def _lines(values: Sequence[tuple[int, float]], axis: TimeAxis, scale: _Scale) -> list[str]:
    """One point alone is a line of no length, which round ends make a dot."""
    pieces = _pieces([(at, [value]) for at, value in values])
    drawn = ([f"{axis.box(at)},{scale.y(value)}" for at, (value,) in piece] for piece in pieces)
    return [" ".join(points if len(points) > 1 else points * 2) for points in drawn]


def _areas(edges: Sequence[tuple[int, float, float]], axis: TimeAxis, scale: _Scale) -> list[str]:
    out = []
    for piece in _pieces([(at, [low, high]) for at, low, high in edges]):
        if len(piece) > 1:
            upper = [f"{axis.box(at)},{scale.y(high)}" for at, (_, high) in piece]
            lower = [f"{axis.box(at)},{scale.y(low)}" for at, (low, _) in reversed(piece)]
            out.append(" ".join([*upper, *lower]))
    return out


def _pieces(points: Sequence[tuple[int, list[float]]]) -> list[list[tuple[int, list[float]]]]:
    """What is drawn in one go: up to a gap of more than `MOST_GAP` missing points."""
    out: list[list[tuple[int, list[float]]]] = []
    missing = MOST_GAP + 1
    for at, values in points:
        if not all(map(math.isfinite, values)):
            missing += 1
            continue
        if missing > MOST_GAP:
            out.append([])
        out[-1].append((at, values))
        missing = 0
    return out
