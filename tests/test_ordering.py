import random

from hypothesis import given
from hypothesis import strategies as st

from pipeline.ordering import GAP_AFTER_MS, JUMP, REMEMBER_MS, OperatorOrder, Order, Remembered, Sequences

HOUR = 3_600_000


class Counter:
    """One scope, a number every second unless told otherwise."""

    def __init__(self, cap: int = 1_000) -> None:
        self.sequences = Sequences(cap)
        self.now = 0

    def see(self, seq: int, *, cached: bool = False, scope: str = "s", after: int = 1_000) -> Order:
        self.now += after
        return self.sequences.see(scope, seq, cached, self.now, 0, 0)

    def inverted(self, *numbers: int) -> list[int]:
        return [number for number in numbers if self.see(number).inverted]

    def gaps(self, after: int = GAP_AFTER_MS) -> int:
        """Numbers missing for good once so much time has gone by."""
        self.now += after
        return sum(opening.missing for opening in self.sequences.due(self.now))


def test_numbers_in_order_are_neither_inverted_nor_gaps() -> None:
    counter = Counter()
    assert counter.inverted(7, 8, 9) == []
    assert counter.gaps() == 0


def test_a_number_below_the_highest_before_it_is_inverted() -> None:
    assert Counter().inverted(5, 8, 7, 6, 9, 4) == [7, 6, 4]


def test_the_same_number_in_another_record_is_no_inversion() -> None:
    assert Counter().inverted(5, 6, 6, 7) == []


def test_a_cached_record_is_not_judged_for_order() -> None:
    counter = Counter()
    counter.inverted(5, 8)
    assert counter.see(6, cached=True) == Order(False, False, 1, None)
    assert not counter.see(9, cached=True).sequenced


def test_numbers_missing_for_five_minutes_are_gaps() -> None:
    counter = Counter()
    counter.inverted(5, 9)
    assert counter.gaps(GAP_AFTER_MS - 1) == 0
    assert counter.gaps(1) == 3


def test_a_gap_is_counted_once() -> None:
    counter = Counter()
    counter.inverted(5, 9)
    assert (counter.gaps(), counter.gaps()) == (3, 0)


def test_a_number_that_comes_within_five_minutes_is_no_gap() -> None:
    counter = Counter()
    counter.inverted(5, 9, 7)
    assert counter.gaps() == 2


def test_a_number_that_comes_later_than_five_minutes_was_a_gap() -> None:
    counter = Counter()
    counter.inverted(5, 7)
    assert counter.see(6, after=GAP_AFTER_MS) == Order(True, True, 0, None)
    assert counter.gaps(0) == 1


def test_a_cached_record_fills_a_gap() -> None:
    counter = Counter()
    counter.inverted(5, 7)
    counter.see(6, cached=True)
    assert counter.gaps() == 0


def test_a_counter_that_falls_to_zero_or_one_is_reset() -> None:
    for first in (0, 1):
        counter = Counter()
        counter.inverted(5, 6)
        assert counter.see(first) == Order(True, False, 1, "seq.reset")
        assert counter.inverted(first + 1, first + 2) == []
        assert counter.gaps() == 0


def test_a_reset_that_is_a_missing_number_leaves_no_gap_of_it() -> None:
    counter = Counter()
    counter.inverted(0, 2)
    assert counter.see(1).clause == "seq.reset"
    assert counter.gaps() == 0


def test_what_was_missing_before_a_reset_still_is_and_the_new_count_does_not_fill_it() -> None:
    counter = Counter()
    counter.inverted(10, 15)
    counter.inverted(0, *range(1, 14), 12)
    assert counter.gaps() == 4


def test_a_new_count_has_gaps_of_its_own() -> None:
    counter = Counter()
    counter.inverted(10, 0, 3)
    assert counter.gaps() == 2


def test_a_cached_record_does_not_reset_a_counter() -> None:
    counter = Counter()
    counter.inverted(5, 6)
    assert counter.see(1, cached=True).clause is None
    assert counter.see(7).clause is None
    assert counter.gaps() == 0


def test_a_counter_that_leaps_has_changed_its_mind() -> None:
    counter = Counter()
    counter.see(5)
    assert counter.see(5 + JUMP + 1).clause == "seq.jump"
    assert counter.gaps() == 0


def test_scopes_count_apart() -> None:
    counter = Counter()
    counter.see(9, scope="a")
    assert not counter.see(5, scope="b").inverted
    assert counter.gaps() == 0


