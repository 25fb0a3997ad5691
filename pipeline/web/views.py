"""The board as the templates want it: what stands where, in which order, how loud."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from pipeline.detect.evidence import FeedHealth
from pipeline.messages import MINUTE_MS, Incident
from pipeline.observation import DIMENSIONS
from pipeline.web import wording
from pipeline.web.board import SIGNALS, Board, CohortView, Course, Reading

ORDER: Final = ("firing", "recovering", "forming", "suppressed")
MOST_RESOLVED: Final = 20
MOST_ROWS: Final = 200
"""Cohorts on one page; the API has them all."""
LEVELS: Final = (0.05, 0.12, 0.25, 0.6)
"""Size of the log ratio from which a cell has colour 1, 2, 3, 4."""
SURE: Final = 3.0
"""Standard errors below which a cell has none: most of a quiet fleet would glow otherwise. No verdict hangs on it."""
SILENT_MS: Final = 5 * MINUTE_MS
UNIT_SPREAD: Final = 0.5
"""Standard deviation of one device-minute of latency or delay on the log scale, about."""


@dataclass(frozen=True, slots=True)
class Cell:
    """text: what was observed. beside: what was expected, where that matters. level: 0 calm to 4. up: more of it."""

    text: str = ""
    beside: str = ""
    level: int = 0
    up: bool = True


@dataclass(frozen=True, slots=True)
class CohortRow:
    names: tuple[str, ...]
    silent_since: str
    """How long it has not reported; empty while it does."""
    aside: bool
    cells: tuple[Cell, ...]
    loudest: float


@dataclass(frozen=True, slots=True)
class CohortTable:
    """left_out: cohorts that have no row because others deviate more."""

    columns: tuple[str, ...]
    rows: tuple[CohortRow, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class FeedRow:
    operator: str
    health: FeedHealth


@dataclass(frozen=True, slots=True)
class Overview:
    """The front page."""

    headline: str
    mood: str
    """The gravest state of any incident, or `calm`."""
    open: tuple[Course, ...]
    resolved: tuple[Course, ...]
    cohorts: CohortTable
    feeds: tuple[FeedRow, ...]
    clock: int | None


def overview(board: Board) -> Overview:
    courses = board.incidents()
    opened = [course for course in courses if course.newest.state != "resolved"]
    opened.sort(key=lambda course: (_rank(course.newest.state), -course.newest.at))
    resolved = [course for course in courses if course.newest.state == "resolved"]
    return Overview(
        headline=_headline(opened),
        mood=opened[0].newest.state if opened else "calm",
        open=tuple(opened),
        resolved=tuple(resolved[:MOST_RESOLVED]),
        cohorts=cohort_table(board.cohorts(), board.clock),
        feeds=tuple(FeedRow(operator, health) for operator, health in board.feeds().items()),
        clock=board.clock,
    )


def cohort_table(cohorts: list[CohortView], clock: int | None) -> CohortTable:
    """By name; where there are too many, those that deviate most."""
    rows = [_row(cohort, clock) for cohort in cohorts]
    kept = sorted(rows, key=lambda row: -row.loudest)[:MOST_ROWS]
    columns = tuple(wording.signal_name(signal) for signal in SIGNALS)
    return CohortTable(columns, tuple(sorted(kept, key=lambda row: row.names)), len(rows) - len(kept))


def touched(incident: Incident, cohorts: list[CohortView]) -> list[CohortView]:
    """Cohorts inside the scope of an incident."""
    return [
        view
        for view in cohorts
        if all(getattr(view.cohort, name, None) == value for name, value in incident.scope.items())
    ]


def _rank(state: str) -> int:
    return ORDER.index(state) if state in ORDER else len(ORDER)


def _headline(opened: list[Course]) -> str:
    """`2 incidents firing, 1 forming`."""
    counts = {state: sum(course.newest.state == state for course in opened) for state in ORDER}
    said = [f"{counts[state]} {state}" for state in ORDER if counts[state]]
    if not said:
        return "Nothing deviates"
    number, _, rest = ", ".join(said).partition(" ")
    return f"{number} {'incident' if number == '1' else 'incidents'} {rest}"


def _row(view: CohortView, clock: int | None) -> CohortRow:
    readings = [view.readings.get(signal) for signal in SIGNALS]
    silent_ms = (clock or view.minute) - view.minute
    return CohortRow(
        names=tuple(view.cohort),
        silent_since=wording.duration(silent_ms) if silent_ms >= SILENT_MS else "",
        aside=view.aside,
        cells=tuple(Cell() if reading is None else _cell(reading) for reading in readings),
        loudest=max((abs(_deviation(reading)) for reading in readings if reading is not None), default=0.0),
    )


def _cell(reading: Reading) -> Cell:
    deviation = _deviation(reading)
    level = sum(abs(deviation) >= bound for bound in LEVELS)
    if reading.observed is None or reading.expected is None:
        return Cell(wording.change(reading.ratio), "", level, deviation > 0)
    beside = f"of {wording.percent(reading.expected)}" if level else ""
    return Cell(wording.percent(reading.observed), beside, level, deviation > 0)


def _deviation(reading: Reading) -> float:
    """Log ratio where it is about surely not chance, else 0."""
    if reading.observed is None or reading.expected is None:
        size, errors = math.log(reading.ratio), math.log(reading.ratio) * math.sqrt(reading.n) / UNIT_SPREAD
    else:
        hits, expected = reading.observed * reading.n, reading.expected * reading.n
        size, errors = math.log((hits + 1.0) / (expected + 1.0)), (hits - expected) / math.sqrt(max(expected, 1.0))
    return size if abs(errors) >= SURE else 0.0


def scope_of(incident: Incident) -> list[tuple[str, str]]:
    """Dimension in words and value, in the order of the wire contract."""
    return [(wording.DIMENSION_NAMES[name], incident.scope[name]) for name in DIMENSIONS if name in incident.scope]
