"""One span judged: residuals of cohorts in, evidence in nats for every scope and channel out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models import likelihood
from models.contrast import Solution
from pipeline.detect.channels import COHORT_RATES, EVERY, OPERATION_RATES, OPERATION_SIGNALS, Channel
from pipeline.detect.lattice import CROSSED, NESTED, Lattice

Floats: TypeAlias = NDArray[np.float64]

MATERIAL_SHIFT: Final = float(np.log(1.04))
"""A smaller change of latency is no news; materiality is asked of the estimate, not built into the null."""
MATERIAL_RATE: Final = float(np.log(1.10))
CAP_NATS: Final = 6.0
"""The most that one cohort's day may prove by itself, where the deployment's days have heavy tails."""
WEAK_SHARE: Final = 0.6
"""What part of the signals' joint evidence counts: they share moods."""
NOTHING: Final = -50.0

KINDS: Final = ("latency", *OPERATION_RATES, *COHORT_RATES)
"""Kinds of signal that can page; each has an equal share of the budget, beside the weak pattern of all."""
TAIL_PART: Final = 0.3
POOLED_PART: Final = 0.5


class Judged(NamedTuple):
    """A channel that is judged: one column, or a signal pooled over the operations."""

    channel: Channel
    columns: tuple[int, ...]
    log_weight: float

    @property
    def kind(self) -> str:
        return self.channel.reported_signal


def judged_channels(channels: Sequence[Channel]) -> list[Judged]:
    """What to judge, with each one's log share of the budget; the weak pattern has the rest."""
    share = 1.0 / (len(KINDS) + 1)
    column = {channel: i for i, channel in enumerate(channels)}
    operations = list(dict.fromkeys(channel.operation for channel in channels if channel.operation != EVERY))
    out = [
        Judged(Channel(EVERY, signal), (column[Channel(EVERY, signal)],), float(np.log(share)))
        for signal in COHORT_RATES
    ]
    for signal in OPERATION_SIGNALS:
        part = share * ({"latency": 1.0 - TAIL_PART, "tail": TAIL_PART}.get(signal, 1.0))
        columns = tuple(column[Channel(operation, signal)] for operation in operations)
        if len(operations) > 1:
            out.append(Judged(Channel(EVERY, signal), columns, float(np.log(part * POOLED_PART))))
            part *= 1.0 - POOLED_PART
        out += [
            Judged(Channel(operation, signal), (at,), float(np.log(part / len(operations))))
            for operation, at in zip(operations, columns, strict=True)
        ]
    return out


@dataclass(frozen=True, slots=True)
class Residuals:
    """[leaves, judged channels]: deviation on the log scale, its sampling variance (infinite: no data), its weight
    (units of a shift, expected hits of a share)."""

    value: Floats
    sampling: Floats
    weight: Floats


