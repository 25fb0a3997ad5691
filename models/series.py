"""A measurement that is an aggregate already: one value a window, with nobody to compare it with.

The chain of counts cannot judge such a series: it knows neither units nor siblings. What is left is its own past. The
model keeps an anchored reference (level and shape of the day, by robust steps that outliers cannot drag, after the
reference days on a leash). What is off it is watched on several spans at once, from one value to a day; how far each
span wanders with nothing wrong is measured on the series itself, scale and tail, and evidence is how improbable the
present deviation is by that. Persistence that is usual for the series is so part of its tail, not evidence.

Weaker than the chain of counts, and by design: the first day that is unlike all before it is evidence, whatever its
cause. A textbook cumulative sum on the residuals was tried in its place; it took every mood of a day for a change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
from river import base

from models.season import DAY_MS
from models.snapshot import Plain, expect_version

SLOTS: Final = 24
"""Of the day."""
HUBER: Final = 2.0
"""A residual moves the reference like one of so many standard deviations at most."""
CLIP: Final = 8.0
"""A single value counts for no more in the running means: it does not prove a change that stays."""
TAIL_SHARE: Final = 0.05
"""The tail is fitted above the threshold that so many deviations exceed."""
TAIL_INDEX: Final = 4.0
TAIL_PRIOR: Final = 20.0
"""Pareto index of the tail until it has been seen, worth so many exceedances."""
HOUR_MS: Final = 3_600_000
SPANS_MS: Final = (0, HOUR_MS, 6 * HOUR_MS, DAY_MS)
"""Time constants of the running means; 0 is the innovation of a single value."""
TOGETHER: Final = 0.6
MOST_NATS: Final = 60.0
VERSION: Final = 1
"""Of the snapshot."""


@dataclass(slots=True)
class Tail:
    """How far a deviation wanders: the threshold that few exceed, and Hill's estimator above it."""

    edge: float = 2.0
    logs: float = 0.0
    count: float = 0.0
    seen: int = 0

    def surprise(self, size: float) -> float:
        """Nats: minus the log of the share of deviations as large as this."""
        if size <= self.edge:
            return 0.0
        index = (self.count + TAIL_PRIOR) / (self.logs + TAIL_PRIOR / TAIL_INDEX)
        return -math.log(TAIL_SHARE) + index * math.log(size / self.edge)

    def learn(self, size: float) -> None:
        self.seen += 1
        if size > self.edge:
            self.logs = 0.998 * self.logs + min(math.log(size / self.edge), 1.0)
            self.count = 0.998 * self.count + 1.0
        step = 4.0 / (self.seen + 40.0) + 0.005
        self.edge = max(self.edge * math.exp(step * (float(size > self.edge) - TAIL_SHARE)), 0.3)


@dataclass(slots=True)
class Reference:
    """Level and shape of the day on the transformed scale."""

    level: float = 0.0
    anchor: float | None = None
    """The level when the reference days were over."""
    anchor_spread: float = 0.0
    """The spread at that time: the leash is measured in it, as a drift widens the spread."""
    shape: list[float] = field(default_factory=lambda: [0.0] * SLOTS)
    seen: list[float] = field(default_factory=lambda: [0.0] * SLOTS)

    def at(self, at: int) -> float:
        place = at % DAY_MS / DAY_MS * SLOTS - 0.5
        left = math.floor(place)
        part = place - left
        return self.level + (1 - part) * self.shape[left % SLOTS] + part * self.shape[(left + 1) % SLOTS]


@dataclass(slots=True)
class State:
    """All that a model of a series holds."""

    early: list[tuple[int, float]] = field(default_factory=list)
    """The first values, before a scale is known."""
    scale: float = 0.0
    reference: Reference = field(default_factory=Reference)
    first: int | None = None
    latest: int | None = None
    seen: int = 0
    spread: float = 1.0
    last: float = 0.0
    products: float = 0.0
    squares: float = 1e-9
    means: list[float] = field(default_factory=lambda: [0.0] * len(SPANS_MS))
    spreads: list[float] = field(default_factory=lambda: [1.0] * len(SPANS_MS))
    tails: list[Tail] = field(default_factory=lambda: [Tail() for _ in SPANS_MS])


