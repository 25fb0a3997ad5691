"""What a replay came to, as one HTML file: the headline, incidents on a time line, and each of them in full."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.incidents.known import Catch, Life
from pipeline.messages import Incident, Signal
from pipeline.replay import Result
from pipeline.report.backtest import Backtest, lead, verdict
from pipeline.report.bands import band
from pipeline.report.charts import Plot, Span, TimeAxis, of_band, spans
from pipeline.report.comparison import Comparison, differences, known_rows
from pipeline.report.courses import Courses
from pipeline.report.html import render as render_template
from pipeline.report.sections import section
from pipeline.report.words import figure, scope_name

MOST_SECTIONS: Final = 60
"""Incidents told in full, the gravest first; all are on the time line and in the table."""
_VOLUME: Final = Signal("*", "volume", "down", None, None, None, 0.0, "step")
_RANK: Final = ("page", "ticket", "log")


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of the time line. noticed: per cent at which people noticed; None: not known. target: id on this page."""

    name: str
    detail: str
    spans: list[Span]
    severity: str | None = None
    target: str | None = None
    noticed: float | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """An operator's telemetry over the whole replay."""

    name: str
    records: str
    expected: str
    silent: str
    late: str
    rejected: str
    plot: Plot | None


def render(
    result: Result,
    names: Iterable[str],
    courses: Courses,
    test: Backtest,
    comparison: Comparison | None = None,
) -> str:
    """The page of a replay of the files `names`; the same result gives the same page."""
    start = result.first_at or 0
    axis = TimeAxis(start, result.last_at if result.last_at is not None else start)
    records: dict[str, list[Incident]] = {}
    for incident in result.incidents:
        records.setdefault(incident.incident_id, []).append(incident)
    ends = {life.incident_id: life.ended_at if life.ended_at is not None else axis.end for life in test.lives}
    troubled = [(life.told.scope, life.told.onset_at, ends[life.incident_id]) for life in test.lives]
    gravest = sorted(test.lives, key=lambda life: (_RANK.index(life.severity), life.fired_at))[:MOST_SECTIONS]
    in_full = {life.incident_id for life in gravest}
    sections = [
        section(
            life,
            records[life.incident_id],
            courses,
            [catch for catch in test.catches or [] if life in catch.by],
            troubled,
            axis.start,
            axis.end,
        )
        for life in test.lives
        if life.incident_id in in_full
    ]
    return render_template(
        "report.html",
        result=result,
        names=list(names),
        test=test,
        axis=axis,
        ticks=axis.ticks(),
        lanes=[_lane(life, records[life.incident_id], axis, in_full) for life in test.lives],
        known_lanes=[_known_lane(catch, axis) for catch in test.catches or []],
        sections=sections,
        left_out=len(test.lives) - len(sections),
        unfired=len(records) - len(test.lives),
        false_ids={life.incident_id for life in test.false_pages or []},
        gauge=None if test.weekly is None else round(min(100.0 * test.weekly / max(2 * test.budget, 1e-9), 100.0), 1),
        comparison=comparison,
        known_rows=list(known_rows(comparison)) if comparison is not None else [],
        differences=differences(comparison.pairs) if comparison is not None else "",
        feeds=list(_feeds(courses, axis)),
        grain=courses.grain_ms,
        judged_from=courses.judged_from,
        verdict=verdict,
        lead=lead,
    )


def _lane(life: Life, records: Sequence[Incident], axis: TimeAxis, in_full: set[str]) -> Lane:
    target = life.incident_id if life.incident_id in in_full else None
    return Lane(scope_name(life.newest.scope), life.told.kind, spans(records, axis), life.severity, target)


def _known_lane(catch: Catch, axis: TimeAxis) -> Lane:
    known = catch.known
    at = known.detected_at
    there = axis.span("known", known.since, known.until if known.until is not None else axis.end)
    return Lane(
        known.known_id,
        verdict(catch),
        [there] if catch.covered else [],
        noticed=axis.x(at) if at is not None and axis.start <= at <= axis.end else None,
    )


def _feeds(courses: Courses, axis: TimeAxis) -> Iterable[Feed]:
    """Operators, in the order of their names."""
    for operator, kind in sorted(courses.feeds):
        if kind:
            continue
        row = courses.feeds[operator, kind]
        total = sum(entry.feeds[row].astype(float) for entry in courses.entries() if row < len(entry.feeds))
        records, expected, silent, late, rejected = total.tolist()
        drawn = band(courses, {"operator": operator}, _VOLUME, axis.start, axis.end, [])
        yield Feed(
            name=operator,
            records=figure(records),
            expected=figure(expected) if expected else "–",
            silent=figure(silent),
            late=figure(late),
            rejected=figure(rejected),
            plot=None if drawn is None else of_band(drawn, "volume", axis),
        )
