"""Volume by the hour: river's own checks of a regressor, and what is peculiar to this one."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from river.checks import common

from models.season import DAY_MS
from models.volume import VolumeProfile

Data = list[tuple[dict[Hashable, int], float]]
MINUTE_MS = 60_000
MIDNIGHT = 1_767_571_200_000
# River's list of these (checks.yield_checks) draws on data sets of scikit-learn, which nothing else here needs.
GENERAL = [
    common.check_repr,
    common.check_str,
    common.check_tags,
    common.check_clone_same_class,
    common.check_clone_is_idempotent,
    common.check_init_has_default_params_for_tests,
    common.check_init_default_params_are_not_mutable,
    common.check_doc,
    common.check_clone_changes_memory_addresses,
    common.check_mutate_can_be_idempotent,
    common.check_pickling_supports_roundtrip,
    common.check_repr_roundtrips_clone,
    common.check_clone_with_new_params_applies,
    common.check_get_params_matches_signature,
]
ON_DATA = [
    common.check_learn_one,
    common.check_pickling,
    common.check_shuffle_features_no_impact,
    common.check_emerging_features,
    common.check_disappearing_features,
    common.check_radically_disappearing_features,
    common.check_predict_one_pure,
    common.check_predict_one_before_any_learn,
    common.check_no_state_aliasing_with_input,
    common.check_clone_is_independent,
]


@pytest.mark.parametrize("check", GENERAL, ids=lambda check: check.__name__)
def test_it_is_what_river_expects_of_an_estimator(check: Callable[[VolumeProfile], object]) -> None:
    check(VolumeProfile())


@pytest.mark.parametrize("check", ON_DATA, ids=lambda check: check.__name__)
def test_it_learns_as_river_expects(check: Callable[[VolumeProfile, Data], object]) -> None:
    check(VolumeProfile(), [({**at(97 * i), "weekday": i % 7}, float(i % 50)) for i in range(120)])


def at(number: int) -> dict[Hashable, int]:
    return {"minute": MIDNIGHT + number * MINUTE_MS}


def test_the_expected_volume_follows_the_hour() -> None:
    profile = VolumeProfile()
    for minute in range(3 * 24 * 60):
        profile.learn_one(at(minute), 10 if minute // 60 % 24 < 12 else 200)
    assert profile.predict_one(at(5 * 60)) == 10
    assert profile.predict_one(at(15 * 60)) == 200


def test_an_hour_long_unseen_has_no_expected_volume() -> None:
    profile = VolumeProfile()
    for minute in range(180):
        profile.learn_one(at(minute), 10)
    assert profile.predict_one(at(2 * 60)) == 10
    assert math.isnan(profile.predict_one(at(12 * 60)))


def test_each_day_moves_it_by_its_rate() -> None:
    profile = VolumeProfile()
    for day, volume in enumerate([100, 200, 200]):
        for minute in range(120):
            profile.learn_one({"minute": MIDNIGHT + day * DAY_MS + minute * MINUTE_MS}, volume)
        profile.learn_one({"minute": MIDNIGHT + day * DAY_MS + 120 * MINUTE_MS}, 0)
    assert profile.predict_one(at(0)) == pytest.approx(100 + 100 * (0.3 + 0.3 * 0.7))


@given(st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 500)), max_size=60), st.integers(0, 59))
def test_resumed_from_a_snapshot_it_says_the_same(told: list[tuple[int, int]], cut: int) -> None:
    straight, resumed = VolumeProfile(), VolumeProfile()
    for number, (minute, volume) in enumerate(sorted(told)):
        if number == cut:
            resumed = VolumeProfile.of(resumed.snapshot())
        straight.learn_one(at(minute), volume)
        resumed.learn_one(at(minute), volume)
    assert [straight.predict_one(at(m)) for m in range(0, 1440, 60)] == pytest.approx(
        [resumed.predict_one(at(m)) for m in range(0, 1440, 60)], nan_ok=True
    )
