"""Doubts about the reference: did something change within the days that an anchor was learnt from?

Asked when a day is over, operator by operator, of every cell and, pooled, of the operator and of each of its device
classes, firmwares and environments. Moods that its cohorts share are taken out (the median of their day) where the
scope is not the operator itself. A doubt changes no level: which part was right nobody can know. It is told, and the
cell is trusted less by half of what the break was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.steadiness import find_break
from pipeline.detect.channels import EVERY, Channel
from pipeline.observation import DIMENSIONS, Cohort

Floats: TypeAlias = NDArray[np.float64]
Scope: TypeAlias = tuple[tuple[str, str], ...]

LEAST_DAYS: Final = 4
COHORT_MOOD: Final = 0.04
GROUP_MOOD: Final = 0.02
OPERATOR_MOOD: Final = 0.045
"""Log standard deviations of a day of a shift, with nothing wrong."""
SHARE_FACTOR: Final = 2.5
"""Shares wander so much more."""
DEVIATIONS: Final = 4.5
MATERIAL_SHIFT: Final = 0.05
MATERIAL_SHARE: Final = 0.25
MOST_SAMPLING: Final = 0.3
"""A cell whose day has a larger standard deviation than this says nothing."""
FEWEST_SIBLINGS: Final = 4
"""Cohorts of an operator of which a median is taken."""
MOST_ROUNDS: Final = 4
"""Breaks of one channel, at most."""
_SCOPES: Final = (("operator",), ("operator", "device_class"), ("operator", "firmware"), ("operator", "environment"))


class Doubt(NamedTuple):
    """One break inside the reference days.

    scope: pairs of dimension and value. rows: of those that were asked. day: the first one after it, counted in days.
    """

    scope: Scope
    channel: int
    rows: NDArray[np.intp]
    size: float
    day: int

    def text(self, channel: Channel, since: str) -> str:
        """For people. `since`: the day in words."""
        who = ", ".join(f"{name} {value}" for name, value in self.scope)
        signal = "the slowest latency" if channel.signal == "tail" else channel.signal
        what = signal if channel.operation == EVERY else f"{signal} of {channel.operation}"
        verb = "rose" if self.size > 0 else "fell"
        return f"{what} of {who} {verb} by {abs(np.expm1(self.size)):.0%} on {since}, within the reference days"


def doubts(
    cohorts: Sequence[Cohort], channels: Sequence[Channel], value: Floats, sampling: Floats, asked: NDArray[np.bool_]
) -> list[Doubt]:
    """All breaks, the plainest first; cells that one of them explains are left out when the next is looked for.

    Args:
        value: [days, rows, channels] a day's deviation from the level, on the log scale.
        sampling: its variance, infinite where there is no data.
        asked: [channels] which ones are looked at.
    """
    days, rows, _ = value.shape
    if days < LEAST_DAYS or not rows:
        return []
    factor = np.where([channel.is_shift for channel in channels], 1.0, SHARE_FACTOR)
    least = np.where([channel.is_shift for channel in channels], MATERIAL_SHIFT, MATERIAL_SHARE)
    sampling = np.where((sampling <= MOST_SAMPLING**2) & asked, sampling, np.inf)
    scopes = [scope for names in _SCOPES for scope in _members(cohorts, names)]
    out: list[Doubt] = []
    for _ in range(MOST_ROUNDS):
        found = _strongest(cohorts, scopes, value, sampling, factor, least)
        if not found:
            break
        out += found
        for doubt in found:
            sampling[:, doubt.rows, doubt.channel] = np.inf
    relative = value - _operator_days(cohorts, value, sampling)
    return out + [doubt for _, doubt in _single(cohorts, relative, sampling, factor, least)]


def _single(
    cohorts: Sequence[Cohort], relative: Floats, sampling: Floats, factor: Floats, least: Floats
) -> list[tuple[float, Doubt]]:
    """The breaks of cohorts by themselves, and how plain each is."""
    days, rows, channels = relative.shape
    each = find_break(relative.reshape(days, -1), (sampling + (COHORT_MOOD * factor) ** 2).reshape(days, -1))
    hit = (each.deviations >= DEVIATIONS) & (np.abs(each.size) >= np.tile(least, rows))
    out = []
    for cell in np.flatnonzero(hit).tolist():
        row, channel = divmod(cell, channels)
        scope = tuple(zip(DIMENSIONS, cohorts[row], strict=True))
        doubt = Doubt(scope, channel, np.array([row]), float(each.size[cell]), int(each.at[cell]))
        out.append((float(each.deviations[cell]), doubt))
    return out


def _members(cohorts: Sequence[Cohort], names: tuple[str, ...]) -> list[tuple[Scope, NDArray[np.intp]]]:
    """The scopes that name these dimensions and hold several cohorts, but not all; an operator may hold all."""
    at = [DIMENSIONS.index(name) for name in names]
    members: dict[tuple[str, ...], list[int]] = {}
    for row, cohort in enumerate(cohorts):
        members.setdefault(tuple(cohort[i] for i in at), []).append(row)
    return [
        (tuple(zip(names, key, strict=True)), np.array(rows, dtype=np.intp))
        for key, rows in sorted(members.items())
        if len(rows) > 1 and (len(rows) < len(cohorts) or names == ("operator",))
    ]


def _strongest(
    cohorts: Sequence[Cohort],
    scopes: Sequence[tuple[Scope, NDArray[np.intp]]],
    value: Floats,
    sampling: Floats,
    factor: Floats,
    least: Floats,
) -> list[Doubt]:
    """The plainest break of each channel over all scopes and single cohorts, where there is one."""
    best: dict[int, tuple[float, Doubt]] = {}
    relative = value - _operator_days(cohorts, value, sampling)
    for plain, doubt in _single(cohorts, relative, sampling, factor, least):
        if doubt.channel not in best or plain > best[doubt.channel][0]:
            best[doubt.channel] = (plain, doubt)
    for scope, rows in scopes:
        whole = len(scope) == 1 and scope[0][0] == "operator"
        used, mood = (value, OPERATOR_MOOD) if whole else (relative, GROUP_MOOD)
        weight = 1.0 / (sampling[:, rows] + (COHORT_MOOD * factor) ** 2)
        total = weight.sum(axis=1)
        some = total > 0
        safe = np.where(some, total, 1.0)
        mean = (weight * np.where(weight > 0, used[:, rows], 0.0)).sum(axis=1) / safe
        found = find_break(mean, np.where(some, 1.0 / safe + (mood * factor) ** 2, np.inf))
        hit = (found.deviations >= DEVIATIONS) & (np.abs(found.size) >= least)
        for channel in np.flatnonzero(hit).tolist():
            plain = float(found.deviations[channel])
            if channel not in best or plain > best[channel][0]:
                doubt = Doubt(scope, channel, rows, float(found.size[channel]), int(found.at[channel]))
                best[channel] = (plain, doubt)
    return [doubt for _, (_, doubt) in sorted(best.items())]


def _operator_days(cohorts: Sequence[Cohort], value: Floats, sampling: Floats) -> Floats:
    """[days, rows, channels] the median of the operator's cohorts on that day; 0 where too few tell."""
    out = np.zeros(value.shape)
    operators: dict[str, list[int]] = {}
    for row, cohort in enumerate(cohorts):
        operators.setdefault(cohort.operator, []).append(row)
    for some in operators.values():
        pick = np.array(some, dtype=np.intp)
        held = np.where(np.isfinite(sampling[:, pick]), value[:, pick], np.nan)
        count = np.isfinite(held).sum(axis=1)
        middle = np.zeros(count.shape)
        enough = count >= FEWEST_SIBLINGS
        if enough.any():
            middle[enough] = np.nanmedian(held.swapaxes(1, 2)[enough], axis=-1)
        out[:, pick] = middle[:, None, :]
    return out
