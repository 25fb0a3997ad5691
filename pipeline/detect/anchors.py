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
from models.cutpoints import CutPoints
from models.snapshot import Plain, SnapshotError, pack, unpack
from pipeline.detect.channels import FEED_SIGNALS, ChannelTable
from pipeline.detect.doubts import LEAST_DAYS, doubts
from pipeline.detect.evidence import Anchors
from pipeline.detect.grid import Grid
from pipeline.detect.levels import LEAST_SHARE, groups_of, share_levels, shift_levels
from pipeline.detect.roster import is_overflow
from pipeline.incidents.wording import instant
from pipeline.observation import Cohort

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.intp]

SHAPE_PRIOR_UNITS: Final = 50.0
RECUT: Final = 0.04
"""A predecessor's mean under another's clipping points is off by about this part of their distance."""
MESSAGE_ROWS: Final = 500
"""Cohorts in one message at most: with five operations some 4 MB of JSON."""
OWN: Final = "own"


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
        self._operators: dict[str, int] = {}
        self.first_slot: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.days: Floats = np.zeros(0)
        self._operator: Rows = np.zeros(0, dtype=np.intp)
        # Cut points and what they mean.
        self.low, self.high, self.middle = Grid(), Grid(), Grid()
        self.tail_bin = Grid(fill=np.inf)
        self.has_cut = Grid(dtype=np.bool_)
        self.spread, self.base_ms, self.tail_scale = Grid(), Grid(), Grid()
        # The anchor.
        self.level, self.mass, self.first = Grid(), Grid(), Grid()
        self._borrowed, self.is_borrowed = Grid(), Grid(dtype=np.bool_)
        self.frozen, self.doubtful = Grid(dtype=np.bool_), Grid(dtype=np.bool_)
        self.since_day = Grid(fill=-1, dtype=np.int32)
        """The day of a row, counted from its admission, from which on a cell is learnt; -1: not seen yet."""
        # Counts. Sums of whole device-minutes in float32 lose less than a part in a million.
        self._slot_n, self._slot_x = Grid(), Grid()
        self._last_n, self._last_x = (Grid((season.SLOTS,), dtype=np.float32) for _ in range(2))
        self._day_n, self._day_x = (Grid((policy.days,), dtype=np.float32) for _ in range(2))
        self._shape_n, self._shape_x = (Grid((season.SLOTS,), dtype=np.float32) for _ in range(2))
        # By operator.
        self._shapes = Grid((season.SLOTS,))
        self._shape_known = Grid(dtype=np.bool_)
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
        have = self._shapes.data.shape
        operators = len(self._operators)
        if operators > have[0] or columns > have[-1]:
            for grid in (self._shapes, self._shape_known):
                grid.fit(operators, columns)
            flat = np.where(self.is_shift, 0.0, 1.0)
            self._shapes.data[have[0] :] = flat
            self._shapes.data[: have[0], :, have[-1] :] = flat[have[-1] :]
        if rows > len(self.days):
            more = max(rows, len(self.days) * 3 // 2) - len(self.days)
            self.first_slot = np.concatenate((self.first_slot, np.zeros(more, dtype=np.int64)))
            self.days = np.concatenate((self.days, np.zeros(more)))
            self._operator = np.concatenate((self._operator, np.zeros(more, dtype=np.intp)))

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
        operator = self._operators.setdefault(cohort.operator, len(self._operators))
        self.fit()
        self.first_slot[row], self.days[row], self._operator[row] = slot, 0.0, operator

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
        for grid in (self.low, self.high, self.middle, self.tail_bin, self.has_cut, self.base_ms, self.tail_scale):
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
            (self._borrowed, level),
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
        # The tail beyond another's cut point, as exponential as the lender's own is.
        further = self.high.data[row, tails - 1] - self.high.data[lenders][:, tails - 1]
        logs[:, tails] -= further / np.maximum(self.tail_scale.data[lenders][:, tails - 1], 0.05)
        apart[:, tails] = further * 5.0
        return logs, apart

    def set_cut(self, row: int, column: int, cut: CutPoints) -> None:
        for grid, value in (
            (self.low, cut.low),
            (self.high, cut.high),
            (self.middle, cut.middle),
            (self.tail_bin, cut.tail_bin),
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
        self._slot_n.data[rows] += n
        self._slot_x.data[rows] += x

    def learn_column(self, rows: Rows, column: int, n: Floats, x: Floats) -> None:
        """Count units of one channel alone; [rows]."""
        self._slot_n.data[rows, column] += n
        self._slot_x.data[rows, column] += x

    def expected(self, rows: Rows, n: Floats, at_ms: float) -> Floats:
        """What the anchors expect of `n` units at an instant; see `Anchors` for the units."""
        level = self.level.data[rows]
        shape = season.at(self._shapes.data.swapaxes(0, 1), at_ms)[self._operator[rows]]
        return np.asarray(np.where(self.is_shift, n * (level + shape), n * level * shape))

    # -- learning ----------------------------------------------------------------------------------------------------

    def close_slot(self, slot: int, new_slot: int) -> list[int]:
        """The two hours `slot` are over; learn from them. Returns the rows whose anchor changed.

        Slots between `slot` and `new_slot` in which nothing arrived count as empty.
        """
        most = (self.policy.days + 1) * season.SLOTS
        for empty in range(max(slot, new_slot - most), new_slot):
            self._push(empty)
        return self._estimate(slot, new_slot)

    def _push(self, slot: int) -> None:
        rows = len(self)
        n, x = self._slot_n.data, self._slot_x.data
        age = slot - self.first_slot[:rows]
        new = (self.since_day.data[:rows] < 0) & (n[:rows] > 0)
        if new.any():
            day, part = np.divmod(age, season.SLOTS)
            begin = np.where((day == 0) | (part == 0), day, day + 1)
            self.since_day.data[:rows] = np.where(new, begin[:, None], self.since_day.data[:rows])
        at = slot % season.SLOTS
        self._last_n.data[:, at], self._last_x.data[:, at] = n, x
        learning = ~self.frozen.data[:rows]
        self._shape_n.data[:rows, at] += np.where(learning, n[:rows], 0.0)
        self._shape_x.data[:rows, at] += np.where(learning, x[:rows], 0.0)
        n[:] = 0.0
        x[:] = 0.0
        full = np.flatnonzero((age >= 0) & ((age + 1) % season.SLOTS == 0))
        day = age[full] // season.SLOTS % self.policy.days
        self._day_n.data[full, day] = self._last_n.data[full].sum(axis=1)
        self._day_x.data[full, day] = self._last_x.data[full].sum(axis=1)

    def _estimate(self, slot: int, new_slot: int) -> list[int]:
        """The slots from `slot` up to `new_slot` are over."""
        rows = len(self)
        seen = new_slot - self.first_slot[:rows]
        days = np.minimum(seen / season.SLOTS, self.policy.days)
        complete = seen // season.SLOTS
        day_over = complete > (slot - self.first_slot[:rows]) // season.SLOTS
        since, frozen = self.since_day.data[:rows], self.frozen.data[:rows]
        cell_days = np.clip(complete[:, None] - since, 0, self.policy.days)
        ripe = ~frozen & (since >= 0) & (cell_days >= self.policy.days)
        borrowed = self.is_borrowed.data[:rows]
        # Before the first full day a level is a guess, made anew every slot; then each day adds to it.
        guess = (complete == 0)[:, None] & (since >= 0)
        own = ~frozen & ~borrowed & (guess | ((since >= 0) & (cell_days >= 1)))
        fresh = (own & (day_over | (complete == 0))[:, None]) | ripe
        self._own_days(days)
        if not fresh.any():
            return []
        n, x = self._counted(complete)
        shift = self.is_shift
        level, mass = self._levels(n, x)
        level = np.where(borrowed & ripe, self._leashed(level), level)
        self.level.data[:rows] = np.where(fresh, level, self.level.data[:rows])
        self.mass.data[:rows] = np.where(fresh, mass, self.mass.data[:rows])
        # Until a cell has a full day it is no reference, once its cohort is judged at all.
        young = ~frozen & ~borrowed & (complete >= 1)[:, None] & (cell_days < 1)
        self.mass.data[:rows][young] = 0.0
        self.first.data[:rows] = np.where(fresh & ~borrowed, self.level.data[:rows], self.first.data[:rows])
        self._learn_shapes(np.flatnonzero(complete >= 1), shift)
        self._look_for_breaks(np.flatnonzero(day_over & fresh.any(axis=1)), complete, fresh & ~borrowed)
        frozen |= ripe
        for operator in range(len(self._operators)):
            self._shape_known.data[operator] |= frozen[self._operator[:rows] == operator].any(axis=0)
        return [int(row) for row in np.flatnonzero(fresh.any(axis=1))]

    def _own_days(self, days: Floats) -> None:
        own = np.array([lender == OWN for lender in self.lender], dtype=np.bool_)
        self.days[: len(own)] = np.where(own, days, self.days[: len(own)])

    def _counted(self, complete: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """[rows, channels] over the full days that each cell may be learnt from; before the first, over its slots."""
        rows, size = len(self), self.policy.days
        ring = np.arange(size)[None, :]
        # The day that stands at a place of the ring: the newest that is full and falls on it.
        last = (complete - 1)[:, None]
        day = last - (last - ring) % size
        used = (day[:, :, None] >= np.maximum(self.since_day.data[:rows], 0)[:, None, :]) & (day >= 0)[:, :, None]
        first_day = (complete == 0)[:, None]
        out = []
        for days, slots in ((self._day_n, self._last_n), (self._day_x, self._last_x)):
            full = np.where(used, days.data[:rows], 0.0).sum(axis=1, dtype=np.float64)
            out.append(np.where(first_day, slots.data[:rows].sum(axis=1, dtype=np.float64), full))
        return out[0], out[1]

    def _levels(self, n: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Of every cell. Among siblings frozen ones count with what they rest on, borrowed ones not at all."""
        rows, shift = len(self), self.is_shift
        level, mass = self.level.data[:rows], self.mass.data[:rows]
        frozen, borrowed = self.frozen.data[:rows], self.is_borrowed.data[:rows]
        rest = np.where(shift, mass, mass / np.maximum(level, LEAST_SHARE))
        n = np.where(frozen, rest, n)
        x = np.where(frozen, rest * level, x)
        strange = borrowed & ~frozen
        group, groups = groups_of([(c.operator, c.device_class, c.environment) for c in self.cohorts])
        shares = share_levels(np.where(strange, 0.0, n), np.where(strange, 0.0, x), group, groups)
        middle, spread = self.middle.data[:rows], self.spread.data[:rows]
        shifts = shift_levels(np.where(strange, 0.0, n), np.where(strange, 0.0, x), middle, spread, group, groups)
        found, solid = np.where(shift, shifts.level, shares.level), np.where(shift, shifts.mass, shares.mass)
        if strange.any():
            # A successor stands by itself: its siblings' counts may be of the very devices that it took over.
            own = np.where(shift, x / np.maximum(n, 1e-12), np.maximum(x / np.maximum(n, 1e-12), LEAST_SHARE))
            found = np.where(strange, own, found)
            solid = np.where(strange, np.where(shift, n, n * own), solid)
        return found, solid

    def _look_for_breaks(self, rows: Rows, complete: NDArray[np.int64], fresh: Flags) -> None:
        """Are the reference days of one piece? Rows that began together are looked at together."""
        for first in np.unique(self.first_slot[rows]).tolist():
            some = rows[self.first_slot[rows] == first]
            days = np.arange(max(0, int(complete[some[0]]) - self.policy.days), int(complete[some[0]]))
            if len(days) < LEAST_DAYS:
                continue
            cells = fresh[some]
            value, sampling = self._by_day(some, days, cells)
            self.doubtful.data[some] &= ~cells
            for row in some.tolist():
                self.doubt[row] = ""
            found = doubts([self.cohorts[row] for row in some], self.table.channels, value, sampling, self._told)
            for doubt in found:
                since = instant((first + int(days[doubt.day]) * season.SLOTS) * season.SLOT_MS)
                text = doubt.text(self.table.channels[doubt.channel], since)
                for row in some[doubt.rows].tolist():
                    self._doubt(row, doubt.channel, doubt.size, text)

    def _by_day(self, rows: Rows, days: Rows, cells: Flags) -> tuple[Floats, Floats]:
        """[days, rows, channels] how far each day was off the level, log scale, and its sampling variance."""
        at = days % self.policy.days
        n = self._day_n.data[rows][:, at].swapaxes(0, 1).astype(np.float64)
        x = self._day_x.data[rows][:, at].swapaxes(0, 1).astype(np.float64)
        level, spread = self.level.data[rows], self.spread.data[rows]
        counted = (days[:, None, None] >= np.maximum(self.since_day.data[rows], 0)) & cells & (n > 0)
        weight = np.where(counted, np.where(self.is_shift, n, n * level), 0.0)
        safe = np.where(weight > 0, weight, 1.0)
        shares = np.log((np.maximum(x, 0.0) + 0.5) / (n * np.maximum(level, LEAST_SHARE) + 0.5))
        value = np.where(self.is_shift, x / safe - level, shares)
        return value, np.where(weight > 0, np.where(self.is_shift, spread, 1.0) / safe, np.inf)

    @property
    def _told(self) -> Flags:
        """[channels] those that a break is looked for in: of the devices, not of the telemetry."""
        return np.array([channel.signal not in FEED_SIGNALS for channel in self.table.channels], dtype=np.bool_)

    def _doubt(self, row: int, column: int, size: float, text: str) -> None:
        """Trust a cell less: its level is a mixture of before and after."""
        if self.frozen.data[row, column] or self.mass.data[row, column] <= 0:
            return
        unit = max(self.spread.data[row, column], 1e-9) if self.is_shift[column] else 1.0
        self.mass.data[row, column] = 1.0 / (1.0 / self.mass.data[row, column] + (size / 2.0) ** 2 / unit)
        self.doubtful.data[row, column] = True
        self.doubt[row] = self.doubt[row] or text

    def _leashed(self, own: Floats) -> Floats:
        """What a successor has of its own, held by the leash to its predecessor and by the budget to the first."""
        rows, shift, policy = len(self), self.is_shift, self.policy
        for anchor, by_shift, by_share in (
            (self._borrowed.data[:rows], policy.leash_shift, policy.leash_share),
            (self.first.data[:rows], policy.budget_shift, policy.budget_share),
        ):
            factor = np.exp(by_share)
            own = np.where(
                shift,
                np.clip(own, anchor - by_shift, anchor + by_shift),
                np.clip(own, anchor / factor, anchor * factor),
            )
        return own

    def _learn_shapes(self, rows: Rows, shift: Flags) -> None:
        """The day of each operator, [SLOTS, channels], pooled over its cohorts; shape never level, and frozen once any
        anchor is that was learnt with it."""
        own = rows[[self.lender[row] == OWN for row in rows]] if len(rows) else rows
        for operator in range(len(self._operators)):
            open_columns = ~self._shape_known.data[operator]
            members = own[self._operator[own] == operator]
            if not len(members) or not open_columns.any():
                continue
            n = self._shape_n.data[members].astype(np.float64)
            x = self._shape_x.data[members].astype(np.float64)
            level = self.level.data[members][:, None, :]
            units, hits, expected = n.sum(axis=0), x.sum(axis=0), (n * level).sum(axis=0)
            rates = season.rate_shape(hits, np.maximum(expected, 0.0), SHAPE_PRIOR_UNITS)
            shifts = season.shift_shape(hits - expected, units, SHAPE_PRIOR_UNITS)
            shape = np.where(shift, shifts, rates)
            self._shapes.data[operator] = np.where(open_columns, shape, self._shapes.data[operator])

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
            shapes={operator: self._shapes.data[self._operators[operator]].copy() for operator in operators},
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
            "operators": list(self._operators),
            "policy_days": self.policy.days,
            "grids": {name: pack(grid.data[:rows]) for name, grid in self._grids()},
            "shapes": pack(self._shapes.data),
            "shape_known": pack(self._shape_known.data),
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
        for name, grid in self._grids():
            grid.data = _fitting(name, state["grids"][name], (rows, *grid.data.shape[1:-1], columns), grid.data.dtype)
        self.cohorts = cohorts
        self._rows = {cohort: row for row, cohort in enumerate(cohorts)}
        self.lender, self.doubt, self.accepted = ([str(text) for text in texts] for texts in state["texts"])
        if {len(texts) for texts in state["texts"]} != {rows} or len(self._rows) != rows:
            msg = f"the snapshot names {rows} cohorts, and not as many texts or different ones"
            raise SnapshotError(msg)
        self.first_slot = _fitting("first_slot", state["first_slot"], (rows,), np.dtype(np.int64))
        self.days = _fitting("days", state["days"], (rows,), np.dtype(np.float64))
        self._operators = {str(operator): i for i, operator in enumerate(state["operators"])}
        self._operator = np.array([self._operators[cohort.operator] for cohort in cohorts], dtype=np.intp)
        shapes = unpack(state["shapes"])
        if shapes.shape[0] < len(self._operators) or shapes.shape[1:] != (season.SLOTS, columns):
            msg = f"shapes of the day {shapes.shape} do not fit {len(self._operators)} operators"
            raise SnapshotError(msg)
        self._shapes.data = shapes
        known = state["shape_known"]
        self._shape_known.data = _fitting("shape_known", known, (len(shapes), columns), np.dtype(np.bool_))


def _fitting(name: str, plain: Plain, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    array = unpack(plain)
    if array.shape != shape or array.dtype != dtype:
        msg = f"{name} is {array.dtype} {array.shape}, not {dtype} {shape}"
        raise SnapshotError(msg)
    return array


_GRIDS: Final = (
    "low", "high", "middle", "tail_bin", "has_cut", "spread", "base_ms", "tail_scale",
    "level", "mass", "first", "_borrowed", "is_borrowed", "frozen", "doubtful", "since_day",
    "_slot_n", "_slot_x", "_last_n", "_last_x", "_day_n", "_day_x", "_shape_n", "_shape_x",
)  # fmt: skip
