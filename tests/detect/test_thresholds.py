"""Attempts counted against the lines of an intent."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import codec
from pipeline.detect.baseline import Baseline
from pipeline.detect.evidence import Evidence
from pipeline.detect.thresholds import Lines
from pipeline.intent import Threshold
from pipeline.messages import LATENCY_BIN, Tick
from pipeline.observation import Cohort
from tests.detect.material import bell, cohort, evidence_of, minute, operation

STB = Cohort("altura", "stb", "1.0", "production")
SLOW = Threshold("slow", "playback", "playback_start", "latency", 0.05, 3_600_000, limit_ms=1_200.0, quantile=0.95)
FAILING = Threshold("failing", "playback", "playback_start", "failure", 0.01, 3_600_000)


def test_of_a_rate_device_minutes_and_those_that_hit_are_counted() -> None:
    evidence = evidence_of(
        Baseline(["a"], thresholds=[SLOW, FAILING]),
        minute(0),
        {STB: cohort(STB, 100, {"playback_start": operation(100.0, bell(1_000.0, 80.0), failure=7.0)})},
    )
    assert evidence.thresholds == ["slow", "failing"]
    assert evidence.attempts is not None
    assert evidence.bad is not None
    assert evidence.attempts[0] == pytest.approx([80.0, 100.0], rel=1e-4)
    assert evidence.bad[0, 1] == pytest.approx(7.0)


@given(st.floats(300.0, 5_000.0), st.floats(500.0, 3_000.0))
def test_of_a_latency_what_lies_beyond_the_limit_is_counted_to_within_a_small_part_of_a_bin(
    limit: float, centre: float
) -> None:
    line = Threshold("slow", "playback", "playback_start", "latency", 0.05, 3_600_000, limit_ms=limit)
    window = cohort(STB, 100, {"playback_start": operation(100.0, bell(centre, 1_000.0))})
    (of,), (bad,) = Lines([line]).count([[window]])
    beyond = 0.5 * math.erfc(math.log(limit / centre) / 0.3 / math.sqrt(2.0))
    density = math.exp(-0.5 * (math.log(limit / centre) / 0.3) ** 2) / (0.3 * math.sqrt(2.0 * math.pi))
    assert of[0] == pytest.approx(1_000.0, rel=1e-3)
    assert abs(bad[0] / of[0] - beyond) <= 0.3 * LATENCY_BIN * density + 0.003
    assert 0.0 <= bad[0] <= of[0]


@given(st.permutations(range(4)), st.integers(1, 3))
def test_the_order_of_the_parts_of_a_cohort_does_not_matter(order: list[int], cut: int) -> None:
    parts = [
        cohort(STB, 10, {"playback_start": operation(10.0 + i, bell(900.0 + 100.0 * i, 3.3), failure=0.7)})
        for i in range(4)
    ]
    lines = Lines([SLOW, FAILING])
    one, other = lines.count([parts]), lines.count([[parts[i] for i in order]])
    assert (one[0] == other[0]).all()
    assert (one[1] == other[1]).all()
    halves = [lines.count([parts[:cut]]), lines.count([parts[cut:]])]
    assert one[1] == pytest.approx(halves[0][1] + halves[1][1])


def test_what_is_counted_passes_over_a_topic() -> None:
    sent = evidence_of(
        Baseline(["a"], thresholds=[FAILING]), minute(0), {STB: cohort(STB, 1, {"playback_start": operation(9.0)})}
    )
    received = codec.decode(codec.encode(sent))
    assert isinstance(received, Evidence)
    assert received.attempts is not None
    assert sent.attempts is not None
    assert received.thresholds == ["failing"]
    assert (received.attempts == sent.attempts).all()
    nobody = msgspec.structs.replace(sent, cohorts=[], attempts=np.zeros((0, 1)), bad=np.zeros((0, 1)))
    received = codec.decode(codec.encode(nobody))
    assert isinstance(received, Evidence)
    assert received.attempts is not None
    assert received.attempts.shape == (0, 1)


def test_without_a_threshold_nothing_is_sent() -> None:
    baseline = Baseline(["a"])
    evidence = evidence_of(baseline, minute(0), {STB: cohort(STB, 1, {"playback_start": operation(9.0)})})
    assert (evidence.thresholds, evidence.attempts, evidence.bad) == ([], None, None)


def test_a_restored_baseline_goes_on_counting() -> None:
    first = Baseline(["a"], thresholds=[FAILING])
    window = cohort(STB, 9, {"playback_start": operation(9.0, failure=3.0)})
    evidence_of(first, minute(0), {STB: window})
    other = Baseline(["a"], thresholds=[FAILING])
    other.restore(first.snapshot())
    evidence = evidence_of(other, minute(1), {STB: window})
    assert evidence.bad is not None
    assert evidence.bad[0] == pytest.approx([3.0])
    assert isinstance(other.feed(Tick("a", minute(2)))[-1], Tick)
