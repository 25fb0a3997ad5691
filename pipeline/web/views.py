"""The API's records as the templates want them: what stands where, in which order, how loud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.messages import MINUTE_MS, Incident
from pipeline.observation import DIMENSIONS
from pipeline.web import answers, plots, wording
from pipeline.web import records as say
from pipeline.web.board import Board, Course
from pipeline.web.cohorts import SIGNALS

ORDER: Final = ("firing", "recovering", "forming", "suppressed")
MOST_OPEN: Final = 30
MOST_RESOLVED: Final = 10
MOST_ROWS: Final = 50
"""Cohorts on one page."""
LEVELS: Final = (0.05, 0.12, 0.25, 0.6)
"""Size of the log ratio from which a cell has colour 1, 2, 3, 4."""
SILENT_MS: Final = 5 * MINUTE_MS
PROVEN_DAYS: Final = 30
"""What was proven longer ago is said to be old."""
COLUMNS: Final = tuple((signal, wording.signal_name(signal)) for signal in SIGNALS)


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

    cohort: say.Cohort
    devices: str
    notes: tuple[str, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class FeedRow:
    """paths: of what came and what was expected, over the last hours."""

    feed: say.Feed
    paths: tuple[str, str]
    late: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """The front page. mood: the gravest state of any incident, or `calm`. more: open ones that have no card."""

    headline: str
    mood: str
    open: tuple[Course, ...]
    more: int
    resolved: tuple[Course, ...]
    feeds: tuple[FeedRow, ...]
    budget: say.Budget
    proofs: tuple[say.ServiceProof, ...]
    loud: tuple[CohortRow, ...]
    cohorts: int


@dataclass(frozen=True, slots=True)
class Picture:
    """One signal with its plot; None where nothing of it has been seen since this worker began to listen."""

    title: str
    unit: str
    plot: plots.Line | None


@dataclass(frozen=True, slots=True)
class Whole:
    """An incident's page."""

    course: Course
    pictures: tuple[Picture, ...]
    ledger: plots.Ledger | None
    reach: say.Reach
    whiskers: dict[str, dict[str, plots.Whisker]]
    similar: Sequence[say.Alike]
    phases: tuple[tuple[str, int], ...]


def overview(board: Board) -> Overview:
    courses = board.incidents()
    opened = [course for course in courses if course.newest.state != "resolved"]
    opened.sort(key=lambda course: (_rank(course.newest.state), -course.newest.at))
    resolved = [course for course in courses if course.newest.state == "resolved"]
    loud = answers.cohorts(board, say.CohortQuery(limit=8))
    return Overview(
        headline=_headline(opened),
        mood=opened[0].newest.state if opened else "calm",
        open=tuple(opened[:MOST_OPEN]),
        more=max(len(opened) - MOST_OPEN, 0),
        resolved=tuple(resolved[:MOST_RESOLVED]),
        feeds=feed_rows(board),
        budget=answers.budget(board),
        proofs=tuple(answers.proofs(board).services),
        loud=tuple(row for row in cohort_rows(loud, board.clock) if any(cell.level for cell in row.cells)),
        cohorts=len(board.cohorts),
    )


def feed_rows(board: Board) -> tuple[FeedRow, ...]:
    rows = []
    for feed in answers.feeds(board).feeds:
        # The block that is being filled would look like a fall.
        blocks = board.feeds_before.of(feed.operator)[:-1][-72:]
        late = any(part.late_since is not None for part in (feed, *feed.parts.values()))
        rows.append(FeedRow(feed, plots.spark([(one.records, one.expected) for one in blocks]), late))
    return tuple(sorted(rows, key=lambda row: (row.feed.state == "ok" and not row.late, row.feed.operator)))


def whole(board: Board, course: Course) -> Whole:
    incident = course.newest
    tracks = answers.tracks(board, incident).tracks
    pictures = tuple(
        Picture(wording.where(signal), track.unit, plots.line([track.points], incident.onset_at))
        for signal, track in zip(incident.signals, tracks, strict=False)
    )
    names = {(one.operation, one.signal): wording.where(one) for one in incident.signals}
    reach = answers.lattice(board, incident)
    every = [group for branch in reach.branches for group in branch.groups]
    axis = {branch.dimension: plots.whiskers(branch.groups) for branch in reach.branches} if every else {}
    return Whole(
        course=course,
        pictures=pictures,
        ledger=plots.ledger(incident.ledger, names),
        reach=reach,
        whiskers=axis,
        similar=answers.incident(board, course).similar,
        phases=_phases(incident),
    )


def _phases(incident: Incident) -> tuple[tuple[str, int], ...]:
    """Moments of its life that are known, in their order."""
    named = (
        ("behaviour changed", incident.onset_at),
        ("first said", incident.forming_at),
        ("fired", incident.fired_at),
        ("acknowledged", incident.acknowledged_at),
        ("began to recover", incident.recovering_at),
        ("resolved", incident.resolved_at),
    )
    return tuple(sorted(((name, at) for name, at in named if at is not None), key=lambda one: one[1]))


def cohort_rows(page: say.CohortPage, clock: int | None) -> tuple[CohortRow, ...]:
    return tuple(_row(cohort, clock) for cohort in page.cohorts)


def scope_of(incident: Incident) -> list[tuple[str, str]]:
    """Dimension in words and value, in the order of the wire contract."""
    return [(wording.DIMENSION_NAMES[name], incident.scope[name]) for name in DIMENSIONS if name in incident.scope]


def _rank(state: str) -> int:
    return ORDER.index(state) if state in ORDER else len(ORDER)


def _headline(opened: Sequence[Course]) -> str:
    """`2 incidents firing, 1 forming`."""
    counts = {state: sum(course.newest.state == state for course in opened) for state in ORDER}
    said = [f"{counts[state]} {state}" for state in ORDER if counts[state]]
    if not said:
        return "Nothing deviates"
    number, _, rest = ", ".join(said).partition(" ")
    return f"{number} {'incident' if number == '1' else 'incidents'} {rest}"


def _row(cohort: say.Cohort, clock: int | None) -> CohortRow:
    silent_ms = (clock or cohort.minute) - cohort.minute
    notes = (
        "set aside" if cohort.aside else "",
        f"silent for {wording.duration(silent_ms)}" if silent_ms >= SILENT_MS else "",
        _note(cohort.anchor) if cohort.anchor is not None else "",
    )
    readings = (cohort.signals.get(signal) for signal in SIGNALS)
    return CohortRow(
        cohort=cohort,
        devices=f"{cohort.devices:.0f}" if cohort.devices >= 10 else f"{cohort.devices:.1f}",
        notes=tuple(filter(None, notes)),
        cells=tuple(Cell() if reading is None else _cell(reading) for reading in readings),
    )


def _note(anchor: say.Anchor) -> str:
    """What there is to say of an anchor that is not simply known and its own."""
    if anchor.frozen:
        return ""
    if anchor.lender != "own":
        return f"learning, held against {anchor.lender}"
    return f"learning, day {int(anchor.days) + 1}"


def _cell(reading: say.Reading) -> Cell:
    level = sum(abs(reading.deviation) >= bound for bound in LEVELS)
    up = reading.deviation > 0
    if reading.observed is None or reading.expected is None:
        return Cell(wording.change(reading.ratio) if reading.ratio is not None else "", "", level, up)
    beside = f"of {wording.percent(reading.expected)}" if level else ""
    return Cell(wording.percent(reading.observed), beside, level, up)
