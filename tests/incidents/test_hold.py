"""An incident does not flap, whatever the readings do."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.incidents.hold import LONGEST_MS, STEADY_MS, hold_ms, next_state
from pipeline.incidents.life import Finding, Incidents
from pipeline.incidents.people import VERBS, act
from pipeline.intent import Severity
from pipeline.messages import Action, Incident, Signal
from pipeline.workarounds import Workaround

NOW = 1_767_571_200_000
STEP_MS = 900_000
FINDING = Finding(
    scope=(("firmware", "tv-1.1"),),
    kind="pattern",
    onset_at=NOW,
    severity=Severity.PAGE,
    services=("playback",),
    signals=(Signal("playback_start", "latency", "up", 900.0, 800.0, 1.125, 1.0, "step"),),
    evidence=1.0,
    summary="It is slow.",
)
ALLOWED = {
    "forming": {"forming", "firing", "resolved"},
    "firing": {"firing", "recovering"},
    "recovering": {"recovering", "firing", "resolved"},
    "resolved": {"resolved", "forming", "firing"},
}
"""What wire.md lets follow; a record may be repeated, and an incident reopened."""
HIDING = Workaround("w", "crew", "known", {}, NOW, NOW + 40 * STEP_MS)

strengths = st.lists(st.floats(0.0, 1.5), min_size=1, max_size=200)
"""The effect, as a part of what it was when it fired, at each look."""


def lived(looks: list[float], incidents: Incidents) -> list[Incident]:
    """What is said of an incident that fires at once, by such looks; it is found again when it is back."""
    case, first = incidents.begin(FINDING, "firing", NOW)
    said = [first]
    for number, strength in enumerate(looks, 1):
        at = NOW + number * STEP_MS
        if case.state == "resolved":
            if strength > 0.7:
                said.append(incidents.begin(FINDING, "firing", at)[1])
        else:
            gone, back = strength < 0.4, strength > 0.7
            state = next_state(case.state, at - case.since, case.relapses, gone=gone, back=back)
            if state is not None:
                said.append(incidents.change(case, state, at))
        said += incidents.review(at)
    return said


def runs(said: list[Incident]) -> list[tuple[str, int]]:
    """Each state that was gone into, and when."""
    found: list[tuple[str, int]] = []
    for record in said:
        if not found or found[-1][0] != record.state:
            found.append((record.state, record.at))
    return found


@given(strengths)
def test_states_follow_each_other_only_as_the_contract_says(looks: list[float]) -> None:
    said = lived(looks, Incidents())
    assert len({record.incident_id for record in said}) == 1
    for before, after in pairwise(said):
        assert after.state in ALLOWED[before.state]
        assert after.at >= before.at


@given(strengths)
def test_firing_and_what_is_gone_are_held_for_an_hour_at_least_and_longer_with_every_relapse(
    looks: list[float],
) -> None:
    found = runs(lived(looks, Incidents()))
    relapses = 0
    for (state, since), (then, until) in pairwise(found):
        if state == "firing" or then == "resolved":
            assert until - since >= hold_ms(relapses)
        relapses += then == "firing"


@given(strengths)
def test_it_begins_to_fire_no_more_often_than_the_bound_that_is_documented(looks: list[float]) -> None:
    found = runs(lived(looks, Incidents()))
    times = [at for state, at in found if state == "firing"]
    bound = 2 + math.log2(LONGEST_MS / STEADY_MS) + (times[-1] - times[0]) / LONGEST_MS
    assert len(times) <= bound


@given(strengths)
def test_resolved_is_said_only_while_nothing_was_seen_of_it_since_it_began_to_recover(looks: list[float]) -> None:
    said = lived(looks, Incidents())
    for record in said:
        if record.state == "resolved":
            first, last = ((at - NOW) // STEP_MS for at in (record.recovering_at or 0, record.at))
            assert all(strength <= 0.7 for strength in looks[first - 1 : last])
            assert looks[last - 1] < 0.4


@given(strengths)
def test_while_a_workaround_hides_it_neither_firing_nor_resolved_is_said(looks: list[float]) -> None:
    for record in lived(looks, Incidents([HIDING])):
        assert (record.state == "suppressed") == HIDING.is_active(record.at)
        assert record.resolved_at is None or not HIDING.is_active(record.at)


@given(strengths, st.lists(st.tuples(st.integers(0, 200), st.sampled_from(["acknowledge", "note", "confirm"]))))
def test_what_people_say_beside_it_moves_nothing(looks: list[float], doings: list[tuple[int, str]]) -> None:
    alone, watched = Incidents(), Incidents()
    plain = lived(looks, alone)
    case, _ = watched.begin(FINDING, "firing", NOW)
    said: list[Incident] = []
    for number, strength in enumerate(looks, 1):
        at = NOW + number * STEP_MS
        for i, (when, verb) in enumerate(doings):
            if when == number:
                said.append(act(watched, case, Action(f"{number} {i}", at, "anna", case.incident_id, verb, "x"), at))
        if case.state == "resolved":
            if strength > 0.7:
                said.append(watched.begin(FINDING, "firing", at)[1])
            continue
        state = next_state(case.state, at - case.since, case.relapses, gone=strength < 0.4, back=strength > 0.7)
        if state is not None:
            said.append(watched.change(case, state, at))
    assert runs([plain[0], *said]) == runs(plain)
    assert {verb for _, verb in doings} <= set(VERBS)
