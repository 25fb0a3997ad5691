"""Rings of what was counted lately."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.season import DAY_MS
from pipeline.detect.history import SPANS, Ring

SIZE = 6


def ring() -> Ring:
    made = Ring(SIZE, 60_000)
    made.fit(1, 1)
    return made


def push(into: Ring, entry: int) -> None:
    into.push(entry, np.array([[float(entry)]]), np.array([[-float(entry)]]))


@given(st.lists(st.integers(1, 2 * SIZE), min_size=1, max_size=12))
def test_the_last_entries_are_what_was_pushed_and_gaps_between_are_empty(steps: list[int]) -> None:
    of, pushed = ring(), set()
    entry = 100
    for step in steps:
        entry += step
        push(of, entry)
        pushed.add(entry)
        n, x, entries = of.last(SIZE)
        assert entries.tolist() == list(range(entry - SIZE + 1, entry + 1))
        assert n[:, 0, 0].tolist() == [float(at) if at in pushed else 0.0 for at in entries.tolist()]
        assert (x == -n).all()


def test_what_was_counted_before_there_was_room_for_more_is_kept() -> None:
    of = ring()
    push(of, 7)
    of.fit(3, 2)
    n, _, _ = of.last(1)
    assert n.tolist() == [[[7.0, 0.0], [0.0, 0.0], [0.0, 0.0]]]


def test_what_is_read_is_not_changed_by_what_comes_later() -> None:
    of = ring()
    push(of, 7)
    n, _, _ = of.last(1)
    push(of, 7 + SIZE)
    assert n.item() == 7.0


def test_a_ring_restored_from_its_snapshot_goes_on_as_the_one_it_was_taken_of() -> None:
    of, other = ring(), ring()
    push(of, 7)
    push(of, 9)
    other.restore(of.snapshot())
    for each in (of, other):
        push(each, 12)
    assert [array.tolist() for array in of.last(SIZE)] == [array.tolist() for array in other.last(SIZE)]


def test_spans_are_as_long_as_their_names() -> None:
    lengths = {"15m": DAY_MS // 96, "1h": DAY_MS // 24, "4h": DAY_MS // 6, "1d": DAY_MS, "3d": 3 * DAY_MS}
    assert {span.name: span.ms for span in SPANS} == {**lengths, "7d": 7 * DAY_MS}
