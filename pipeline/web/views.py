"""The board as the templates want it: what stands where, in which order, how loud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.detect.evidence import FeedHealth
from pipeline.messages import MINUTE_MS, Incident
from pipeline.observation import DIMENSIONS, Cohort
from pipeline.web import wording
from pipeline.web.board import Board, Course
from pipeline.web.cohorts import SIGNALS, Anchor, CohortView, Reading
from pipeline.workarounds import Workaround

ORDER: Final = ("firing", "recovering", "forming", "suppressed")
MOST_RESOLVED: Final = 20
MOST_ROWS: Final = 200
"""Cohorts on one page; the API has them all."""
LEVELS: Final = (0.05, 0.12, 0.25, 0.6)
"""Size of the log ratio from which a cell has colour 1, 2, 3, 4."""
SILENT_MS: Final = 5 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Cell:
    """text: what was observed. beside: what was expected, where that matters. level: 0 calm to 4. up: more of it."""

    text: str = ""
    beside: str = ""
    level: int = 0
    up: bool = True


@dataclass(frozen=True, slots=True)
class CohortRow:
    """notes: what else there is to say of it, in some words each."""

    cohort: Cohort
    devices: str
    aside: bool
    notes: tuple[str, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class CohortTable:
    """left_out: cohorts that have no row because others deviate more."""

    columns: tuple[str, ...]
    rows: tuple[CohortRow, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class WorkaroundRow:
    """state: `active`, `expired` or `not yet`. left_ms: until it expires; below zero, since it has. hides: incidents
    that it hides now."""

    workaround: Workaround
    state: str
    age_ms: int
    left_ms: int
    hides: tuple[Course, ...]


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


def now_of(board: Board) -> int:
    """The clock of the records; ages are by it, as everything here."""
    return board.clock or 0


def workarounds(board: Board, now: int) -> list[WorkaroundRow]:
    """Those that have expired first, then by what is left of them."""
    open_ = [course for course in board.incidents() if course.newest.state != "resolved"]
    rows = [
        WorkaroundRow(
            workaround=one,
            state="active" if one.is_active(now) else "expired" if one.expires_at <= now else "not yet",
            age_ms=now - one.opened_at,
            left_ms=one.expires_at - now,
            hides=tuple(course for course in open_ if course.newest.workaround == one.id),
        )
        for one in board.workarounds
    ]
    return sorted(rows, key=lambda row: (row.left_ms, row.workaround.id))


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
        cohorts=cohort_table(board, {}),
        feeds=tuple(FeedRow(operator, health) for operator, health in board.feeds().items()),
        clock=board.clock,
    )


def cohort_table(board: Board, scope: Mapping[str, str]) -> CohortTable:
    """The cohorts of a scope, by name; where there are too many, those that deviate most."""
    columns = tuple(wording.signal_name(signal) for signal in SIGNALS)
    rows = tuple(_row(view, board.clock) for view in board.cohorts.view(scope, MOST_ROWS))
    return CohortTable(columns, rows, board.cohorts.count(scope) - len(rows))


def others(board: Board, incident: Incident) -> str:
    """What the cohorts outside of an incident's scope do; empty where there is none."""
    calm, all_others = board.cohorts.others(incident.scope)
    return f"In {calm} of the {all_others} cohorts outside of it nothing deviates." if all_others else ""


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
    silent_ms = (clock or view.minute) - view.minute
    notes = (
        "set aside" if view.aside else "",
        f"silent for {wording.duration(silent_ms)}" if silent_ms >= SILENT_MS else "",
        _note(view.anchor) if view.anchor is not None else "",
    )
    readings = (view.readings.get(signal) for signal in SIGNALS)
    return CohortRow(
        cohort=view.cohort,
        devices=f"{view.devices:.0f}" if view.devices >= 10 else f"{view.devices:.1f}",
        aside=view.aside,
        notes=tuple(filter(None, notes)),
        cells=tuple(Cell() if reading is None else _cell(reading) for reading in readings),
    )


def _note(anchor: Anchor) -> str:
    """What there is to say of an anchor that is not simply known and its own."""
    if anchor.frozen:
        return ""
    if anchor.lender != "own":
        return f"learning, held against {anchor.lender}"
    return f"learning, day {int(anchor.days) + 1}"


def _cell(reading: Reading) -> Cell:
    level = sum(abs(reading.deviation) >= bound for bound in LEVELS)
    up = reading.deviation > 0
    if reading.observed is None or reading.expected is None:
        return Cell(wording.change(reading.ratio), "", level, up)
    beside = f"of {wording.percent(reading.expected)}" if level else ""
    return Cell(wording.percent(reading.observed), beside, level, up)


def scope_of(incident: Incident) -> list[tuple[str, str]]:
    """Dimension in words and value, in the order of the wire contract."""
    return [(wording.DIMENSION_NAMES[name], incident.scope[name]) for name in DIMENSIONS if name in incident.scope]
