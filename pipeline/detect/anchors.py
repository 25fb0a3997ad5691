"""Anchors: what each cohort is held against. Learnt over full days, then frozen; a drift cannot drag them.

A cohort's cut points are read off its first histogram, or taken over from its predecessor (the firmware that its
operator and class ran before it). From then on only counts are learnt, two hours at a time; level and shape of the day
follow from `AnchorPolicy.days` full days, thin cohorts leaning on their operator and class. A successor starts on its
predecessor's anchor, and its own may leave that only as far as the leash.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import astuple, dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models import season
from models.cutpoints import CutPoints
from models.snapshot import Plain, pack, unpack
from pipeline.detect.channels import ChannelTable
from pipeline.detect.evidence import Anchors
from pipeline.observation import Cohort

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.intp]

LEAST_SHARE: Final = 1e-4
"""A share is never expected below this: a first hit in a quiet stream is news, not proof."""
SIBLING_SPREAD: Final = 0.3
"""Log standard deviation assumed among siblings until it is measured."""
LEAST_SIBLING_SPREAD: Final = 0.05
SUCCESSOR_SHIFT: Final = 0.02
SUCCESSOR_RATE: Final = 0.05
"""A firmware differs from its predecessor by so much (log standard deviation) with nothing wrong."""
SHAPE_PRIOR_UNITS: Final = 50.0


@dataclass(frozen=True, slots=True)
class AnchorPolicy:
    """days: full days to learn before an anchor freezes (moods belong to days: fewer make false alarms).

    leash_shift, leash_rate: how far the own anchor of a successor may leave its predecessor's, on the log scale.
    """

    days: int = 7
    leash_shift: float = 0.03
    leash_rate: float = 0.10

    @property
    def slots(self) -> int:
        return self.days * season.SLOTS


class _Grid:
    """A float array [rows, ..., columns] that grows at both ends and keeps what it holds."""

    __slots__ = ("data", "fill", "middle")

    def __init__(self, middle: tuple[int, ...] = (), fill: float = 0.0) -> None:
        self.middle = middle
        self.fill = fill
        self.data: Floats = np.full((0, *middle, 0), fill)

    def fit(self, rows: int, columns: int) -> None:
        have_rows, have_columns = self.data.shape[0], self.data.shape[-1]
        if rows <= have_rows and columns <= have_columns:
            return
        grown_rows = have_rows if rows <= have_rows else max(rows, have_rows * 3 // 2)
        grown = np.full((grown_rows, *self.middle, max(columns, have_columns)), self.fill)
        grown[:have_rows, ..., :have_columns] = self.data
        self.data = grown


class AnchorBook:
    """The anchors of all cohorts of one baseline stage; rows in order of admission, columns of the channel table."""

    def __init__(self, table: ChannelTable, policy: AnchorPolicy) -> None:
        self.table = table
        self.policy = policy
        self.cohorts: list[Cohort] = []
        self._rows: dict[Cohort, int] = {}
        self._cuts: dict[tuple[int, int], CutPoints] = {}
        self.low, self.high, self.middle = _Grid(), _Grid(), _Grid()
        self.tail_bin = _Grid(fill=np.inf)
        self.has_cut = _Grid()
        self.level, self.mass, self.spread = _Grid(), _Grid(), _Grid()
        self._borrowed = _Grid()
        self._slot_n, self._slot_x = _Grid(), _Grid()
        self._past_n, self._past_x = _Grid((policy.slots,)), _Grid((policy.slots,))
        self.first_slot: list[int] = []
        self.days: list[float] = []
        self.lender: list[str] = []
        self.frozen: list[bool] = []
        self.shapes: dict[str, Floats] = {}

    def __contains__(self, cohort: Cohort) -> bool:
        return cohort in self._rows

    def row(self, cohort: Cohort) -> int:
        return self._rows[cohort]

    def fit(self) -> None:
        """Make room for all rows and columns that exist by now."""
        rows, columns = len(self.cohorts), len(self.table)
        for grid in (
            self.low,
            self.high,
            self.middle,
            self.tail_bin,
            self.has_cut,
            self.level,
            self.mass,
            self.spread,
            self._borrowed,
            self._slot_n,
            self._slot_x,
            self._past_n,
            self._past_x,
        ):
            grid.fit(rows, columns)
        for operator, shape in self.shapes.items():
            if shape.shape[1] < columns:
                flat = self._flat_shape()
                flat[:, : shape.shape[1]] = shape
                self.shapes[operator] = flat

    def admit(self, cohort: Cohort, slot: int, volumes: list[float]) -> int:
        """A new row. It takes over the anchor of its predecessor: the sibling that differs in firmware alone and is
        the largest by `volumes` (records a minute by row) among those that have a level."""
        row = self._rows[cohort] = len(self.cohorts)
        self.cohorts.append(cohort)
        self.first_slot.append(slot)
        self.days.append(0.0)
        self.lender.append("own")
        self.frozen.append(False)
        self.shapes.setdefault(cohort.operator, self._flat_shape())
        self.fit()
        siblings = [
            other
            for other, old in enumerate(self.cohorts[:row])
            if (old.operator, old.device_class, old.environment)
            == (cohort.operator, cohort.device_class, cohort.environment)
            and self.days[other] >= 1.0
        ]
        if siblings:
            self._take_over(row, max(siblings, key=lambda other: (volumes[other], -other)), siblings)
        return row

    def _take_over(self, row: int, lender: int, siblings: list[int]) -> None:
        """Borrow an anchor, and doubt it by as much as the siblings differ: any of them may be the true predecessor."""
        for grid in (
            self.low, self.high, self.middle, self.tail_bin, self.has_cut, self.level, self.mass, self.spread,
        ):  # fmt: skip
            grid.data[row] = grid.data[lender]
        shift = np.array([channel.is_shift for channel in self.table.channels])
        mass, spread = self.mass.data[row], self.spread.data[row]
        others = self._log_levels(np.array(siblings, dtype=np.intp), shift)
        off = np.nan_to_num((others - self._log_levels(np.array([lender]), shift)) ** 2)
        apart = off.mean(axis=0)
        least = np.where(shift, SUCCESSOR_SHIFT**2, SUCCESSOR_RATE**2)
        doubt = np.maximum(apart, least) / np.where(shift, np.maximum(spread, 1e-9), 1.0)
        self.mass.data[row] = np.where(mass > 0, 1.0 / (1.0 / np.maximum(mass, 1e-9) + doubt), 0.0)
        self._borrowed.data[row] = self.level.data[lender]
        for (old, column), cut in list(self._cuts.items()):
            if old == lender:
                self._cuts[row, column] = cut
        self.days[row] = self.days[lender]
        self.lender[row] = self.cohorts[lender].firmware

    def _log_levels(self, rows: Rows, shift: NDArray[np.bool_]) -> Floats:
        """Levels on the log scale, comparable between rows; not a number where there is none."""
        level = self.level.data[rows]
        logs = np.where(shift, self.middle.data[rows] + level, np.log(np.maximum(level, LEAST_SHARE)))
        return np.where(self.mass.data[rows] > 0, logs, np.nan)

    def set_cut(self, row: int, column: int, cut: CutPoints) -> None:
        self._cuts[row, column] = cut
        self.low.data[row, column] = cut.low
        self.high.data[row, column] = cut.high
        self.middle.data[row, column] = cut.middle
        self.tail_bin.data[row, column] = cut.tail_bin
        self.spread.data[row, column] = cut.spread
        self.has_cut.data[row, column] = 1.0

    def learn(self, rows: Rows, n: Floats, x: Floats) -> None:
        """Count units of trusted minutes; [rows, channels]."""
        self._slot_n.data[rows] += n
        self._slot_x.data[rows] += x

    def expected(self, rows: Rows, n: Floats, at_ms: float) -> Floats:
        """What the anchors expect of `n` units at an instant; see `Anchors` for the units."""
        shift = np.array([channel.is_shift for channel in self.table.channels])
        level = self.level.data[rows]
        shapes = {operator: season.at(shape, at_ms) for operator, shape in self.shapes.items()}
        shape = np.array([shapes[self.cohorts[row].operator] for row in rows]).reshape(level.shape)
        return np.asarray(np.where(shift, n * (level + shape), n * level * shape))

    def close_slot(self, slot: int, new_slot: int) -> list[int]:
        """The two hours `slot` are over; learn from them. Returns the rows whose anchor changed.

        Slots between `slot` and `new_slot` in which nothing arrived count as empty.
        """
        learners = [row for row, frozen in enumerate(self.frozen) if not frozen]
        size = self.policy.slots
        if learners:
            self._past_n.data[:, slot % size] = self._slot_n.data
            self._past_x.data[:, slot % size] = self._slot_x.data
            for empty in range(slot + 1, min(new_slot, slot + size)):
                self._past_n.data[:, empty % size] = 0.0
                self._past_x.data[:, empty % size] = 0.0
        self._slot_n.data[:] = 0.0
        self._slot_x.data[:] = 0.0
        if learners:
            self._estimate(learners, slot)
        return learners

    def _estimate(self, learners: list[int], slot: int) -> None:
        size = self.policy.slots
        rows = np.array(learners, dtype=np.intp)
        seen = np.array([min(slot - self.first_slot[row] + 1, size) for row in learners])
        whole = np.where(seen >= season.SLOTS, seen // season.SLOTS * season.SLOTS, seen)
        back = (slot - np.arange(size)) % size  # ring positions, newest first
        used = np.arange(size)[None, :, None] < whole[:, None, None]
        past_n = np.where(used, self._past_n.data[rows][:, back], 0.0)
        past_x = np.where(used, self._past_x.data[rows][:, back], 0.0)
        n, x = past_n.sum(axis=1), past_x.sum(axis=1)
        shift = np.array([channel.is_shift for channel in self.table.channels])
        level = np.where(shift, self._shift_levels(rows, n, x), self._rate_levels(rows, n, x))
        own = np.array([self.lender[row] == "own" for row in learners])
        ripe = seen >= size
        days = seen / season.SLOTS
        for i, row in enumerate(learners):
            if own[i]:
                self.days[row] = float(days[i])
            elif ripe[i]:
                level[i] = self._leashed(row, level[i], shift)
            else:
                level[i] = self.level.data[row]  # a successor is judged by its predecessor until it is ripe
        self.level.data[rows] = level
        fresh = own | ripe
        self.mass.data[rows[fresh]] = np.where(shift, n, n * level)[fresh]
        operators = defaultdict(list)
        for i, row in enumerate(learners):
            if own[i] and days[i] >= 1.0:
                operators[self.cohorts[row].operator].append(i)
        slots = (slot - np.arange(size)) % season.SLOTS
        for operator, members in operators.items():
            pick = np.array(members)
            self.shapes[operator] = self._shape(past_n[pick], past_x[pick], level[pick], slots, shift)
        for i, row in enumerate(learners):
            if ripe[i]:
                self.frozen[row] = True

    def _leashed(self, row: int, own: Floats, shift: NDArray[np.bool_]) -> Floats:
        borrowed = self._borrowed.data[row]
        by_shift = np.clip(own, borrowed - self.policy.leash_shift, borrowed + self.policy.leash_shift)
        factor = np.exp(self.policy.leash_rate)
        return np.where(shift, by_shift, np.clip(own, borrowed / factor, borrowed * factor))

    def _groups(self, rows: Rows) -> tuple[NDArray[np.intp], int]:
        """Operator x class x environment of each row, as a code: whom a thin cohort leans on."""
        codes: dict[tuple[str, str, str], int] = {}
        keys = [(cohort.operator, cohort.device_class, cohort.environment) for cohort in self.cohorts]
        group = [codes.setdefault(keys[row], len(codes)) for row in rows]
        return np.array(group, dtype=np.intp), len(codes)

    def _rate_levels(self, rows: Rows, n: Floats, x: Floats) -> Floats:
        """Own share, pulled to that of operator x class by as many hits as siblings' likeness is worth (1 / tau^2)."""
        group, count = self._groups(rows)
        total_n, total_x = _group_sum(n, group, count), _group_sum(x, group, count)
        parent = np.maximum((total_x + 0.5 * LEAST_SHARE) / (total_n + 0.5), LEAST_SHARE)[group]
        expected = n * parent
        ratio = np.log(np.maximum(x, 1e-12) / np.maximum(expected, 1e-12))
        spread = _sibling_spread(ratio, x > 20.0)
        # A prior that the cohort's own counts contradict is worth the less: one cohort may be of another kind.
        conflict = (x - expected) ** 2 / np.maximum(expected + (spread * expected) ** 2, 1e-3)
        prior = 1.0 / spread**2 / np.maximum(conflict, 1.0)
        return np.asarray(np.maximum((x + prior) / (n + prior / parent), LEAST_SHARE))

    def _shift_levels(self, rows: Rows, n: Floats, x: Floats) -> Floats:
        """Own mean, pulled to that of operator x class; relative to the row's own reference point."""
        group, count = self._groups(rows)
        middle = self.middle.data[rows]
        absolute = middle + x / np.maximum(n, 1e-12)
        total = _group_sum(n, group, count)
        parent = (_group_sum(n * absolute, group, count) / np.maximum(total, 1e-12))[group]
        likeness = _sibling_spread(absolute - parent, n > 500.0) ** 2
        spread = self.spread.data[rows]
        # As for shares: a prior that the cohort's own values contradict is worth the less.
        conflict = (absolute - parent) ** 2 / np.maximum(spread / np.maximum(n, 1.0) + likeness, 1e-9)
        prior = spread / likeness / np.maximum(conflict, 1.0)
        level = (n * absolute + prior * parent) / np.maximum(n + prior, 1e-12) - middle
        return np.where(self.has_cut.data[rows] > 0, level, 0.0)

    def _shape(
        self, past_n: Floats, past_x: Floats, level: Floats, slots: NDArray[np.intp], shift: NDArray[np.bool_]
    ) -> Floats:
        """The day of one operator, [SLOTS, channels], pooled over its cohorts."""
        by_slot = np.zeros((4, season.SLOTS, past_n.shape[2]))
        residual = past_x - past_n * level[:, None, :]
        for i, values in enumerate((past_x, past_n * level[:, None, :], residual, past_n)):
            np.add.at(by_slot[i], slots, values.sum(axis=0))
        hits, expected, off, units = by_slot
        rates = season.rate_shape(hits, np.maximum(expected, 0.0), SHAPE_PRIOR_UNITS)
        return np.where(shift, season.shift_shape(off, units, SHAPE_PRIOR_UNITS), rates)

    def _flat_shape(self) -> Floats:
        flat = np.array([0.0 if channel.is_shift else 1.0 for channel in self.table.channels])
        return np.tile(flat, (season.SLOTS, 1))

    def snapshot(self) -> Plain:
        return {
            "cohorts": [list(cohort) for cohort in self.cohorts],
            "cuts": [[row, column, *astuple(cut)] for (row, column), cut in self._cuts.items()],
            "grids": {name: pack(getattr(self, name).data) for name in _GRIDS},
            "first_slot": list(self.first_slot),
            "days": list(self.days),
            "lender": list(self.lender),
            "frozen": list(self.frozen),
            "shapes": {operator: pack(shape) for operator, shape in self.shapes.items()},
        }

    def restore(self, state: Plain) -> None:
        """Take up a snapshot; the channel table must hold its operations already."""
        self.cohorts = [Cohort(*cohort) for cohort in state["cohorts"]]
        self._rows = {cohort: row for row, cohort in enumerate(self.cohorts)}
        self._cuts = {(row, column): CutPoints(*cut) for row, column, *cut in state["cuts"]}
        for name in _GRIDS:
            getattr(self, name).data = unpack(state["grids"][name])
        self.first_slot = list(state["first_slot"])
        self.days = list(state["days"])
        self.lender = list(state["lender"])
        self.frozen = list(state["frozen"])
        self.shapes = {operator: unpack(shape) for operator, shape in state["shapes"].items()}

    def message(self, source: str, minute: int, rows: list[int]) -> Anchors:
        """The anchors of some rows, for whoever judges by them."""
        pick = np.array(rows, dtype=np.intp)
        columns = len(self.table)
        base = np.zeros((len(rows), columns))
        slope = np.zeros((len(rows), columns))
        for i, row in enumerate(rows):
            for column, channel in enumerate(self.table.channels):
                cut = self._cuts.get((row, column))
                if cut is not None:
                    base[i, column], slope[i, column] = np.exp(cut.median), cut.tail_scale
                elif channel.signal == "tail" and (of := self._cuts.get((row, column - 1))) is not None:
                    base[i, column], slope[i, column] = np.exp(of.tail), of.tail_scale
        operators = sorted({self.cohorts[row].operator for row in rows})
        return Anchors(
            source=source,
            minute=minute,
            cohorts=[self.cohorts[row] for row in rows],
            channels=list(self.table.channels),
            level=self.level.data[pick].copy(),
            spread=self.spread.data[pick].copy(),
            mass=self.mass.data[pick].copy(),
            days=np.array([self.days[row] for row in rows]),
            lender=[self.lender[row] for row in rows],
            base_ms=base,
            tail_scale=slope,
            shapes={operator: self.shapes[operator].copy() for operator in operators},
            frozen=np.array([self.frozen[row] for row in rows], dtype=np.bool_),
        )


_GRIDS: Final = (
    "low", "high", "middle", "tail_bin", "has_cut", "level", "mass", "spread",
    "_borrowed", "_slot_n", "_slot_x", "_past_n", "_past_x",
)  # fmt: skip


def _group_sum(values: Floats, group: NDArray[np.intp], count: int) -> Floats:
    out = np.zeros((count, values.shape[1]))
    np.add.at(out, group, values)
    return out


def _sibling_spread(log_ratio: Floats, solid: NDArray[np.bool_]) -> Floats:
    """By channel, the standard deviation among rows that are solid enough to tell; a default where too few are."""
    count = solid.sum(axis=0)
    mean = np.where(solid, log_ratio, 0.0).sum(axis=0) / np.maximum(count, 1)
    variance = np.where(solid, (log_ratio - mean) ** 2, 0.0).sum(axis=0) / np.maximum(count - 1, 1)
    return np.asarray(np.where(count > 5, np.maximum(np.sqrt(variance), LEAST_SIBLING_SPREAD), SIBLING_SPREAD))
