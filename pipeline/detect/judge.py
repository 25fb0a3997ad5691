"""Judges spans inside one budget: how sure is it that a scope and signal have changed, and which scope explains it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.dispersion import without_outliers
from models.snapshot import Plain
from models.tails import inverse_dof
from pipeline.detect.calibration import LOOK_NATS, Calibration
from pipeline.detect.channels import Channel
from pipeline.detect.history import BLOCKS, DAY_BLOCKS, SPANS, History, Span, Sums
from pipeline.detect.judged import Judged, Residuals, even, judged_channels, residuals
from pipeline.detect.lattice import CROSSED, NESTED, Lattice
from pipeline.detect.moods import MEASURED_SPANS, Moods
from pipeline.detect.references import References
from pipeline.detect.verdict import Given, Verdict

Floats: TypeAlias = NDArray[np.float64]

WEEK_MS: Final = 7 * 24 * 3_600_000
OVERSAMPLING: Final = 3.0
"""A span is judged so many times in its own length, and more: what that costs in false alarms, as a factor."""
FORMING_NATS: Final = 3.0
"""So far below the threshold a pattern is said to form."""
NEAR_NATS: Final = 2.0
"""What naming one more dimension must gain in likelihood."""
FULL_DAYS: Final = 1.0
"""An anchor younger than this knows no shape of the day and cannot judge."""
SETTLED_DAYS: Final = 7.0
MOOD_PART: Final = 0.2
"""Sampling variance, as a part of a mood's, below which a day shows the mood: more of it would hide the tails."""
TAIL_CAUTION: Final = 2.0
LEAST_TAIL: Final = 100
"""Cohort-days that say something of their tails."""


class Found(NamedTuple):
    """A node and channel that stand out; `net`: nats above the threshold."""

    node: int
    channel: int
    net: float