def test_the_scopes_seen_least_lately_are_forgotten_past_the_cap() -> None:
    counter = Counter(cap=10)
    counter.see(9, scope="kept")
    for number in range(100):
        counter.see(9, scope=f"other {number}")
        counter.see(9, scope="kept")
    assert counter.see(5, scope="kept").inverted
    assert not counter.see(5, scope="other 0").inverted


@given(st.lists(st.integers(2, 30), max_size=60))
def test_inversions_are_those_of_a_running_maximum(numbers: list[int]) -> None:
    expected, highest = [], -1
    for number in numbers:
        if number < highest:
            expected.append(number)
        highest = max(highest, number)
    assert Counter().inverted(*numbers) == expected


@given(st.lists(st.integers(2, 30), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_gaps_are_the_numbers_between_the_first_and_the_highest_that_never_came(
    numbers: list[int], chance: random.Random
) -> None:
    counter = Counter()
    orders = [counter.see(number, cached=chance.random() < 0.2) for number in numbers]
    never = set(range(numbers[0], max(numbers) + 1)) - set(numbers)
    expected = sum(order.expected for order in orders)
    assert counter.gaps() == len(never)
    # Each number that was due is accounted for once: it came, or it is missing.
    assert expected + len(never) == max(numbers) - numbers[0] + 1


# -- whose sequence it is -------------------------------------------------------------------------------------------


def sequence(order: OperatorOrder, seq: int | None, **who: str) -> Order:
    return order.sequence(
        seq, who.get("scope"), who.get("session"), who.get("device"), cached=False, now=0, series=0, device=0
    )


def test_scopes_sessions_and_devices_are_name_spaces_of_their_own() -> None:
    order = OperatorOrder(100, 100)
    assert sequence(order, 9, device="x").sequenced
    assert not sequence(order, 5, session="x").inverted
    assert not sequence(order, 3, scope="x").inverted
    assert sequence(order, 8, device="x").inverted
    assert sequence(order, 4, session="x").inverted
    assert sequence(order, 2, scope="x").inverted


def test_an_explicit_scope_goes_before_the_session_and_that_before_the_device() -> None:
    order = OperatorOrder(100, 100)
    sequence(order, 9, scope="a", session="b", device="c")
    assert not sequence(order, 5, session="b", device="c").inverted
    assert sequence(order, 8, scope="a").inverted


def test_a_device_seen_with_sessions_is_not_sequenced_without_one() -> None:
    order = OperatorOrder(100, 100)
    assert sequence(order, 9, device="x").sequenced
    sequence(order, 1, device="x", session="s")
    assert not sequence(order, 5, device="x").sequenced
    assert sequence(order, 9, device="y").sequenced


def test_a_device_is_seen_with_a_session_by_a_record_without_a_number_too() -> None:
    order = OperatorOrder(100, 100)
    sequence(order, None, device="x", session="s")
    assert not sequence(order, 5, device="x").sequenced


def test_a_record_without_a_number_or_without_a_scope_is_not_sequenced() -> None:
    order = OperatorOrder(100, 100)
    assert not sequence(order, None, device="x").sequenced
    assert not sequence(order, 5).sequenced


# -- event ids ------------------------------------------------------------------------------------------------------


def test_an_event_id_is_new_once() -> None:
    remembered = Remembered(100)
    assert [remembered.is_new(name, 0) for name in ("a", "b", "a")] == [True, True, False]


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 20)), max_size=200))
def test_an_event_id_seen_within_a_day_is_never_taken_for_new(steps: list[tuple[str, int]]) -> None:
    remembered = Remembered(1_000)
    seen: dict[str, int] = {}
    now = 0
    for name, hours in steps:
        now += hours * HOUR
        new = remembered.is_new(name, now)
        if name in seen and now - seen[name] <= REMEMBER_MS:
            assert not new
        if name not in seen:
            assert new
        seen[name] = now


def test_what_is_remembered_stays_within_the_cap_and_says_when_it_was_shortened() -> None:
    remembered = Remembered(100)
    for number in range(1_000):
        remembered.is_new(str(number), 0)
    assert len(remembered) <= 100
    assert remembered.shortened > 0
    assert not remembered.is_new("999", 0)


def test_a_day_that_fits_is_not_shortened() -> None:
    remembered = Remembered(100)
    for number in range(1_000):
        remembered.is_new(str(number), number * HOUR)
    assert remembered.shortened == 0
