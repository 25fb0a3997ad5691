"""The board as the templates want it: what stands where, in which order, how loud."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from pipeline.detect.evidence import FeedHealth
from pipeline.messages import Incident
from pipeline.observation import DIMENSIONS
from pipeline.web import wording
from pipeline.web.board import SIGNALS, Board, CohortView, Course, Reading

ORDER: Final = ("firing", "recovering", "forming", "suppressed")
MOST_RESOLVED: Final = 20
MOST_ROWS: Final = 200
"""Cohorts on one page; the API has them all."""
DAMPING: Final = {"latency": 20.0, "delay": 20.0}
"""Units of "as expected" that are mixed in before a cell is coloured, so that three devices do not glow."""
DAMPING_HITS: Final = 4.0
LEVELS: Final = (0.05, 0.12, 0.25, 0.6)
"""Size of the log ratio from which a cell has colour 1, 2, 3, 4."""


@dataclass(frozen=True, slots=True)
class Cell:
    """text: what was observed. beside: what was expected. level: 0 calm to 4 loud. up: more than expected."""

    text: str = ""
    beside: str = ""
    level: int = 0
    up: bool = True


@dataclass(frozen=True, slots=True)
class CohortRow:
    names: tuple[str, ...]
    since_report: str
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
    """`firing`, `forming` or `calm`."""
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
    mood = "calm"
    if any(course.newest.state == "firing" for course in opened):
        mood = "firing"
    elif opened:
        mood = "forming"
    return Overview(
        headline=_headline(opened),
        mood=mood,
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
    counts = {state: sum(course.newest.state == state for course in opened) for state in ORDER}
    said = [f"{counts[state]} {state}" for state in ORDER if counts[state]]
    return ", ".join(said) if said else "Nothing deviates"


def _row(view: CohortView, clock: int | None) -> CohortRow:
    cells = []
    loudest = 0.0
    for signal in SIGNALS:
        reading = view.readings.get(signal)
        if reading is None:
            cells.append(Cell())
            continue
        loud = _loudness(signal, reading)
        loudest = max(loudest, abs(loud))
        level = sum(abs(loud) >= bound for bound in LEVELS)
        if reading.observed is None or reading.expected is None:
            cells.append(Cell(wording.change(reading.ratio), "", level, loud > 0))
        else:
            beside = f"of {wording.percent(reading.expected)}"
            cells.append(Cell(wording.percent(reading.observed), beside, level, loud > 0))
    since = wording.duration((clock or view.minute) - view.minute)
    return CohortRow(tuple(view.cohort), since, view.aside, tuple(cells), loudest)


def _loudness(signal: str, reading: Reading) -> float:
    """Log ratio, pulled towards nothing where little is known."""
    if reading.observed is None or reading.expected is None:
        return math.log(reading.ratio) * reading.n / (reading.n + DAMPING[signal])
    hits, expected = reading.observed * reading.n, reading.expected * reading.n
    return math.log((hits + DAMPING_HITS) / (expected + DAMPING_HITS))


def scope_of(incident: Incident) -> list[tuple[str, str]]:
    """Dimension in words and value, in the order of the wire contract."""
    return [(wording.DIMENSION_NAMES[name], incident.scope[name]) for name in DIMENSIONS if name in incident.scope]
