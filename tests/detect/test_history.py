"""What was counted lately: rings, spans, and what is due."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.season import DAY_MS
from pipeline.detect.history import SPANS, STEP_MS, Counts, History, Ring, Rows
from pipeline.detect.references import References
from tests.detect.material import MIDNIGHT
from tests.detect.planted import CHANNELS, FLEET, anchors, shares

SIZE = 6


def ring() -> Ring:
    made = Ring(SIZE, 60_000)
    made.fit(1, 1)
    return made


def push(into: Ring, entry: int) -> None:
    into.push(entry, np.array([[float(entry)]]), np.array([[-float(entry)]]))


def held(of: Ring, length: int) -> tuple[Counts, Counts]:
    """n, x of the last entries, oldest first: [entries, rows, columns]."""
    found = [of.at(entry) for entry in of.entries(length).tolist()]
    return np.stack([n for n, _ in found]), np.stack([x for _, x in found])


@given(st.lists(st.integers(1, 2 * SIZE), min_size=1, max_size=12))
def test_the_last_entries_are_what_was_pushed_and_gaps_between_are_empty(steps: list[int]) -> None:
    of, pushed = ring(), set()
    entry = 100
    for step in steps:
        entry += step
        push(of, entry)
        pushed.add(entry)
        entries = of.entries(SIZE)
        n, x = held(of, SIZE)
        assert entries.tolist() == list(range(entry - SIZE + 1, entry + 1))
        assert n[:, 0, 0].tolist() == [float(at) if at in pushed else 0.0 for at in entries.tolist()]
        assert (x == -n).all()


def test_what_was_counted_before_there_was_room_for_more_is_kept() -> None:
    of = ring()
    push(of, 7)
    of.fit(3, 2)
    n, _ = held(of, 1)
    assert n.tolist() == [[[7.0, 0.0], [0.0, 0.0], [0.0, 0.0]]]


def test_a_ring_restored_from_its_snapshot_goes_on_as_the_one_it_was_taken_of() -> None:
    of, other = ring(), ring()
    push(of, 7)
    push(of, 9)
    other.restore(of.snapshot())
    for each in (of, other):
        push(each, 12)
    assert of.entries(SIZE).tolist() == other.entries(SIZE).tolist()
    assert [array.tolist() for array in held(of, SIZE)] == [array.tolist() for array in held(other, SIZE)]


def test_spans_are_as_long_as_their_names() -> None:
    unit = {"m": DAY_MS // 1440, "h": DAY_MS // 24, "d": DAY_MS}
    assert [span.ms for span in SPANS] == [int(span.name[:-1]) * unit[span.name[-1]] for span in SPANS]
    assert [span.name for span in SPANS] == ["15m", "1h", "4h", "12h", "1d", "2d", "3d", "7d"]


# -- the whole -------------------------------------------------------------------------------------------------------


def filled(steps: int) -> tuple[History, References, Rows]:
    """A history in which step i (from midnight) has i units everywhere, and a third of them hit."""
    references = References()
    references.take(anchors())
    rows, columns = references.rows(list(FLEET)), references.columns(list(CHANNELS))
    history = History(references)
    first = MIDNIGHT // STEP_MS
    for step in range(steps):
        history.advance(first + step)
        n = np.full((len(FLEET), len(CHANNELS)), float(step))
        history.count(rows, columns, n, n / 3.0)
    history.advance(first + steps)
    return history, references, rows


@pytest.mark.parametrize(("name", "steps"), [("15m", 1), ("1h", 4), ("4h", 16), ("12h", 48), ("1d", 96)])
def test_a_span_sums_what_was_counted_in_it_and_what_the_anchors_expect_of_that(name: str, steps: int) -> None:
    history, _, rows = filled(96)
    sums = history.totals(rows, next(span for span in SPANS if span.name == name))
    units = float(sum(range(96 - steps, 96)))
    np.testing.assert_allclose(sums.n, units)
    np.testing.assert_allclose(sums.x, units / 3.0, rtol=1e-6)
    np.testing.assert_allclose(sums.expected, np.tile(shares(CHANNELS) * units, (len(FLEET), 1)), rtol=1e-6)


def test_a_new_anchor_scores_the_past_again() -> None:
    history, references, rows = filled(96)
    day = next(span for span in SPANS if span.name == "1d")
    before = history.totals(rows, day)
    twice = anchors()
    references.take(msgspec.structs.replace(twice, level=2.0 * twice.level))
    after = history.totals(rows, day)
    np.testing.assert_allclose(after.expected, 2.0 * before.expected)
    np.testing.assert_array_equal(after.x, before.x)


def test_a_series_adds_up_to_the_total_of_its_span() -> None:
    history, _, rows = filled(96)
    columns = np.arange(len(CHANNELS))
    for span in SPANS[:5]:
        series, total = history.series(rows, columns, span), history.totals(rows, span)
        assert len(series.entries) == span.length
        for name in ("n", "x", "expected"):
            np.testing.assert_allclose(getattr(series.sums, name).sum(axis=0), getattr(total, name), rtol=1e-6)


def test_a_span_of_days_is_due_only_when_so_many_blocks_have_been_seen() -> None:
    history, _, _ = filled(96)
    first = MIDNIGHT // STEP_MS
    due: list[set[str]] = []
    for step in range(97, 193):
        closed = history.advance(first + step)
        assert closed is not None
        assert closed[0] == (first + step) * STEP_MS
        due.append({span.name for span in closed[1]})
    assert "1d" in due[-1]
    assert "2d" in due[-1]
    assert not any("2d" in names for names in due[:-1])
    assert not any("3d" in names for names in due)
    assert all({"15m", "1h"} <= names for names in due)
    assert sum("4h" in names for names in due) == 48


def test_a_history_restored_from_its_snapshot_goes_on_as_the_one_it_was_taken_of() -> None:
    history, references, rows = filled(50)
    other = History(references)
    other.restore(history.snapshot())
    columns = references.columns(list(CHANNELS))
    one = np.ones((len(FLEET), len(CHANNELS)))
    at = MIDNIGHT // STEP_MS + 51
    for each in (history, other):
        each.count(rows, columns, one, one)
    assert history.advance(at) == other.advance(at)
    for span in SPANS[:5]:
        np.testing.assert_array_equal(history.totals(rows, span).n, other.totals(rows, span).n)
