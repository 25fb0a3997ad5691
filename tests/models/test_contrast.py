"""Generalised least squares on a lattice: the fast solution is that of the dense inverse."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models import contrast
from models.contrast import Floats, Solution, Structure

Leaf = tuple[int, int, int, int]
"""Operator, class, firmware, environment."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A lattice with residuals and variances for each of some channels."""

    leaves: list[Leaf]
    nodes: list[list[int]]
    nested: list[tuple[Hashable, ...]]
    crossed: list[list[Hashable]]
    residual: Floats
    sampling: Floats
    nested_variance: Floats
    crossed_variance: Floats
    leaf_variance: Floats

    def structure(self) -> Structure:
        return Structure(self.nested, self.crossed, self.nodes)

    def solve(self) -> Solution:
        return self.structure().solve(
            self.residual, self.sampling, self.nested_variance, self.crossed_variance, self.leaf_variance
        )

    def precision(self, channel: int) -> Floats:
        """Sigma^-1 by the dense inverse; a leaf without data has no part in it."""
        sampling = self.sampling[:, channel]
        heard = np.isfinite(sampling)
        sigma = np.diag(self.leaf_variance[channel] + np.where(heard, sampling, 0.0))
        for depth in range(3):
            groups = [leaf[: 3 - depth] for leaf in self.nested]
            sigma += self.nested_variance[channel, depth] * alike(groups)
        for level, labels in enumerate(self.crossed):
            sigma += self.crossed_variance[channel, level] * alike(labels)
        out = np.zeros_like(sigma)
        out[np.ix_(heard, heard)] = np.linalg.inv(sigma[np.ix_(heard, heard)])
        return out

    def indicator(self, node: int) -> Floats:
        out = np.zeros(len(self.leaves))
        out[self.nodes[node]] = 1.0
        return out


def alike(groups: Sequence[Hashable]) -> NDArray[np.bool_]:
    return np.array([[a == b for b in groups] for a in groups])


def problem(leaves: list[Leaf], channels: int, seed: int, missing: float = 0.0) -> Problem:
    """Every subset of the dimensions that occurs is a node; numbers are drawn."""
    leaves = sorted(leaves)
    nodes: dict[tuple[int, ...], None] = {}
    for mask in range(16):
        groups: dict[tuple[int | None, ...], list[int]] = {}
        for i, leaf in enumerate(leaves):
            groups.setdefault(tuple(leaf[d] if mask >> d & 1 else None for d in range(4)), []).append(i)
        nodes |= dict.fromkeys(tuple(group) for group in groups.values())
    draw = np.random.default_rng(seed)
    count = len(leaves)
    sampling = draw.uniform(0.001, 0.01, (count, channels))
    sampling[draw.random((count, channels)) < missing] = np.inf
    return Problem(
        leaves=leaves,
        nodes=[list(node) for node in nodes],
        nested=[(leaf[0], leaf[:2], leaf[:3]) for leaf in leaves],
        crossed=[
            [0] * count,
            [leaf[1] for leaf in leaves],
            [leaf[2] for leaf in leaves],
            [leaf[3] for leaf in leaves],
            [(leaf[0], leaf[3]) for leaf in leaves],
        ],
        residual=draw.normal(0.0, 0.05, (count, channels)),
        sampling=sampling,
        nested_variance=draw.uniform(1e-5, 2e-3, (channels, 3)),
        crossed_variance=draw.uniform(1e-5, 2e-3, (channels, 5)),
        leaf_variance=draw.uniform(1e-4, 2e-3, channels),
    )


def grid(operators: int, classes: int, firmwares: int, certified: int = 0) -> list[Leaf]:
    """A firmware belongs to a class; the first operators have two environments."""
    return [
        (operator, kind, 10 * kind + firmware, environment)
        for operator in range(operators)
        for kind in range(classes)
        for firmware in range(firmwares)
        for environment in range(2 if operator < certified else 1)
    ]


def assert_dense(of: Problem) -> None:
    solution = of.solve()
    for channel in range(of.residual.shape[1]):
        precision = of.precision(channel)
        applied = precision @ of.residual[:, channel]
        np.testing.assert_allclose(solution.applied(channel), applied, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(solution.diagonal(channel), precision.diagonal(), rtol=1e-6, atol=1e-7)
        for node in range(len(of.nodes)):
            one = of.indicator(node)
            assert solution.b[node, channel] == pytest.approx(one @ applied, rel=1e-6, abs=1e-6)
            assert solution.c[node, channel] == pytest.approx(one @ precision @ one, rel=1e-6, abs=1e-6)
            np.testing.assert_allclose(solution.projection(node, channel), precision @ one, rtol=1e-6, atol=1e-7)


leaves = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 3), st.integers(0, 1))


