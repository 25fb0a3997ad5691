"""A person accepts the present level of a scope: its anchors move there, and the first ones stay beside them."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models import season
from pipeline.detect.anchors import AnchorBook
from pipeline.detect.levels import LEAST_SHARE
from pipeline.incidents.wording import instant
from pipeline.messages import Decision
from pipeline.observation import DIMENSIONS, Cohort

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.intp]

LEAST_UNITS: Final = 50.0
LEAST_HITS: Final = 5.0
"""Units (shift) or hits, seen or expected (share), below which nothing is the present level of a cell: it stays."""


class Accepted(NamedTuple):
    """rows: whose anchors have moved. cells: how many. thin: cells in scope of which too little was seen."""

    rows: list[int]
    cells: int
    thin: int


def accept(book: AnchorBook, decision: Decision, slot: int) -> Accepted:
    """Re-anchor the cells in scope from the last days. `slot` is the one that is open.

    Cells that still learn their first anchor go on learning: the present level is what they learn.
    """
    rows = np.array([row for row, cohort in enumerate(book.cohorts) if covers(decision, cohort)], dtype=np.intp)
    columns = np.array(
        [
            (decision.operation is None or channel.operation == decision.operation)
            and (decision.signal is None or channel.reported_signal == decision.signal)
            for channel in book.table.channels
        ],
        dtype=np.bool_,
    )
    cells = columns & (book.mass.data[rows] > 0) & (book.frozen.data[rows] | book.is_borrowed.data[rows])
    level, mass, solid = _present(book, rows, decision, slot)
    moved = cells & solid
    for grid, value in ((book.level, level), (book.borrowed, level), (book.mass, mass)):
        grid.data[rows] = np.where(moved, value, grid.data[rows])
    book.frozen.data[rows] |= moved
    book.doubtful.data[rows] &= ~moved
    changed = rows[moved.any(axis=1)].tolist()
    span = "the last day" if decision.days == 1 else f"the last {decision.days} days"
    for row in changed:
        book.accepted[row] = (
            f"accepted by {decision.by} on {instant(decision.at)} from {span}{_what(decision)}: {decision.reason}"
        )
        if not book.doubtful.data[row].any():
            book.doubt[row] = ""
    return Accepted(changed, int(moved.sum()), int((cells & ~solid).sum()))


def covers(decision: Decision, cohort: Cohort) -> bool:
    return all(cohort[DIMENSIONS.index(name)] == value for name, value in decision.scope.items())


def _what(decision: Decision) -> str:
    named = [name for name in (decision.signal, decision.operation) if name is not None]
    return f" ({' of '.join(named)})" if named else ""


def _present(book: AnchorBook, rows: Rows, decision: Decision, slot: int) -> tuple[Floats, Floats, Flags]:
    """[rows, channels] level, mass, and whether enough was seen, over the last day or the last full days."""
    days = decision.days
    shift, level = book.is_shift, book.level.data[rows]
    if days == 1:
        n = book.last_n.data[rows].astype(np.float64)
        x = book.last_x.data[rows].astype(np.float64)
        if decision.since is not None:
            closed = np.arange(slot - season.SLOTS, slot)
            n[:, closed[closed * season.SLOT_MS < decision.since] % season.SLOTS] = 0.0
            x[:, closed[closed * season.SLOT_MS < decision.since] % season.SLOTS] = 0.0
        shape = book.shapes.data[book.operator_of[rows]]
    else:
        size = book.policy.days
        complete = (slot - book.first_slot[rows]) // season.SLOTS
        back = complete[:, None] - 1 - np.arange(min(days, size))
        at = (np.arange(len(rows))[:, None], back % size)
        used = (back >= 0)[:, :, None]
        n = np.where(used, book.day_n.data[rows][at], 0.0).astype(np.float64)
        x = np.where(used, book.day_x.data[rows][at], 0.0).astype(np.float64)
        shape = np.where(shift, 0.0, 1.0)[None, None, :]
    units, total = n.sum(axis=1), x.sum(axis=1)
    safe = np.where(units > 0, units, 1.0)
    usual = (n * shape).sum(axis=1)
    shares = np.maximum(total / np.where(usual > 0, usual, 1.0), LEAST_SHARE)
    found = np.where(shift, (total - np.where(shift, usual, 0.0)) / safe, shares)
    solid = np.where(shift, units >= LEAST_UNITS, np.maximum(total, units * level) >= LEAST_HITS) & (units > 0)
    return found, np.where(shift, units, np.maximum(units * found, 1.0)), solid
