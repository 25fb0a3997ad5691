"""How anchors are learnt from counts: when two hours are over, and when a day of a cohort is.

Level and shape of the day follow from full days; a cell that has learnt enough of them is frozen. What a successor has
learnt of its own is held by leash and budget. Days of the reference that are not of one piece are noticed.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models import season
from pipeline.detect.anchors import HISTORY, OWN, AnchorBook
from pipeline.detect.channels import FEED_SIGNALS
from pipeline.detect.doubts import LEAST_DAYS, doubts
from pipeline.detect.levels import LEAST_SHARE, groups_of, share_levels, shift_levels
from pipeline.incidents.wording import instant

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.intp]

SHAPE_PRIOR_UNITS: Final = 50.0
TAIL_PRIOR_HITS: Final = 50.0
"""Hits of a tail vary as a count does, until so many have been seen."""


def close_slot(book: AnchorBook, slot: int, new_slot: int) -> list[int]:
    """The two hours `slot` are over; learn from them. Returns the rows whose anchor changed.

    Slots between `slot` and `new_slot` in which nothing arrived count as empty.
    """
    most = (book.policy.days + 1) * season.SLOTS
    for empty in range(max(slot, new_slot - most), new_slot):
        _push(book, empty)
    return _estimate(book, slot, new_slot)


def _push(book: AnchorBook, slot: int) -> None:
    rows = len(book)
    n, x = book.slot_n.data, book.slot_x.data
    age = slot - book.first_slot[:rows]
    new = (book.since_day.data[:rows] < 0) & (n[:rows] > 0)
    if new.any():
        day, part = np.divmod(age, season.SLOTS)
        begin = np.where((day == 0) | (part == 0), day, day + 1)
        book.since_day.data[:rows] = np.where(new, begin[:, None], book.since_day.data[:rows])
    at = slot % season.SLOTS
    book.last_n.data[:, at], book.last_x.data[:, at] = n, x
    learning = ~book.frozen.data[:rows]
    book.shape_n.data[:rows, at] += np.where(learning, n[:rows], 0.0)
    book.shape_x.data[:rows, at] += np.where(learning, x[:rows], 0.0)
    n[:] = 0.0
    x[:] = 0.0
    full = np.flatnonzero((age >= 0) & ((age + 1) % season.SLOTS == 0))
    day = age[full] // season.SLOTS % book.policy.days
    book.day_n.data[full, day] = book.last_n.data[full].sum(axis=1)
    book.day_x.data[full, day] = book.last_x.data[full].sum(axis=1)


def _estimate(book: AnchorBook, slot: int, new_slot: int) -> list[int]:
    """The slots from `slot` up to `new_slot` are over."""
    rows = len(book)
    seen = new_slot - book.first_slot[:rows]
    days = np.minimum(seen / season.SLOTS, book.policy.days)
    complete = seen // season.SLOTS
    day_over = complete > (slot - book.first_slot[:rows]) // season.SLOTS
    since, frozen = book.since_day.data[:rows], book.frozen.data[:rows]
    cell_days = np.clip(complete[:, None] - since, 0, book.policy.days)
    ripe = ~frozen & (since >= 0) & (cell_days >= book.policy.days)
    borrowed = book.is_borrowed.data[:rows]
    # Before the first full day a level is a guess, made anew every slot; then each day adds to it.
    guess = (complete == 0)[:, None] & (since >= 0)
    own = ~frozen & ~borrowed & (guess | ((since >= 0) & (cell_days >= 1)))
    fresh = (own & (day_over | (complete == 0))[:, None]) | ripe
    _own_days(book, days)
    if not fresh.any():
        return []
    n, x = _counted(book, complete)
    shift = book.is_shift
    level, mass = _levels(book, n, x)
    # A history of some days is no contract: what a whole week says replaces it, on no leash.
    history = np.array([lender == HISTORY for lender in book.lender], dtype=np.bool_)[:, None]
    level = np.where(borrowed & ripe & ~history, _leashed(book, level), level)
    book.level.data[:rows] = np.where(fresh, level, book.level.data[:rows])
    book.mass.data[:rows] = np.where(fresh, mass, book.mass.data[:rows])
    # Until a cell has a full day it is no reference, once its cohort is judged at all.
    young = ~frozen & ~borrowed & (complete >= 1)[:, None] & (cell_days < 1)
    book.mass.data[:rows][young] = 0.0
    tails = book.table.tails
    hits, squares = book.tail_hits.data[:rows, tails - 1], book.tail_squares.data[:rows, tails - 1]
    vary = (TAIL_PRIOR_HITS + squares) / (TAIL_PRIOR_HITS + hits)
    book.spread.data[:rows, tails] = np.where(fresh[:, tails], vary, book.spread.data[:rows, tails])
    book.first.data[:rows] = np.where(fresh & ~borrowed, book.level.data[:rows], book.first.data[:rows])
    _learn_shapes(book, np.flatnonzero(complete >= 1), shift)
    _look_for_breaks(book, np.flatnonzero(day_over & fresh.any(axis=1)), complete, fresh & ~borrowed)
    frozen |= ripe
    for operator in range(len(book.operators)):
        book.shape_known.data[operator] |= frozen[book.operator_of[:rows] == operator].any(axis=0)
    return [int(row) for row in np.flatnonzero(fresh.any(axis=1))]


def _own_days(book: AnchorBook, days: Floats) -> None:
    # A cohort whose anchor was learnt elsewhere has days that were not spent here.
    counts = np.array([lender in (OWN, HISTORY) for lender in book.lender], dtype=np.bool_)
    held = book.days[: len(book)]
    book.days[: len(book)] = np.where(counts, np.maximum(held, days), held)


def _counted(book: AnchorBook, complete: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """[rows, channels] over the full days that each cell may be learnt from; before the first, over its slots."""
    rows, size = len(book), book.policy.days
    ring = np.arange(size)[None, :]
    # The day that stands at a place of the ring: the newest that is full and falls on it.
    last = (complete - 1)[:, None]
    day = last - (last - ring) % size
    used = (day[:, :, None] >= np.maximum(book.since_day.data[:rows], 0)[:, None, :]) & (day >= 0)[:, :, None]
    first_day = (complete == 0)[:, None]
    out = []
    for days, slots in ((book.day_n, book.last_n), (book.day_x, book.last_x)):
        full = np.where(used, days.data[:rows], 0.0).sum(axis=1, dtype=np.float64)
        out.append(np.where(first_day, slots.data[:rows].sum(axis=1, dtype=np.float64), full))
    return out[0], out[1]


def _levels(book: AnchorBook, n: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Of every cell. Among siblings frozen ones count with what they rest on, borrowed ones not at all."""
    rows, shift = len(book), book.is_shift
    level, mass = book.level.data[:rows], book.mass.data[:rows]
    frozen, borrowed = book.frozen.data[:rows], book.is_borrowed.data[:rows]
    rest = np.where(shift, mass, mass / np.maximum(level, LEAST_SHARE))
    n = np.where(frozen, rest, n)
    x = np.where(frozen, rest * level, x)
    strange = borrowed & ~frozen
    counted_n, counted_x = np.where(strange, 0.0, n), np.where(strange, 0.0, x)
    middle, spread = book.middle.data[:rows], book.spread.data[:rows]
    found, solid = np.zeros(n.shape), np.zeros(n.shape)
    # Operator by operator: which others share this stage must not matter.
    for operator in range(len(book.operators)):
        own = np.flatnonzero(book.operator_of[:rows] == operator)
        group, groups = groups_of([(book.cohorts[row].device_class, book.cohorts[row].environment) for row in own])
        shares = share_levels(counted_n[own], counted_x[own], group, groups)
        shifts = shift_levels(counted_n[own], counted_x[own], middle[own], spread[own], group, groups)
        found[own] = np.where(shift, shifts.level, shares.level)
        solid[own] = np.where(shift, shifts.mass, shares.mass)
    if strange.any():
        # A successor stands by itself: its siblings' counts may be of the very devices that it took over.
        mean = np.where(shift, x / np.maximum(n, 1e-12), np.maximum(x / np.maximum(n, 1e-12), LEAST_SHARE))
        found = np.where(strange, mean, found)
        solid = np.where(strange, np.where(shift, n, n * mean), solid)
    return found, solid