class SeriesDetector(base.AnomalyDetector):
    """Scores a series of single values; features `at` (ms since the epoch) and `value`.

    Args:
        days: full days of reference; then the level may move within the leash only.
        leash: of the level, in standard deviations of a value.
        warm_up: values before anything is scored.

    The score is evidence in nats; it is 0 as long as the model cannot tell. A value is scored before it is learnt.
    What is not finite is neither scored nor learnt.
    """

    def __init__(self, days: float = 7.0, leash: float = 1.0, warm_up: int = 50) -> None:
        self.days = days
        self.leash = leash
        self.warm_up = warm_up
        self._s = State()

    def score_one(self, x: dict[Any, Any]) -> float:
        """Nats of evidence that this value, or what came before it, is not as the reference has it."""
        value, at = float(x["value"]), int(x["at"])
        if not math.isfinite(value) or self._s.scale <= 0:
            return 0.0
        means = self._moved(at, self._transformed(value) - self._s.reference.at(at))
        nats = [
            # A running mean that is not full yet says nothing.
            tail.surprise(abs(mean) / spread) if self._s.first is not None and at - self._s.first >= 2 * span else 0.0
            for span, mean, spread, tail in zip(SPANS_MS, means, self._s.spreads, self._s.tails, strict=True)
        ]
        # Spans that each say little add up; they share moods, so that a part of the sum is lost.
        return min(max(max(nats), TOGETHER * sum(nats)), MOST_NATS)

    def learn_one(self, x: dict[Any, Any]) -> None:
        value, at = float(x["value"]), int(x["at"])
        if not math.isfinite(value):
            return
        if self._s.scale > 0:
            self._learn(at, value)
            return
        self._s.early.append((at, value))
        if len(self._s.early) >= self.warm_up:
            self._begin()

    def expected(self, at: int) -> float:
        """What the reference has for an instant, in the units of the values; not a number before it has begun."""
        return math.sinh(self._s.reference.at(at)) * self._s.scale if self._s.scale > 0 else math.nan

    def accept(self) -> None:
        """The level as it has been over the last hours is right: a person has said so."""
        reference = self._s.reference
        reference.level += self._s.means[2]
        if reference.anchor is not None:
            reference.anchor = reference.level
        self._s.means = [0.0] * len(SPANS_MS)

    def snapshot(self) -> Plain:
        """All that it knows, as plain data."""
        return {"version": VERSION, "state": msgspec.to_builtins(self._s)}

    def restore(self, state: Plain) -> None:
        """Become what a snapshot was taken of.

        Raises:
            SnapshotError: it is of another version.
        """
        expect_version(state, "a model of a series", VERSION)
        self._s = msgspec.convert(state["state"], State)

    def _begin(self) -> None:
        """Scale, level and spread from the first values; then they are learnt one by one."""
        early, self._s.early = self._s.early, []
        values = np.array([value for _, value in early])
        self._s.scale = float(np.median(np.abs(values))) or float(np.mean(np.abs(values))) or 1.0
        transformed = np.arcsinh(values / self._s.scale)
        self._s.reference.level = float(np.median(transformed))
        off = float(np.median(np.abs(transformed - self._s.reference.level))) * 1.4826
        self._s.spread = max(off, 0.01)
        step = max(float(np.median(np.abs(np.diff(transformed)))) * 1.0484, 1e-3)
        self._s.spreads = [min(step, self._s.spread), *[self._s.spread] * (len(SPANS_MS) - 1)]
        self._s.first = early[0][0]
        for at, value in early:
            self._learn(at, value)

    def _learn(self, at: int, value: float) -> None:
        residual = self._transformed(value) - self._s.reference.at(at)
        self._s.means = self._moved(at, residual)
        self._s.seen += 1
        step = max(1.0 / (self._s.seen + 10.0), 0.001)
        for i, mean in enumerate(self._s.means):
            size = abs(mean)
            self._s.tails[i].learn(size / self._s.spreads[i])
            # Mean absolute deviations, clipped: 1.25 of them are a standard deviation of a Gaussian.
            self._s.spreads[i] += step * (1.25 * min(size, 4.0 * self._s.spreads[i]) - self._s.spreads[i])
            self._s.spreads[i] = max(self._s.spreads[i], 1e-3)
        self._s.spread += step * (1.25 * min(abs(residual), 4.0 * self._s.spread) - self._s.spread)
        self._s.spread = max(self._s.spread, 1e-3)
        widest = 4.0 * self._s.spread
        clipped, before = (min(max(one, -widest), widest) for one in (residual, self._s.last))
        self._s.products += step * (clipped * before - self._s.products)
        self._s.squares += step * (clipped * clipped - self._s.squares)
        self._s.last, self._s.latest = residual, at
        most = HUBER * (self._s.reference.anchor_spread or self._s.spread)
        self._follow(at, min(max(residual, -most), most), step)

    def _follow(self, at: int, held: float, step: float) -> None:
        """Move the reference a little; the shape learns what the hour explains, the level the rest, on its leash."""
        reference = self._s.reference
        slot = at % DAY_MS * SLOTS // DAY_MS
        reference.seen[slot] += 1.0
        reference.shape[slot] += held / max(reference.seen[slot] + 2.0, 2.0)
        mean = sum(reference.shape) / SLOTS
        reference.shape = [value - mean for value in reference.shape]
        reference.level += step * held
        if reference.anchor is None and self._s.first is not None and at - self._s.first >= self.days * DAY_MS:
            reference.anchor, reference.anchor_spread = reference.level, self._s.spread
        if reference.anchor is not None:
            reach = self.leash * reference.anchor_spread
            reference.level = min(max(reference.level, reference.anchor - reach), reference.anchor + reach)

    def _moved(self, at: int, residual: float) -> list[float]:
        """The running means after one more value; the first is the innovation."""
        passed = 0 if self._s.latest is None else max(at - self._s.latest, 0)
        correlation = min(max(self._s.products / self._s.squares, 0.0), 0.97) if self._s.squares > 0 else 0.0
        means = [residual - correlation * self._s.last]
        residual = min(max(residual, -CLIP * self._s.spread), CLIP * self._s.spread)
        for span, mean in zip(SPANS_MS[1:], self._s.means[1:], strict=True):
            means.append(mean + (1.0 - math.exp(-passed / span)) * (residual - mean))
        return means

    def _transformed(self, value: float) -> float:
        return math.asinh(value / self._s.scale)
