"""Anchors learnt elsewhere: handed over by one stage, and taken up by another for cohorts that have none."""

from __future__ import annotations

import hashlib
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models import season
from models.snapshot import SnapshotError
from pipeline.detect.anchors import HISTORY, OWN, AnchorBook
from pipeline.detect.evidence import Learned
from pipeline.detect.grid import Grid
from pipeline.detect.volumes import VolumeBook

Floats: TypeAlias = NDArray[np.float64]

COHORTS_A_MESSAGE: Final = 500
CELLS: Final = (
    "low", "high", "middle", "tail_bin", "tail_slope", "tail_cap", "has_cut", "spread", "base_ms", "tail_scale",
    "level", "mass", "first", "doubtful", "frozen",
)  # fmt: skip
LATER: Final = frozenset({"tail_slope", "tail_cap"})
"""Not in what was learnt before tails were weighed: there they were counted, and both are one."""
_NEVER: Final = 1e9
"""Stands for a tail that begins nowhere: JSON knows no infinity."""


def hand_over(book: AnchorBook, volumes: VolumeBook, since: int, until: int) -> list[Learned]:
    """All cohorts that have learnt for a day, by operator. The same history has the same identity."""
    out = []
    digest = hashlib.sha256(repr(book.cohorts).encode())
    for values in (book.level.data, book.mass.data):
        digest.update(np.ascontiguousarray(values[: len(book)]).tobytes())
    identity = f"{since}-{until}-{digest.hexdigest()[:16]}"
    for operator in sorted(book.operators):
        rows = [row for row, cohort in enumerate(book.cohorts) if cohort.operator == operator and book.days[row] >= 1.0]
        for first in range(0, len(rows), COHORTS_A_MESSAGE):
            pick = np.array(rows[first : first + COHORTS_A_MESSAGE], dtype=np.intp)
            out.append(
                Learned(
                    learned_id=f"{identity}/{operator}/{first}",
                    operator=operator,
                    since=since,
                    until=until,
                    cohorts=[book.cohorts[row] for row in pick],
                    channels=list(book.table.channels),
                    days=book.days[pick],
                    cells={
                        name: np.minimum(getattr(book, name).data[pick].astype(np.float64), _NEVER) for name in CELLS
                    },
                    shape=book.shapes.data[book.operators[operator]].copy(),
                    volumes=volumes.means(pick),
                )
            )
    return out


def check(learned: Learned) -> None:
    """Raises SnapshotError when the parts do not fit together."""
    rows, columns = len(learned.cohorts), len(learned.channels)
    shapes = {name: values.shape for name, values in learned.cells.items()}
    fitting = (
        set(shapes) | LATER == set(CELLS)
        and (rows == 0 or set(shapes.values()) == {(rows, columns)})
        and learned.shape.shape == (season.SLOTS, columns)
        and learned.days.shape == (rows,)
        and (rows == 0 or learned.volumes.shape == (rows, season.SLOTS))
        and all(cohort.operator == learned.operator for cohort in learned.cohorts)
    )
    if not fitting:
        msg = f"learnt anchors {learned.learned_id!r} are damaged: {rows} cohorts, {columns} channels, {shapes}"
        raise SnapshotError(msg)


def take_up(book: AnchorBook, volumes: VolumeBook, learned: Learned, rows: dict[int, int]) -> None:
    """Take up the anchors of some cohorts; the channel table must know all channels.

    Args:
        rows: of the book, to those of the message.
    """
    columns = np.array([book.table.channels.index(channel) for channel in learned.channels], dtype=np.intp)
    here = np.fromiter(rows, dtype=np.intp, count=len(rows))
    there = np.fromiter(rows.values(), dtype=np.intp, count=len(rows))
    cells = np.ix_(here, columns)
    whole = learned.days[there] >= book.policy.days
    known = learned.cells["mass"][there] > 0
    for name in CELLS:
        grid: Grid = getattr(book, name)
        held = learned.cells.get(name)
        values = np.ones((len(there), len(columns))) if held is None else held[there]
        grid.data[cells] = np.where(values >= _NEVER, np.inf, values) if name == "tail_bin" else values
    book.is_borrowed.data[cells] = known & ~book.frozen.data[cells]
    book.borrowed.data[cells] = learned.cells["level"][there]
    # What was counted against other cut points says nothing any more.
    for grid in (
        book.slot_n,
        book.slot_x,
        book.last_n,
        book.last_x,
        book.day_n,
        book.day_x,
        book.shape_n,
        book.shape_x,
        book.tail_hits,
        book.tail_squares,
    ):
        grid.data[here] = 0.0
    book.since_day.data[here] = -1
    operator = book.operators[learned.operator]
    fresh = ~book.shape_known.data[operator][columns]
    shape = book.shapes.data[operator]
    shape[:, columns] = np.where(fresh, learned.shape, shape[:, columns])
    book.shape_known.data[operator][columns] |= known.any(axis=0)
    for row, source, own in zip(here.tolist(), there.tolist(), whole.tolist(), strict=True):
        book.days[row] = learned.days[source]
        book.lender[row] = OWN if own else HISTORY
        volumes.take(row, learned.volumes[source])
