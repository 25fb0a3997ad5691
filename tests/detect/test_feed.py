"""Silence, its end and what comes of it."""

from __future__ import annotations

from models.season import DAY_MS
from pipeline.detect.feed import DISTRUST_MINUTES, FeedGate
from pipeline.messages import MINUTE_MS

MIDNIGHT = 1_767_571_200_000
USUAL = 100
KNOWN_MINUTES = 29 * 60
NOW = MIDNIGHT + KNOWN_MINUTES * MINUTE_MS


def gate() -> FeedGate:
    """One that has seen the usual volume for a day and some hours, up to `NOW`."""
    made = FeedGate()
    for minute in range(KNOWN_MINUTES):
        made.judge(MIDNIGHT + minute * MINUTE_MS, USUAL)
    return made


def judge(of: FeedGate, minute: int, records: int) -> str:
    """Minutes count from `NOW`."""
    return of.judge(NOW + minute * MINUTE_MS, records).state


def test_the_usual_volume_is_sound_and_expected() -> None:
    health = gate().judge(NOW, USUAL)
    assert (health.state, health.records, health.expected) == ("ok", USUAL, USUAL)


def test_two_low_minutes_are_no_silence_and_three_are() -> None:
    of = gate()
    assert [judge(of, minute, 10) for minute in range(3)] == ["ok", "ok", "silent"]


def test_silence_is_said_to_begin_with_its_first_minute() -> None:
    of = gate()
    health = [of.judge(NOW + minute * MINUTE_MS, 0) for minute in range(5)][-1]
    assert health.since == NOW


def test_minutes_that_were_not_heard_of_were_silent() -> None:
    of = gate()
    assert judge(of, 30, 1) == "silent"


def test_a_low_minute_now_and_then_is_no_silence() -> None:
    of = gate()
    assert {judge(of, minute, 0 if minute % 3 else USUAL) for minute in range(30)} == {"ok"}


def test_a_quarter_of_the_usual_is_not_silent() -> None:
    of = gate()
    assert {judge(of, minute, 25) for minute in range(10)} == {"ok"}


def test_after_silence_it_is_trusted_ten_minutes_after_it_came_back() -> None:
    of = gate()
    for minute in range(5):
        judge(of, minute, 0)
    states = [judge(of, 5 + minute, 3 * USUAL) for minute in range(DISTRUST_MINUTES + 1)]
    assert states == ["recovering"] * DISTRUST_MINUTES + ["ok"]


def test_silence_again_while_it_recovers_is_silence() -> None:
    of = gate()
    for minute in range(5):
        judge(of, minute, 0)
    assert judge(of, 5, USUAL) == "recovering"
    assert [judge(of, 6 + minute, 0) for minute in range(3)] == ["recovering", "recovering", "silent"]


def test_silence_and_backfill_do_not_change_what_is_expected() -> None:
    of = gate()
    for minute in range(60):
        judge(of, minute, 0)
    for minute in range(60, 65):
        judge(of, minute, 10 * USUAL)
    health = of.judge(NOW + 65 * MINUTE_MS, USUAL)
    assert health.expected == USUAL


def test_a_silent_feed_does_not_come_back_by_the_hour_alone() -> None:
    """On its first day: of the hours to come nothing is known yet."""
    of = FeedGate()
    for minute in range(200):
        of.judge(MIDNIGHT + minute * MINUTE_MS, USUAL)
    states = [of.judge(MIDNIGHT + minute * MINUTE_MS, 0).state for minute in range(200, 700)]
    assert set(states[2:]) == {"silent"}
    assert of.judge(MIDNIGHT + 700 * MINUTE_MS, USUAL).state == "recovering"


def test_a_thin_feed_cannot_be_told_to_be_silent() -> None:
    of = FeedGate()
    for minute in range(KNOWN_MINUTES):
        of.judge(MIDNIGHT + minute * MINUTE_MS, 3)
    assert {judge(of, minute, 0) for minute in range(60)} == {"ok"}


def test_before_anything_is_known_nothing_is_silent() -> None:
    of = FeedGate()
    assert {of.judge(MIDNIGHT + minute * MINUTE_MS, 0).state for minute in range(60)} == {"ok"}


def test_an_outage_explains_the_gaps_of_the_next_day_and_no_longer() -> None:
    of = gate()
    assert not of.explains_gaps(NOW)
    for minute in range(5):
        judge(of, minute, 0)
    judge(of, 5, USUAL)
    back = NOW + 5 * MINUTE_MS
    assert of.explains_gaps(back)
    assert of.explains_gaps(back + DAY_MS - MINUTE_MS)
    assert not of.explains_gaps(back + DAY_MS)
