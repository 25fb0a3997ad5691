"""What is usual, held against the intent: which lines the present anchors already break, and where a service is said to
degrade safely beyond them.

Anchors know of a cohort's latency the mean and variance of its logarithm, what is beyond its 97th percentile, and
how steep the tail is from there: a log-normal body and a Pareto tail are fitted to that, cohorts are mixed by their
volume, and the hours of a day are told apart. Good to some ten per cent in the body, less far out in the tail; what is
said here is a hint before anything runs, the breach itself is counted from attempts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from models import season
from models.cutpoints import mean_tail_weight
from pipeline.detect.channels import Channel
from pipeline.detect.evidence import Learned
from pipeline.intent import Degradation, Intent, Service, Threshold
from pipeline.messages import LATENCY_BIN
from pipeline.observation import Cohort

Floats: TypeAlias = NDArray[np.float64]

LONGEST_LOG: Final = 20.0
"""Of a latency in ms, log: beyond any that is accepted."""
HALVINGS: Final = 50
_LEAST_SCALE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Trouble:
    """A line that what is usual of one group of cohorts breaks, or would break.

    usual: in the units of the line, at the worst time for it. when: hours of the day that are worse than the line;
    empty: all of them, or its window is longer than that. up_to: the degradation that would break it; None: it is
    broken as it is.
    """

    threshold: Threshold
    group: str
    usual: float
    is_broken: bool
    when: str = ""
    up_to: float | None = None

    def __str__(self) -> str:
        line = self.threshold
        usual = f"{self.usual:.4g} ms" if line.limit_ms is not None else f"{100 * self.usual:.3g} %"
        begins = f"{line.place}: {line.line!r} at {self.group}"
        if self.up_to is not None:
            return f"{begins}: {usual} is usual, and {self.up_to:g} times that, which is said to be safe, breaks it"
        return f"{begins} is broken already: {usual} is usual{self.when and ' '}{self.when}"


@dataclass(frozen=True, slots=True)
class _Held:
    """Cohorts of one group, [cohorts, slots of the day]: their weight, and the share of attempts beyond a latency (log
    ms), or of those that hit."""

    weight: Floats
    beyond: Callable[[float], Floats]

    def share(self, at: float) -> Floats:
        """[slots] of the group, over the cohorts."""
        weight = np.maximum(self.weight.sum(axis=0), 1e-12)
        return np.asarray((self.weight * self.beyond(at)).sum(axis=0) / weight)


def troubles(intent: Intent, learned: Sequence[Learned]) -> list[Trouble]:
    """Lines that are broken, and degradations that would break one, in the order of the file and of groups."""
    found: list[Trouble] = []
    for service in intent.services:
        for line in service.thresholds:
            for group, held in sorted(_groups(line, learned).items()):
                found += _judge(service, line, group, held)
    return found


def unheard(intent: Intent, learned: Sequence[Learned]) -> list[Threshold]:
    """Lines of which the anchors know nothing: their operation was not seen, or not often enough, where they hold."""
    return [line for line in intent.thresholds if not _groups(line, learned)]


def _judge(service: Service, line: Threshold, group: str, held: _Held) -> Iterator[Trouble]:
    limit = 0.0 if line.limit_ms is None else float(np.log(line.limit_ms))
    shares = held.share(limit)
    short = line.window_ms < season.DAY_MS
    volume = held.weight.sum(axis=0)
    worst = float(shares.max()) if short else float(np.average(shares, weights=volume))
    usual = worst if line.limit_ms is None else _latency(held, line, short)
    if worst > line.allowed:
        yield Trouble(line, group, usual, is_broken=True, when=_hours(shares > line.allowed) if short else "")
        return
    safe = max((one.up_to for one in service.degradations if _concerns(one, line)), default=1.0)
    bound = line.allowed if line.limit_ms is None else line.limit_ms
    if usual * safe > bound:
        yield Trouble(line, group, usual, is_broken=False, up_to=safe)


def _hours(worse: NDArray[np.bool_]) -> str:
    """Which slots of the day; a stretch over midnight is one."""
    begins = np.flatnonzero(worse & ~np.roll(worse, 1))
    hours = 24 // season.SLOTS
    if len(begins) == 0:
        return ""
    if len(begins) > 1:
        return f"in {int(worse.sum()) * hours} hours of the day"
    begin = int(begins[0]) * hours
    return f"between {begin:02}:00 and {(begin + int(worse.sum()) * hours) % 24:02}:00 UTC"


def _concerns(one: Degradation, line: Threshold) -> bool:
    return one.operation in ("*", line.operation) and one.signal in ("*", line.signal)


def _latency(held: _Held, line: Threshold, short: bool) -> float:
    """The quantile of the line, ms, in the slot where it is highest, or over the day."""
    low, high = 0.0, LONGEST_LOG
    volume = held.weight.sum(axis=0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        shares = held.share(middle)
        above = float(shares.max()) if short else float(np.average(shares, weights=volume))
        low, high = (middle, high) if above > line.allowed else (low, middle)
    return float(np.exp(high))


def _groups(line: Threshold, learned: Sequence[Learned]) -> dict[str, _Held]:
    """Cohorts that a line is asked of, by the values of its dimensions."""
    parts: dict[str, list[_Held]] = defaultdict(list)
    for message in learned:
        column = _column(message, line)
        if column is None:
            continue
        rows: dict[str, list[int]] = defaultdict(list)
        for row, cohort in enumerate(message.cohorts):
            values = cohort._asdict()
            within = all(values[dimension] == value for dimension, value in line.scope.items())
            if within and message.cells["mass"][row, column] > 0:
                rows[_name(cohort, line.per)].append(row)
        for group, picked in rows.items():
            parts[group].append(_held(message, column, picked, line))
    return {group: _together(held) for group, held in parts.items()}


def _name(cohort: Cohort, per: Sequence[str]) -> str:
    values = cohort._asdict()
    return ", ".join(f"{dimension} {values[dimension]}" for dimension in per) or "the whole fleet"


def _column(message: Learned, line: Threshold) -> int | None:
    channel = Channel(line.operation, line.signal)
    return message.channels.index(channel) if channel in message.channels else None


def _held(message: Learned, column: int, rows: list[int], line: Threshold) -> _Held:
    weight = np.nan_to_num(message.volumes[rows], nan=0.0)
    # Of a cohort whose volume is not known yet, something rather than nothing.
    weight = np.where(weight.sum(axis=1, keepdims=True) > 0, weight, 1e-6)
    cells = {name: message.cells[name][rows] for name in ("level", "middle", "spread", "tail_bin", "tail_scale")}
    shape = message.shape[:, column]
    if line.limit_ms is None:
        shares = np.minimum(cells["level"][:, column, None] * shape[None, :], 1.0)
        return _Held(weight, lambda _: shares)
    mean = cells["middle"][:, column, None] + cells["level"][:, column, None] + shape[None, :]
    spread = np.sqrt(np.maximum(cells["spread"][:, column, None], _LEAST_SCALE))
    cut = cells["tail_bin"][:, column, None] * LATENCY_BIN
    scale = np.maximum(cells["tail_scale"][:, column, None], _LEAST_SCALE)
    slope, most = (
        message.cells[name][rows][:, column, None] if name in message.cells else np.ones_like(scale)
        for name in ("tail_slope", "tail_cap")
    )
    # The tail's channel stands behind its latency's, and holds what its values weigh.
    counted = cells["level"][:, column + 1, None] / mean_tail_weight(scale, slope, most, LATENCY_BIN)
    tail = np.minimum(counted * message.shape[None, :, column + 1], 1.0)

    def beyond(at: float) -> Floats:
        body = np.maximum(1.0 - ndtr((at - mean) / spread), tail)
        return np.asarray(np.where(at < cut, body, tail * np.exp(-np.maximum(at - cut, 0.0) / scale)))

    return _Held(weight, beyond)


def _together(held: list[_Held]) -> _Held:
    if len(held) == 1:
        return held[0]
    weight = np.concatenate([one.weight for one in held])
    return _Held(weight, lambda at: np.concatenate([one.beyond(at) for one in held]))
