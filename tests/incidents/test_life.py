"""The life of an incident: states, identity, one record for every change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.incidents.life import REOPEN_MS, Finding, Incidents, differs
from pipeline.intent import Severity
from pipeline.messages import Incident, Signal

NOW = 1_767_571_200_000
MINUTE = 60_000
LATENCY = Signal("playback_start", "latency", "up", 900.0, 800.0, 1.125, 1.0, "step", quantile=0.5)
FAILURE = Signal("playback_start", "failure", "up", 0.03, 0.02, 1.5, 1.0, "step")
FINDING = Finding(
    scope=(("firmware", "tv-1.1"),),
    kind="pattern",
    onset_at=NOW - 30 * MINUTE,
    severity=Severity.PAGE,
    services=("playback",),
    signals=(LATENCY,),
    evidence=1.25,
    summary="Firmware tv-1.1: playback_start latency 900 ms instead of 800 ms.",
)


def test_a_record_says_what_was_found() -> None:
    _, record = Incidents().begin(FINDING, "firing", NOW)
    assert record == Incident(
        incident_id=record.incident_id,
        state="firing",
        severity="page",
        at=NOW,
        onset_at=FINDING.onset_at,
        scope={"firmware": "tv-1.1"},
        services=["playback"],
        signals=[LATENCY],
        kind="pattern",
        evidence=1.25,
        summary=FINDING.summary,
        forming_at=NOW,
        fired_at=NOW,
    )


def test_every_change_is_a_record_of_the_same_incident() -> None:
    incidents = Incidents()
    case, first = incidents.begin(FINDING, "forming", NOW)
    states = ["firing", "recovering", "firing", "recovering", "resolved"]
    records = [incidents.change(case, state, NOW + i * MINUTE) for i, state in enumerate(states)]
    assert [record.state for record in records] == states
    assert [record.at for record in records] == [NOW + i * MINUTE for i in range(len(states))]
    assert {record.incident_id for record in records} == {first.incident_id}


def test_a_change_without_a_finding_repeats_what_was_said_last() -> None:
    incidents = Incidents()
    case, _ = incidents.begin(FINDING, "firing", NOW)
    sharper = replace(FINDING, signals=(FAILURE,), summary="Sharper.")
    incidents.change(case, "firing", NOW + MINUTE, sharper)
    record = incidents.change(case, "recovering", NOW + 2 * MINUTE)
    assert (record.signals, record.summary) == ([FAILURE], "Sharper.")


@given(
    st.lists(st.tuples(st.sampled_from(["operator", "firmware"]), st.text(max_size=5)), max_size=2),
    st.sampled_from(["pattern", "breach", "feed"]),
    st.integers(0, 2**53),
)
def test_an_id_is_a_function_of_scope_kind_and_instant(scope: list[tuple[str, str]], kind: str, at: int) -> None:
    finding = replace(FINDING, scope=tuple(scope), kind=kind)
    same = replace(finding, evidence=9.0, summary="In other words.", signals=(FAILURE,))
    ids = [Incidents().begin(one, "firing", at)[1].incident_id for one in (finding, same)]
    assert ids[0] == ids[1]
    assert Incidents().begin(finding, "firing", at + 1)[1].incident_id != ids[0]
    assert Incidents().begin(replace(finding, kind="other"), "firing", at)[1].incident_id != ids[0]
    wider = replace(finding, scope=(*scope, ("environment", "lab")))
    assert Incidents().begin(wider, "firing", at)[1].incident_id != ids[0]


def resolved() -> tuple[Incidents, str]:
    incidents = Incidents()
    case, record = incidents.begin(FINDING, "firing", NOW)
    incidents.change(case, "recovering", NOW + MINUTE)
    incidents.change(case, "resolved", NOW + 2 * MINUTE)
    return incidents, record.incident_id


@pytest.mark.parametrize("state", ["forming", "firing"])
def test_the_same_scope_and_kind_again_within_a_day_is_the_same_incident(state: str) -> None:
    incidents, first = resolved()
    _, again = incidents.begin(FINDING, state, NOW + 2 * MINUTE + REOPEN_MS)
    assert (again.incident_id, again.state) == (first, state)


def test_after_a_day_it_is_another() -> None:
    incidents, first = resolved()
    _, again = incidents.begin(FINDING, "firing", NOW + 2 * MINUTE + REOPEN_MS + 1)
    assert again.incident_id != first


def test_what_splits_from_an_incident_that_has_narrowed_says_so_and_from_which() -> None:
    incidents = Incidents()
    _, first = incidents.begin(FINDING, "firing", NOW)
    beside = replace(FINDING, scope=(("operator", "altura"), ("device_class", "stb")))
    _, split = incidents.begin(beside, "firing", NOW, (first.incident_id, (("operator", "altura"),)))
    assert split.split_from == first.incident_id
    assert split.summary.endswith(f"Split from incident {first.incident_id}, which was said of operator altura.")
    assert incidents.begin(FINDING, "firing", NOW, (first.incident_id, ()))[1].split_from is None


def test_another_scope_or_kind_is_another_incident_at_once() -> None:
    incidents, first = resolved()
    for other in (replace(FINDING, scope=()), replace(FINDING, kind="breach")):
        assert incidents.begin(other, "firing", NOW + 3 * MINUTE)[1].incident_id != first


def test_a_reopened_incident_says_what_is_found_now() -> None:
    incidents, _ = resolved()
    now = replace(FINDING, onset_at=NOW + 5 * MINUTE, signals=(FAILURE,), severity=Severity.TICKET)
    _, again = incidents.begin(now, "firing", NOW + 6 * MINUTE)
    assert (again.onset_at, again.signals, again.severity) == (NOW + 5 * MINUTE, [FAILURE], "ticket")


def test_open_are_those_that_are_not_resolved() -> None:
    incidents, _ = resolved()
    assert incidents.open() == []
    case, _ = incidents.begin(replace(FINDING, scope=()), "forming", NOW)
    assert incidents.open() == [case]
    assert incidents.find((), "pattern") is case
    assert incidents.find((), "feed") is None


def test_when_it_began_to_fire_is_the_last_time_and_not_moved_by_a_relapse() -> None:
    incidents = Incidents()
    case, _ = incidents.begin(FINDING, "forming", NOW)
    assert case.fired_at is None
    for minutes, state, fired in (
        (1, "firing", 1),
        (2, "recovering", 1),
        (3, "firing", 1),
        (4, "recovering", 1),
        (5, "resolved", 1),
    ):
        incidents.change(case, state, NOW + minutes * MINUTE)
        assert case.fired_at == NOW + fired * MINUTE
    incidents.begin(FINDING, "firing", NOW + 9 * MINUTE)
    assert case.fired_at == NOW + 9 * MINUTE


def test_recovery_counts_from_when_the_excess_was_first_found_gone() -> None:
    incidents = Incidents()
    case, _ = incidents.begin(FINDING, "firing", NOW)
    for minutes, state in ((1, "recovering"), (2, "firing"), (3, "recovering"), (4, "resolved")):
        incidents.change(case, state, NOW + minutes * MINUTE)
    assert case.recovered_at == NOW + 3 * MINUTE


def test_scope_severity_and_leading_signal_are_worth_a_record_and_figures_are_not() -> None:
    louder = replace(FINDING, evidence=9.0, summary="Louder.", signals=(replace_signal(observed=950.0), FAILURE))
    assert not differs(FINDING, louder)
    assert differs(FINDING, replace(FINDING, scope=()))
    assert differs(FINDING, replace(FINDING, severity=Severity.TICKET))
    assert differs(FINDING, replace(FINDING, signals=(FAILURE, LATENCY)))
    assert differs(FINDING, replace(FINDING, signals=()))


def replace_signal(observed: float) -> Signal:
    return Signal("playback_start", "latency", "up", observed, 800.0, observed / 800.0, 1.0, "step", quantile=0.5)


def test_cases_restored_from_a_snapshot_go_on_as_the_ones_it_was_taken_of() -> None:
    incidents, _ = resolved()
    incidents.begin(replace(FINDING, scope=()), "firing", NOW + 3 * MINUTE)
    other = Incidents()
    other.restore(incidents.snapshot())
    for each in (incidents, other):
        each.begin(FINDING, "firing", NOW + 4 * MINUTE)
    assert list(other) == list(incidents)
    assert [case.fired_at for case in other] == [NOW + 4 * MINUTE, NOW + 3 * MINUTE]


def test_what_was_explained_by_another_incident_and_comes_back_is_no_longer_explained_by_it() -> None:
    incidents = Incidents()
    case, _ = incidents.begin(FINDING, "firing", NOW)
    case.merged_into = "0123456789abcdef"
    incidents.change(case, "resolved", NOW + MINUTE)
    _, again = incidents.begin(FINDING, "firing", NOW + 2 * MINUTE)
    assert (again.state, again.merged_into) == ("firing", None)
