"""Measurements that are aggregates already, one value a window: followed as series, beside the chain of counts.

They come in as series of their own (`seamwatch measure FILE.csv`), not as Observations: an Observation with a `count`
is a sum of attempts, and the chain knows what to do with it; a bare value is of unknown weight and has no siblings.

An episode is told once, and again when it has become clearly stronger. What was told fades, so that a change that
stays does not silence the series for good.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import msgspec

from models.season import DAY_MS
from models.series import SeriesDetector
from models.snapshot import Plain, expect_version

VERSION: Final = 1
WEEK_MS: Final = 7 * DAY_MS
FADES_MS: Final = 2 * DAY_MS
"""What was told is worth 1/e of its evidence after so long."""
STRONGER: Final = 1.3
"""Evidence must exceed what was told by this factor to be told again."""
CALM_MS: Final = DAY_MS // 4
"""An episode is over when nothing was above the threshold for so long."""
HALF_NATS: Final = 10.0
"""Evidence at which the score from 0 to 1 is one half."""


class Mark(msgspec.Struct, frozen=True):
    """What is said of one value."""

    at: int
    value: float
    expected: float | None
    """None while there is no reference yet."""
    nats: float
    """Evidence that is news: 0 when it has been told."""
    state: str
    """`calm`, `firing` (in this instant it began, or became clearly stronger), `told` (it goes on)."""

    @property
    def score(self) -> float:
        """News on a scale from 0 to 1."""
        return self.nats / (self.nats + HALF_NATS)


@dataclass(slots=True)
class _Told:
    nats: float = 0.0
    at: int | None = None
    above: int | None = None
    """When evidence was last above the threshold."""
    step_ms: float = 0.0
    """Usual distance of values."""


class SeriesWatch:
    """Follows one series.

    Args:
        false_alarms_per_week: the budget of this series. Evidence is minus the log of a share, so the threshold is
            the log of values a week over alarms a week.
    """

    def __init__(self, false_alarms_per_week: float = 0.5) -> None:
        if not false_alarms_per_week > 0.0:
            msg = f"a budget of false alarms is above 0, not {false_alarms_per_week}"
            raise ValueError(msg)
        self._budget = false_alarms_per_week
        self._model = SeriesDetector()
        self._told = _Told()

    @property
    def threshold(self) -> float:
        """Nats."""
        values = WEEK_MS / self._told.step_ms if self._told.step_ms > 0.0 else WEEK_MS / 60_000.0
        return math.log(max(values / self._budget, 1.0))

    def feed(self, at: int, value: float) -> Mark:
        """Score a value, then learn it; times in ms since the epoch, not falling."""
        told = self._told
        if told.at is not None and at > told.at:
            passed = float(at - told.at)
            told.nats *= math.exp(-passed / FADES_MS)
            # The least of the usual distances: gaps are longer, nothing is shorter.
            told.step_ms = min(told.step_ms, passed) if told.step_ms else passed
        told.at = at if told.at is None else max(told.at, at)
        features = {"at": at, "value": value}
        nats, expected = self._model.score_one(features), self._model.expected(at)
        self._model.learn_one(features)
        above = nats >= self.threshold
        news = nats if nats > STRONGER * told.nats else 0.0
        open_ = told.above is not None and at - told.above <= CALM_MS
        if above:
            told.above = at
        if news:
            told.nats = news
        state = "firing" if above and news else "told" if open_ or above else "calm"
        return Mark(at, value, expected if math.isfinite(expected) else None, news, state)

    def snapshot(self) -> Plain:
        return {
            "version": VERSION,
            "told": msgspec.to_builtins(self._told),
            "model": self._model.snapshot(),
        }

    def restore(self, state: Plain) -> None:
        """Become what a snapshot was taken of.

        Raises:
            SnapshotError: it is of another version.
        """
        expect_version(state, "the watch of a series", VERSION)
        model = SeriesDetector()
        model.restore(state["model"])
        self._told, self._model = msgspec.convert(state["told"], _Told), model
