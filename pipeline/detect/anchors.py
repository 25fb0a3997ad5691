"""Anchors: what each cohort is held against. Learnt over full days, then frozen; a drift cannot drag them.

Every cell (a channel of a cohort) is learnt and frozen by itself: an operation that a cohort takes up later gets an
anchor later. Cut points are read off a cell's first histogram, or taken over from its predecessor. From then on only
counts are kept: by slot of the last day, by day of the last week, and by slot of the day while the shape is learnt.
Level and shape of the day follow from `AnchorPolicy.days` full days, thin cohorts leaning on their operator and class.

A successor starts on its predecessors' anchor. Its own may leave that only as far as the leash, and a chain of releases
may not walk further from the first anchor than the budget. Only a person moves an anchor further (`accept`), and the
first one is kept beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models import season
from models.cutpoints import CutPoints, mean_tail_weight
from models.snapshot import Plain, SnapshotError, pack, unpack
from pipeline.detect.channels import ChannelTable
from pipeline.detect.evidence import Anchors
from pipeline.detect.grid import Grid
from pipeline.detect.levels import LEAST_SHARE
from pipeline.detect.roster import is_overflow
from pipeline.messages import LATENCY_BIN
from pipeline.observation import Cohort

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.intp]

RECUT: Final = 0.04
"""A predecessor's mean under another's clipping points is off by about this part of their distance."""
MESSAGE_ROWS: Final = 500
"""Cohorts in one message at most: with five operations some 4 MB of JSON."""
OWN: Final = "own"
HISTORY: Final = "history"
"""The lender of a level that was learnt over less than a week elsewhere: it serves until the own one is ripe."""


@dataclass(frozen=True, slots=True)
class AnchorPolicy:
    """How anchors are learnt and how far they may move. On the log scale, shifts first, shares second.

    days: full days to learn before an anchor freezes (moods belong to days: fewer make false alarms).
    leash_*: how far the own anchor of a successor may leave its predecessor's.
    budget_*: how far a chain of releases may walk from the first anchor.
    doubt_*: standard deviation by which a firmware differs from its predecessor with nothing wrong.
    """

    days: int = 7
    leash_shift: float = 0.03
    leash_share: float = 0.10
    budget_shift: float = 0.06
    budget_share: float = 0.20
    doubt_shift: float = 0.01
    doubt_share: float = 0.03


class AnchorBook:
    """The anchors of all cohorts of one baseline stage; rows in order of admission, columns of the channel table."""

    def __init__(self, table: ChannelTable, policy: AnchorPolicy) -> None:
        self.table = table
        self.policy = policy
        self.cohorts: list[Cohort] = []
        self.lender: list[str] = []
        self.doubt: list[str] = []
        """What is wrong with the reference days of a row, for people; empty when nothing is."""
        self.accepted: list[str] = []
        """Who accepted the level of a row, when and why; empty when nobody did."""
        self._rows: dict[Cohort, int] = {}
        self.operators: dict[str, int] = {}
        self.first_slot: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.days: Floats = np.zeros(0)
        self.operator_of: Rows = np.zeros(0, dtype=np.intp)
        # Cut points and what they mean.
        self.low, self.high, self.middle = Grid(), Grid(), Grid()
        self.tail_bin, self.tail_slope, self.tail_cap = Grid(fill=np.inf), Grid(fill=1.0), Grid(fill=1.0)
        self.has_cut = Grid(dtype=np.bool_)
        self.spread, self.base_ms, self.tail_scale = Grid(), Grid(), Grid()
        # Of the tail, while it is learnt: its hits, and the squares that their variance is.
        self.tail_hits, self.tail_squares = Grid(), Grid()
        # The anchor.
        self.level, self.mass, self.first = Grid(), Grid(), Grid()
        self.borrowed, self.is_borrowed = Grid(), Grid(dtype=np.bool_)
        self.frozen, self.doubtful = Grid(dtype=np.bool_), Grid(dtype=np.bool_)
        self.since_day = Grid(fill=-1, dtype=np.int32)
        """The day of a row, counted from its admission, from which on a cell is learnt; -1: not seen yet."""
        # Counts. Sums of whole device-minutes in float32 lose less than a part in a million.
        self.slot_n, self.slot_x = Grid(), Grid()
        self.last_n, self.last_x = (Grid((season.SLOTS,), dtype=np.float32) for _ in range(2))
        self.day_n, self.day_x = (Grid((policy.days,), dtype=np.float32) for _ in range(2))
        self.shape_n, self.shape_x = (Grid((season.SLOTS,), dtype=np.float32) for _ in range(2))
        # By operator.
        self.shapes = Grid((season.SLOTS,))
        self.shape_known = Grid(dtype=np.bool_)
        self._shift: Flags = np.zeros(0, dtype=np.bool_)

    def __contains__(self, cohort: Cohort) -> bool:
        return cohort in self._rows

    def __len__(self) -> int:
        return len(self.cohorts)

    def row(self, cohort: Cohort) -> int:
        return self._rows[cohort]

    @property
    def is_shift(self) -> Flags:
        """[channels]"""
        if len(self._shift) != len(self.table):
            self._shift = np.array([channel.is_shift for channel in self.table.channels], dtype=np.bool_)
        return self._shift

    def _grids(self) -> Iterator[tuple[str, Grid]]:
        for name in _GRIDS:
            yield name, getattr(self, name)

    def fit(self) -> None:
        """Make room for all rows and columns that exist by now."""
        rows, columns = len(self.cohorts), len(self.table)
        for _, grid in self._grids():
            grid.fit(rows, columns)
        have = self.shapes.data.shape
        operators = len(self.operators)
        if operators > have[0] or columns > have[-1]:
            for grid in (self.shapes, self.shape_known):
                grid.fit(operators, columns)
            flat = np.where(self.is_shift, 0.0, 1.0)
            self.shapes.data[have[0] :] = flat
            self.shapes.data[: have[0], :, have[-1] :] = flat[have[-1] :]
        if rows > len(self.days):
            more = max(rows, len(self.days) * 3 // 2) - len(self.days)
            self.first_slot = np.concatenate((self.first_slot, np.zeros(more, dtype=np.int64)))
            self.days = np.concatenate((self.days, np.zeros(more)))
            self.operator_of = np.concatenate((self.operator_of, np.zeros(more, dtype=np.intp)))

    def admit(self, cohort: Cohort, slot: int, row: int) -> None:
        """A row for a cohort: a new one (the number of rows), or that of a cohort that is forgotten for it."""
        if row == len(self.cohorts):
            self.cohorts.append(cohort)
            for texts in (self.lender, self.doubt, self.accepted):
                texts.append("")
        else:
            del self._rows[self.cohorts[row]]
            self.cohorts[row] = cohort
            for _, grid in self._grids():
                grid.forget(row)
            self.doubt[row] = self.accepted[row] = ""
        self._rows[cohort] = row
        self.lender[row] = OWN
        operator = self.operators.setdefault(cohort.operator, len(self.operators))
        self.fit()
        self.first_slot[row], self.days[row], self.operator_of[row] = slot, 0.0, operator

    def lends(self, lender: int, row: int) -> bool:
        """May a row's cohort succeed another's? That one has learnt for a day, and is a firmware."""
        return lender != row and self.days[lender] >= 1.0 and not is_overflow(self.cohorts[lender])

    def borrow(self, row: int, lenders: list[int], weights: Floats) -> None:
        """Take over the anchor of the lenders as far as each is likely to be the predecessor, and doubt it accordingly.

        Cut points are those of the likeliest at the first time, as what is counted hangs on them; anchors of others are
        expressed in them.
        """
        shift = self.is_shift
        best = lenders[int(np.argmax(weights))]
        cells = ~self.frozen.data[row]
        fresh = cells & ~self.is_borrowed.data[row] & (self.mass.data[best] > 0) & (self.since_day.data[row] < 0)
        for grid in (
            self.low, self.high, self.middle, self.tail_bin, self.tail_slope, self.tail_cap, self.has_cut,
            self.base_ms, self.tail_scale,
        ):  # fmt: skip
            grid.data[row] = np.where(fresh, grid.data[best], grid.data[row])
        self.is_borrowed.data[row] |= fresh
        cells &= self.is_borrowed.data[row]
        mass = self.mass.data[lenders]
        part = np.where(mass > 0, weights[:, None], 0.0)
        known = part.sum(axis=0)
        cells &= known > 0
        part /= np.where(known > 0, known, 1.0)
        logs, recut = self._seen_from(row, lenders)
        mean = np.sum(part * logs, axis=0)
        least = np.where(shift, self.policy.doubt_shift, self.policy.doubt_share) ** 2
        doubt = np.sum(part * ((logs - mean) ** 2 + (RECUT * recut) ** 2), axis=0) + least
        spread = np.sum(part * self.spread.data[lenders], axis=0)
        unit = np.where(shift, np.maximum(spread, 1e-9), 1.0)
        level = np.where(shift, mean, np.exp(mean))
        first, _ = self._seen_from(row, lenders, first=True)
        first_mean = np.sum(part * first, axis=0)
        inverse = np.sum(part / np.maximum(mass, 1e-9), axis=0)
        for grid, value in (
            (self.level, level),
            (self.borrowed, level),
            (self.first, np.where(shift, first_mean, np.exp(first_mean))),
            (self.spread, spread),
            (self.mass, 1.0 / (inverse + doubt / unit)),
        ):
            grid.data[row] = np.where(cells, value, grid.data[row])
        self.doubtful.data[row] |= cells & (self.doubtful.data[lenders] & (part > 0.5)).any(axis=0)
        self.days[row] = float(np.dot(weights, self.days[lenders]))
        self.lender[row] = self.cohorts[best].firmware

    def _seen_from(self, row: int, lenders: list[int], *, first: bool = False) -> tuple[Floats, Floats]:
        """[lenders, channels] their levels, log scale, in the row's own cut points; and how far those are apart."""
        shift = self.is_shift
        level = (self.first if first else self.level).data[lenders]
        apart = np.where(shift, self.middle.data[lenders] - self.middle.data[row], 0.0)
        logs = np.where(shift, level + apart, np.log(np.maximum(level, LEAST_SHARE)))
        tails = self.table.tails
        bodies = tails - 1
        # The tail beyond another's cut point, as exponential as the lender's own is, in the row's own weights.
        cut = self.has_cut.data[row, bodies] & self.has_cut.data[lenders][:, bodies]
        begins = np.where(cut, self.tail_bin.data[lenders][:, bodies], 0.0)
        further = np.where(cut, self.tail_bin.data[row, bodies] - begins, 0.0) * LATENCY_BIN
        scale = np.maximum(self.tail_scale.data[lenders][:, bodies], 0.05)
        own, other = (
            mean_tail_weight(
                scale, self.tail_slope.data[held][..., bodies], self.tail_cap.data[held][..., bodies], LATENCY_BIN
            )
            for held in (row, lenders)
        )
        logs[:, tails] += np.log(own / other) - further / scale
        apart[:, tails] = further * 5.0
        return logs, apart

    def set_cut(self, row: int, column: int, cut: CutPoints) -> None:
        for grid, value in (
            (self.low, cut.low),
            (self.high, cut.high),
            (self.middle, cut.middle),
            (self.tail_bin, cut.tail_bin),
            (self.tail_slope, cut.tail_slope),
            (self.tail_cap, cut.tail_cap),
            (self.spread, cut.spread),
            (self.base_ms, np.exp(cut.median)),
            (self.tail_scale, cut.tail_scale),
        ):
            grid.data[row, column] = value
        self.has_cut.data[row, column] = True
        if self.table.channels[column].signal == "latency":
            self.base_ms.data[row, column + 1] = np.exp(cut.tail)
            self.tail_scale.data[row, column + 1] = cut.tail_scale

    def learn(self, rows: Rows, n: Floats, x: Floats) -> None:
        """Count units of trusted minutes; [rows, channels]."""
        self.slot_n.data[rows] += n
        self.slot_x.data[rows] += x

    def learn_tails(self, rows: Rows, hits: Floats, squares: Floats) -> None:
        """Count the tails of trusted minutes, [rows, channels] in the columns of their latencies."""
        at = self.table.tails - 1
        cells = np.ix_(rows, at)
        learning = ~self.frozen.data[cells]
        self.tail_hits.data[cells] += np.where(learning, hits[:, at], 0.0)
        self.tail_squares.data[cells] += np.where(learning, squares[:, at], 0.0)

    def learn_column(self, rows: Rows, column: int, n: Floats, x: Floats) -> None:
        """Count units of one channel alone; [rows]."""
        self.slot_n.data[rows, column] += n
        self.slot_x.data[rows, column] += x

    def expected(self, rows: Rows, n: Floats, at_ms: float) -> Floats:
        """What the anchors expect of `n` units at an instant; see `Anchors` for the units."""
        level = self.level.data[rows]
        shape = season.at(self.shapes.data.swapaxes(0, 1), at_ms)[self.operator_of[rows]]
        return np.asarray(np.where(self.is_shift, n * (level + shape), n * level * shape))

    # -- telling -----------------------------------------------------------------------------------------------------

    def messages(self, source: str, minute: int, rows: list[int], gone: list[Cohort]) -> list[Anchors]:
        """The anchors of some rows, for whoever judges by them, and who is forgotten."""
        firsts = range(0, max(len(rows), bool(gone)), MESSAGE_ROWS)
        return [self._message(source, minute, rows[at : at + MESSAGE_ROWS], [] if at else gone) for at in firsts]

    def _message(self, source: str, minute: int, rows: list[int], gone: list[Cohort]) -> Anchors:
        pick = np.array(rows, dtype=np.intp)
        operators = sorted({self.cohorts[row].operator for row in rows})
        counted = (self.since_day.data[pick] >= 0) | self.is_borrowed.data[pick]
        return Anchors(
            source=source,
            minute=minute,
            cohorts=[self.cohorts[row] for row in rows],
            channels=list(self.table.channels),
            level=self.level.data[pick],
            spread=self.spread.data[pick],
            mass=self.mass.data[pick],
            days=self.days[pick],
            lender=[self.lender[row] for row in rows],
            base_ms=self.base_ms.data[pick],
            tail_scale=self.tail_scale.data[pick],
            shapes={operator: self.shapes.data[self.operators[operator]].copy() for operator in operators},
            frozen=(self.frozen.data[pick] | ~counted).all(axis=1) & counted.any(axis=1),
            first_level=self.first.data[pick],
            doubtful=self.doubtful.data[pick],
            doubt=[self.doubt[row] for row in rows],
            accepted=[self.accepted[row] for row in rows],
            gone=gone,
        )

    def snapshot(self) -> Plain:
        rows = len(self)
        return {
            "cohorts": [list(cohort) for cohort in self.cohorts],
            "texts": [list(self.lender), list(self.doubt), list(self.accepted)],
            "first_slot": pack(self.first_slot[:rows]),
            "days": pack(self.days[:rows]),
            "operators": list(self.operators),
            "policy_days": self.policy.days,
            "grids": {name: pack(grid.data[:rows]) for name, grid in self._grids()},
            "shapes": pack(self.shapes.data),
            "shape_known": pack(self.shape_known.data),
        }

    def restore(self, state: Plain) -> None:
        """Take up a snapshot; the channel table must hold its operations already.

        Raises:
            SnapshotError: its parts do not fit together.
        """
        cohorts = [Cohort(*cohort) for cohort in state["cohorts"]]
        rows, columns = len(cohorts), len(self.table)
        if state["policy_days"] != self.policy.days:
            msg = f"the snapshot learns over {state['policy_days']} days, this program over {self.policy.days}"
            raise SnapshotError(msg)
        self.fit()
        for name, grid in self._grids():
            if name not in state["grids"] and name in _LATER:
                grid.data = np.full((rows, columns), _LATER[name])
                continue
            grid.data = _fitting(name, state["grids"][name], (rows, *grid.data.shape[1:-1], columns), grid.data.dtype)
        self.cohorts = cohorts
        self._rows = {cohort: row for row, cohort in enumerate(cohorts)}
        self.lender, self.doubt, self.accepted = ([str(text) for text in texts] for texts in state["texts"])
        if {len(texts) for texts in state["texts"]} != {rows} or len(self._rows) != rows:
            msg = f"the snapshot names {rows} cohorts, and not as many texts or different ones"
            raise SnapshotError(msg)
        self.first_slot = _fitting("first_slot", state["first_slot"], (rows,), np.dtype(np.int64))
        self.days = _fitting("days", state["days"], (rows,), np.dtype(np.float64))
        self.operators = {str(operator): i for i, operator in enumerate(state["operators"])}
        self.operator_of = np.array([self.operators[cohort.operator] for cohort in cohorts], dtype=np.intp)
        shapes = unpack(state["shapes"])
        if shapes.shape[0] < len(self.operators) or shapes.shape[1:] != (season.SLOTS, columns):
            msg = f"shapes of the day {shapes.shape} do not fit {len(self.operators)} operators"
            raise SnapshotError(msg)
        self.shapes.data = shapes
        known = state["shape_known"]
        self.shape_known.data = _fitting("shape_known", known, (len(shapes), columns), np.dtype(np.bool_))


def _fitting(name: str, plain: Plain, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    array = unpack(plain)
    if array.shape != shape or array.dtype != dtype:
        msg = f"{name} is {array.dtype} {array.shape}, not {dtype} {shape}"
        raise SnapshotError(msg)
    return array


_GRIDS: Final = (
    "low", "high", "middle", "tail_bin", "tail_slope", "tail_cap", "has_cut", "spread", "base_ms", "tail_scale",
    "tail_hits", "tail_squares",
    "level", "mass", "first", "borrowed", "is_borrowed", "frozen", "doubtful", "since_day",
    "slot_n", "slot_x", "last_n", "last_x", "day_n", "day_x", "shape_n", "shape_x",
)  # fmt: skip
_LATER: Final = {"tail_slope": 1.0, "tail_cap": 1.0, "tail_hits": 0.0, "tail_squares": 0.0}
"""What older snapshots do not have, and what it is there: tails were counted."""
