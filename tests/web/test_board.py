"""What the board keeps, and for how long."""

import asyncio
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detect.evidence import FeedHealth
from pipeline.messages import MINUTE_MS, Change, Proof
from pipeline.observation import Cohort
from pipeline.web import Board, board, cohorts
from tests.sinks.incidents import FIRING, incident
from tests.web.fleet import NOON, SLOW, WELL, anchors, evidence


def test_an_incident_is_its_newest_record_and_remembers_its_turns() -> None:
    told = Board()
    for at, state in enumerate(("forming", "firing", "firing", "recovering")):
        told.incident(incident(state=state, at=FIRING.at + at))
    (course,) = told.incidents()
    assert course.newest.state == "recovering"
    assert [change.state for change in course.turns] == ["forming", "firing", "recovering"]
    assert len(course.changes) == 4
    told.incident(incident(state="recovering", at=FIRING.at + 9))
    assert told.incidents()[0].state_since == FIRING.at + 3


def test_a_record_that_comes_again_after_a_crash_changes_nothing() -> None:
    told = Board()
    told.incident(incident(state="forming", at=FIRING.at - 1))
    told.incident(FIRING)
    version = told.version
    told.incident(incident(state="forming", at=FIRING.at - 1))
    told.incident(FIRING)
    assert told.version == version
    assert told.incidents()[0].newest == FIRING


def test_of_too_many_incidents_those_go_that_were_resolved_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "MOST_INCIDENTS", 3)
    told = Board()
    told.incident(incident(incident_id="open, and the oldest", at=1))
    for at, name in enumerate(("a", "b", "c", "d"), start=2):
        told.incident(incident(incident_id=name, state="resolved", at=at))
    assert [course.newest.incident_id for course in told.incidents()] == ["d", "c", "open, and the oldest"]


def test_of_too_many_changes_those_stay_that_brought_another_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "MOST_CHANGES", 3)
    told = Board()
    for at, state in enumerate(("forming", "firing", "firing", "firing", "firing")):
        told.incident(incident(state=state, at=at))
    (course,) = told.incidents()
    assert [change.at for change in course.changes] == [0, 1, 4]
    assert course.state_since == 1
    for at, state in enumerate(("recovering", "firing"), start=5):
        told.incident(incident(state=state, at=at))
    assert [change.at for change in told.incidents()[0].changes] == [0, 5, 6]


def test_of_too_many_cohorts_the_one_goes_that_has_been_silent_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohorts, "MOST_COHORTS", 2)
    told = Board()
    told.evidence(evidence(0, [SLOW]))
    told.evidence(evidence(1, [WELL]))
    told.evidence(evidence(2, [SLOW]))
    third = Cohort("acme", "tv", "1")
    told.evidence(evidence(3, [third]))
    assert [view.cohort for view in told.cohorts.view({})] == [third, SLOW]


def test_a_minute_of_more_cohorts_than_there_is_room_for_keeps_as_many_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohorts, "MOST_COHORTS", 2)
    fleet = [Cohort("acme", "tv", str(number)) for number in range(4)]
    told = Board()
    told.evidence(evidence(0, fleet))
    assert [view.cohort for view in told.cohorts.view({})] == fleet[:2]
    told.evidence(evidence(1, fleet[2:], failures={fleet[2]: 0.5}))
    views = told.cohorts.view({})
    assert [view.cohort for view in views] == fleet[2:]
    assert views[0].readings["failure"].n == pytest.approx(100.0)
    assert views[0].readings["failure"].observed == pytest.approx(0.5)


def test_of_many_cohorts_those_are_shown_that_deviate_most() -> None:
    fleet = [Cohort("acme", "tv", f"{number:03}") for number in range(300)]
    told = Board()
    told.evidence(evidence(0, fleet, failures={fleet[250]: 0.5, fleet[7]: 0.4}))
    assert [view.cohort for view in told.cohorts.view({}, most=2)] == [fleet[7], fleet[250]]
    assert told.cohorts.count({}) == 300
    assert told.cohorts.count({"firmware": "007"}) == 1
    assert told.cohorts.others({"firmware": "007"}) == (298, 299)


def test_a_scope_of_a_dimension_that_nobody_knows_holds_no_cohort() -> None:
    told = Board()
    told.evidence(evidence())
    assert told.cohorts.view({"region": "north"}) == []


def test_devices_a_minute_are_the_mean_of_the_minutes_in_which_they_reported() -> None:
    told = Board()
    told.evidence(evidence(0, units=100))
    told.evidence(evidence(30, units=400))
    assert told.cohorts.view({})[0].devices == pytest.approx((0.5 * 100 + 400) / 1.5)


def test_an_anchor_is_known_whenever_it_was_told() -> None:
    told = Board()
    told.anchors(anchors({SLOW: (3.2, False, "own")}))
    told.evidence(evidence())
    assert {view.cohort: view.anchor for view in told.cohorts.view({})} == {
        SLOW: cohorts.Anchor(3.2, frozen=False, lender="own"),
        WELL: None,
    }


