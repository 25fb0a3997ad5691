"""Incidents of the past that look like one: the same dimensions named, the same signals deviating.

Likeness, 0 to 1, is the mean of two: the Jaccard index of the scopes (pairs of dimension and value that both name, of
those that either names), and the cosine of the signals (share of the evidence by operation, signal and direction).
Another kind of incident is never alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pipeline.messages import Incident
from pipeline.web.board import Course

MOST: Final = 5
LEAST: Final = 0.35
"""Below, two incidents only happen to share something."""


@dataclass(frozen=True, slots=True)
class Alike:
    """course: the other one. likeness: 0 to 1."""

    course: Course
    likeness: float


def similar(incident: Incident, courses: Iterable[Course]) -> list[Alike]:
    """Those that are most like it and began before it, the most alike first."""
    found = [
        Alike(course, likeness(incident, course.newest))
        for course in courses
        if course.newest.incident_id != incident.incident_id and course.newest.onset_at <= incident.onset_at
    ]
    found = [one for one in found if one.likeness >= LEAST]
    return sorted(found, key=lambda one: (-one.likeness, -one.course.newest.at, one.course.newest.incident_id))[:MOST]


def likeness(one: Incident, other: Incident) -> float:
    if one.kind != other.kind:
        return 0.0
    return 0.5 * _jaccard(set(one.scope.items()), set(other.scope.items())) + 0.5 * _cosine(
        _shares(one), _shares(other)
    )


def _jaccard(one: set[tuple[str, str]], other: set[tuple[str, str]]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0


def _shares(incident: Incident) -> dict[tuple[str, str, str], float]:
    shares: dict[tuple[str, str, str], float] = {}
    for signal in incident.signals:
        key = signal.operation, signal.signal, signal.direction
        shares[key] = shares.get(key, 0.0) + max(signal.share, 0.0)
    return shares


def _cosine(one: dict[tuple[str, str, str], float], other: dict[tuple[str, str, str], float]) -> float:
    lengths = [math.hypot(*shares.values()) for shares in (one, other)]
    if not all(lengths):
        return 0.0
    return min(sum(share * other.get(key, 0.0) for key, share in one.items()) / (lengths[0] * lengths[1]), 1.0)
