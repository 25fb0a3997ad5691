"""What the board says, as the API's records. Pages show the same; nothing here is HTML or HTTP."""

from __future__ import annotations

import math
from itertools import islice
from typing import Any, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.channels import TAIL_QUANTILE, Channel
from pipeline.detect.evidence import FeedHealth
from pipeline.detect.evidence import FeedPart as HeardPart
from pipeline.drift import Value, drift
from pipeline.messages import Change, Incident, Signal
from pipeline.observation import UNKNOWN, Cohort
from pipeline.web import cohorts as measured
from pipeline.web import records as say
from pipeline.web.board import Board, Course
from pipeline.web.paging import page
from pipeline.web.reach import channel_of, reach, series
from pipeline.web.similar import similar
from pipeline.web.trends import Point
from pipeline.workarounds import DAY_MS, debt

MOST_CHANGES: Final = 10
"""Of an operator, the newest; all are by themselves."""
MOST_TRACKS: Final = 8
"""Signals of an incident that are drawn."""
LEAD_MS: Final = 2 * 3_600_000
"""Before the onset, drawn to see what was usual."""


def incidents(board: Board, query: say.IncidentQuery) -> say.IncidentPage:
    """Those that fit, the one that changed last first."""
    fit = [course for course in board.incidents() if _fits(course.newest, query)]
    found = page(fit, lambda course: (-course.newest.at, course.newest.incident_id), query.limit, query.cursor)
    return say.IncidentPage(board.clock, found.total, [course.newest for course in found.items], found.next)


def _fits(incident: Incident, query: say.IncidentQuery) -> bool:
    for name in ("state", "severity", "kind"):
        if getattr(query, name) not in (None, getattr(incident, name)):
            return False
    for name in ("operator", "device_class", "firmware", "environment"):
        wanted = getattr(query, name)
        if wanted is not None and incident.scope.get(name) != wanted:
            return False
    return query.service is None or query.service in incident.services


def incident(board: Board, course: Course) -> say.IncidentDetail:
    alike = [say.Alike(one.course.newest, round(one.likeness, 3)) for one in similar(course.newest, board.incidents())]
    return say.IncidentDetail(board.clock, course.newest, list(course.changes), alike)


def tracks(board: Board, incident: Incident) -> say.Tracks:
    """Its signals over time, from somewhat before its onset on."""
    since = incident.onset_at - LEAD_MS
    found = []
    for signal in incident.signals[:MOST_TRACKS]:
        if signal.signal == "volume":
            found.append(_volume(board, incident, since))
            continue
        points = [_point(one) for one in series(board.cohorts, incident.scope, signal, since)]
        unit: Literal["share", "factor"] = "factor" if channel_of(signal).is_shift else "share"
        found.append(say.Track(signal.operation, signal.signal, unit, points))
    return say.Tracks(board.clock, found)


def cohort_tracks(board: Board, cohort: Cohort) -> say.Tracks:
    """All signals of one cohort of which anything was seen."""
    found = []
    for channel in board.cohorts.trends.channels:
        signal = Signal(
            channel.operation, channel.reported_signal, "up", None, None, None, 0.0, "step", _quantile(channel)
        )
        points = [_point(one) for one in series(board.cohorts, cohort._asdict(), signal, 0)]
        if points:
            unit: Literal["share", "factor"] = "factor" if channel.is_shift else "share"
            found.append(say.Track(channel.operation, channel.signal, unit, points))
    return say.Tracks(board.clock, found)


def _quantile(channel: Channel) -> float | None:
    return TAIL_QUANTILE if channel.signal == "tail" else None


def _point(one: Point) -> say.Point:
    return say.Point(one.at, one.n, one.observed, one.expected, one.low, one.high)


def _volume(board: Board, incident: Incident, since: int) -> say.Track:
    blocks = board.feeds_before.of(incident.scope.get("operator", ""), incident.scope.get("device_class"))
    points = []
    for block in blocks:
        if block.at >= since:
            spread = 1.96 * math.sqrt(block.expected + (0.1 * block.expected) ** 2)
            low, high = max(block.expected - spread, 0.0), block.expected + spread
            points.append(say.Point(block.at, block.records, block.records, block.expected, low, high))
    return say.Track("*", "volume", "records", points)


def lattice(board: Board, incident: Incident) -> say.Reach:
    branches = [
        say.Branch(
            branch.dimension,
            branch.beside,
            [
                say.Group(
                    group.value, group.named, group.cohorts,
                    cast(Literal["affected", "not affected", "cannot tell"], group.verdict),
                    group.ratio, group.low, group.high,
                )
                for group in branch.groups
            ],
            branch.left_out,
        )
        for branch in reach(board.cohorts, incident)
    ]  # fmt: skip
    return say.Reach(board.clock, branches)


def cohorts(board: Board, query: say.CohortQuery) -> say.CohortPage:
    names = ("operator", "device_class", "firmware", "environment")
    scope = {name: value for name in names if (value := getattr(query, name)) is not None}
    fit = board.cohorts.listed(scope, query.q, query.sort)
    found = page(fit, lambda one: (one.key, one.id), query.limit, query.cursor)
    return say.CohortPage(
        board.clock, found.total, [cohort(one) for one in board.cohorts.views(found.items)], found.next
    )


def cohort(view: measured.CohortView) -> say.Cohort:
    anchor = view.anchor
    return say.Cohort(
        cohort_id=measured.cohort_id(view.cohort),
        **view.cohort._asdict(),
        minute=view.minute,
        devices=view.devices,
        aside=view.aside,
        anchor=None
        if anchor is None
        else say.Anchor(anchor.days, anchor.frozen, anchor.lender, anchor.doubt, anchor.accepted),
        signals={signal: _reading(reading) for signal, reading in view.readings.items()},
    )