def test_what_was_found_in_a_state_gives_way_to_what_was_told_since() -> None:
    told = Board()
    told.evidence(evidence())
    told.anchors(anchors({SLOW: (7.0, True, "own")}))
    told.cohorts.known({SLOW: cohorts.Anchor(6.0, False, "own"), WELL: cohorts.Anchor(9.0, True, "own")})
    days = {view.cohort: view.anchor.days if view.anchor else None for view in told.cohorts.view({})}
    assert days == {SLOW: 7.0, WELL: 9.0}


def test_of_too_many_changes_and_proofs_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "MOST_KNOWN_CHANGES", 2)
    told = Board()
    for at in (3, 1, 2):
        told.take(Change(f"c{at}", at, "deployment", "a release"))
    assert [change.at for change in told.changes()] == [3, 2]
    for at in (5, 4):
        told.take(Proof("playback", at, "drill", True))
    assert told.proofs()["playback"].at == 5


def test_a_record_from_before_the_newest_is_passed_over() -> None:
    told = Board()
    told.incident(incident(state="resolved", at=FIRING.at + 5))
    told.incident(FIRING)
    assert told.incidents()[0].newest.state == "resolved"


def test_of_too_many_operators_the_one_goes_that_has_been_silent_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "MOST_FEEDS", 2)
    told = Board()
    for minute, operator in enumerate(("a", "b", "a", "c")):
        told.evidence(evidence(minute, feeds={operator: FeedHealth("ok", 0, 1, 1.0)}))
    assert list(told.feeds()) == ["a", "c"]


def test_a_reading_is_what_was_observed_against_what_was_expected() -> None:
    told = Board()
    told.evidence(evidence(log_ratio={SLOW: math.log(1.25)}, failures={SLOW: 0.06}))
    slow, well = (view.readings for view in sorted(told.cohorts.view({}), key=lambda view: view.cohort != SLOW))
    assert slow["latency"].ratio == pytest.approx(1.25)
    assert slow["failure"].observed == pytest.approx(0.06)
    assert slow["failure"].expected == pytest.approx(0.02)
    assert well["latency"].ratio == pytest.approx(1.0)
    assert "retry" not in slow


def test_a_minute_counts_half_after_half_an_hour() -> None:
    told = Board()
    told.evidence(evidence(0, failures={SLOW: 0.10}))
    told.evidence(evidence(30, failures={SLOW: 0.01}))
    reading = next(view for view in told.cohorts.view({}) if view.cohort == SLOW).readings["failure"]
    assert reading.n == pytest.approx(150.0)
    assert reading.observed == pytest.approx((0.5 * 10 + 1) / 150)


def test_a_minute_that_is_set_aside_is_said_but_not_counted() -> None:
    told = Board()
    told.evidence(evidence(0))
    told.evidence(evidence(1, failures={SLOW: 1.0}, aside=[SLOW]))
    view = next(view for view in told.cohorts.view({}) if view.cohort == SLOW)
    assert view.aside
    assert view.readings["failure"].observed == pytest.approx(0.02)


def test_a_minute_that_is_said_again_after_a_crash_counts_once() -> None:
    told = Board()
    told.evidence(evidence(0))
    told.evidence(evidence(0))
    assert told.cohorts.view({})[0].readings["failure"].n == pytest.approx(100.0)


def test_a_signal_that_the_anchor_does_not_know_yet_has_no_reading() -> None:
    told = Board()
    first = evidence()
    first.expected[:, 0] = 0.0
    told.evidence(first)
    assert "latency" not in told.cohorts.view({})[0].readings
    assert "failure" in told.cohorts.view({})[0].readings


def test_a_minute_in_which_nobody_reported_still_moves_the_clock() -> None:
    told = Board()
    told.evidence(evidence(5, []))
    assert told.clock == NOON + 5 * MINUTE_MS


@given(ratios=st.lists(st.floats(-3, 3), min_size=1, max_size=30))
def test_a_ratio_lies_between_those_of_its_minutes(ratios: list[float]) -> None:
    told = Board()
    for minute, ratio in enumerate(ratios):
        told.evidence(evidence(minute, [SLOW], log_ratio={SLOW: ratio}))
    (view,) = told.cohorts.view({})
    found = view.readings["latency"].ratio
    assert found is not None
    seen = float(np.log(found))
    assert min(ratios) - 1e-9 <= seen <= max(ratios) + 1e-9


async def test_whoever_waits_hears_of_a_change_and_of_one_that_was_before() -> None:
    told = Board()
    waiting = asyncio.create_task(told.changed(0))
    await asyncio.sleep(0)
    assert not waiting.done()
    told.incident(FIRING)
    assert await waiting == 1
    assert await told.changed(0) == 1