class Judge:
    """Holds the lattice of cohorts that have an anchor, and what has been measured of their moods.

    Args:
        weigh: how much each operation's channels matter, see `judged_channels`.

    Attributes:
        lattice: of those cohorts; None before there is one.
        rows: [leaves] the rows of `references` that are its leaves.
        judged: the channels that are judged.
    """

    def __init__(
        self,
        references: References,
        history: History,
        false_pages_per_week: float,
        weigh: Callable[[Channel], float] = even,
    ) -> None:
        self._references = references
        self._history = history
        self._budget = false_pages_per_week
        self._weigh = weigh
        self.moods = Moods()
        self.calibration = Calibration()
        self.lattice: Lattice | None = None
        self.rows: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self.judged: list[Judged] = []
        self._judged_of = 0
        """Number of channels that `judged` was made of."""

    def ready(self) -> bool:
        """Bring the lattice up to the cohorts that have an anchor; is there anything to judge?"""
        references = self._references
        known = np.flatnonzero((references.days >= FULL_DAYS) & (references.mass > 0).any(axis=1))
        if len(known) == 0:
            return False
        if self.lattice is None or not np.array_equal(known, np.sort(self.rows)):
            order = sorted(known.tolist(), key=lambda row: references.cohorts[row])
            self.rows = np.array(order, dtype=np.intp)
            self.lattice = Lattice(references.cohorts[row] for row in order)
        if len(references.channels) != self._judged_of:
            self._judged_of = len(references.channels)
            self.judged = judged_channels(references.channels, self._weigh)
        return True

    def verdict(self, span: Span, totals: Sums | None = None) -> Verdict:
        """What a span says; `totals`: its sums, where they are at hand."""
        assert self.lattice is not None
        kinds = [one.mood for one in self.judged]
        day = np.stack([self.moods.day(kind) for kind in kinds])
        days = float(np.median(self._references.days[self.rows]))
        return Verdict(
            self.lattice,
            self.judged,
            self._residuals(self._history.totals(self.rows, span) if totals is None else totals),
            self.moods.variances(kinds, span.name) + day / max(days, 1.0),
            np.array([self.moods.tail(kind) for kind in kinds]),
        )

    def days(self, span: Span) -> Residuals | None:
        """Residuals of whole days at every half day, [days, leaves, judged]: what the cap takes out of longer spans."""
        if span.ms <= WEEK_MS // 7:
            return None
        found = [self._residuals(day) for day in self._history.days(self.rows, span)]
        names = ("value", "sampling", "weight", "own")
        return Residuals(*(np.stack([getattr(one, name) for one in found]) for name in names))

    def price(self, span: Span) -> float:
        """Nats that a span must pay: it is judged so many times a week, and the budget is for all of them together."""
        return float(np.log(len(SPANS) * OVERSAMPLING * (WEEK_MS / span.ms) / self._budget)) + self.calibration.offset

    def toll(self, span: Span) -> Floats:
        """[nodes, judged + 1] nats that each scope and channel must pay."""
        assert self.lattice is not None
        kinds = np.array([one.log_weight for one in self.judged])
        weak = np.log1p(-np.exp(kinds).sum())
        return np.asarray(self.price(span) - self.lattice.log_weight[:, None] - np.append(kinds, weak)[None, :])

    def strongest(
        self, given: Given, span: Span, days: Residuals | None, news: NDArray[np.bool_] | None = None
    ) -> Found | None:
        """The strongest finding near the threshold, among those that are `news` ([nodes, judged + 1]; None: all)."""
        net = given.score - self.toll(span)
        if news is not None:
            net = np.where(news, net, -np.inf)
        candidates = np.argwhere(net > -LOOK_NATS - max(self.calibration.offset, 0.0))
        best: Found | None = None
        for node, channel in sorted(candidates.tolist(), key=lambda at: -net[at[0], at[1]]):
            if best is not None and net[node, channel] <= best.net:
                break
            capped = given.capped(node, channel, days)
            value = float(net[node, channel] - given.score[node, channel] + capped)
            if best is None or value > best.net:
                best = Found(node, channel, value)
        return best

    def pass_time(self, ms: int, quiet: bool) -> None:
        """So much time has gone by; only when it is quiet and judged by full anchors does it say what false alarms look
        like."""
        if quiet and self._is_settled():
            self.calibration.pass_time(ms, self._budget)

    def _is_settled(self) -> bool:
        days = self._references.days[self.rows]
        return bool(self.moods.measured) and float(np.median(days)) >= SETTLED_DAYS

    def sight(self, found: Found, at: int) -> str | None:
        """Note a finding of quiet times that came near the nominal threshold; under which name, if it was noted."""
        assert self.lattice is not None
        if not self._is_settled() or found.net + self.calibration.offset <= -LOOK_NATS:
            return None
        channel = self.judged[found.channel].name if found.channel < len(self.judged) else "weak"
        what = f"{self.lattice.scopes[found.node]} {channel}"
        self.calibration.sight(what, at)
        return what

    def channels_of(self, given: Given, node: int, channel: int) -> list[int]:
        """Judged channels that a finding rests on: itself, or those that make up the weak pattern."""
        if channel < len(self.judged):
            return [channel]
        return [k for k in given.verdict.together if given.effect[node, k] > 0 and given.verdict.own[node, k] > 0]

    def plausible(self, given: Given, channels: Sequence[int]) -> Floats:
        """[nodes] how well each scope explains the deviation in some channels: its log likelihood ratio and log prior,
        less what naming dimensions costs."""
        assert self.lattice is not None
        return np.asarray(given.explains(channels) + self.lattice.log_weight - NEAR_NATS * self.lattice.depth)

    def related(self, node: int) -> NDArray[np.intp]:
        """Scopes above and below a node, itself included."""
        assert self.lattice is not None
        own = self.lattice.indicator(node)
        inside = self.lattice.structure.membership @ own
        size = self.lattice.size
        return np.flatnonzero((inside == size) | (inside == size[node]))

    # -- measuring ---------------------------------------------------------------------------------------------------

    def measure(self, blocks: int = BLOCKS) -> None:
        """Over the last `blocks` of blocks, at most a week: how far does each level wander within four hours and a day?

        Fewer days are fewer degrees of freedom, and leave more to the prior.
        """
        assert self.lattice is not None
        operators = [cohort.operator for cohort in self.lattice.cohorts]
        for name, length in MEASURED_SPANS.items():
            found = [self._residuals(part) for part in self._history.parts(self.rows, length, length, blocks)]
            value = np.stack([one.value for one in found])
            sampling = np.stack([one.sampling for one in found])
            count = len(found)
            for kind in sorted({one.mood for one in self.judged}):
                columns = [i for i, one in enumerate(self.judged) if one.mood == kind]
                guess = float(self.moods.day(kind)[-1])
                off, noise = (np.concatenate([array[:, :, i] for i in columns]) for array in (value, sampling))
                noise = without_outliers(off, noise, guess, operators)
                variance = self.lattice.components.fit(off, noise, guess)
                # The level was fitted on the same days: what is left of them is too calm by this much.
                dof = self.lattice.components.groups * float(count - 1)
                self.moods.measured[kind, name] = (variance * count / (count - 1), dof)
            if length == DAY_BLOCKS:
                self._measure_tails(found)

    def _measure_tails(self, days: list[Residuals]) -> None:
        """Deleted residuals of cohorts whose day is mood rather than sampling: how heavy are their tails?"""
        assert self.lattice is not None
        kinds = [one.mood for one in self.judged]
        variances = self.moods.variances(kinds, "1d")
        nested, crossed = len(NESTED), len(CROSSED)
        z: dict[str, list[Floats]] = defaultdict(list)
        for day in days:
            solution = self.lattice.structure.solve(
                day.value,
                day.sampling,
                variances[:, :nested],
                variances[:, nested : nested + crossed],
                variances[:, -1],
            )
            for i, kind in enumerate(kinds):
                telling = day.sampling[:, i] < MOOD_PART * variances[i, -1]
                diagonal = np.maximum(solution.diagonal(i)[telling], 1e-12)
                z[kind].append(solution.applied(i)[telling] / np.sqrt(diagonal))
        for kind, parts in sorted(z.items()):
            values = np.concatenate(parts)
            if len(values) >= LEAST_TAIL:
                self.moods.tails[kind] = inverse_dof(values, TAIL_CAUTION)

    def _residuals(self, sums: Sums) -> Residuals:
        references, rows = self._references, self.rows
        return residuals(
            self.judged,
            sums.n,
            sums.x,
            sums.expected,
            references.spread[rows],
            references.mass[rows],
            references.shift,
            references.beyond_body(np.ix_(rows, np.arange(sums.n.shape[1])), sums.n, sums.x, sums.expected),
        )

    def snapshot(self) -> Plain:
        return {"moods": self.moods.snapshot(), "calibration": self.calibration.snapshot()}

    def restore(self, state: Plain) -> None:
        self.moods.restore(state["moods"])
        self.calibration.restore(state["calibration"])
        self.lattice = None
        self._judged_of = 0
