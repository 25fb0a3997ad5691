import random
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.columns import Columns
from pipeline.eventids import REMEMBER_MS
from pipeline.gaps import GAP_AFTER_MS, Missing, Owner
from pipeline.hashing import Keys, hashed
from pipeline.observation import Cohort, Observation
from pipeline.ordering import DUPLICATE, EXPECTED, INVERTED, RESET, SEQUENCED, Ordering

HOUR = 3_600_000
IN_ORDER = SEQUENCED | EXPECTED
COHORT = Cohort("altura", "tv-2021")


def flags(ordering: Ordering, records: Sequence[Observation], clock: Sequence[int]) -> list[int]:
    seen = Columns.of(records)
    found, _ = ordering.judge(seen, Keys.of(seen, hashed(seen.operator)), np.array(clock))
    return [int(flag) for flag in found]


class Log:
    """Records of one log, one a second unless told otherwise; each has an id of its own."""

    def __init__(self, ordering: Ordering | None = None) -> None:
        self.ordering = ordering or Ordering()
        self.now = 1_790_000_000_000
        self.sent = 0

    def see(
        self,
        seq: int | None = None,
        *,
        scope: str | None = None,
        session: str | None = None,
        device: str | None = None,
        cached: bool = False,
        event_id: str | None = None,
        operator: str = COHORT.operator,
        after: int = 1_000,
    ) -> int:
        self.now += after
        self.sent += 1
        record = Observation(
            event_id=event_id or f"event {self.sent}",
            operation="heartbeat",
            operator=operator,
            device_class=COHORT.device_class,
            seq=seq,
            seq_scope=scope,
            session_id=session,
            device_id=device,
            cached=cached,
        )
        return int(flags(self.ordering, [record], [self.now])[0])

    def count(self, *numbers: int) -> list[int]:
        """Flags of these numbers of one scope."""
        return [self.see(number, scope="s") for number in numbers]

    def inverted(self, *numbers: int) -> list[int]:
        return [number for number, flags in zip(numbers, self.count(*numbers), strict=True) if flags & INVERTED]

    def missing(self, after: int = GAP_AFTER_MS) -> list[Missing]:
        """What is found missing when so much time has gone by."""
        self.see(after=after)
        return self.ordering.missing()

    def gaps(self, after: int = GAP_AFTER_MS) -> int:
        return sum(missing.numbers for missing in self.missing(after))


def test_numbers_in_order_are_neither_inverted_nor_gaps() -> None:
    log = Log()
    assert log.count(7, 8, 9) == [IN_ORDER, IN_ORDER, IN_ORDER]
    assert log.gaps() == 0


def test_a_number_below_the_highest_before_it_is_inverted() -> None:
    assert Log().inverted(5, 8, 7, 6, 9, 4) == [7, 6, 4]


def test_the_same_number_in_another_record_is_judged_and_no_inversion() -> None:
    assert Log().count(5, 6, 6, 7) == [IN_ORDER, IN_ORDER, SEQUENCED, IN_ORDER]


def test_a_cached_record_is_not_judged_for_order() -> None:
    log = Log()
    log.count(5, 8)
    assert log.see(6, scope="s", cached=True) == EXPECTED
    assert log.see(4, scope="s", cached=True) == 0
    assert log.see(9, scope="s", cached=True) == EXPECTED


def test_a_cached_record_may_be_the_highest_before() -> None:
    log = Log()
    log.count(5)
    log.see(9, scope="s", cached=True)
    assert log.inverted(6) == [6]


def test_numbers_missing_for_five_minutes_are_gaps() -> None:
    log = Log()
    log.count(5, 9)
    assert log.gaps(GAP_AFTER_MS - 1) == 0
    assert log.gaps(1) == 3


def test_a_gap_is_counted_once() -> None:
    log = Log()
    log.count(5, 9)
    assert (log.gaps(), log.gaps()) == (3, 0)


def test_a_gap_belongs_to_the_record_that_came_instead_and_to_the_time_when_it_came_due() -> None:
    log = Log()
    log.see(5, device="d")
    log.see(9, device="d")
    due = log.now + GAP_AFTER_MS
    (missing,) = log.missing(HOUR)
    assert missing == Missing(due, Owner(COHORT, "d", None), 3)


def test_a_number_that_comes_within_five_minutes_is_no_gap() -> None:
    log = Log()
    assert log.count(5, 9, 7)[-1] == SEQUENCED | INVERTED | EXPECTED
    assert log.gaps() == 2


def test_a_number_that_comes_after_five_minutes_was_a_gap() -> None:
    log = Log()
    log.count(5, 7)
    assert log.see(6, scope="s", after=GAP_AFTER_MS) == SEQUENCED | INVERTED
    assert log.gaps(0) == 1


