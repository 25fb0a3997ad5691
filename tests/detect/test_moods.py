"""How far cohorts wander with nothing wrong."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from pipeline.detect.history import SPANS
from pipeline.detect.judged import CONTRAST
from pipeline.detect.lattice import LEVELS
from pipeline.detect.moods import COHORT_FLOOR, FLOOR, PERSISTENCE, PRIOR_DOF, PRIOR_TAIL, Moods


@pytest.mark.parametrize("measured", [False, True])
def test_a_shorter_span_never_wanders_less_than_a_longer_one(measured: bool) -> None:
    moods = Moods()
    if measured:
        draw = np.random.default_rng(1)
        for span in ("2h", "4h", "1d"):
            moods.measured["failure", span] = (draw.uniform(0, 1e-2, len(LEVELS)), np.full(len(LEVELS), 40.0))
    by_span = [moods.variances(["failure"], span.name)[0] for span in SPANS]
    for shorter, longer in pairwise(by_span):
        assert (shorter >= longer - 1e-15).all()


def test_shares_wander_more_than_means_until_it_is_measured() -> None:
    shift, share = Moods().variances(["latency", "failure"], "1d")
    assert (share > shift).all()


def test_what_is_measured_weighs_by_the_degrees_of_freedom_it_rests_on() -> None:
    moods = Moods()
    before = moods.day("latency")
    quiet = np.full(len(LEVELS), 1e-6)
    days = []
    for dof in (1.0, 10.0, 100_000.0):
        moods.measured["latency", "1d"] = (quiet, np.full(len(LEVELS), dof))
        days.append(moods.day("latency"))
    assert (before > days[0]).all()
    assert (days[0] > days[1]).all()
    np.testing.assert_allclose(days[2], np.where(np.array(LEVELS) == "cohort", COHORT_FLOOR**2, FLOOR**2), rtol=1.0)


def test_a_level_of_many_groups_is_believed_and_one_of_few_groups_stays_near_the_prior() -> None:
    """The whole fleet is one group and seen once a day, its cohorts are many: both were measured on the same days."""
    moods = Moods()
    prior = moods.day("latency")
    moods.measured["latency", "1d"] = (4.0 * prior, np.where(np.array(LEVELS) == "all", 6.0, 6_000.0))
    found = moods.day("latency") / prior
    assert found[LEVELS.index("all")] == pytest.approx((6.0 * 4.0 + PRIOR_DOF) / (6.0 + PRIOR_DOF))
    assert found[LEVELS.index("cohort")] == pytest.approx(4.0, rel=0.02)


def test_no_group_is_ever_taken_for_wholly_calm() -> None:
    moods = Moods()
    for name in ("2h", "4h", "1d"):
        moods.measured["gap", name] = (np.zeros(len(LEVELS)), np.full(len(LEVELS), 1e9))
    for span in SPANS:
        assert (moods.variances(["gap"], span.name) >= FLOOR**2).all()


def test_over_days_moods_average_out() -> None:
    day, week = (Moods().variances(["latency"], span)[0] for span in ("1d", "7d"))
    calm = np.array([level not in ("all", "operator") for level in LEVELS])
    np.testing.assert_allclose(week[calm], day[calm] / PERSISTENCE["7d"])


def test_moods_restored_from_a_snapshot_are_the_same() -> None:
    moods, other = Moods(), Moods()
    moods.measured["latency", "1d"] = (np.linspace(0, 1e-3, len(LEVELS)), np.linspace(6.0, 600.0, len(LEVELS)))
    other.restore(moods.snapshot())
    for span in SPANS:
        assert (other.variances(["latency"], span.name) == moods.variances(["latency"], span.name)).all()


def test_tails_restored_from_a_snapshot_are_the_same() -> None:
    moods, other = Moods(), Moods()
    moods.tails["latency"] = 0.3
    other.restore(moods.snapshot())
    assert other.tail("latency") == 0.3


def test_tails_of_a_kind_that_was_not_measured_are_those_of_latency_and_before_that_cautious() -> None:
    moods = Moods()
    assert moods.tail("failure") == PRIOR_TAIL
    moods.tails["latency"] = 0.1
    assert moods.tail("failure") == 0.1
    moods.tails["failure"] = 0.02
    assert (moods.tail("failure"), moods.tail("latency")) == (0.02, 0.1)


def test_operations_held_against_each_other_wander_less_than_cohorts_do() -> None:
    contrast, latency = Moods().variances([CONTRAST, "latency"], "1d")
    assert (contrast < latency).all()