def _look_for_breaks(book: AnchorBook, rows: Rows, complete: NDArray[np.int64], fresh: Flags) -> None:
    """Are the reference days of one piece? Rows of an operator that began together are looked at together."""
    for operator, first in sorted({(int(book.operator_of[row]), int(book.first_slot[row])) for row in rows}):
        some = rows[(book.first_slot[rows] == first) & (book.operator_of[rows] == operator)]
        days = np.arange(max(0, int(complete[some[0]]) - book.policy.days), int(complete[some[0]]))
        if len(days) < LEAST_DAYS:
            continue
        cells = fresh[some]
        value, sampling = _by_day(book, some, days, cells)
        book.doubtful.data[some] &= ~cells
        for row in some.tolist():
            book.doubt[row] = ""
        found = doubts([book.cohorts[row] for row in some], book.table.channels, value, sampling, _told(book))
        for doubt in found:
            since = instant((first + int(days[doubt.day]) * season.SLOTS) * season.SLOT_MS)
            text = doubt.text(book.table.channels[doubt.channel], since)
            for row in some[doubt.rows].tolist():
                _doubt(book, row, doubt.channel, doubt.size, text)


def _by_day(book: AnchorBook, rows: Rows, days: Rows, cells: Flags) -> tuple[Floats, Floats]:
    """[days, rows, channels] how far each day was off the level, log scale, and its sampling variance."""
    at = days % book.policy.days
    n = book.day_n.data[rows][:, at].swapaxes(0, 1).astype(np.float64)
    x = book.day_x.data[rows][:, at].swapaxes(0, 1).astype(np.float64)
    level, spread = book.level.data[rows], book.spread.data[rows]
    counted = (days[:, None, None] >= np.maximum(book.since_day.data[rows], 0)) & cells & (n > 0)
    weight = np.where(counted, np.where(book.is_shift, n, n * level), 0.0)
    safe = np.where(weight > 0, weight, 1.0)
    shares = np.log((np.maximum(x, 0.0) + 0.5) / (n * np.maximum(level, LEAST_SHARE) + 0.5))
    value = np.where(book.is_shift, x / safe - level, shares)
    return value, np.where(weight > 0, np.where(book.is_shift, spread, 1.0) / safe, np.inf)