def _reading(reading: measured.Reading) -> say.Reading:
    return say.Reading(reading.n, reading.observed, reading.expected, reading.ratio, reading.deviation)


def feeds(board: Board) -> say.FeedList:
    return say.FeedList(board.clock, [feed(operator, health) for operator, health in board.feeds().items()])


def feed(operator: str, health: FeedHealth) -> say.Feed:
    parts = {name: say.FeedPart(**_part(part)) for name, part in health.parts.items()}
    return say.Feed(
        **_part(health), operator=operator, rejected=health.rejected, pooled=health.pooled, parts=parts
    )  # fmt: skip


def _part(part: HeardPart) -> dict[str, Any]:
    names = ("state", "since", "records", "expected", "late_since", "delay_ms", "usual_delay_ms")
    return {name: getattr(part, name) for name in names}


def operators(board: Board) -> say.OperatorList:
    """All that were heard of or are configured, by name."""
    heard, rows, changes = board.feeds(), board.cohorts.operators(), board.changes()
    names = sorted({*heard, *(name for name in board.profiles if name != UNKNOWN)})
    return say.OperatorList(
        board.clock,
        [
            _operator(board, name, heard.get(name), rows.get(name, np.zeros(0, dtype=np.intp)), changes)
            for name in names
        ],
    )


def _operator(
    board: Board, name: str, health: FeedHealth | None, rows: NDArray[np.intp], changes: list[Change]
) -> say.Operator:
    profile, clock = board.profiles.get(name), board.clock or 0
    contract = board.cohorts.pooled(rows, "contract")
    its = (one for one in changes if one.scope.get("operator", name) == name)
    return say.Operator(
        operator=name,
        feed=feed(name, health) if health is not None else None,
        cohorts=len(rows),
        format=profile.format if profile is not None else "",
        topics=list(profile.topics) if profile is not None else [],
        quirks=[
            say.Quirk(one.id, one.clause, one.owner, one.reason, one.expires_at, one.expires_at <= clock, one.link)
            for one in (profile.quirks if profile is not None else ())
        ],
        contract=_reading(contract) if contract is not None else None,
        workarounds=[one.id for one in board.workarounds if one.scope.get("operator", name) == name],
        changes=list(islice(its, MOST_CHANGES)),
    )


def workarounds(board: Board) -> say.WorkaroundList:
    """Those that have expired first, then by what is left of them."""
    now = board.clock or 0
    hidden = [course.newest for course in board.incidents() if course.newest.state != "resolved"]
    listed = [
        say.Workaround(
            id=one.id,
            owner=one.owner,
            reason=one.reason,
            scope=dict(one.scope),
            opened_at=one.opened_at,
            expires_at=one.expires_at,
            state="active" if one.is_active(now) else "expired" if one.expires_at <= now else "not yet",
            active=one.is_active(now),
            signals=list(one.signals),
            operations=list(one.operations),
            kinds=list(one.kinds),
            most=one.most,
            link=one.link,
            hides=[incident.incident_id for incident in hidden if incident.workaround == one.id],
        )
        for one in sorted(board.workarounds, key=lambda one: (one.expires_at, one.id))
    ]
    owed = debt(board.workarounds, now)
    said = say.Debt(owed.active, owed.expired, owed.oldest_days, owed.soonest_days)
    return say.WorkaroundList(board.clock, said, listed)


def proofs(board: Board) -> say.ProofList:
    """Every service of the intent, proven or not, and what else was proven once."""
    known = board.proofs()
    told = [say.ServiceProof(one.name, one.priority.value, known.pop(one.name, None)) for one in board.intent.services]
    return say.ProofList(board.clock, told + [say.ServiceProof(name, "", proof) for name, proof in known.items()])


def changes(board: Board, query: say.ChangeQuery) -> say.ChangePage:
    fit = [
        one
        for one in board.changes()
        if query.kind in (None, one.kind)
        and query.inferred in (None, one.inferred)
        and (query.operator is None or one.scope.get("operator", query.operator) == query.operator)
    ]
    found = page(fit, lambda one: (-one.at, one.change_id), query.limit, query.cursor)
    return say.ChangePage(board.clock, found.total, found.items, found.next)


def drifts(board: Board) -> say.DriftList:
    """Settings that are not the same everywhere, as the changes that are known tell of them."""
    found = [
        say.Drift(
            setting=one.setting,
            values=[_setting(value) for value in one.values],
            certified=[say.SettingPair(_setting(tried), _setting(used)) for tried, used in one.certified],
            environments=list(one.cohorts),
        )
        for one in drift(board.changes())
    ]
    return say.DriftList(board.clock, found)


def _setting(one: Value) -> say.SettingValue:
    return say.SettingValue(one.value, dict(one.scope), one.at, one.change_id, one.by)


def budget(board: Board) -> say.Budget:
    """A page is an incident that fired as one in the last seven days."""
    since = (board.clock or 0) - 7 * DAY_MS
    paged = [
        course.newest
        for course in board.incidents()
        if any(one.state == "firing" and one.severity == "page" and one.at > since for one in course.changes)
    ]
    verdicts = [one.verdict for one in paged]
    return say.Budget(
        clock=board.clock,
        false_pages_per_week=board.intent.false_pages_per_week,
        pages=len(paged),
        confirmed=verdicts.count("true"),
        false=verdicts.count("false_alarm"),
        open=verdicts.count(None),
    )
