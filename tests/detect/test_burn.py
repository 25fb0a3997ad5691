"""Burn rates on several windows: when a line is broken, kept, about to break."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.detect.burn import LEAST_BAD, MOST_GROUPS, Burn, State, rules_of
from pipeline.intent import Threshold
from pipeline.messages import MINUTE_MS
from pipeline.observation import Cohort
from tests.detect.material import minute

HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
STB = Cohort("altura", "stb", "1.0", "production")


def line(window_ms: int = HOUR_MS, allowed: float = 0.05, per: tuple[str, ...] = ("operator",)) -> Threshold:
    return Threshold("line", "playback", "playback_start", "failure", allowed, window_ms, per=per)


def lived(burn: Burn, shares: list[float], attempts: float = 200.0, first: int = 0) -> Iterator[State]:
    """The states at the ends of entries, one share of bad ones a minute."""
    for number, share in enumerate(shares, start=first):
        burn.open(minute(number))
        burn.count([STB], np.array([attempts]), np.array([attempts * share]))
        state = burn.close(minute(number))
        if state is not None:
            yield state


def first_burning(states: Iterator[State]) -> int | None:
    return next((number for number, state in enumerate(states, start=1) if state.burning[0]), None)


def test_the_windows_are_the_workbooks_for_a_month_and_scaled_for_less() -> None:
    month = Burn(line(30 * DAY_MS, 0.001))
    assert month.grain_ms == 5 * MINUTE_MS
    windows = [(rule.burn, rule.long * month.grain_ms, rule.short * month.grain_ms) for rule in month.rules]
    assert windows == [
        (14.4, HOUR_MS, 5 * MINUTE_MS),
        (6.0, 6 * HOUR_MS, 30 * MINUTE_MS),
        (1.0, 72 * HOUR_MS, 6 * HOUR_MS),
    ]
    hour = rules_of(line(HOUR_MS, 0.001), MINUTE_MS)
    assert [(rule.burn, rule.long, rule.short) for rule in hour] == [(14.4, 5, 1), (6.0, 5, 1), (1.0, 60, 5)]


def test_a_median_can_be_broken_although_it_never_burns_at_more_than_twice_its_rate() -> None:
    assert [rule.burn for rule in rules_of(line(allowed=0.5), MINUTE_MS)] == [1.5, 1.5, 1.0]
    assert first_burning(lived(Burn(line(allowed=0.5)), [0.3] * 60 + [1.0] * 60)) is not None


@pytest.mark.parametrize(("share", "minutes"), [(0.5, 5), (0.35, 5), (0.08, 60)])
def test_the_faster_it_burns_the_sooner_it_is_said(share: float, minutes: int) -> None:
    found = first_burning(lived(Burn(line()), [0.02] * 120 + [share] * 120))
    assert found is not None
    assert found - 120 <= minutes


def test_a_share_below_the_allowed_one_never_burns() -> None:
    assert first_burning(lived(Burn(line()), [0.045] * 600)) is None


def test_a_handful_of_bad_attempts_breaks_no_line() -> None:
    """One attempt a minute, and every fifth is bad: for an hour there is no telling."""
    few = [1.0 if number % 5 == 0 else 0.0 for number in range(45)]
    assert sum(few) < LEAST_BAD
    assert first_burning(lived(Burn(line()), few, attempts=1.0)) is None


def test_after_it_ends_it_is_soon_calm_and_kept_when_its_window_is_over() -> None:
    states = list(lived(Burn(line()), [0.02] * 60 + [0.4] * 10 + [0.02] * 120))[70:]
    calm = next(number for number, state in enumerate(states) if state.calm[0])
    kept = next(number for number, state in enumerate(states) if state.kept[0])
    assert calm <= 5
    assert not any(state.burning[0] for state in states[calm:])
    assert 30 < kept <= 60


def test_it_began_when_the_excess_did() -> None:
    burn = Burn(line())
    list(lived(burn, [0.03] * 90 + [0.2] * 20))
    assert burn.entry is not None
    assert abs(burn.since(0, burn.entry - 1) - minute(90)) <= 2 * MINUTE_MS


def test_a_silence_is_no_breach_and_no_calm() -> None:
    burn = Burn(line())
    list(lived(burn, [0.4] * 30))
    state = burn.close(minute(200))
    assert state is not None
    assert not state.burning[0]
    assert not state.calm[0]


def test_groups_are_counted_apart_and_idle_ones_make_room() -> None:
    burn = Burn(line(window_ms=5 * MINUTE_MS, per=("operator", "firmware")))
    one = np.ones(1)
    for number in range(MOST_GROUPS):
        burn.open(minute(0))
        burn.count([STB._replace(firmware=str(number))], one, one)
    burn.close(minute(0))
    burn.count([STB._replace(firmware="late")], one, one)
    assert len(burn.groups) == MOST_GROUPS
    assert ("altura", "late") not in burn.groups
    for number in range(1, 12):
        burn.close(minute(number))
    burn.open(minute(12))
    burn.count([STB._replace(firmware="late")], one, one)
    assert ("altura", "late") in burn.groups
    assert len(burn.groups) == MOST_GROUPS


def test_counts_of_another_line_are_not_taken_up() -> None:
    first = Burn(line())
    list(lived(first, [0.4] * 30))
    other = Burn(line(allowed=0.1))
    other.restore(first.snapshot())
    assert other.groups == []


shares = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=60)


@settings(max_examples=40)
@given(shares, st.data(), st.sampled_from([HOUR_MS, DAY_MS]))
def test_a_restored_one_goes_on_as_if_nothing_had_been(held: list[float], data: st.DataObject, window: int) -> None:
    cut = data.draw(st.integers(1, len(held) - 1))
    whole = Burn(line(window))
    expected = [state.burn.tolist() for state in lived(whole, held)]
    first, other = Burn(line(window)), Burn(line(window))
    found = [state.burn.tolist() for state in lived(first, held[:cut])]
    other.restore(first.snapshot())
    found += [state.burn.tolist() for state in lived(other, held[cut:], first=cut)]
    assert found == expected
    assert json.dumps(first.snapshot()["line"])


@settings(max_examples=40)
@given(shares)
def test_more_bad_attempts_never_make_a_line_hold(held: list[float]) -> None:
    one = list(lived(Burn(line()), held))
    worse = list(lived(Burn(line()), [min(1.0, share + 0.1) for share in held]))
    assert all(not a.burning[0] or b.burning[0] for a, b in zip(one, worse, strict=True))
    assert all(b.burn[0] >= a.burn[0] - 1e-9 for a, b in zip(one, worse, strict=True) if a.long[0] == b.long[0])
