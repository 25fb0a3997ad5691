"""Is this group off, given how everything around it moves? Generalised least squares on a lattice of groups.

The residual of leaf i over a span is modelled as

    r_i = delta * 1[i in node] + sum over levels j of u_j(group of i) + leaf mood + sampling noise

with independent effects of variance v_j for each group of level j ("all", "operator", "class", ...). For a node with
indicator 1_a and Sigma the covariance of r, the sufficient statistics of delta are

    b = 1_a' Sigma^-1 r        c = 1_a' Sigma^-1 1_a        (estimate b / c, variance 1 / c)

(generalised least squares; Henderson 1975). Siblings excuse a node exactly as far as the measured variances say that
they share its moods: nobody chooses a reference.

Sigma^-1 is never formed. Three of the levels are nested above the leaf, so that their part A of Sigma is inverted by
one rank-one correction a group; the crossed levels Z join by Woodbury's identity,
Sigma^-1 = A^-1 - U K^-1 U', U = A^-1 Z, K = diag(1/v) + Z'U. The cost is linear in leaves times crossed groups,
where a dense inverse is cubic in leaves.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.intp]

CHUNK_ELEMENTS: Final = 1_000_000
"""Channels are solved together as long as leaves x channels x crossed groups stay below this (8 MB, near a cache)."""
PRECISE_ELEMENTS: Final = 500_000
"""Leaves x crossed groups beyond which A^-1 Z is held in single precision: half the memory to go through, and its six
digits are more than variances have."""


def _starts(codes: Ints) -> Ints:
    """First index of each run of equal codes; codes are sorted."""
    return np.flatnonzero(np.concatenate(([True], codes[1:] != codes[:-1])))


@dataclass(frozen=True, slots=True)
class _Nest:
    """One nested level: groups are runs of the members below."""

    starts: Ints
    group: Ints

    @classmethod
    def of(cls, codes: Ints) -> _Nest:
        starts = _starts(codes)
        return cls(starts, np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(codes)))))

    def sum(self, values: Floats) -> Floats:
        return np.add.reduceat(values, self.starts, axis=0)


class Structure:
    """Which leaf belongs to which groups and nodes; rebuilt when leaves or nodes change, then solved many times.

    Args:
        nested: for each leaf its codes of the nested levels, outermost first, e.g. (operator, class, product);
            leaves of one group must stand together (sort them so).
        crossed: for each crossed level the group of each leaf; any hashable.
        nodes: the leaves (indices, ascending) of each node that is to be judged.
    """

    def __init__(
        self,
        nested: Sequence[tuple[Hashable, ...]],
        crossed: Sequence[Sequence[Hashable]],
        nodes: Sequence[Sequence[int]],
    ) -> None:
        self.leaves = len(nested)
        depth = len(nested[0])
        nests: list[_Nest] = []
        members: list[tuple[Hashable, ...]] = list(nested)
        for level in range(depth, 0, -1):
            prefixes = [member[:level] for member in members]
            codes = np.cumsum([0] + [int(a != b) for a, b in pairwise(prefixes)])
            if len(set(prefixes)) != codes[-1] + 1:
                msg = f"leaves of one group must stand together, but level {level} is scattered"
                raise ValueError(msg)
            nest = _Nest.of(codes.astype(np.intp))
            nests.append(nest)
            members = [prefixes[i] for i in nest.starts]
        self.nests: tuple[_Nest, ...] = tuple(nests)
        """Innermost first."""
        rows: list[int] = []
        columns: list[int] = []
        levels: list[int] = []
        for level, groups in enumerate(crossed):
            seen: dict[Hashable, int] = {}
            for leaf, group in enumerate(groups):
                if group not in seen:
                    seen[group] = len(levels)
                    levels.append(level)
                rows.append(leaf)
                columns.append(seen[group])
        self.crossed_level: Ints = np.array(levels, dtype=np.intp)
        self.z = sparse.csr_array(
            (np.ones(len(rows)), (np.array(rows, dtype=np.intp), np.array(columns, dtype=np.intp))),
            shape=(self.leaves, len(levels)),
        )
        single = self.leaves * len(levels) > PRECISE_ELEMENTS
        self.z_dense: NDArray[np.floating] = self.z.toarray().astype(np.float32 if single else np.float64)
        indices = np.concatenate([np.asarray(node, dtype=np.intp) for node in nodes])
        indptr = np.cumsum([0] + [len(node) for node in nodes])
        self.nodes = len(nodes)
        self.membership = sparse.csr_array((np.ones(len(indices)), indices, indptr), shape=(self.nodes, self.leaves))
        self.single_membership = self.membership.astype(self.z_dense.dtype)
        """In the precision of `z_dense`."""
        self.incidence: Ints = indices
        owner = np.repeat(np.arange(self.nodes), np.diff(indptr))
        # Runs of (node, group) among the incidences, level by level: 1_a' A^-1 1_a needs only these.
        self.runs: list[tuple[Ints, Ints, Ints]] = []
        at: Ints = indices
        for nest in nests:
            at = nest.group[at]
            new = np.concatenate(([True], (owner[1:] != owner[:-1]) | (at[1:] != at[:-1])))
            starts = np.flatnonzero(new)
            at, owner = at[starts], owner[starts]
            self.runs.append((starts, at, _starts(owner)))
        self.node_starts: Ints = indptr[:-1].astype(np.intp)

    def solve(self, residual: Floats, sampling: Floats, nested: Floats, crossed: Floats, leaf: Floats) -> Solution:
        """Solve for every channel at once.

        Args:
            residual: [leaves, channels]; ignored where `sampling` is infinite.
            sampling: [leaves, channels] sampling variance of each residual; infinite where there is no data.
            nested: [channels, nested levels] variances, innermost first.
            crossed: [channels, crossed levels] variances, > 0.
            leaf: [channels] variance of a leaf's own mood.
        """
        channels = residual.shape[1]
        step = max(1, CHUNK_ELEMENTS // max(1, self.leaves * len(self.crossed_level)))
        parts = [
            _solve(self, residual[:, k], sampling[:, k], nested[k], crossed[k], leaf[k])
            for k in (slice(i, i + step) for i in range(0, channels, step))
        ]
        return Solution(parts, step)


@dataclass(frozen=True, slots=True)
class _Level:
    """A nested level as it stands in one solution; arrays are [members or groups, channels]."""

    nest: _Nest
    leaf_group: Ints
    below: Floats
    """B^-1 1 for the matrix B of the levels further in, per leaf."""
    shrink: Floats
    """v / (1 + v W), W = 1' B^-1 1 of the group."""
    keep: Floats
    """1 / (1 + v W): what is left of a group's sum after its correction."""


