"""Volumes of many cohorts at once say what the profile of one says."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.volume import VolumeProfile
from pipeline.detect.volumes import VolumeBook, is_backfill
from tests.detect.material import minute


def test_a_burst_far_above_the_usual_is_backfill() -> None:
    book = VolumeBook()
    book.fit(1)
    for number in range(180):
        book.learn(minute(number), np.array([20.0]), np.array([True]))
    usual = book.expected(minute(180), 1)
    assert is_backfill(np.repeat(usual, 2), np.array([50.0, 60.0])).tolist() == [False, True]


def test_of_a_cohort_that_is_not_known_yet_nothing_is_backfill() -> None:
    assert not is_backfill(np.array([math.nan]), np.array([1e6])).any()


@given(st.lists(st.tuples(st.integers(0, 4_000), st.booleans()), max_size=60, unique_by=lambda told: told[0]))
def test_every_row_is_a_profile(told: list[tuple[int, bool]]) -> None:
    book, profiles = VolumeBook(), [VolumeProfile(), VolumeProfile()]
    book.fit(2)
    for number, sound in sorted(told):
        records = np.array([number % 7, number % 50], dtype=np.float64)
        book.learn(minute(number), records, np.array([True, sound]))
        profiles[0].learn_one({"minute": minute(number)}, float(records[0]))
        if sound:
            profiles[1].learn_one({"minute": minute(number)}, float(records[1]))
    at = minute(max((number for number, _ in told), default=0) + 240)
    found = book.expected(at, 2)
    assert np.isnan(found[0]) == math.isnan(profiles[0].predict_one({"minute": at}))
    if not np.isnan(found[0]):
        assert math.isclose(float(found[0]), profiles[0].predict_one({"minute": at}), rel_tol=1e-12)
