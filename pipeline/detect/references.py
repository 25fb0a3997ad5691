"""The anchors as the pattern stage holds them, aligned to its own rows and columns."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models import season
from models.snapshot import Plain, pack, unpack
from pipeline.detect.channels import Channel
from pipeline.detect.evidence import Anchors
from pipeline.observation import Cohort

Floats: TypeAlias = NDArray[np.float64]

_CELLS: Final = ("level", "spread", "mass", "base_ms", "tail_scale", "first_level")
BODY_UNITS: Final = 100.0
"""Where a body is, is believed by half from so many units on: there sampling is what moods are."""
LEAST_SCALE: Final = 0.1
MOST_MOVED: Final = 2.0
SLOPE_DOUBT: Final = 0.2
"""How steep a tail is was read off twenty values: what is inferred from it is that uncertain, and by as much again for
every scale of it that it is followed, as no tail is exponential for long."""
MOST_DOUBT: Final = 20.0
"""Log variance of what is expected of a tail, at the most: as good as nothing is known of it by then."""
MOST_SHAPES: Final = 400
"""Instants of the day whose shape is kept."""


class Beyond(NamedTuple):
    """What is expected of tails given their bodies, arrays of all columns; others are as they were.

    doubt: variance of `expected`, in parts of its square.
    """

    expected: Floats
    doubt: Floats


class References:
    """Rows are cohorts, columns channels, both in order of appearance. A cell without a level has mass 0.

    Attributes:
        level, spread, mass, base_ms, tail_scale, first_level: [rows, columns], see `Anchors`.
        days: [rows].
        shift: [columns] whether a column is a shift.
        tails, bodies: columns of tails, and of the latency that each is the tail of.
    """

    def __init__(self) -> None:
        self.cohorts: list[Cohort] = []
        self.channels: list[Channel] = []
        self._row: dict[Cohort, int] = {}
        self._column: dict[Channel, int] = {}
        self.level, self.spread, self.mass, self.base_ms, self.tail_scale, self.first_level = np.zeros((6, 0, 0))
        self.days: Floats = np.zeros(0)
        self.lender: list[str] = []
        self.doubt: dict[int, str] = {}
        """By row: what is wrong with its reference days."""
        self.accepted: dict[int, str] = {}
        """By row: who accepted its level, when and why."""
        self.shift: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)
        self.tails, self.bodies = np.zeros((2, 0), dtype=np.intp)
        self._shapes: dict[str, Floats] = {}
        self._shape_at: dict[int, Floats] = {}
        """By instant of the day: [1 + operators, columns], the first row flat."""
        self._shape_row: NDArray[np.intp] = np.zeros(0, dtype=np.intp)

    def rows(self, cohorts: list[Cohort]) -> NDArray[np.intp]:
        """Rows of cohorts; new ones are admitted."""
        for cohort in cohorts:
            if cohort not in self._row:
                self._row[cohort] = len(self.cohorts)
                self.cohorts.append(cohort)
                self.lender.append("own")
        self._fit()
        return np.array([self._row[cohort] for cohort in cohorts], dtype=np.intp)

    def columns(self, channels: list[Channel]) -> NDArray[np.intp]:
        """Columns of channels; new ones are admitted."""
        for channel in channels:
            if channel not in self._column:
                self._column[channel] = len(self.channels)
                self.channels.append(channel)
        self._fit()
        return np.array([self._column[channel] for channel in channels], dtype=np.intp)

    def _fit(self) -> None:
        rows, columns = len(self.cohorts), len(self.channels)
        have = self.level.shape
        if (rows, columns) == have:
            return
        for name in _CELLS:
            grown = np.zeros((rows, columns))
            grown[: have[0], : have[1]] = getattr(self, name)
            setattr(self, name, grown)
        self._shape_at.clear()
        self.days = np.concatenate((self.days, np.zeros(rows - len(self.days))))
        self._sort()
        if columns > have[1]:
            flat = np.where(self.shift, 0.0, 1.0)[have[1] :]
            for operator, shape in self._shapes.items():
                self._shapes[operator] = np.concatenate((shape, np.tile(flat, (len(shape), 1))), axis=1)

    def _sort(self) -> None:
        self.shift = np.array([channel.is_shift for channel in self.channels], dtype=np.bool_)
        pairs = [
            (column, self._column[body])
            for channel, column in self._column.items()
            if channel.signal == "tail" and (body := channel._replace(signal="latency")) in self._column
        ]
        self.tails, self.bodies = np.array(pairs, dtype=np.intp).reshape(-1, 2).T

    def snapshot(self) -> Plain:
        return {
            "cohorts": [list(cohort) for cohort in self.cohorts],
            "channels": [list(channel) for channel in self.channels],
            "cells": {name: pack(getattr(self, name)) for name in _CELLS},
            "days": pack(self.days),
            "lender": list(self.lender),
            "doubt": [[row, text] for row, text in self.doubt.items()],
            "accepted": [[row, text] for row, text in self.accepted.items()],
            "shapes": {operator: pack(shape) for operator, shape in self._shapes.items()},
        }

    def restore(self, state: Plain) -> None:
        self.cohorts = [Cohort(*cohort) for cohort in state["cohorts"]]
        self.channels = [Channel(*channel) for channel in state["channels"]]
        self._row = {cohort: row for row, cohort in enumerate(self.cohorts)}
        self._column = {channel: column for column, channel in enumerate(self.channels)}
        for name in _CELLS:
            setattr(self, name, unpack(state["cells"][name]))
        self.days = unpack(state["days"])
        self.lender = list(state["lender"])
        self.doubt, self.accepted = dict(state["doubt"]), dict(state["accepted"])
        self._sort()
        self._shapes = {operator: unpack(shape) for operator, shape in state["shapes"].items()}
        self._shape_at.clear()
        self._shape_row = np.zeros(0, dtype=np.intp)

    def take(self, message: Anchors) -> None:
        rows, columns = self.rows(message.cohorts), self.columns(message.channels)
        cells = np.ix_(rows, columns)
        self.level[cells] = message.level
        self.spread[cells] = message.spread
        self.mass[cells] = message.mass
        self.base_ms[cells] = message.base_ms
        self.tail_scale[cells] = message.tail_scale
        self.first_level[cells] = message.level if message.first_level is None else message.first_level
        self.days[rows] = message.days
        for i, row in enumerate(rows.tolist()):
            self.lender[row] = message.lender[i]
            for said, texts in ((self.doubt, message.doubt), (self.accepted, message.accepted)):
                said.pop(row, None)
                if texts and texts[i]:
                    said[row] = texts[i]
        for cohort in message.gone:
            if (forgotten := self._row.get(cohort)) is not None:
                self.mass[forgotten] = 0.0  # without a level it is not judged
                self.days[forgotten] = 0.0
        for operator, shape in message.shapes.items():
            wide = np.tile(np.where(self.shift, 0.0, 1.0), (season.SLOTS, 1))
            wide[:, columns] = shape
            self._shapes[operator] = wide
        self._shape_at.clear()
        self._shape_row = np.zeros(0, dtype=np.intp)

    def shape(self, at_ms: int, rows: NDArray[np.intp]) -> Floats:
        """[rows, columns] shape of the day at an instant."""
        key = at_ms % season.DAY_MS
        found = self._shape_at.get(key)
        if found is None:
            by_operator = [np.where(self.shift, 0.0, 1.0)]
            by_operator += [season.at(shape, key) for shape in self._shapes.values()]
            found = np.stack(by_operator)
            if len(self._shape_at) >= MOST_SHAPES:
                self._shape_at.clear()
            self._shape_at[key] = found
        if len(self._shape_row) != len(self.cohorts):
            index = {operator: i + 1 for i, operator in enumerate(self._shapes)}
            self._shape_row = np.array([index.get(cohort.operator, 0) for cohort in self.cohorts], dtype=np.intp)
        return np.asarray(found[self._shape_row[rows]])

    def beyond_body(self, cells: tuple[NDArray[np.intp], ...], n: Floats, x: Floats, expected: Floats) -> Beyond:
        """What is expected of tails, given where the body of their latencies is: a tail moves with its body as an
        exponential one does, and what the latency shows is no news of the tail.

        Args:
            cells: rows and columns of the three arrays, [rows, columns] or with a leading axis of entries.
        """
        at = {column: i for i, column in enumerate(cells[-1].ravel().tolist())}
        pairs = [(at[tail], at[body]) for tail, body in zip(self.tails.tolist(), self.bodies.tolist(), strict=True)
                 if tail in at and body in at]  # fmt: skip
        out, doubt = expected.copy(), np.zeros_like(expected)
        if pairs:
            tails, bodies = np.array(pairs, dtype=np.intp).T
            known = self.mass[cells][:, bodies] > 0
            off = np.where(known, (x - expected)[..., bodies], 0.0)
            off /= np.maximum(self.tail_scale[cells][:, bodies], LEAST_SCALE)
            seen = off / np.maximum(n[..., bodies], 1.0)
            moved = np.clip(off / (n[..., bodies] + BODY_UNITS), -MOST_MOVED, MOST_MOVED)
            out[..., tails] *= np.exp(moved)
            steep = SLOPE_DOUBT * seen * (1.0 + np.abs(seen))
            doubt[..., tails] = np.expm1(np.minimum(steep**2 + (seen - moved) ** 2, MOST_DOUBT))
        return Beyond(out, doubt)

    def expected(self, cells: tuple[NDArray[np.intp], ...], n: Floats, shaped: Floats) -> Floats:
        """What the anchors expect of n units in some cells; `shaped`: sum of units times their hour's shape."""
        level = self.level[cells]
        shift = self.shift[cells[-1].ravel()]
        return np.asarray(np.where(shift, n * level + shaped, level * shaped))
