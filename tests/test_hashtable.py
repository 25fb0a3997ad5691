from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.eventids import REMEMBER_MS, EventIds
from pipeline.hashing import Hashes
from pipeline.hashtable import HashTable, first_of_each
from pipeline.numbers import Numbers

# Few low bits, so that many keys want the same place.
crowded = st.builds(lambda high, low: (high << 32) + low + 1, st.integers(0, 40), st.integers(0, 3))
batches = st.lists(st.lists(crowded, max_size=40), max_size=8)


def keys(numbers: list[int]) -> Hashes:
    return np.array(numbers, dtype=np.uint64)


@given(batches)
def test_a_table_knows_what_was_added_and_nothing_else(added: list[list[int]]) -> None:
    table, known = HashTable(values=True), dict[int, int]()
    for batch in added:
        new = keys(sorted(set(batch) - known.keys()))
        at, found = table.find(new)
        assert not found.any()
        values = np.arange(len(known), len(known) + len(new))
        table.add(new, at, values)
        known |= dict(zip(new.tolist(), values.tolist(), strict=True))
        at, found = table.find(keys(batch))
        assert found.all()
        assert table.values[at].tolist() == [known[key] for key in batch]
    assert len(table) == len(known)


def test_a_table_grows_with_its_keys() -> None:
    table = HashTable()
    chance = np.random.default_rng(1)
    everything = np.unique(chance.integers(1, 2**63, 50_000).astype(np.uint64))
    for part in np.array_split(chance.permutation(everything), 70):
        table.add(part, table.find(part)[0])
    assert table.find(everything)[1].all()
    assert not table.find(everything + np.uint64(2**63))[1].any()
    assert 16 * len(table) <= table.keys.nbytes <= 32 * len(table)


@given(st.lists(crowded, max_size=60))
def test_the_first_of_each_is_marked(numbers: list[int]) -> None:
    seen = set[int]()
    expected = [not (number in seen or seen.add(number)) for number in numbers]  # type: ignore[func-returns-value]
    assert first_of_each(keys(numbers)).tolist() == expected


@given(batches)
def test_a_number_is_of_one_key_and_stays_with_it(asked: list[list[int]]) -> None:
    numbers, known = Numbers(1_000), dict[int, int]()
    for batch in asked:
        for key, number in zip(batch, numbers.of(keys(batch)).tolist(), strict=True):
            assert known.setdefault(key, number) == number
    assert sorted(known.values()) == list(range(len(known)))
    assert numbers.size == len(known)


def test_numbers_of_keys_not_asked_for_since_the_last_turn_are_given_to_others() -> None:
    numbers = Numbers(8)
    first = numbers.of(keys([1, 2, 3, 4])).tolist()
    assert numbers.room() == 0
    assert numbers.turn().tolist() == []
    assert numbers.of(keys([1, 5, 6, 7])).tolist()[0] == first[0]
    assert sorted(numbers.turn().tolist()) == sorted(first[1:])
    again = numbers.of(keys([8, 9, 10])).tolist()
    assert sorted(again) == sorted(first[1:])
    assert numbers.of(keys([1])).tolist() == first[:1]


@given(
    st.lists(st.tuples(st.integers(1, 12), st.sampled_from((0, 1_000, REMEMBER_MS // 3))), max_size=80),
    st.sets(st.integers(0, 80)),
    st.sampled_from((2, 6, 1_000)),
)
def test_which_ids_are_remembered_does_not_hang_on_how_the_log_is_cut(
    log: list[tuple[int, int]], cuts: set[int], cap: int
) -> None:
    clock = np.cumsum([step for _, step in log], dtype=np.int64)
    whole, parts = EventIds(cap), EventIds(cap)

    def repeated(ids: EventIds, first: int, end: int) -> list[bool]:
        out: list[bool] = []
        while first < end:
            until = first + ids.room(clock[first:end])
            out += ids.repeated(keys([number for number, _ in log[first:until]])).tolist()
            first = until
        return out

    bounds = sorted({0, len(log), *(cut for cut in cuts if cut < len(log))})
    cut_up = [flag for first, end in pairwise(bounds) for flag in repeated(parts, first, end)]
    assert cut_up == repeated(whole, 0, len(log))
    assert parts.shortened == whole.shortened
