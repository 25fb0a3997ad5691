"""One span of a small fleet, counted to the letter: everything as expected, but for what is planted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.detect.channels import Channel, ChannelTable
from pipeline.detect.judged import Floats, Judged, Residuals, judged_channels, residuals
from pipeline.detect.lattice import Lattice, Scope
from pipeline.detect.moods import PRIOR_TAIL, Moods
from pipeline.detect.verdict import Given, Verdict
from tests.detect.planted import FLEET, SPREAD

TABLE: Final = ChannelTable(("playback_start", "stall"))
CHANNELS: Final = TABLE.channels
SHIFT: Final = np.array([channel.is_shift for channel in CHANNELS])
JUDGED: Final = judged_channels(CHANNELS)
UNITS: Final = 20_000.0
SHARE: Final = 0.02


def place(channel: Channel, *, against: bool = False) -> int:
    """Where a channel stands among `JUDGED`: by itself, or held against the other operations."""
    return next(i for i, one in enumerate(JUDGED) if one.channel == channel and bool(one.against) == against)


@dataclass(slots=True)
class Span:
    """What was counted; everything as expected until something is planted."""

    n: Floats
    x: Floats
    expected: Floats

    def raise_by(self, factor: float, channel: Channel, **scope: str) -> Span:
        at = CHANNELS.index(channel)
        for leaf, cohort in enumerate(FLEET):
            if all(getattr(cohort, name) == value for name, value in scope.items()):
                if channel.is_shift:
                    self.x[leaf, at] += np.log(factor) * self.n[leaf, at]
                else:
                    self.x[leaf, at] *= factor
        return self

    def residuals(self, judged: list[Judged] | None = None) -> Residuals:
        shape = self.n.shape
        return residuals(
            judged or JUDGED,
            self.n,
            self.x,
            self.expected,
            spread=np.where(SHIFT, np.full(shape, SPREAD), 0.0),
            mass=np.full(shape, 7 * UNITS),
            shift=SHIFT,
        )

    def verdict(self, explained: Sequence[Scope] = (), span: str = "1d", tail: float = PRIOR_TAIL) -> Given:
        """Judged by moods of which nothing is known yet. `explained`: scopes of known incidents."""
        lattice = Lattice(FLEET)
        variances = Moods().variances([one.mood for one in JUDGED], span)
        verdict = Verdict(lattice, JUDGED, self.residuals(), variances, np.full(len(JUDGED), tail))
        return verdict.given([lattice.node[scope] for scope in explained])


def as_usual(units: float = UNITS) -> Span:
    shape = (len(FLEET), len(CHANNELS))
    n = np.full(shape, units)
    expected = np.where(SHIFT, 0.0, SHARE * n)
    return Span(n, expected.copy(), expected)
