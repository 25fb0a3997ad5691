"""Which clock is believed, in the cases that the design of the formats lists."""

import pytest

from pipeline.belief import Belief, Believer
from pipeline.observation import Observation

ARRIVAL = 1_790_000_000_000
HOUR = 3_600_000


def seen(number: int = 0, **fields: int | bool | str | None) -> Observation:
    base: dict[str, object] = {
        "event_id": f"e{number}",
        "operation": "heartbeat",
        "operator": "acme",
        "device_class": "g2",
        "device_id": "d1",
    }
    return Observation(**{**base, **fields})  # type: ignore[arg-type]  # the tests' own values


def last(lags: list[int], **fields: int | bool | str | None) -> Belief:
    """What is believed of the last of a device's records, a minute apart, which arrive so long after their time."""
    believer = Believer()
    for number, lag in enumerate(lags):
        at = ARRIVAL + 60_000 * number
        belief = believer.believe(seen(number, **{"occurred_at": at - lag, **fields}), at)
    return belief


def test_a_clock_that_is_right_is_believed_and_what_exceeds_nothing_is_delay() -> None:
    assert last([900, 4_000]) == Belief("occurred", ARRIVAL + 60_000 - 4_000, 0, 4_000, None)


def test_a_clock_that_is_ahead_is_corrected_by_the_least_lag_and_the_rest_is_delay() -> None:
    belief = last([-90_000, -90_000, -60_000])
    assert belief == Belief("occurred corrected", ARRIVAL + 120_000 - 30_000, -90_000, 30_000, None)


def test_a_clock_that_is_behind_is_corrected_once_five_records_agree() -> None:
    assert last([HOUR] * 4).delay_ms == HOUR
    belief = last([HOUR] * 5 + [HOUR + 20_000])
    assert (belief.clock, belief.skew_ms, belief.delay_ms) == ("occurred corrected", HOUR, 20_000)


def test_a_clock_that_is_set_ahead_is_followed_after_five_records() -> None:
    first = last([1_000] * 6 + [-HOUR])
    assert (first.clock, first.clause) == ("arrival", "clock.future")
    after = last([1_000] * 6 + [-HOUR] * 5)
    assert (after.clock, after.clause, after.skew_ms) == ("occurred corrected", "clock.jump", -HOUR)


@pytest.mark.parametrize(
    ("occurred", "clause"),
    [(ARRIVAL // 1_000, "clock.unit"), (86_400_000, "clock.uptime"), (10**17, "clock.implausible")],
)
def test_a_time_of_no_calendar_is_not_believed_and_arrival_stands_in(occurred: int, clause: str) -> None:
    assert last([0], occurred_at=occurred) == Belief("arrival", ARRIVAL, 0, None, clause)


def test_without_an_occurrence_the_time_of_sending_is_believed() -> None:
    assert last([0], occurred_at=None, sent_at=ARRIVAL - 300) == Belief("sent", ARRIVAL - 300, 0, 300, None)


def test_what_was_held_back_or_says_nothing_has_no_delay() -> None:
    assert last([HOUR], cached=True).clock == "arrival"
    assert last([0], occurred_at=None) == Belief("arrival", ARRIVAL, 0, None, None)