@settings(max_examples=40)
@given(st.lists(leaves, min_size=1, max_size=12, unique=True), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3]))
def test_the_solution_is_that_of_the_dense_inverse_on_any_lattice(names: list[Leaf], seed: int, missing: float) -> None:
    assert_dense(problem(names, channels=2, seed=seed, missing=missing))


def test_channels_solved_in_several_chunks_are_the_same_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    of = problem(grid(3, 2, 2, certified=1), channels=7, seed=1)
    whole = of.solve()
    monkeypatch.setattr(contrast, "CHUNK_ELEMENTS", 2 * len(of.leaves) * len(of.structure().crossed_level))
    parts = of.solve()
    np.testing.assert_allclose(parts.b, whole.b)
    np.testing.assert_allclose(parts.c, whole.c)
    for channel in range(7):
        np.testing.assert_allclose(parts.projection(3, channel), whole.projection(3, channel))
        np.testing.assert_allclose(parts.diagonal(channel), whole.diagonal(channel))
        np.testing.assert_allclose(parts.applied(channel), whole.applied(channel))


def test_a_leaf_without_data_has_no_say_whatever_its_residual() -> None:
    of = problem(grid(2, 2, 2), channels=1, seed=3)
    of.sampling[2] = np.inf
    for nonsense in (0.0, 1e9, np.nan):
        of.residual[2] = nonsense
        assert_dense(problem_with(of, residual=np.where(np.isnan(of.residual), 0.0, of.residual)))
        solution = of.solve()
        assert np.isfinite(solution.b).all()
        assert solution.applied(0)[2] == 0.0


def problem_with(of: Problem, residual: Floats) -> Problem:
    return Problem(
        of.leaves, of.nodes, of.nested, of.crossed, residual, of.sampling,
        of.nested_variance, of.crossed_variance, of.leaf_variance,
    )  # fmt: skip


def test_a_node_in_which_nobody_was_heard_has_no_information() -> None:
    of = problem(grid(2, 2, 2), channels=1, seed=4)
    node = next(i for i, members in enumerate(of.nodes) if len(members) == 1)
    of.sampling[of.nodes[node]] = np.inf
    solution = of.solve()
    assert solution.c[node, 0] == pytest.approx(0.0, abs=1e-9)
    assert solution.b[node, 0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("together", ["all", "operator"])
def test_siblings_excuse_a_shock_that_they_share(together: str) -> None:
    """With a shared mood far larger than anything of one's own, what all have alike says nothing of a single one."""
    names = grid(3, 3, 3)
    of = problem(names, channels=1, seed=5)
    of.sampling[:] = 0.001
    of.nested_variance[:] = 1e-5
    of.crossed_variance[:] = 1e-5
    of.leaf_variance[:] = 1e-4
    if together == "all":
        of.crossed_variance[0, 0] = 1.0
        shocked = list(range(len(names)))
    else:
        of.nested_variance[0, 2] = 1.0
        shocked = [i for i, leaf in enumerate(of.leaves) if leaf[0] == 1]
    of.residual[:] = 0.0
    of.residual[shocked] = 0.2
    firmware = of.nodes.index([i for i, leaf in enumerate(of.leaves) if leaf[0] == 1 and leaf[2] == 11])
    excused = of.solve()
    assert abs(excused.b[firmware, 0] / excused.c[firmware, 0]) < 0.005
    of.residual[of.nodes[firmware]] += 0.2
    found = of.solve()
    assert found.b[firmware, 0] / found.c[firmware, 0] == pytest.approx(0.2, abs=0.02)


def test_leaves_of_one_group_must_stand_together() -> None:
    scattered = [(0, (0, 0), (0, 0, 0)), (1, (1, 0), (1, 0, 0)), (0, (0, 1), (0, 1, 0))]
    with pytest.raises(ValueError, match="must stand together, but level 1 is scattered"):
        Structure(scattered, [[0, 0, 0]], [[0], [1], [2]])
