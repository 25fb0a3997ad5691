"""Sums of device-minutes are what adding up by hand gives, however they are packed, sorted and divided."""

from __future__ import annotations

from collections import Counter, defaultdict
from math import log

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.messages import LATENCY_BIN, LATENCY_BINS, UNIT
from pipeline.units import Share, Units

Row = tuple[int, int, int, bool, bool, float]
"""Group, device, attempts, two marks, a value."""

rows = st.lists(
    st.tuples(
        st.integers(0, 40),
        # Numbers on either side of zero, and far enough apart for keys of more than 32 bits.
        st.one_of(st.integers(-3, 3), st.integers(-(1 << 33), 1 << 33)),
        st.integers(1, 1_000_000),
        st.booleans(),
        st.booleans(),
        st.floats(0, 86_400_000),
    ),
    min_size=1,
    max_size=60,
)


def made(found: list[Row]) -> tuple[Units, list[int], list[tuple[int, int]]]:
    """The units of rows whose groups are numbered without a gap; those groups, and the units in order."""
    groups = sorted({row[0] for row in found})
    place = np.array([groups.index(row[0]) for row in found])
    device = np.array([row[1] for row in found])
    return Units(place, device), groups, sorted({row[:2] for row in found})


@given(rows)
def test_a_sum_by_unit_is_that_of_its_rows(found: list[Row]) -> None:
    made_units, _, in_order = made(found)
    attempts = np.array([row[2] for row in found])
    marks = [np.array([row[3 + number % 2] for row in found]) for number in range(7)]
    given_rows = {"attempts": attempts, "again": attempts, **{f"mark {n}": mark for n, mark in enumerate(marks)}}
    sums = made_units.sums(given_rows)
    for name, values in given_rows.items():
        expected: Counter[tuple[int, int]] = Counter()
        for row, value in zip(found, values.tolist(), strict=True):
            expected[row[:2]] += int(value)
        assert sums[name].tolist() == [expected[unit] for unit in in_order], name


@given(rows)
def test_a_share_is_taken_among_units_of_equal_weight_rows(found: list[Row]) -> None:
    made_units, groups, _ = made(found)
    of = made_units.sums(
        {
            "rows": np.array([row[3] for row in found]),
            "weight": np.array([row[3] * row[2] for row in found]),
            "hits": np.array([(row[3] and row[4]) * row[2] for row in found]),
        }
    )
    rates = made_units.rates({"of": Share(of["rows"], of["weight"], of["hits"])})
    for group, rate in zip(groups, rates.part(0, len(groups)), strict=True):
        among, hits = 0, 0
        for unit in {row[:2] for row in found if row[0] == group}:
            told = [row for row in found if row[:2] == unit and row[3]]
            among += _fixed(sum(row[2] for row in told), len(told))
            hits += _fixed(sum(row[2] for row in told if row[4]), len(told))
        assert (among, hits) == ((rate["of"].of, rate["of"].hits) if rate else (0, 0))


@given(rows)
def test_a_histogram_has_each_row_with_its_part_of_the_weight_of_its_unit(found: list[Row]) -> None:
    made_units, groups, _ = made(found)
    histogram = made_units.histogram(
        np.array([row[3] for row in found]), np.array([row[5] for row in found]), np.array([row[2] for row in found])
    )
    told: Counter[tuple[int, int]] = Counter(row[:2] for row in found if row[3])
    expected: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for group, device, attempts, use, _, value in found:
        if use:
            place = min(int(log(max(value, 1.0)) / LATENCY_BIN), LATENCY_BINS - 1)
            expected[group][place] += _fixed(attempts, told[group, device])
    half = len(groups) // 2
    (bins, weights, _), (more_bins, more_weights, _) = histogram.part(0, half), histogram.part(half, len(groups))
    bins += more_bins
    weights += more_weights
    assert bins == [tuple(sorted(expected[group])) for group in groups]
    assert weights == [tuple(expected[group][place] for place in sorted(expected[group])) for group in groups]


def _fixed(total: int, rows: int) -> int:
    return (total * UNIT + rows // 2) // rows if rows else 0
