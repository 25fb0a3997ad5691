"""Fleets, their nuisances, and what is expected of their faults."""

from __future__ import annotations

import pytest

from pipeline.simulate.faults import parse_fault
from pipeline.simulate.fleet import SMALL, STANDARD, sized
from pipeline.simulate.nuisances import SCALES, NuisanceError, Nuisances, parse_nuisances
from pipeline.simulate.truth import truth_of
from pipeline.simulate.world import draw_world

MONDAY = 1_767_571_200_000


def test_the_presets_have_the_cohorts_and_volumes_they_promise() -> None:
    assert len(SMALL.cohorts()) == 24
    assert len(set(STANDARD.cohorts())) == 126
    world = draw_world(STANDARD, (), seed=1, start_ms=MONDAY, minutes=60)
    assert world.volume.sum() == pytest.approx(1_950, rel=0.12)
    assert world.volume.min() >= 0.2
    assert world.volume.max() <= 200.0


@pytest.mark.parametrize("cohorts", [1, 10, 100, 1_000, 5_000])
def test_a_sized_fleet_has_about_so_many_distinct_cohorts_and_records(cohorts: int) -> None:
    fleet = sized(cohorts, events_per_minute=10.0 * cohorts)
    assert len(set(fleet.cohorts())) == pytest.approx(cohorts, rel=0.25)
    world = draw_world(fleet, (), seed=1, start_ms=MONDAY, minutes=60)
    assert world.volume.sum() == pytest.approx(10 * cohorts, rel=0.01)


def test_a_fleet_of_no_cohorts_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 cohort, not 0"):
        sized(0)


def test_nuisances_are_set_by_name_and_later_settings_win() -> None:
    assert parse_nuisances([]) == Nuisances()
    quiet = parse_nuisances(["all=0", "shocks=2", "tails=t3"])
    assert quiet == Nuisances(**dict.fromkeys(SCALES, 0.0) | {"shocks": 2.0}, tails="t3")


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("shock=1", "no nuisance is called 'shock'; there are daily, weekly"),
        ("shocks", "write shocks=SCALE with a number"),
        ("shocks=-1", "a finite number of at least 0, not -1.0"),
        ("shocks=inf", "a finite number"),
        ("tails=fat", "tails is one of gaussian, t3"),
    ],
)
def test_a_nuisance_that_does_not_parse_says_what_would_be_right(setting: str, says: str) -> None:
    with pytest.raises(NuisanceError) as caught:
        parse_nuisances([setting])
    assert says in str(caught.value)


def test_no_harmless_roll_out_takes_the_devices_from_a_firmware_with_a_fault() -> None:
    fleet = SMALL.with_nuisances(parse_nuisances(["rollouts=20"]))
    plain = draw_world(fleet, (), seed=1, start_ms=MONDAY, minutes=30 * 1_440)
    assert "fw-2.4.1" in {rollout.old for rollout, _ in plain.rollouts}
    faults = (parse_fault("latency*1.2@firmware=fw-2.4.1"),)
    faulty = draw_world(fleet, faults, seed=1, start_ms=MONDAY, minutes=30 * 1_440)
    assert "fw-2.4.1" not in {rollout.old for rollout, _ in faulty.rollouts}


def test_faults_of_one_scope_are_expected_as_one_incident() -> None:
    texts = (
        "retry*2@device_class=stb-g2,from=1h",
        "failure*1.6@device_class=stb-g2,from=2h,until=5h,operation=heartbeat",
        "tail*1.5@operator=altura,operation=heartbeat",
        "silence@operator=altura,from=1h,until=2h",
    )
    world = draw_world(SMALL, tuple(map(parse_fault, texts)), seed=1, start_ms=MONDAY, minutes=600)
    truth = truth_of(world)
    assert [(e.scope, e.kind, e.signals, e.operations) for e in truth.incidents] == [
        ({"device_class": "stb-g2"}, "pattern", ["failure", "retry"], []),
        ({"operator": "altura"}, "pattern", ["latency"], ["heartbeat"]),
        ({"operator": "altura"}, "feed", ["volume"], []),
    ]
    assert [(e.at - MONDAY, e.until) for e in truth.incidents] == [
        (3_600_000, None),
        (0, None),
        (3_600_000, MONDAY + 7_200_000),
    ]
    assert tuple(map(parse_fault, truth.faults)) == world.faults
