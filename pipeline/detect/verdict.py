"""One span judged: residuals of cohorts in, evidence in nats for every scope and channel out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models import likelihood
from models.contrast import Solution
from models.tails import tempered_part
from pipeline.detect.judged import Judged, Residuals, main_channels
from pipeline.detect.lattice import CROSSED, NESTED, Lattice

Floats: TypeAlias = NDArray[np.float64]

MATERIAL_SHIFT: Final = float(np.log(1.04))
"""A smaller change of latency is no news; materiality is asked of the estimate, not built into the null."""
MATERIAL_RATE: Final = 0.10
OWN_PART: Final = 0.5
"""What part of that a scope must be off by itself: what only its siblings' fall makes stand out is no news of it."""
WEAK_PRIOR: Final = 0.2
"""A change shows in a signal with this probability: what the weak pattern starts from."""
WEAK_SHARE: Final = 0.6
"""What part of the signals' joint evidence counts: they share moods."""
WEAK_SIGNALS: Final = 2
"""Fewer signals than these are no pattern of signals."""
NOTHING: Final = -50.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a span says of one node, by judged channel: nats, effect (log scale; of a share its relative excess), its
    information."""

    node: int
    score: Floats
    effect: Floats
    c: Floats

    @property
    def strongest(self) -> float:
        return float(self.score.max())


class Verdict:
    """What one span says. Arrays [nodes, judged channels].

    Attributes:
        own: excess of each node with nothing taken out.
        plain: with no incident known.
    """

    def __init__(
        self, lattice: Lattice, judged: Sequence[Judged], residual: Residuals, variances: Floats, tails: Floats
    ) -> None:
        """`variances`: [judged, levels]. `tails`: [judged] 1 / degrees of freedom, see `models.tails`."""
        self.lattice = lattice
        self.judged = judged
        self.residual = residual
        self.tails = tails
        structure = lattice.structure
        nested, crossed = len(NESTED), len(CROSSED)
        self.solution: Solution = structure.solve(
            residual.value,
            residual.sampling,
            variances[:, :nested],
            variances[:, nested : nested + crossed],
            variances[:, -1],
        )
        self.rates = np.array([not one.channel.is_shift for one in judged])
        self.least = np.where(self.rates, MATERIAL_RATE, MATERIAL_SHIFT)
        plain = np.array([not one.against for one in judged])  # a contrast takes out moods that stand in its own excess
        self.own_least = np.where(plain, OWN_PART * self.least, 0.0)
        raw = np.where(residual.weight > 0, residual.own * residual.weight, 0.0)
        self.own: Floats = (structure.membership @ raw) / np.maximum(structure.membership @ residual.weight, 1e-12)
        self.together = main_channels(judged)
        self.plain = Given(self, self.solution.b, self.solution.c)

    def mood_part(self, channel: int, members: NDArray[np.intp], diagonal: Floats, days: Residuals | None) -> float:
        """The largest part that moods have in the variance of a member, or of a day of one: tails are theirs."""
        sampling = self.residual.sampling[members, channel]
        heard = np.isfinite(sampling)
        mood = np.maximum(1.0 / diagonal[heard] - sampling[heard], 0.0)
        noise = sampling[heard] if days is None else days.sampling[:, members, channel][:, heard]
        return float(np.max(mood / np.maximum(mood + noise, 1e-12), initial=0.0))

    def given(self, known: Sequence[int]) -> Given:
        """The same given that the nodes of known incidents have effects of their own: they are projected out."""
        if not known:
            return self.plain
        b, c = self.solution.b.copy(), self.solution.c.copy()
        membership = self.lattice.structure.membership
        for k in range(b.shape[1]):
            basis: list[tuple[Floats, float]] = []
            for node in known:
                with_node = membership @ self.solution.projection(node, k)
                for column, length in basis:
                    with_node = with_node - column * (column[node] / length)
                length = float(with_node[node])
                if length <= 1e-9:
                    continue
                basis.append((with_node, length))
                b[:, k] -= with_node * (b[node, k] / length)
                c[:, k] -= with_node**2 / length
        return Given(self, b, np.maximum(c, 0.0))


class Given:
    """The evidence of a verdict under what is known already.

    Attributes:
        b, c: [nodes, judged] sufficient statistics, see `models.contrast`.
        effect: b / c.
        score: [nodes, judged + 1] nats; the last one is the weak pattern. `NOTHING` where there is no material excess.
    """

    def __init__(self, verdict: Verdict, b: Floats, c: Floats) -> None:
        self.verdict = verdict
        self.b, self.c = b, c
        self.effect: Floats = np.divide(b, c, out=np.zeros_like(b), where=c > 1e-9)

    @cached_property
    def score(self) -> Floats:
        v = self.verdict
        nats = np.where(v.rates, likelihood.rate(self.b, self.c), likelihood.shift(self.b, self.c))
        rises = (self.effect > 0) & (v.own > 0)
        material = rises & (self.effect >= v.least) & (v.own >= v.own_least)
        single = np.where(material, nats, NOTHING)
        weak = self._weak(nats, rises, material)
        return np.concatenate((single, weak[:, None]), axis=1)

    def _weak(self, nats: Floats, rises: NDArray[np.bool_], material: NDArray[np.bool_]) -> Floats:
        """Signals of many kinds together; small ones count beside one that is material by itself."""
        v = self.verdict
        nats, rises = np.where(rises, nats, NOTHING)[:, v.together], rises[:, v.together]
        joint = WEAK_SHARE * likelihood.some_of(nats, WEAK_PRIOR)
        many = ((nats > 0) & rises).sum(axis=1) >= WEAK_SIGNALS
        return np.asarray(np.where(many & material[:, v.together].any(axis=1), joint, NOTHING))

    def reading(self, node: int) -> Reading:
        return Reading(node, self.score[node, :-1], self.effect[node], self.c[node])

    def explains(self, channels: Sequence[int]) -> Floats:
        """[nodes] log likelihood ratio of the best rise of each node in some channels together."""
        v = self.verdict
        pick = list(channels)
        b, c = self.b[:, pick], self.c[:, pick]
        peaks = np.where(v.rates[pick], likelihood.rate_peak(b, c), likelihood.shift_peak(b, c))
        return np.asarray(np.where(v.own[:, pick] > 0, peaks, 0.0).sum(axis=1))

    def capped(self, node: int, channel: int, days: Residuals | None) -> float:
        """The score of a node when a single cohort's day proves no more than days of this deployment can.

        Args:
            channel: a judged channel, or the last one: the weak pattern.
            days: for spans of several days, residuals by day, [days, leaves, judged].
        """
        v = self.verdict
        members = np.array(v.lattice.members[node])
        weak = channel == len(v.judged)
        channels = v.together if weak else [channel]
        rest: list[Floats] = []
        part = 1.0
        for k in channels:
            projection = v.solution.projection(node, k)[members]
            diagonal = np.maximum(v.solution.diagonal(k)[members], 1e-12)
            if v.judged[k].channel.signal == "tail":
                part = v.mood_part(k, members, diagonal, days)
            if days is None:
                less_b = self.b[node, k] - projection * v.solution.applied(k)[members] / diagonal
                less_c = self.c[node, k] - projection**2 / diagonal
            else:
                weight, value = days.weight[:, members, k], days.value[:, members, k]
                total = v.residual.weight[members, k]
                left = total - weight
                without = np.divide(
                    total * v.residual.value[members, k] - weight * value,
                    left,
                    out=np.zeros_like(weight),
                    where=left > 1e-9 * total,
                )
                less_b = (self.b[node, k] + projection * (without - v.residual.value[members, k])).ravel()
                less_c = np.full_like(less_b, self.c[node, k])
            pick = likelihood.rate if v.rates[k] else likelihood.shift
            rest.append(pick(less_b, np.maximum(less_c, 0.0)))
        stacked = np.stack(rest, axis=-1)
        left = WEAK_SHARE * likelihood.some_of(stacked, WEAK_PRIOR) if weak else stacked[..., 0]
        score = float(self.score[node, channel])
        without_best = min(max(float(np.min(left)), 0.0), score)
        return without_best + tempered_part(score - without_best, float(np.max(v.tails[channels])), part)
