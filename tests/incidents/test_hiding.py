"""Workarounds: what they hide is seen and pages nobody; when they expire it comes out again and pages its owner."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.incidents.life import Finding, Incidents
from pipeline.intent import Severity
from pipeline.messages import Signal
from pipeline.sinks.alert import ACTIVE, annotations_of, labels_of
from pipeline.workarounds import Registry, Workaround, debt

DAY = 86_400_000
NOW = 20_000 * DAY
SIGNAL = Signal("playback_start", "latency", "up", 1_200.0, 1_000.0, 1.2, 0.9, "step")
FINDING = Finding(
    scope=(("operator", "acme"), ("firmware", "fw-1")),
    kind="pattern",
    onset_at=NOW - DAY,
    severity=Severity.TICKET,
    services=("playback",),
    signals=(SIGNAL,),
    evidence=1.0,
    summary="It is slow.",
)
KNOWN = Workaround(
    id="slow-start",
    owner="acme-crew",
    reason="mended in fw-2",
    scope={"operator": "acme"},
    opened_at=NOW - 30 * DAY,
    expires_at=NOW + 10 * DAY,
)


def test_what_is_hidden_is_said_to_be_suppressed_by_whom_and_until_when() -> None:
    incidents = Incidents([KNOWN])
    case, said = incidents.begin(FINDING, "firing", NOW)
    assert (said.state, said.workaround, said.owner) == ("suppressed", "slow-start", "acme-crew")
    assert said.summary.startswith("It is slow. Hidden by workaround slow-start of acme-crew until 2024-10-14")
    assert case.state == "firing", "its life goes on behind that"
    assert incidents.change(case, "recovering", NOW + 1).state == "suppressed"


def test_what_recovers_behind_a_workaround_is_called_resolved_when_that_has_expired_and_not_before() -> None:
    incidents = Incidents([KNOWN])
    case, first = incidents.begin(FINDING, "firing", NOW)
    incidents.change(case, "recovering", NOW + 1)
    said = incidents.change(case, "resolved", NOW + 2, why="Back at what is expected.")
    assert (said.state, said.workaround, said.owner, said.resolved_at) == (
        "suppressed", "slow-start", "acme-crew", None,
    )  # fmt: skip
    assert said.summary == (
        "It is slow. Back at what is expected. It is not called resolved while workaround slow-start of acme-crew "
        "hides it, until 2024-10-14 00:00 UTC."
    )
    assert incidents.review(KNOWN.expires_at - 1) == []
    [over] = incidents.review(KNOWN.expires_at)
    assert (over.incident_id, over.state, over.resolved_at) == (first.incident_id, "resolved", KNOWN.expires_at)
    assert over.severity == first.severity, "it is over: nobody is paged"
    assert over.summary.endswith("Workaround slow-start hides it no longer, and it has stayed so.")
    assert incidents.review(KNOWN.expires_at + 1) == []


def test_what_comes_back_behind_a_workaround_however_late_is_the_same_incident() -> None:
    incidents = Incidents([KNOWN])
    case, first = incidents.begin(FINDING, "firing", NOW)
    incidents.change(case, "resolved", NOW + 1)
    _, again = incidents.begin(FINDING, "firing", NOW + 9 * DAY)
    assert (again.incident_id, again.state) == (first.incident_id, "suppressed")
    [out] = incidents.review(KNOWN.expires_at)
    assert (out.incident_id, out.state, out.severity) == (first.incident_id, "firing", "page")


def test_a_workaround_that_comes_after_an_incident_is_over_does_not_bring_it_back() -> None:
    without = Incidents()
    case, _ = without.begin(FINDING, "firing", NOW)
    assert without.change(case, "resolved", NOW + 1).state == "resolved"
    incidents = Incidents([KNOWN])
    incidents.restore(without.snapshot())
    assert incidents.review(NOW + 2) == []


def test_what_another_incident_explains_is_resolved_whatever_hides_it() -> None:
    incidents = Incidents([KNOWN])
    case, _ = incidents.begin(FINDING, "firing", NOW)
    case.merged_into = "0123456789abcdef"
    assert incidents.change(case, "resolved", NOW + 1).state == "resolved"


def test_what_forms_or_is_over_is_said_as_it_is() -> None:
    incidents = Incidents([KNOWN])
    case, said = incidents.begin(FINDING, "forming", NOW)
    assert (said.state, said.workaround) == ("forming", None)
    assert incidents.change(case, "resolved", NOW).state == "resolved"


def test_an_expired_workaround_reopens_what_it_hid_and_pages_its_owner() -> None:
    incidents = Incidents([KNOWN])
    _, first = incidents.begin(FINDING, "firing", NOW)
    assert incidents.review(KNOWN.expires_at - 1) == []
    [said] = incidents.review(KNOWN.expires_at)
    assert (said.incident_id, said.state, said.severity) == (first.incident_id, "firing", "page")
    assert (said.workaround, said.owner) == ("slow-start", "acme-crew")
    assert "hid this and expired 2024-10-14" in said.summary
    assert incidents.review(KNOWN.expires_at + 1) == [], "once is enough"


def test_an_alert_ends_while_it_is_hidden_and_goes_to_the_owner_when_the_workaround_has_expired() -> None:
    incidents = Incidents([KNOWN])
    _, hidden = incidents.begin(FINDING, "firing", NOW)
    assert hidden.state not in ACTIVE
    [said] = incidents.review(KNOWN.expires_at)
    assert said.state in ACTIVE
    assert labels_of(said)["owner"] == "acme-crew"
    assert annotations_of(said, None)["workaround"] == "slow-start"


def test_a_workaround_that_comes_later_hides_what_fires_already() -> None:
    without = Incidents()
    without.begin(FINDING, "firing", NOW)
    incidents = Incidents([KNOWN])
    incidents.restore(without.snapshot())
    [said] = incidents.review(NOW + 1)
    assert said.state == "suppressed"


@pytest.mark.parametrize(
    ("workaround", "hides"),
    [
        ({}, True),
        ({"scope": {"operator": "acme", "firmware": "fw-1"}}, True),
        ({"scope": {"operator": "acme", "device_class": "g2"}}, False),
        ({"scope": {"operator": "norvik"}}, False),
        ({"signals": ("latency",)}, True),
        ({"signals": ("failure",)}, False),
        ({"operations": ("playback_start",)}, True),
        ({"operations": ("license_request",)}, False),
        ({"kinds": ("feed",)}, False),
        ({"most": 1.25}, True),
        ({"most": 1.1}, False),
        ({"expires_at": NOW}, False),
        ({"opened_at": NOW + 1}, False),
    ],
)
def test_it_hides_what_it_tolerates_within_its_scope_and_time_and_nothing_else(
    workaround: dict[str, Any], hides: bool
) -> None:
    """An incident that is wider than the workaround, or worse than it allows, says something new."""
    registry = Registry([replace(KNOWN, **workaround)])
    assert (registry.hiding(FINDING.kind, FINDING.scope, FINDING.signals, NOW) is not None) == hides


def test_one_signal_that_is_not_tolerated_brings_the_incident_out() -> None:
    registry = Registry([replace(KNOWN, signals=("latency",))])
    other = Signal("license_request", "failure", "up", 0.1, 0.01, 10.0, 0.1, "step")
    assert registry.hiding("pattern", FINDING.scope, [SIGNAL, other], NOW) is None


def test_the_debt_is_what_is_active_or_owed_and_its_age() -> None:
    gone = replace(KNOWN, id="b", opened_at=NOW - 90 * DAY, expires_at=NOW - DAY)
    later = replace(KNOWN, id="c", opened_at=NOW + DAY, expires_at=NOW + 2 * DAY)
    owed = debt([KNOWN, gone, later], NOW)
    assert (owed.active, owed.expired, owed.oldest_days, owed.soonest_days) == (1, 1, 90.0, 10.0)
    assert debt([], NOW).soonest_days is None
