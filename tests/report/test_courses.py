"""What is kept while replaying, and the bands that are drawn from it."""

import numpy as np
import pytest

from pipeline.messages import Signal
from pipeline.report.bands import band
from pipeline.report.courses import Courses
from tests.detect.planted import LATENCY, Plant, anchors, at, evidence, quick

SCOPE = {"firmware": "stb-1.1"}
SIGNAL = Signal("playback_start", "latency", "up", None, None, None, 1.0, "step", 0.5)
FAILURES = Signal("playback_start", "failure", "up", None, None, None, 1.0, "step")


def kept(days: float, *plants: Plant, most: int = 10**7) -> Courses:
    courses = Courses(most)
    courses.take(anchors())
    for one in quick(days, *plants):
        courses.take(one)
    return courses


def test_every_unit_is_kept_however_coarse_the_grain() -> None:
    fine, coarse = kept(6.0), kept(6.0, most=20_000)
    assert coarse.grain_ms > fine.grain_ms == 3_600_000
    for name in ("n", "x", "feeds"):
        sums = [sum(float(getattr(entry, name).sum()) for entry in one.entries()) for one in (fine, coarse)]
        assert sums[1] == pytest.approx(sums[0], rel=1e-4)


def test_memory_is_bounded() -> None:
    courses = kept(12.0, most=20_000)
    assert sum(entry.numbers for entry in courses.entries()) <= 20_000


def test_a_band_shows_the_fault_in_ms_and_what_was_expected() -> None:
    found = band(kept(8.0, Plant(LATENCY, 1.3, SCOPE, 5.0, 7.0)), SCOPE, SIGNAL, at(3.0), at(8.0), [(at(5.0), at(7.0))])
    assert found is not None
    inside = (found.starts >= at(5.2)) & (found.starts < at(6.8)) & (found.units > 0)
    assert np.allclose(found.expected[inside], 800.0, rtol=1e-3)
    assert np.allclose(found.observed[inside], 1_040.0, rtol=0.02)
    assert (found.observed[inside] > found.high[inside]).all()


@pytest.mark.parametrize("signal", [SIGNAL, FAILURES])
def test_nearly_all_of_a_quiet_time_lies_within_the_band(signal: Signal) -> None:
    found = band(kept(20.0), SCOPE, signal, at(0.0), at(20.0), [])
    assert found is not None
    there = found.units > 0
    within = (found.observed >= found.low) & (found.observed <= found.high)
    assert 0.93 <= within[there].mean() <= 1.0


def test_moods_widen_the_band() -> None:
    def width(mood: float) -> float:
        courses = Courses()
        courses.take(anchors())
        for one in evidence(8.0, mood=mood, every=7_200_000):
            courses.take(one)
        found = band(courses, SCOPE, SIGNAL, at(0.0), at(8.0), [])
        assert found is not None
        return float(np.nanmean(found.high / found.low))

    assert width(0.08) > width(0.0) * 1.05


def test_trouble_teaches_nothing_of_moods() -> None:
    courses = kept(8.0, Plant(LATENCY, 1.5, SCOPE, 2.0, 8.0))
    naive = band(courses, SCOPE, SIGNAL, at(0.0), at(8.0), [])
    told = band(courses, SCOPE, SIGNAL, at(0.0), at(8.0), [(at(2.0), at(8.0))])
    assert naive is not None
    assert told is not None
    assert np.nanmean(told.high / told.low) < 0.8 * np.nanmean(naive.high / naive.low)


def test_without_an_anchor_a_share_is_shown_and_nothing_is_expected() -> None:
    courses = Courses()
    for one in quick(1.0):
        one.expected[:] = 0.0
        courses.take(one)
    found = band(courses, SCOPE, FAILURES, at(0.0), at(1.0), [])
    assert found is not None
    assert np.isfinite(found.observed[found.units > 0]).all()
    assert np.isnan(found.expected).all()
    unknown = band(courses, SCOPE, SIGNAL, at(0.0), at(1.0), [])
    assert unknown is None or np.isnan(unknown.observed).all()


def test_a_scope_or_signal_that_was_never_seen_has_no_band() -> None:
    courses = kept(1.0)
    assert band(courses, {"firmware": "none"}, SIGNAL, at(0.0), at(1.0), []) is None
    stall = Signal("stall", "failure", "up", None, None, None, 1.0, "step")
    assert band(courses, SCOPE, stall, at(0.0), at(1.0), []) is None


def test_what_is_set_aside_is_not_counted() -> None:
    courses = Courses()
    courses.take(anchors())
    (one, *_) = quick(1.0)
    one.aside[:] = True
    courses.take(one)
    assert sum(entry.n.sum() for entry in courses.entries()) == 0


def test_the_volume_of_a_feed_is_what_came_and_what_should_have() -> None:
    signal = Signal("*", "volume", "down", None, None, None, 1.0, "step")
    found = band(kept(1.0), {"operator": "norvik"}, signal, at(0.0), at(1.0), [])
    assert found is not None
    assert np.allclose(found.observed, found.expected)


def test_the_tail_is_said_in_ms_at_its_quantile() -> None:
    tail = Signal("playback_start", "latency", "up", None, None, None, 1.0, "spread", 0.99)
    found = band(kept(2.0), SCOPE, tail, at(0.0), at(2.0), [])
    assert found is not None
    assert 2_000 < np.nanmedian(found.observed) < 2_900
    assert np.allclose(found.expected[found.units > 0], 2_400.0)