def test_a_cached_record_fills_a_gap() -> None:
    log = Log()
    log.count(5, 7)
    log.see(6, scope="s", cached=True)
    assert log.gaps() == 0


def test_a_counter_that_falls_to_zero_or_one_is_reset() -> None:
    for first in (0, 1):
        log = Log()
        log.count(5, 6)
        assert log.count(first) == [IN_ORDER | RESET]
        assert log.inverted(first + 1, first + 2) == []
        assert log.gaps() == 0


def test_a_reset_that_is_a_missing_number_leaves_no_gap_of_it() -> None:
    log = Log()
    assert log.count(0, 2, 1)[-1] & RESET
    assert log.gaps() == 0


def test_a_first_number_that_swapped_with_the_second_leaves_no_gap() -> None:
    log = Log()
    assert log.count(1, 0, 2) == [IN_ORDER, IN_ORDER | RESET, IN_ORDER]
    assert log.gaps() == 0


def test_what_was_missing_before_a_reset_still_is_and_the_new_count_does_not_fill_it() -> None:
    log = Log()
    log.count(10, 15)
    log.count(0, *range(1, 14), 12)
    assert log.gaps() == 4


def test_a_new_count_has_gaps_of_its_own() -> None:
    log = Log()
    log.count(10, 0, 3)
    assert log.gaps() == 2


def test_a_cached_record_does_not_reset_a_counter() -> None:
    log = Log()
    log.count(5, 6)
    assert log.see(1, scope="s", cached=True) == 0
    assert log.count(7) == [IN_ORDER]
    assert log.gaps() == 0


def test_a_leap_to_the_end_of_the_numbers_costs_as_much_as_one_lost_record() -> None:
    log = Log()
    log.count(5, 2**63 - 1)
    assert log.inverted(6, 2**62) == [6, 2**62]
    assert log.gaps() == 2**63 - 1 - 5 - 1 - 2


def test_scopes_count_apart() -> None:
    log = Log()
    log.see(9, scope="a")
    assert log.see(5, scope="b") == IN_ORDER
    assert log.gaps() == 0


def test_operators_count_apart() -> None:
    log = Log()
    log.see(9, scope="a")
    assert log.see(5, scope="a", operator="norvik") == IN_ORDER
    assert log.see(8, scope="a") & INVERTED


def test_the_scopes_seen_least_lately_are_forgotten_past_the_cap() -> None:
    log = Log(Ordering(names=10))
    log.see(9, scope="kept")
    for number in range(100):
        log.see(9, scope=f"other {number}")
        log.see(9, scope="kept")
    assert log.see(5, scope="kept") & INVERTED
    assert not log.see(5, scope="other 0") & INVERTED


def test_past_the_cap_the_oldest_leap_is_forgotten_and_counted() -> None:
    log = Log(Ordering(gaps=2))
    for scope in "abc":
        log.see(5, scope=scope)
        log.see(7, scope=scope)
    assert log.gaps() == 2
    assert log.ordering.forgotten_gaps == 1


def test_a_scope_full_of_holes_holds_a_bounded_number_of_them() -> None:
    log = Log()
    for number in range(2, 4_000, 2):
        log.see(number, scope="s", after=1)
    assert log.ordering.forgotten_gaps > 0
    assert 0 < log.gaps() < 1_000


@given(st.lists(st.integers(2, 30), max_size=60))
def test_inversions_are_those_of_a_running_maximum(numbers: list[int]) -> None:
    expected, highest = [], -1
    for number in numbers:
        if number < highest:
            expected.append(number)
        highest = max(highest, number)
    assert Log().inverted(*numbers) == expected


