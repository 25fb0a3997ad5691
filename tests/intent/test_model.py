"""What operations are worth."""

from __future__ import annotations

import pytest

from pipeline.intent import Intent, Priority, Service, Severity, default

INTENT = Intent(
    (
        Service("films", ("playback_start", "stall"), Priority.DEGRADABLE),
        Service("rights", ("entitlement_check", "playback_start"), Priority.NON_NEGOTIABLE),
        Service("chatter", ("heartbeat",), Priority.BEST_EFFORT),
    )
)


@pytest.mark.parametrize("operation", ["playback_start", "entitlement_check", "license_request"])
def test_by_default_what_a_viewer_waits_for_pages(operation: str) -> None:
    assert default().severity_of([operation]) == Severity.PAGE


@pytest.mark.parametrize("operation", ["stall", "heartbeat", "anything_else"])
def test_by_default_the_rest_makes_tickets(operation: str) -> None:
    assert default().severity_of([operation]) == Severity.TICKET


def test_by_default_half_a_false_page_a_week_is_borne() -> None:
    assert default().false_pages_per_week == 0.5


def test_the_gravest_of_several_operations_decides() -> None:
    assert INTENT.severity_of(["heartbeat"]) == Severity.LOG
    assert INTENT.severity_of(["heartbeat", "stall"]) == Severity.TICKET
    assert INTENT.severity_of(["heartbeat", "stall", "entitlement_check"]) == Severity.PAGE


def test_an_operation_of_several_services_is_as_grave_as_the_gravest() -> None:
    assert INTENT.severity_of(["playback_start"]) == Severity.PAGE


def test_an_operation_that_no_service_names_is_a_ticket_and_touches_none() -> None:
    assert INTENT.severity_of(["reboot"]) == Severity.TICKET
    assert INTENT.services_of(["reboot"]) == []


def test_an_unnamed_operation_counts_as_the_ticket_that_it_is() -> None:
    assert INTENT.severity_of(["reboot", "entitlement_check"]) == Severity.PAGE
    assert INTENT.severity_of(["reboot", "heartbeat"]) == Severity.TICKET


def test_what_touches_no_operation_is_a_ticket() -> None:
    assert INTENT.severity_of([]) == Severity.TICKET


def test_services_come_in_the_order_of_the_file_each_once() -> None:
    assert INTENT.services_of(["heartbeat", "playback_start", "stall"]) == ["films", "rights", "chatter"]


def test_every_priority_has_a_severity_of_its_own() -> None:
    assert [priority.severity for priority in Priority] == [Severity.PAGE, Severity.TICKET, Severity.LOG]
