"""The sentence that a person on call reads first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detect.channels import COHORT_RATES, FEED_SIGNALS, OPERATION_RATES
from pipeline.incidents import wording
from pipeline.messages import Signal
from pipeline.observation import DIMENSIONS

ONSET = 1_767_571_200_000
FIRMWARE = (("firmware", "tv-1.1"),)


def signal(name: str, observed: float | None = 0.03, expected: float | None = 0.02, operation: str = "*") -> Signal:
    ratio = observed / expected if observed is not None and expected else None
    return Signal(operation, name, "up", observed, expected, ratio, 1.0, "step")


def said(*signals: Signal) -> str:
    return wording.summary(FIRMWARE, signals, ONSET, 3, 9)


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (Signal("playback_start", "latency", "up", 1040.0, 800.0, 1.3, 1.0, "step", quantile=0.5),
         "playback_start latency 1040 ms instead of 800 ms (+30 %)"),
        (Signal("playback_start", "latency", "up", 3600.0, 2400.0, 1.5, 1.0, "spread", quantile=0.99),
         "playback_start latency at the 99th percentile 3600 ms instead of 2400 ms (+50 %)"),
        (signal("failure", operation="license_request"), "license_request failures 3 % instead of 2 %"),
        (signal("denial"), "denials 3 % instead of 2 %"),
        (signal("timeout", 0.0012, 0.00051), "timeouts 0.12 % instead of 0.051 %"),
        (signal("retry"), "retries 3 % instead of 2 %"),
        (signal("out_of_order"), "out-of-order records 3 % instead of 2 %"),
        (signal("duplicate"), "duplicates 3 % instead of 2 %"),
        (signal("gap"), "gaps 3 % instead of 2 %"),
        (signal("contract"), "contract violations 3 % instead of 2 %"),
        (signal("delay", 45_000.0, 1_500.0), "delay of the telemetry 45000 ms instead of 1500 ms (+2900 %)"),
        (signal("volume", 12.34, 50.0), "volume of records 12.3 a minute instead of 50.0"),
        (signal("failure", None, 0.02), "failures up"),
    ],
)  # fmt: skip
def test_each_signal_is_said_in_its_own_words_and_units(of: Signal, words: str) -> None:
    assert said(of) == (
        f"Firmware tv-1.1: {words}, since 2026-01-05 00:00 UTC; 3 cohorts affected, the other 9 move as expected."
    )


@pytest.mark.parametrize("name", ["latency", *OPERATION_RATES, *COHORT_RATES, *sorted(FEED_SIGNALS)])
def test_no_signal_is_without_words(name: str) -> None:
    assert said(signal(name)).endswith("move as expected.")


def test_the_whole_fleet_is_said_as_such_and_there_is_nobody_to_compare_with() -> None:
    text = wording.summary((), [signal("failure")], ONSET, 12, 0)
    assert text.startswith("The whole fleet: failures ")
    assert text.endswith("12 cohorts affected, no cohort is left to compare with.")


def test_a_single_cohort_is_said_in_the_singular() -> None:
    assert "1 cohort affected" in wording.summary(FIRMWARE, [signal("gap")], ONSET, 1, 2)


def test_three_signals_are_said_and_the_others_counted() -> None:
    names = ["failure", "denial", "timeout", "retry", "gap"]
    four, five = (said(*map(signal, names[:count])) for count in (4, 5))
    assert "timeouts 3 % instead of 2 %; and 1 more signal, since" in four
    assert "timeouts 3 % instead of 2 %; and 2 more signals, since" in five
    assert "retries" not in five


def test_every_dimension_has_a_name() -> None:
    scope = [(name, "x") for name in DIMENSIONS]
    assert wording.name(scope) == "Operator x, device class x, firmware x, environment x"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
def test_a_name_is_said_as_the_operator_writes_it(value: str) -> None:
    assert wording.name([("firmware", value)]) == f"Firmware {value}"