@given(st.lists(st.integers(2, 30), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_gaps_are_the_numbers_between_the_first_and_the_highest_that_never_came(
    numbers: list[int], chance: random.Random
) -> None:
    log = Log()
    flags = [log.see(number, scope="s", cached=chance.random() < 0.2) for number in numbers]
    never = set(range(numbers[0], max(numbers) + 1)) - set(numbers)
    came = sum(bool(flag & EXPECTED) for flag in flags)
    assert log.gaps() == len(never)
    # Each number that was due is accounted for once: it came, or it is missing.
    assert came + len(never) == max(numbers) - numbers[0] + 1


@st.composite
def records(draw: st.DrawFn) -> list[tuple[Observation, int]]:
    """Records with few ids, scopes and numbers, and the arrival clock at each."""
    few = st.sampled_from("abc")
    now = 0
    out = []
    for _ in range(draw(st.integers(1, 20))):
        now += draw(st.sampled_from((0, 1_000, GAP_AFTER_MS, REMEMBER_MS // 2)))
        record = Observation(
            event_id=str(draw(st.integers(0, 15))),
            operation="heartbeat",
            operator=draw(few),
            device_class="tv",
            seq=draw(st.none() | st.integers(0, 9)),
            seq_scope=draw(st.none() | few),
            session_id=draw(st.none() | few),
            device_id=draw(st.none() | few),
            cached=draw(st.booleans()),
        )
        out.append((record, now))
    return out


def judged(batches: Sequence[Sequence[tuple[Observation, int]]]) -> tuple[list[int], list[Missing]]:
    ordering = Ordering()
    found: list[int] = []
    for batch in batches:
        found += flags(ordering, [record for record, _ in batch], [now for _, now in batch])
    return found, ordering.missing()


@given(records(), st.data())
def test_the_answer_does_not_hang_on_how_the_log_is_cut_into_batches(
    log: list[tuple[Observation, int]], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(log)))
    assert judged([part for part in (log[:cut], log[cut:]) if part]) == judged([log])


@given(records())
def test_a_duplicate_changes_nothing(log: list[tuple[Observation, int]]) -> None:
    flags, missing = judged([log])
    kept = [flag for flag in flags if not flag & DUPLICATE]
    once = [record for record, flag in zip(log, flags, strict=True) if not flag & DUPLICATE]
    assert judged([once])[0] == kept
    # With nothing after it the clock stops earlier, and less comes due.
    assert judged([once])[1] == missing[: len(judged([once])[1])]


# -- whose sequence it is -------------------------------------------------------------------------------------------


def test_scopes_sessions_and_devices_are_name_spaces_of_their_own() -> None:
    log = Log()
    assert log.see(9, device="x") & SEQUENCED
    assert log.see(5, session="x") == IN_ORDER
    assert log.see(3, scope="x") == IN_ORDER
    assert log.see(8, device="x") & INVERTED
    assert log.see(4, session="x") & INVERTED
    assert log.see(2, scope="x") & INVERTED


def test_an_explicit_scope_goes_before_the_session_and_that_before_the_device() -> None:
    log = Log()
    log.see(9, scope="a", session="b", device="c")
    assert log.see(5, session="b", device="c") == IN_ORDER
    assert log.see(8, scope="a") & INVERTED


def test_a_device_seen_with_sessions_is_not_sequenced_without_one() -> None:
    log = Log()
    assert log.see(9, device="x") & SEQUENCED
    log.see(1, device="x", session="s")
    assert log.see(5, device="x") == 0
    assert log.see(9, device="y") & SEQUENCED


def test_what_a_device_had_skipped_is_no_gap_once_it_is_seen_with_sessions() -> None:
    log = Log()
    log.see(9, device="x")
    log.see(12, device="x")
    log.see(1, device="x", session="s")
    assert log.gaps() == 0


def test_a_device_is_seen_with_a_session_by_a_record_without_a_number_too() -> None:
    log = Log()
    log.see(device="x", session="s")
    assert log.see(5, device="x") == 0


def test_a_record_without_a_number_or_without_a_scope_is_not_sequenced() -> None:
    log = Log()
    assert log.see(device="x") == 0
    assert log.see(5) == 0


# -- event ids ------------------------------------------------------------------------------------------------------


def test_an_event_id_is_new_once_and_for_each_operator() -> None:
    log = Log()
    assert [log.see(event_id=name) for name in ("a", "b", "a")] == [0, 0, DUPLICATE]
    assert log.see(event_id="a", operator="norvik") == 0


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 20)), max_size=200))
def test_an_event_id_seen_within_a_day_is_never_taken_for_new(steps: list[tuple[str, int]]) -> None:
    log = Log()
    seen: dict[str, int] = {}
    for name, hours in steps:
        flags = log.see(event_id=name, after=hours * HOUR)
        if name in seen and log.now - seen[name] <= REMEMBER_MS:
            assert flags == DUPLICATE
        if name not in seen:
            assert flags == 0
        seen[name] = log.now


def test_event_ids_past_the_cap_are_forgotten_and_that_is_said() -> None:
    log = Log(Ordering(ids=100))
    for number in range(1_000):
        log.see(event_id=str(number))
    assert log.ordering.shortened > 0
    assert log.see(event_id="999") == DUPLICATE
    assert log.see(event_id="0") == 0


def test_a_day_that_fits_is_not_shortened() -> None:
    log = Log(Ordering(ids=100))
    for number in range(1_000):
        log.see(event_id=str(number), after=HOUR)
    assert log.ordering.shortened == 0
