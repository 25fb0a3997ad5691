"""What a drill takes from the intent."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.drill.calibrate import BEYOND, Calibrated, Unfit, calibrate
from pipeline.drill.plan import PROMISES, default_plan
from pipeline.drill.routing import receivers_of
from pipeline.intent import Degradation, Intent, Priority, Service, Severity, Threshold, default
from tests.drill.material import COHORTS, INTENT, calibrated, planned, usual

LINE = Threshold(
    "playback/playback_start/latency/p95",
    "playback",
    "playback_start",
    "latency",
    allowed=0.05,
    window_ms=3_600_000,
    limit_ms=4_000.0,
    quantile=0.95,
    line="playback_start latency p95 <= 4000 ms over 1h",
    place="intent.yaml:12",
)


def with_service(**changes: object) -> Intent:
    playback = Service("playback", ("playback_start",), Priority.NON_NEGOTIABLE)
    return Intent((replace(playback, **changes),))  # type: ignore[arg-type]  # the caller's business


def test_every_operation_of_every_service_is_slowed_and_failed_and_the_order_of_records_is_disturbed() -> None:
    plan = default_plan(default())
    hit = {(fault.service, fault.operation, fault.signal) for fault in plan.faults}
    for service in default().services:
        for operation in service.operations:
            assert {(service.name, operation, "latency"), (service.name, operation, "failure")} <= hit
    assert (None, None, "out_of_order") in hit
    assert len({fault.name for fault in plan.faults}) == len(plan.faults)


def test_the_severity_and_the_receiver_are_those_of_the_service() -> None:
    by_service = {fault.service: fault for fault in default_plan(replace(INTENT, routes={"page": "all"})).faults}
    assert (by_service["playback"].severity, by_service["playback"].receivers) == (Severity.PAGE, ("on-call",))
    assert (by_service["extras"].severity, by_service["extras"].receivers) == (Severity.LOG, ("nobody",))


def test_the_order_of_records_touches_all_services_and_is_told_as_the_gravest_of_them() -> None:
    (order,) = (fault for fault in default_plan(INTENT).faults if fault.service is None)
    assert (order.severity, order.receivers) == (Severity.PAGE, ("on-call", "severity=page"))


def test_a_line_of_the_intent_is_drilled_in_place_of_the_promise_and_quoted() -> None:
    plan = default_plan(with_service(thresholds=(LINE,)))
    (slow,) = (fault for fault in plan.faults if fault.signal == "latency")
    assert (slow.threshold, slow.place, slow.shape) == (LINE, "intent.yaml:12", ("operator",))
    assert LINE.line in slow.name


def test_a_fault_is_as_strong_as_the_line_needs_given_what_is_usual() -> None:
    slow = calibrated(planned(threshold=LINE))
    # Half of the attempts take 1 800 ms, so the 95th percentile does; bins are 4 % wide.
    assert abs(slow.fault.size / (4_000 / 1_800 * BEYOND) - 1) < 0.03
    assert LINE.line in slow.why


def test_a_line_that_is_near_asks_for_no_less_than_is_promised() -> None:
    assert calibrated(planned(threshold=replace(LINE, limit_ms=1_850.0))).fault.size == 1.25


def test_what_may_degrade_needs_a_stronger_fault_and_what_stays_within_must_page_nobody() -> None:
    intent = with_service(degradations=(Degradation("*", "latency", 1.6),))
    faults = [fault for fault in default_plan(intent).faults if fault.signal == "latency"]
    beyond, within = faults
    assert (beyond.severity, beyond.tolerated) == (Severity.PAGE, False)
    assert (within.severity, within.tolerated) == (Severity.TICKET, True)
    sizes = [calibrated(replace(fault, scope={"firmware": "tv-2"})).fault.size for fault in faults]
    assert sizes[0] > 1.6 > sizes[1] > 1.25


def test_the_strength_is_what_is_promised_where_the_intent_says_nothing() -> None:
    assert calibrated(planned()).fault.size == PROMISES[Priority.NON_NEGOTIABLE].latency
    assert calibrated(planned("failure", least=3.0)).fault.size == 3.0


def test_what_the_stream_does_not_have_is_said_and_rare_denials_are_left_out() -> None:
    absent = calibrate(planned(operation="stall"), usual())
    nobody = calibrate(planned(scope={"firmware": "none"}), usual())
    rare = calibrate(planned("denial"), usual(denial=0.001))
    most = calibrate(planned("failure", least=60.0), usual())
    assert all(isinstance(one, Unfit) for one in (absent, nobody, rare, most))
    assert isinstance(absent, Unfit)
    assert isinstance(nobody, Unfit)
    assert isinstance(rare, Unfit)
    assert ("no stall" in absent.why, absent.needless) == (True, False)
    assert "firmware none" in nobody.why
    assert rare.needless


@given(turn=st.integers(0, 50), shape=st.sampled_from([("firmware",), ("device_class",), ("operator", "device_class")]))
def test_a_scope_that_is_chosen_has_somebody_in_it_and_somebody_beside_it(turn: int, shape: tuple[str, ...]) -> None:
    found = calibrate(planned(scope=None, shape=shape, turn=turn), usual())
    assert isinstance(found, Calibrated)
    assert 0 < len(found.expected) < len(COHORTS)
    assert set(found.fault.scope) == set(shape)
    assert all(found.fault.covers(cohort) == (cohort in found.expected) for cohort in COHORTS)


def test_an_incident_goes_to_its_services_receivers_or_by_severity_and_a_log_to_nobody() -> None:
    intent = replace(INTENT, routes={"page": "everybody"})
    assert receivers_of(intent, ["playback"], Severity.PAGE) == ("on-call",)
    assert receivers_of(intent, ["playback", "extras"], Severity.PAGE) == ("on-call", "everybody")
    assert receivers_of(intent, ["extras"], Severity.TICKET) == ("severity=ticket",)
    assert receivers_of(intent, ["playback"], Severity.LOG) == ("nobody",)