def residuals(
    judged: Sequence[Judged],
    n: Floats,
    x: Floats,
    expected: Floats,
    spread: Floats,
    mass: Floats,
    shift: NDArray[np.bool_],
) -> Residuals:
    """Pool columns into judged channels. All arrays [leaves, columns]; sums over the span, and the anchors'."""
    known = (mass > 0) & (n > 0) & (shift | (expected > 0))
    weight = np.where(known, np.where(shift, n, expected), 0.0)
    off = np.where(known, x - expected, 0.0)
    share = np.divide(expected, n, out=np.zeros_like(n), where=n > 0)
    noise = np.where(known, np.where(shift, n * spread, expected * (1.0 - np.clip(share, 0.0, 0.9))), 0.0)
    solid = np.maximum(mass, 1e-9)
    noise = noise + weight**2 * np.where(known, np.where(shift, spread, 1.0) / solid, 0.0)
    pool = np.zeros((n.shape[1], len(judged)))
    for i, one in enumerate(judged):
        pool[list(one.columns), i] = 1.0
    total = weight @ pool
    some = total > 0
    safe = np.where(some, total, 1.0)
    return Residuals((off @ pool) / safe, np.where(some, (noise @ pool) / safe**2, np.inf), total)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a span says of one node, by judged channel: nats, effect on the log scale, its information."""

    node: int
    score: Floats
    effect: Floats
    c: Floats

    @property
    def strongest(self) -> float:
        return float(self.score.max())


class Verdict:
    """What one span says. Arrays [nodes, judged channels (+ 1, the weak pattern)].

    Attributes:
        score: nats, capped and conditioned; `NOTHING` where there is no material excess.
        effect: estimated deviation on the log scale, given everything around it.
        information: of that estimate (1 / variance).
    """

    def __init__(
        self,
        lattice: Lattice,
        judged: Sequence[Judged],
        residual: Residuals,
        variances: Floats,
        explained: Sequence[int],
    ) -> None:
        """`explained`: nodes of known incidents, whose effects are taken out first."""
        self.lattice = lattice
        self.judged = judged
        self.residual = residual
        structure = lattice.structure
        nested, crossed = len(NESTED), len(CROSSED)
        self.solution: Solution = structure.solve(
            residual.value,
            residual.sampling,
            variances[:, :nested],
            variances[:, nested : nested + crossed],
            variances[:, -1],
        )
        self._rates = np.array([not one.channel.is_shift for one in judged])
        self.plain_b, self.plain_c = self.solution.b, self.solution.c
        self.b, self.c = self._without(explained)
        self.effect: Floats = np.divide(self.b, self.c, out=np.zeros_like(self.b), where=self.c > 1e-9)
        raw = np.where(residual.weight > 0, residual.value * residual.weight, 0.0)
        self.own: Floats = (structure.membership @ raw) / np.maximum(structure.membership @ residual.weight, 1e-12)
        single = self._material(self._score(self.b, self.c), self.effect, self.own)
        self._together = self._main_channels()
        self.score: Floats = np.concatenate((single, self._weak(single)[:, None]), axis=1)

    def _material(self, score: Floats, effect: Floats, own: Floats) -> Floats:
        """A score counts when the estimate is material and the scope itself is in excess, however far siblings fell."""
        least = np.where(self._rates, MATERIAL_RATE, MATERIAL_SHIFT)
        return np.where((effect >= least) & (own > 0), score, NOTHING)

    def reading(self, node: int, conditioned: bool) -> Reading:
        """One node; `conditioned` takes the effects of known incidents out first, as `score` does."""
        b, c = (self.b[node], self.c[node]) if conditioned else (self.plain_b[node], self.plain_c[node])
        effect = np.divide(b, c, out=np.zeros_like(b), where=c > 1e-9)
        return Reading(node, self._material(self._score(b, c), effect, self.own[node]), effect, c)

    def plain_score(self, channel: int) -> Floats:
        """[nodes] nats of one judged channel with nothing taken out."""
        b, c = self.plain_b, self.plain_c
        effect = np.divide(b, c, out=np.zeros_like(b), where=c > 1e-9)
        return self._material(self._score(b, c), effect, self.own)[:, channel]

    def _main_channels(self) -> list[int]:
        """One channel of each kind: the one over all operations, or the only one."""
        main: dict[str, int] = {}
        for i, one in enumerate(self.judged):
            if one.channel.signal == "tail":
                continue
            if one.kind not in main or one.channel.operation == EVERY:
                main.setdefault(one.kind, i)
        return list(main.values())

    def _score(self, b: Floats, c: Floats) -> Floats:
        """[..., judged] nats of a rise."""
        return np.where(self._rates, likelihood.rate(b, c), likelihood.shift(b, c))

    def _weak(self, single: Floats) -> Floats:
        return np.asarray(WEAK_SHARE * np.maximum(single[..., self._together], 0.0).sum(axis=-1))

    def _without(self, explained: Sequence[int]) -> tuple[Floats, Floats]:
        """b and c given that known incidents have effects of their own (they are projected out, one by one)."""
        b, c = self.plain_b, self.plain_c
        if not explained:
            return b, c
        b, c = b.copy(), c.copy()
        membership = self.lattice.structure.membership
        for k in range(b.shape[1]):
            basis: list[tuple[Floats, float]] = []
            for node in explained:
                with_node = membership @ self.solution.projection(node, k)
                for column, length in basis:
                    with_node = with_node - column * (column[node] / length)
                length = float(with_node[node])
                if length <= 1e-9:
                    continue
                basis.append((with_node, length))
                b[:, k] -= with_node * (b[node, k] / length)
                c[:, k] -= with_node**2 / length
        return b, np.maximum(c, 0.0)

    def capped(self, node: int, channel: int, days: Residuals | None) -> float:
        """The score of a node when no single cohort-day may prove more than `CAP_NATS`.

        Args:
            channel: a judged channel, or the last one: the weak pattern.
            days: for spans of several days, residuals by day, [days, leaves, judged].
        """
        members = np.array(self.lattice.members[node])
        channels = self._together if channel == len(self.judged) else [channel]
        rest: list[Floats] = []
        for k in channels:
            projection = self.solution.projection(node, k)[members]
            if days is None:
                diagonal = np.maximum(self.solution.diagonal(k)[members], 1e-12)
                less_b = self.b[node, k] - projection * self.solution.applied(k)[members] / diagonal
                less_c = self.c[node, k] - projection**2 / diagonal
            else:
                weight, value = days.weight[:, members, k], days.value[:, members, k]
                total = self.residual.weight[members, k]
                left = total - weight
                without = np.divide(
                    total * self.residual.value[members, k] - weight * value,
                    left,
                    out=np.zeros_like(weight),
                    where=left > 1e-9 * total,
                )
                less_b = (self.b[node, k] + projection * (without - self.residual.value[members, k])).ravel()
                less_c = np.full_like(less_b, self.c[node, k])
            pick = likelihood.rate if self._rates[k] else likelihood.shift
            rest.append(np.maximum(pick(less_b, np.maximum(less_c, 0.0)), 0.0))
        factor = WEAK_SHARE if channel == len(self.judged) else 1.0
        without_best = float(np.min(factor * np.sum(rest, axis=0)))
        return min(float(self.score[node, channel]), without_best + CAP_NATS)
