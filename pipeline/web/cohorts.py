"""How the cohorts do: what they reported over about the last hour, fading, against what their anchors expect."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.channels import COHORT_RATES, EVERY, OPERATION_RATES, SHIFTS, Channel
from pipeline.detect.evidence import Anchors, Evidence
from pipeline.messages import MINUTE_MS
from pipeline.observation import DIMENSIONS, Cohort
from pipeline.web.trends import UNIT_SPREAD, Trends

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.intp]

SIGNALS: Final = ("latency", *OPERATION_RATES, *COHORT_RATES, "delay")
"""Columns; a signal of operations is pooled over them."""
HALF_LIFE_MIN: Final = 30.0
"""What a minute reported counts half after so long: one minute of one cohort says little."""
LEAST_UNITS: Final = 0.5
"""Faded below this, a reading says nothing any more."""
MOST_COHORTS: Final = 5_000
"""Beyond, the one goes that has been silent longest."""

SURE: Final = 3.0
"""Standard errors below which nothing is said to deviate, lest a quiet fleet glow. No verdict hangs on it."""

_IS_SHIFT: Final = np.array([signal in SHIFTS for signal in SIGNALS])
_UNITS: Final = Channel(EVERY, "contract")
"""Every device-minute is judged for it, so its units count them."""


def cohort_id(cohort: Cohort) -> str:
    """A short name of a cohort for addresses; the same on every worker. Names may hold anything, so they are not it."""
    return hashlib.blake2s("\0".join(cohort).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Reading:
    """One signal of a cohort.

    n: units. observed, expected: shares; None for a shift, of which the ratio alone is known here. deviation: log ratio
    where chance does not explain it, else 0.
    """

    n: float
    observed: float | None
    expected: float | None
    ratio: float | None
    deviation: float


@dataclass(frozen=True, slots=True)
class Anchor:
    """What a cohort is held against: full days learnt, whether it still learns, and whose it is.

    doubt: what is wrong with its reference days; accepted: who accepted its level, when and why. Empty when nothing is.
    """

    days: float
    frozen: bool
    lender: str
    doubt: str = ""
    accepted: str = ""


@dataclass(frozen=True, slots=True)
class CohortView:
    """A cohort as it was at `minute`, when it last reported. A signal that its anchor does not know yet has no reading.

    devices: that reported, a minute. aside: its telemetry is known to be bad, and is not counted.
    """

    cohort: Cohort
    minute: int
    devices: float
    aside: bool
    anchor: Anchor | None
    readings: dict[str, Reading]


class Listed(NamedTuple):
    """A cohort in a list: `key` is what the list is sorted by."""

    key: float | str
    id: str
    cohort: Cohort


class CohortBoard:
    """Sums of all cohorts in arrays by row: a fleet has thousands, and each page asks which of them deviate most.

    Attributes:
        trends: how they did, block by block.
    """

    def __init__(self) -> None:
        self.trends = Trends()
        self._row: dict[Cohort, int] = {}
        self._ids: dict[str, Cohort] = {}
        self._id_of: dict[Cohort, str] = {}
        self._words: dict[Cohort, str] = {}
        """What a search looks at."""
        self._minute = np.zeros(0, dtype=np.int64)
        self._aside = np.zeros(0, dtype=np.bool_)
        self._sums = np.zeros((0, 3, len(SIGNALS)))
        """n, x and expected by signal."""
        self._units = np.zeros((0, 2))
        """Device-minutes, and minutes."""
        self._anchors: dict[Cohort, Anchor] = {}

    def __len__(self) -> int:
        return len(self._row)

    def values(self, dimension: str) -> list[str]:
        """What a dimension is among all cohorts, by name."""
        place = DIMENSIONS.index(dimension)
        return sorted({cohort[place] for cohort in self._row})

    def evidence(self, evidence: Evidence) -> None:
        """Take a minute; one that a cohort has had, said again after a crash, is not counted again."""
        at, rows, before = self._admit(evidence.cohorts, evidence.minute)
        fade = 0.5 ** ((evidence.minute - before) / MINUTE_MS / HALF_LIFE_MIN)
        self._sums[rows] *= fade[:, None, None]
        self._units[rows] *= fade[:, None]
        self._aside[rows] = evidence.aside[at]
        counted = ~evidence.aside[at]
        at, rows = at[counted], rows[counted]
        self._sums[rows] += _by_signal(evidence, at)
        if _UNITS in evidence.channels:
            self._units[rows, 0] += evidence.n[at, evidence.channels.index(_UNITS)]
        self._units[rows, 1] += 1.0
        self.trends.evidence(evidence, at, rows)

    def anchors(self, anchors: Anchors) -> None:
        """Take what is known of anchors."""
        none = [""] * len(anchors.cohorts)
        texts = zip(anchors.lender, anchors.doubt or none, anchors.accepted or none, strict=True)
        told = zip(anchors.cohorts, anchors.days.tolist(), anchors.frozen.tolist(), texts, strict=True)
        for cohort, days, frozen, (lender, doubt, accepted) in told:
            self._know(cohort, Anchor(days, frozen, lender, doubt, accepted))

    def known(self, anchors: Mapping[Cohort, Anchor]) -> None:
        """Take anchors that were found in a state; what has been told since is newer."""
        for cohort, anchor in anchors.items():
            if cohort not in self._anchors:
                self._know(cohort, anchor)

    def _know(self, cohort: Cohort, anchor: Anchor) -> None:
        if cohort in self._row or cohort in self._anchors or len(self._anchors) < 2 * MOST_COHORTS:
            self._anchors[cohort] = anchor

    def view(self, scope: Mapping[str, str], most: int | None = None) -> list[CohortView]:
        """Cohorts in a scope by name; of more than `most`, those that deviate most."""
        chosen = self._within(scope)
        if most is not None and len(chosen) > most:
            rows = np.array([self._row[cohort] for cohort in chosen], dtype=np.intp)
            order = np.argsort(-np.abs(self._deviations(rows)).max(axis=1), kind="stable")[:most]
            chosen = [chosen[index] for index in order.tolist()]
        return self._views(sorted(chosen))

    def named(self, id: str) -> CohortView | None:
        """The cohort of an id; None where there is none."""
        cohort = self._ids.get(id)
        if cohort is None:
            return None
        return self._views([cohort])[0]

    def views(self, listed: Sequence[Listed]) -> list[CohortView]:
        """Those of a part of a list, in its order."""
        return self._views([one.cohort for one in listed])

    def listed(self, scope: Mapping[str, str], text: str, sort: str) -> list[Listed]:
        """Cohorts of a scope whose names hold each word of `text`, sorted.

        sort: `name`; `deviation` (what deviates most first); `devices` (most first); `silence` (silent longest first);
        or a signal of `SIGNALS` (largest log ratio beyond chance first).
        """
        words = text.lower().split()
        chosen = self._within(scope)
        if words:
            chosen = [cohort for cohort in chosen if all(word in self._words[cohort] for word in words)]
        if sort == "name":
            return sorted(Listed("\0".join(cohort), self._id_of[cohort], cohort) for cohort in chosen)
        rows = np.array([self._row[cohort] for cohort in chosen], dtype=np.intp)
        keys = self._keys(rows, sort).tolist()
        return sorted(Listed(key, self._id_of[cohort], cohort) for key, cohort in zip(keys, chosen, strict=True))

    def _keys(self, rows: Rows, sort: str) -> Floats:
        """What a list is sorted by, ascending."""
        if sort == "devices":
            return np.asarray(-self._units[rows, 0] / np.maximum(self._units[rows, 1], 1e-9))
        if sort == "silence":
            return self._minute[rows].astype(np.float64)
        deviations = np.abs(self._deviations(rows))
        return -(deviations[:, SIGNALS.index(sort)] if sort in SIGNALS else deviations.max(axis=1, initial=0.0))

    def rows(self, scope: Mapping[str, str]) -> list[tuple[Cohort, int]]:
        """Cohorts of a scope, and their rows in `trends`."""
        return [(cohort, self._row[cohort]) for cohort in self._within(scope)]

    def operators(self) -> dict[str, Rows]:
        """Rows of the cohorts of each operator."""
        rows: dict[str, list[int]] = {}
        for cohort, row in self._row.items():
            rows.setdefault(cohort.operator, []).append(row)
        return {operator: np.array(its, dtype=np.intp) for operator, its in rows.items()}

    def pooled(self, rows: Rows, signal: str) -> Reading | None:
        """One signal of some cohorts together; None where nothing is known of it."""
        column = SIGNALS.index(signal)
        n, x, expected = self._sums[rows, :, column].sum(axis=0).tolist()
        if n < LEAST_UNITS:
            return None
        sums = np.zeros((1, 3, len(SIGNALS)))
        sums[0, :, column] = n, x, expected
        return _reading(column, (n, x, expected), float(_deviations(sums)[0, column]))

    def others(self, scope: Mapping[str, str]) -> tuple[int, int]:
        """Of the cohorts outside of a scope: those in which nothing deviates, and all."""
        inside = set(self._within(scope))
        rows = np.array([row for cohort, row in self._row.items() if cohort not in inside], dtype=np.intp)
        return int((self._deviations(rows) == 0.0).all(axis=1).sum()), len(rows)

    def count(self, scope: Mapping[str, str]) -> int:
        return len(self._within(scope))

    # ----------------------------------------------------------------------------------------------------------------

    def _within(self, scope: Mapping[str, str]) -> list[Cohort]:
        if not scope.keys() <= set(DIMENSIONS):
            return []
        if not scope:
            return list(self._row)
        wanted = [(DIMENSIONS.index(name), value) for name, value in scope.items()]
        if len(wanted) == len(DIMENSIONS):
            cohort = Cohort(**scope)
            return [cohort] if cohort in self._row else []
        return [cohort for cohort in self._row if all(cohort[place] == value for place, value in wanted)]

    def _admit(self, cohorts: Sequence[Cohort], minute: int) -> tuple[Rows, Rows, NDArray[np.int64]]:
        """Which of the cohorts to take, their rows, and when each reported before. They have reported now."""
        taken: list[tuple[int, int, int]] = []
        new: list[int] = []
        for at, cohort in enumerate(cohorts):
            row = self._row.get(cohort)
            if row is None:
                new.append(at)
            elif minute > self._minute[row]:
                taken.append((at, row, int(self._minute[row])))
        self._minute[[row for _, row, _ in taken]] = minute
        for at in new:
            row = self._free_row(minute)
            if row is None:
                break
            self._row[cohorts[at]] = row
            id = self._id_of[cohorts[at]] = cohort_id(cohorts[at])
            self._ids[id] = cohorts[at]
            self._words[cohorts[at]] = " ".join(cohorts[at]).lower()
            self._minute[row] = minute
            taken.append((at, row, minute))
        columns = np.array(taken, dtype=np.int64).reshape(-1, 3).T
        return columns[0].astype(np.intp), columns[1].astype(np.intp), columns[2]

    def _free_row(self, minute: int) -> int | None:
        """An empty row; None when there is room for no other cohort that reported in this minute."""
        used = len(self._row)
        if used < MOST_COHORTS:
            if used == len(self._minute):
                self._grow(min(max(2 * used, 64), MOST_COHORTS))
            return used
        row = int(self._minute.argmin())
        if self._minute[row] >= minute:
            return None
        gone = next(cohort for cohort, its in self._row.items() if its == row)
        del self._row[gone], self._ids[self._id_of.pop(gone)], self._words[gone]
        self.trends.forget(row)
        self._anchors.pop(gone, None)
        self._sums[row] = 0.0
        self._units[row] = 0.0
        return row

    def _grow(self, size: int) -> None:
        more = size - len(self._minute)
        self._minute = np.concatenate([self._minute, np.zeros(more, dtype=np.int64)])
        self._aside = np.concatenate([self._aside, np.zeros(more, dtype=np.bool_)])
        self._sums = np.concatenate([self._sums, np.zeros((more, 3, len(SIGNALS)))])
        self._units = np.concatenate([self._units, np.zeros((more, 2))])

    def _deviations(self, rows: Rows) -> Floats:
        return _deviations(self._sums[rows])

    def _views(self, cohorts: Sequence[Cohort]) -> list[CohortView]:
        rows = np.array([self._row[cohort] for cohort in cohorts], dtype=np.intp)
        # All at once, as plain numbers: one by one out of arrays costs ten times as much.
        sums = self._sums[rows].transpose(0, 2, 1).tolist()
        deviations, units = self._deviations(rows).tolist(), self._units[rows].tolist()
        found = []
        for i, cohort in enumerate(cohorts):
            row, (devices, minutes) = int(rows[i]), units[i]
            readings = {
                signal: _reading(column, tuple(sums[i][column]), deviations[i][column])
                for column, signal in enumerate(SIGNALS)
                if sums[i][column][0] >= LEAST_UNITS
            }
            found.append(
                CohortView(
                    cohort=cohort,
                    minute=int(self._minute[row]),
                    devices=devices / minutes if minutes > 0.0 else 0.0,
                    aside=bool(self._aside[row]),
                    anchor=self._anchors.get(cohort),
                    readings=readings,
                )
            )
        return found


def _deviations(sums: Floats) -> Floats:
    """[rows, signals]: log ratio where chance does not explain it, else 0; of [rows, 3, signals]."""
    n, x, expected = np.moveaxis(sums, 1, 0)
    shift = (x - expected) / np.maximum(n, LEAST_UNITS)
    size = np.where(_IS_SHIFT, shift, np.log((np.maximum(x, 0.0) + 1.0) / (np.maximum(expected, 0.0) + 1.0)))
    errors = np.where(_IS_SHIFT, shift * np.sqrt(n) / UNIT_SPREAD, (x - expected) / np.sqrt(np.maximum(expected, 1.0)))
    return np.where((np.abs(errors) >= SURE) & (n >= LEAST_UNITS), size, 0.0)


def _reading(column: int, sums: tuple[float, ...], deviation: float) -> Reading:
    n, x, expected = sums
    if _IS_SHIFT[column]:
        return Reading(n, None, None, math.exp((x - expected) / n), deviation)
    return Reading(n, x / n, expected / n, x / expected if expected > 0.0 else None, deviation)


def _by_signal(evidence: Evidence, at: Rows) -> Floats:
    """n, x and expected of some of the cohorts by signal: [cohorts, 3, signals]."""
    out = np.zeros((len(at), 3, len(SIGNALS)))
    # An anchor that knows no level yet expects exactly nothing; what is held against it would look like a deviation.
    known = evidence.expected[at] != 0.0
    values = [np.where(known, part[at], 0.0) for part in (evidence.n, evidence.x, evidence.expected)]
    for place, signal in enumerate(SIGNALS):
        columns = [i for i, channel in enumerate(evidence.channels) if channel.signal == signal]
        for which, part in enumerate(values):
            out[:, which, place] = part[:, columns].sum(axis=1)
    return out