def _told(book: AnchorBook) -> Flags:
    """[channels] those that a break is looked for in: of the devices, not of the telemetry."""
    return np.array([channel.signal not in FEED_SIGNALS for channel in book.table.channels], dtype=np.bool_)


def _doubt(book: AnchorBook, row: int, column: int, size: float, text: str) -> None:
    """Trust a cell less: its level is a mixture of before and after."""
    if book.frozen.data[row, column] or book.mass.data[row, column] <= 0:
        return
    unit = max(book.spread.data[row, column], 1e-9) if book.is_shift[column] else 1.0
    book.mass.data[row, column] = 1.0 / (1.0 / book.mass.data[row, column] + (size / 2.0) ** 2 / unit)
    book.doubtful.data[row, column] = True
    book.doubt[row] = book.doubt[row] or text


def _leashed(book: AnchorBook, own: Floats) -> Floats:
    """What a successor has of its own, held by the leash to its predecessor and by the budget to the first."""
    rows, shift, policy = len(book), book.is_shift, book.policy
    for anchor, by_shift, by_share in (
        (book.borrowed.data[:rows], policy.leash_shift, policy.leash_share),
        (book.first.data[:rows], policy.budget_shift, policy.budget_share),
    ):
        factor = np.exp(by_share)
        own = np.where(
            shift,
            np.clip(own, anchor - by_shift, anchor + by_shift),
            np.clip(own, anchor / factor, anchor * factor),
        )
    return own


def _learn_shapes(book: AnchorBook, rows: Rows, shift: Flags) -> None:
    """The day of each operator, [SLOTS, channels], pooled over its cohorts; shape never level, and frozen once any
    anchor is that was learnt with it."""
    own = rows[[book.lender[row] == OWN for row in rows]] if len(rows) else rows
    for operator in range(len(book.operators)):
        open_columns = ~book.shape_known.data[operator]
        members = own[book.operator_of[own] == operator]
        if not len(members) or not open_columns.any():
            continue
        n = book.shape_n.data[members].astype(np.float64)
        x = book.shape_x.data[members].astype(np.float64)
        level = book.level.data[members][:, None, :]
        units, hits, expected = n.sum(axis=0), x.sum(axis=0), (n * level).sum(axis=0)
        rates = season.rate_shape(hits, np.maximum(expected, 0.0), SHAPE_PRIOR_UNITS)
        shifts = season.shift_shape(hits - expected, units, SHAPE_PRIOR_UNITS)
        shape = np.where(shift, shifts, rates)
        book.shapes.data[operator] = np.where(open_columns, shape, book.shapes.data[operator])
