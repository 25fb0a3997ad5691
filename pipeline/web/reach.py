"""Who is affected by an incident and who is not: its scope, siblings, and what is inside, by dimension."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.detect.channels import TAIL_QUANTILE, Channel
from pipeline.messages import Incident, Signal
from pipeline.observation import DIMENSIONS, Cohort
from pipeline.web.cohorts import CohortBoard
from pipeline.web.trends import MOODS, UNIT_SPREAD, Point, Z

MOST_GROUPS: Final = 12
"""Of one dimension: those that deviate most, and what is inside the scope."""
LEAST: Final = 0.02
"""Log ratio below which nobody is said to be affected."""


@dataclass(frozen=True, slots=True)
class Group:
    """Cohorts that share a value of one dimension, in the incident's leading signal since its onset.

    named: the incident's scope names this value. verdict: `affected`, `not affected`, `cannot tell`. ratio: against the
    expected, with the interval that sampling and usual moods leave; None where there is too little.
    """

    value: str
    named: bool
    cohorts: int
    verdict: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """One dimension. beside: the scope names it, and its other values stand beside; else all of them are inside.

    left_out: groups that have no row.
    """

    dimension: str
    beside: bool
    groups: tuple[Group, ...]
    left_out: int


def channel_of(signal: Signal) -> Channel:
    """The channel that a signal of a record is measured in."""
    is_tail = signal.signal == "latency" and signal.quantile is not None and signal.quantile >= TAIL_QUANTILE
    return Channel(signal.operation, "tail" if is_tail else signal.signal)


def series(board: CohortBoard, scope: Mapping[str, str], signal: Signal, since: int) -> list[Point]:
    """How a signal did in a scope, against what was expected."""
    rows = np.array([row for _, row in board.rows(scope)], dtype=np.intp)
    return board.trends.series(rows, channel_of(signal), since)


def reach(board: CohortBoard, incident: Incident) -> list[Branch]:
    """One branch a dimension that tells anything; none where nothing is known of the leading signal."""
    if not incident.signals or not incident.scope.keys() <= set(DIMENSIONS):
        return []
    leading = incident.signals[0]
    found = []
    for dimension in DIMENSIONS:
        around = {name: value for name, value in incident.scope.items() if name != dimension}
        branch = _branch(board, dimension, around, leading, incident)
        if branch is not None:
            found.append(branch)
    return found


def _branch(
    board: CohortBoard, dimension: str, around: Mapping[str, str], leading: Signal, incident: Incident
) -> Branch | None:
    members = board.rows(around)
    if not members:
        return None
    channel, named = channel_of(leading), incident.scope.get(dimension)
    totals = board.trends.totals(np.array([row for _, row in members], dtype=np.intp), channel, incident.onset_at)
    place = DIMENSIONS.index(dimension)
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])
    for (cohort, _), (n, x, expected) in zip(members, totals.tolist(), strict=True):
        held = sums[_value(cohort, place)]
        held[0] += n
        held[1] += x
        held[2] += expected
        held[3] += 1
    groups = [
        _group(value, value == named, int(count), channel, n, x, expected, leading)
        for value, (n, x, expected, count) in sums.items()
    ]
    groups.sort(key=lambda one: (not one.named, -abs(np.log(one.ratio)) if one.ratio else 0.0, one.value))
    return Branch(dimension, named is not None, tuple(groups[:MOST_GROUPS]), max(len(groups) - MOST_GROUPS, 0))


def _value(cohort: Cohort, place: int) -> str:
    return cohort[place]


def _group(
    value: str, named: bool, cohorts: int, channel: Channel, n: float, x: float, expected: float, leading: Signal
) -> Group:
    if n < 1.0 or (not channel.is_shift and expected <= 0.0):
        return Group(value, named, cohorts, "cannot tell")
    if channel.is_shift:
        size, sampling, mood = (x - expected) / n, UNIT_SPREAD**2 / n, MOODS[0]
    else:
        size, sampling, mood = float(np.log((x + 0.5) / (expected + 0.5))), 1.0 / max(expected, 0.5), MOODS[1]
    spread = Z * (sampling + mood**2) ** 0.5
    sign = -1.0 if leading.direction == "down" else 1.0
    if sign * size - spread > LEAST:
        verdict = "affected"
    elif sign * size + Z * sampling**0.5 < _half(leading):
        verdict = "not affected"
    else:
        verdict = "cannot tell"
    return Group(value, named, cohorts, verdict, *np.exp([size, size - spread, size + spread]).tolist())


def _half(leading: Signal) -> float:
    """Half of what the incident's scope has, as a log ratio: who has surely less is not affected."""
    size = abs(float(np.log(leading.ratio))) if leading.ratio is not None and leading.ratio > 0.0 else 0.0
    return max(0.5 * size, LEAST)
