"""Which signals of an incident say what it touches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.detect.touch import LEAST_SHARE, telling
from pipeline.messages import Signal


def signal(operation: str, share: float, name: str = "latency", ratio: float = 1.2) -> Signal:
    return Signal(operation, name, "up", ratio, 1.0, ratio, share, "step")


def test_an_incidental_signal_does_not_make_an_incident_that_of_another_service() -> None:
    assert telling([signal("stall", 0.98), signal("playback_start", 0.02, "failure")]) == [signal("stall", 0.98)]


def test_a_signal_over_all_operations_is_left_out_where_one_operation_explains_it() -> None:
    stall, whole = signal("stall", 0.6), signal("*", 0.4)
    assert telling([stall, whole]) == [stall]
    assert telling([signal("*", 0.6), signal("stall", 0.4)]) == [signal("*", 0.6), signal("stall", 0.4)]


def test_what_one_operation_does_is_not_that_of_all_however_much_of_it_the_sum_shows() -> None:
    beat = signal("heartbeat", 0.3, "failure", ratio=4.0)
    assert telling([signal("*", 0.7, "failure", ratio=1.8), beat]) == [beat]
    alike = [signal("*", 0.7, "failure", ratio=1.8), signal("heartbeat", 0.05, "failure", ratio=1.9)]
    assert telling(alike) == alike[:1]


def test_a_signal_over_all_operations_of_another_kind_stays() -> None:
    order = signal("*", 0.4, "out_of_order")
    assert telling([signal("stall", 0.6), order]) == [signal("stall", 0.6), order]


@given(
    st.lists(st.tuples(st.sampled_from("*abc"), st.floats(0, 1), st.sampled_from(["latency", "failure"])), min_size=1)
)
def test_something_is_always_told_and_nothing_is_told_that_was_not_seen(
    parts: list[tuple[str, float, str]],
) -> None:
    signals = sorted((signal(*part) for part in parts), key=lambda one: -one.share)
    told = telling(signals)
    assert told
    assert all(one in signals for one in told)
    assert all(one.share >= LEAST_SHARE or one == signals[0] or one.operation != "*" for one in told)
