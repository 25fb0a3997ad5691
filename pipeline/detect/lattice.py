"""The lattice of scopes: every subset of the dimensions that occurs, each set of cohorts under its shallowest name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.contrast import Structure
from models.dispersion import Components
from pipeline.observation import DIMENSIONS, Cohort

Scope: TypeAlias = tuple[tuple[str, str], ...]
"""Some dimensions with their values, in the order of `DIMENSIONS`; empty: everything."""

NESTED: Final = ("operator x device_class x firmware", "operator x device_class", "operator")
"""Innermost first, as `models.contrast` takes them."""
CROSSED: Final = ("all", "device_class", "firmware", "environment", "operator x environment")
LEVELS: Final = (*NESTED, *CROSSED, "cohort")
"""The levels whose moods are measured; order of the columns of variances."""

MAIN_SHARE: Final = 0.6
"""Share of the false-alarm budget for scopes of a single dimension: most causes have one."""


def levels_of(cohort: Cohort) -> tuple[Hashable, ...]:
    """The group that a cohort belongs to at each of `LEVELS`."""
    return (
        cohort[:3],
        cohort[:2],
        cohort.operator,
        None,
        cohort.device_class,
        cohort.firmware,
        cohort.environment,
        (cohort.operator, cohort.environment),
        cohort,
    )


class Lattice:
    """Scopes of a set of cohorts, and the structures that judge them.

    Attributes:
        cohorts: sorted; the order of leaves.
        scopes: by node; `members[node]` are its leaves, ascending.
        depth: [nodes] number of dimensions named.
        log_weight: [nodes] log of each node's share of the false-alarm budget; the shares sum to 1.
    """

    def __init__(self, cohorts: Iterable[Cohort]) -> None:
        self.cohorts: list[Cohort] = sorted(cohorts)
        self.scopes: list[Scope] = []
        self.members: list[tuple[int, ...]] = []
        node_of: dict[tuple[int, ...], int] = {}
        self.node: dict[Scope, int] = {}
        kinds: list[tuple[int, ...]] = []
        for depth in range(len(DIMENSIONS) + 1):
            for dimensions in combinations(range(len(DIMENSIONS)), depth):
                groups: dict[tuple[str, ...], list[int]] = {}
                for leaf, cohort in enumerate(self.cohorts):
                    groups.setdefault(tuple(cohort[d] for d in dimensions), []).append(leaf)
                for values, leaves in groups.items():
                    members = tuple(leaves)
                    scope = tuple((DIMENSIONS[d], value) for d, value in zip(dimensions, values, strict=True))
                    if members not in node_of:
                        node_of[members] = len(self.scopes)
                        self.scopes.append(scope)
                        self.members.append(members)
                        kinds.append(dimensions)
                    self.node[scope] = node_of[members]
        self.depth: NDArray[np.intp] = np.array([len(scope) for scope in self.scopes])
        self.log_weight = _log_weights(kinds)
        levels = [levels_of(cohort) for cohort in self.cohorts]
        self.structure = Structure(
            nested=[(cohort.operator, cohort[:2], cohort[:3]) for cohort in self.cohorts],
            crossed=[[level[len(NESTED) + i] for level in levels] for i in range(len(CROSSED))],
            nodes=self.members,
        )
        self.components = Components([[level[i] for level in levels] for i in range(len(LEVELS))])

    @property
    def size(self) -> NDArray[np.float64]:
        """[nodes] number of leaves of each."""
        return np.diff(self.structure.membership.indptr).astype(np.float64)

    def indicator(self, node: int) -> NDArray[np.float64]:
        """[leaves] 1 for those of a node."""
        out = np.zeros(len(self.cohorts))
        out[list(self.members[node])] = 1.0
        return out

    def contains(self, scope: Scope, cohort: Cohort) -> bool:
        return all(getattr(cohort, name) == value for name, value in scope)


def _log_weights(kinds: Sequence[tuple[int, ...]]) -> NDArray[np.float64]:
    """Equal for each kind of scope, split within; `MAIN_SHARE` of all for those that name at most one dimension."""
    sizes = Counter(kinds)
    main = [kind for kind in sizes if len(kind) <= 1]
    other = [kind for kind in sizes if len(kind) > 1]
    share = {kind: (MAIN_SHARE if other else 1.0) / len(main) for kind in main}
    share |= {kind: (1.0 - MAIN_SHARE) / len(other) for kind in other}
    return np.log([share[kind] / sizes[kind] for kind in kinds])