@dataclass(frozen=True, slots=True)
class _Part:
    """The solution for a run of channels."""

    structure: Structure
    b: Floats  # [nodes, channels]
    c: Floats  # [nodes, channels]
    applied: Floats  # Sigma^-1 r, [leaves, channels]
    weight: Floats  # 1 / (leaf + sampling), [leaves, channels]
    levels: tuple[_Level, ...]
    k_inverse: Floats  # [channels, crossed, crossed]

    def nested(self, channel: int, y: Floats) -> Floats:
        """A^-1 y for one channel, y [leaves, any]."""
        one = slice(channel, channel + 1)
        levels = [_Level(x.nest, x.leaf_group, x.below[:, one], x.shrink[:, one], x.keep[:, one]) for x in self.levels]
        return np.asarray(_apply_nested(self.weight[:, one], levels, y))


def _apply_nested(weight: Floats, levels: Sequence[_Level], y: Any) -> Any:
    """A^-1 y for y [leaves, channels]; a trailing axis of `y` is carried along when the others have one, too.

    Up: what each group's sum is after the corrections further in. Down: the corrections of all levels added up before
    they reach the leaves, as a level's share in a leaf is weight times what the levels further in keep.
    """
    weighted = weight * y
    total, shares = weighted, []
    for level in levels:
        total = level.nest.sum(total)
        shares.append(level.shrink * total)
        total = level.keep * total
    correction = shares[-1]
    for inner, outer, share in zip(reversed(levels[:-1]), reversed(levels[1:]), reversed(shares[:-1]), strict=True):
        correction = share + inner.keep * correction[outer.nest.group]
    spread = correction[levels[0].nest.group]
    spread *= weight
    weighted -= spread
    return weighted


