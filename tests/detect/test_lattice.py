"""Scopes: each set of cohorts once."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.detect.lattice import LEVELS, MAIN_SHARE, Lattice, levels_of
from pipeline.observation import DIMENSIONS, Cohort

cohorts = st.lists(
    st.builds(
        Cohort,
        st.sampled_from(["altura", "norvik"]),
        st.sampled_from(["stb", "tv", "stick"]),
        st.sampled_from(["1.0", "1.1", "unknown"]),
        st.sampled_from(["production", "certification"]),
    ),
    min_size=1,
    max_size=15,
    unique=True,
)
ALL_SUBSETS = list(chain.from_iterable(combinations(DIMENSIONS, depth) for depth in range(len(DIMENSIONS) + 1)))


@settings(max_examples=50)
@given(cohorts)
def test_every_set_of_cohorts_stands_once_under_its_shallowest_name(of: list[Cohort]) -> None:
    lattice = Lattice(of)
    depth: dict[frozenset[Cohort], int] = {}
    for cohort in of:
        for names in ALL_SUBSETS:
            members = frozenset(o for o in of if all(getattr(o, name) == getattr(cohort, name) for name in names))
            depth[members] = min(depth.get(members, len(DIMENSIONS)), len(names))
    found = {
        frozenset(lattice.cohorts[leaf] for leaf in members): len(scope)
        for members, scope in zip(lattice.members, lattice.scopes, strict=True)
    }
    assert len(found) == len(lattice.scopes)
    assert found == depth
    assert lattice.depth.tolist() == [len(scope) for scope in lattice.scopes]


@settings(max_examples=50)
@given(cohorts)
def test_the_members_of_a_scope_are_the_cohorts_it_contains(of: list[Cohort]) -> None:
    lattice = Lattice(of)
    for scope, members in zip(lattice.scopes, lattice.members, strict=True):
        contained = [leaf for leaf, cohort in enumerate(lattice.cohorts) if lattice.contains(scope, cohort)]
        assert list(members) == contained


@settings(max_examples=50)
@given(cohorts)
def test_any_name_of_a_scope_leads_to_its_cohorts(of: list[Cohort]) -> None:
    lattice = Lattice(of)
    for cohort in of:
        for names in ALL_SUBSETS:
            scope = tuple((name, getattr(cohort, name)) for name in names)
            members = [leaf for leaf, o in enumerate(lattice.cohorts) if lattice.contains(scope, o)]
            assert list(lattice.members[lattice.node[scope]]) == members


@settings(max_examples=50)
@given(cohorts)
def test_the_shares_of_the_budget_sum_to_one(of: list[Cohort]) -> None:
    assert np.exp(Lattice(of).log_weight).sum() == pytest.approx(1.0)


def test_scopes_of_one_dimension_at_most_have_the_larger_share() -> None:
    lattice = Lattice(Cohort(o, k, f, e) for o in "ab" for k in "cd" for f in (k + "1", k + "2") for e in "pq")
    weight = np.exp(lattice.log_weight)
    assert weight[lattice.depth <= 1].sum() == pytest.approx(MAIN_SHARE)


@settings(max_examples=30)
@given(cohorts)
def test_relabelling_cohorts_relabels_scopes_and_nothing_else(of: list[Cohort]) -> None:
    def renamed(cohort: Cohort) -> Cohort:
        return cohort._replace(operator=cohort.operator[::-1], firmware="fw-" + cohort.firmware)

    def by_members(lattice: Lattice) -> dict[frozenset[Cohort], tuple[int, float]]:
        return {
            frozenset(lattice.cohorts[leaf] for leaf in members): (len(scope), round(float(weight), 9))
            for members, scope, weight in zip(lattice.members, lattice.scopes, lattice.log_weight, strict=True)
        }

    before = by_members(Lattice(of))
    after = by_members(Lattice([renamed(cohort) for cohort in of]))
    assert after == {frozenset(renamed(cohort) for cohort in members): said for members, said in before.items()}


def test_the_order_in_which_cohorts_are_given_does_not_matter() -> None:
    of = [Cohort(o, k, f) for o in "ba" for k in "dc" for f in "21"]
    one, other = Lattice(of), Lattice(reversed(of))
    assert one.cohorts == other.cohorts
    assert one.scopes == other.scopes
    assert one.members == other.members


def test_a_single_cohort_is_the_whole_fleet() -> None:
    lattice = Lattice([Cohort("altura", "stb")])
    assert lattice.scopes == [()]
    assert lattice.node[("operator", "altura"),] == 0


def test_a_cohort_has_a_group_at_every_level_and_its_own_at_the_last() -> None:
    cohort = Cohort("altura", "stb", "1.0", "production")
    groups = levels_of(cohort)
    assert len(groups) == len(LEVELS)
    assert groups[-1] == cohort
