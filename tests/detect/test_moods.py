"""How far cohorts wander with nothing wrong."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from pipeline.detect.history import SPANS
from pipeline.detect.lattice import LEVELS
from pipeline.detect.moods import COHORT_FLOOR, FLOOR, PERSISTENCE, Moods


@pytest.mark.parametrize("measured", [False, True])
def test_a_shorter_span_never_wanders_less_than_a_longer_one(measured: bool) -> None:
    moods = Moods()
    if measured:
        draw = np.random.default_rng(1)
        for span in ("2h", "4h", "1d"):
            moods.measured["failure", span] = (draw.uniform(0, 1e-2, len(LEVELS)), 40)
    by_span = [moods.variances(["failure"], span.name)[0] for span in SPANS]
    for shorter, longer in pairwise(by_span):
        assert (shorter >= longer - 1e-15).all()


def test_shares_wander_more_than_means_until_it_is_measured() -> None:
    shift, share = Moods().variances(["latency", "failure"], "1d")
    assert (share > shift).all()


def test_what_is_measured_weighs_by_the_blocks_it_rests_on() -> None:
    moods = Moods()
    before = moods.day("latency")
    quiet = np.full(len(LEVELS), 1e-6)
    days = []
    for blocks in (1, 10, 1_000):
        moods.measured["latency", "1d"] = (quiet, blocks)
        days.append(moods.day("latency"))
    assert (before > days[0]).all()
    assert (days[0] > days[1]).all()
    np.testing.assert_allclose(days[2], np.where(np.array(LEVELS) == "cohort", COHORT_FLOOR**2, FLOOR**2), rtol=1.0)


def test_no_group_is_ever_taken_for_wholly_calm() -> None:
    moods = Moods()
    for name in ("2h", "4h", "1d"):
        moods.measured["gap", name] = (np.zeros(len(LEVELS)), 10**9)
    for span in SPANS:
        assert (moods.variances(["gap"], span.name) >= FLOOR**2).all()


def test_over_days_moods_average_out() -> None:
    day, week = (Moods().variances(["latency"], span)[0] for span in ("1d", "7d"))
    calm = np.array([level not in ("all", "operator") for level in LEVELS])
    np.testing.assert_allclose(week[calm], day[calm] / PERSISTENCE["7d"])


def test_moods_restored_from_a_snapshot_are_the_same() -> None:
    moods, other = Moods(), Moods()
    moods.measured["latency", "1d"] = (np.linspace(0, 1e-3, len(LEVELS)), 7)
    other.restore(moods.snapshot())
    for span in SPANS:
        assert (other.variances(["latency"], span.name) == moods.variances(["latency"], span.name)).all()