def _solve(s: Structure, residual: Floats, sampling: Floats, nested: Floats, crossed: Floats, leaf: Floats) -> _Part:
    weight = 1.0 / (leaf + sampling)  # infinite sampling variance: no voice
    r = np.where(weight > 0, residual, 0.0)
    levels: list[_Level] = []
    below, total = weight, weight
    leaf_group = np.arange(s.leaves)
    for depth, nest in enumerate(s.nests):
        total = nest.sum(total)
        keep = 1.0 / (1.0 + nested[:, depth] * total)
        leaf_group = nest.group[leaf_group]
        levels.append(_Level(nest, leaf_group, below, nested[:, depth] * keep, keep))
        below = below * keep[leaf_group]
        total = total * keep
    single = s.z_dense.dtype
    wide = [
        _Level(
            x.nest,
            x.leaf_group,
            x.below[..., None].astype(single),
            x.shrink[..., None].astype(single),
            x.keep[..., None].astype(single),
        )
        for x in levels
    ]
    u = _apply_nested(weight[..., None].astype(single), wide, s.z_dense[:, None, :])
    q = u.shape[2]
    k = np.asarray(s.z.T @ u.reshape(s.leaves, -1), dtype=np.float64).reshape(q, -1, q).transpose(1, 0, 2)
    k = k + (1.0 / crossed[:, s.crossed_level])[:, :, None] * np.eye(q)
    k_inverse = np.asarray(np.linalg.inv(k), dtype=np.float64)
    nested_r = _apply_nested(weight, levels, r)
    effects = np.einsum("kqp,kp->kq", k_inverse, np.asarray(s.z.T @ nested_r).T)
    applied = np.asarray(nested_r - _apply_nested(weight, levels, np.asarray(s.z @ effects.T)))
    h = np.asarray(s.single_membership @ u.reshape(s.leaves, -1)).reshape(s.nodes, -1, q)
    sums = weight[s.incidence]
    quadratic = np.add.reduceat(sums, s.node_starts, axis=0)
    for level, (starts, group, owners) in zip(levels, s.runs, strict=True):
        sums = np.add.reduceat(sums, starts, axis=0)
        quadratic = quadratic - np.add.reduceat(level.shrink[group] * sums**2, owners, axis=0)
        sums = level.keep[group] * sums
    narrow = k_inverse.astype(single)
    crossing = [np.einsum("aq,aq->a", h[:, i] @ narrow[i], h[:, i]) for i in range(h.shape[1])]
    c = quadratic - np.stack(crossing, axis=1)
    return _Part(s, s.membership @ applied, np.maximum(c, 0.0), applied, weight, tuple(levels), k_inverse)


class Solution:
    """The statistics of every node and channel, and what a judge may ask of single ones.

    Attributes:
        b, c: [nodes, channels]; see the module.
    """

    def __init__(self, parts: Sequence[_Part], step: int) -> None:
        self._parts = parts
        self._step = step
        self.b: Floats = np.concatenate([part.b for part in parts], axis=1)
        self.c: Floats = np.concatenate([part.c for part in parts], axis=1)

    def _part(self, channel: int) -> tuple[_Part, int]:
        return self._parts[channel // self._step], channel % self._step

    def projection(self, node: int, channel: int) -> Floats:
        """Sigma^-1 1_a, [leaves]: what each leaf's residual adds to b of the node."""
        part, k = self._part(channel)
        s = part.structure
        indicator = np.zeros((s.leaves, 1))
        indicator[s.membership.indices[s.membership.indptr[node] : s.membership.indptr[node + 1]]] = 1.0
        nested = part.nested(k, indicator)
        effects = part.k_inverse[k] @ np.asarray(s.z.T @ nested)
        return np.asarray(nested - part.nested(k, np.asarray(s.z @ effects)))[:, 0]

    def diagonal(self, channel: int) -> Floats:
        """Diagonal of Sigma^-1, [leaves]."""
        part, k = self._part(channel)
        out = part.weight[:, k].copy()
        for level in part.levels:
            out -= level.below[:, k] ** 2 * level.shrink[level.leaf_group, k]
        u = part.nested(k, part.structure.z.toarray())
        return np.asarray(out - np.einsum("iq,iq->i", u @ part.k_inverse[k], u))

    def applied(self, channel: int) -> Floats:
        """Sigma^-1 r, [leaves]."""
        part, k = self._part(channel)
        return part.applied[:, k]
