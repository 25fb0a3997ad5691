"""What is judged: channels, alone, pooled over operations, or held against a cohort's other operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.channels import COHORT_RATES, EVERY, OPERATION_RATES, OPERATION_SIGNALS, Channel
from pipeline.detect.references import Beyond

Floats: TypeAlias = NDArray[np.float64]

CONTRAST: Final = "contrast"
"""Kind of mood of an operation's latency held against the same cohort's other operations."""

KINDS: Final = ("latency", *OPERATION_RATES, *COHORT_RATES)
"""Kinds of signal that can page; each has an equal share of the budget, beside the weak pattern of all."""
TAIL_PART: Final = 0.5
POOLED_PART: Final = 0.5
CONTRAST_PART: Final = 0.5
LEAST_SHARE: Final = 1e-9
"""Of the budget: a sensitivity of nothing is a channel that is as good as never believed."""


class Judged(NamedTuple):
    """A channel that is judged.

    columns: one, or those of a signal pooled over the operations. log_weight: log of its share of the budget.
    against: columns of the same cohort's other operations, whose deviation is taken out: they share its moods, so that
    what befalls one operation alone is seen without them.
    """

    channel: Channel
    columns: tuple[int, ...]
    log_weight: float
    against: tuple[int, ...] = ()

    @property
    def kind(self) -> str:
        return self.channel.reported_signal

    @property
    def mood(self) -> str:
        """Whose moods it has."""
        return CONTRAST if self.against else self.channel.signal

    @property
    def name(self) -> str:
        """Stable over restarts; a contrast and its plain channel are two views of one thing and share it."""
        return f"{self.channel.operation}/{self.channel.signal}"


def even(_: Channel) -> float:
    """Every operation matters as much as any other."""
    return 1.0


def judged_channels(channels: Sequence[Channel], weigh: Callable[[Channel], float] = even) -> list[Judged]:
    """What to judge, with each one's log share of the budget; the weak pattern has the rest.

    weigh: a factor of the share of an operation's channel. The shares of all operations together stay what they are:
    what one gains the others lose.
    """
    share = 1.0 / (len(KINDS) + 1)
    column = {channel: i for i, channel in enumerate(channels)}
    operations = list(dict.fromkeys(channel.operation for channel in channels if channel.operation != EVERY))
    out = [
        Judged(Channel(EVERY, signal), (column[Channel(EVERY, signal)],), float(np.log(share)))
        for signal in COHORT_RATES
    ]
    for signal in OPERATION_SIGNALS:
        part = share * {"latency": 1.0 - TAIL_PART, "tail": TAIL_PART}.get(signal, 1.0)
        columns = tuple(column[Channel(operation, signal)] for operation in operations)
        if len(operations) > 1:
            out.append(Judged(Channel(EVERY, signal), columns, float(np.log(part * POOLED_PART))))
            part *= 1.0 - POOLED_PART
            if signal == "latency":
                each = float(np.log(part * CONTRAST_PART / len(operations)))
                part *= 1.0 - CONTRAST_PART
                out += [
                    Judged(Channel(operation, signal), (at,), each, tuple(other for other in columns if other != at))
                    for operation, at in zip(operations, columns, strict=True)
                ]
        out += [
            Judged(Channel(operation, signal), (at,), float(np.log(part / len(operations))))
            for operation, at in zip(operations, columns, strict=True)
        ]
    return _weighed(out, weigh)


def _weighed(judged: list[Judged], weigh: Callable[[Channel], float]) -> list[Judged]:
    own = [i for i, one in enumerate(judged) if one.channel.operation != EVERY]
    shares = np.exp([judged[i].log_weight for i in own])
    weighed = shares * np.array([weigh(judged[i].channel) for i in own])
    if not len(own) or not weighed.sum() > 0:
        return judged
    for i, share in zip(own, (weighed / weighed.sum() * shares.sum()).tolist(), strict=True):
        judged[i] = judged[i]._replace(log_weight=float(np.log(max(share, LEAST_SHARE))))
    return judged


def main_channels(judged: Sequence[Judged]) -> list[int]:
    """One channel of each kind: the one over all operations, or the only one. What the weak pattern adds up."""
    main: dict[str, int] = {}
    for i, one in enumerate(judged):
        if (
            one.channel.signal != "tail"
            and not one.against
            and (one.kind not in main or one.channel.operation == EVERY)
        ):
            main.setdefault(one.kind, i)
    return list(main.values())


@dataclass(frozen=True, slots=True)
class Residuals:
    """[leaves, judged channels] each.

    value: deviation on the log scale, of a tail that from what its body lets expect. sampling: its variance (infinite:
    no data). weight: units of a shift, expected hits of a share. own: the deviation with nothing taken out of it.
    """

    value: Floats
    sampling: Floats
    weight: Floats
    own: Floats


def residuals(
    judged: Sequence[Judged],
    n: Floats,
    x: Floats,
    expected: Floats,
    spread: Floats,
    mass: Floats,
    shift: NDArray[np.bool_],
    beyond: Beyond | None = None,
) -> Residuals:
    """Pool columns into judged channels. All arrays [leaves, columns]; sums over the span, and the anchors'.

    beyond: what is expected of tails given their bodies. By itself a tail is off by what the anchors expect: one that
    has only not become as fast as its body has is no news.
    """
    plain, doubt = expected, np.zeros_like(expected)
    if beyond is not None:
        expected, doubt = beyond
    known = (mass > 0) & (n > 0) & (shift | (expected > 0))
    weight = np.where(known, np.where(shift, n, expected), 0.0)
    off = np.where(known, x - expected, 0.0)
    share = np.divide(expected, n, out=np.zeros_like(n), where=n > 0)
    vary = np.where(shift | (spread > 0), spread, 1.0)
    noise = np.where(known, np.where(shift, n, expected * (1.0 - np.clip(share, 0.0, 0.9))) * vary, 0.0)
    noise = noise + weight**2 * np.where(known, vary / np.maximum(mass, 1e-9) + doubt, 0.0)
    pool, rest = np.zeros((2, n.shape[1], len(judged)))
    for i, one in enumerate(judged):
        pool[list(one.columns), i] = 1.0
        rest[list(one.against), i] = 1.0
    value, sampling, total = _pooled(weight, off, noise, pool)
    own = value
    if beyond is not None:
        usual = np.where(known, np.where(shift, n, plain), 0.0)
        own, _, _ = _pooled(usual, np.where(known, x - plain, 0.0), noise, pool)
    compared = np.array([bool(one.against) for one in judged])
    if compared.any():
        other, theirs, _ = _pooled(weight, off, noise, rest[:, compared])
        value = value.copy()
        value[:, compared] -= other
        sampling[:, compared] += theirs
    return Residuals(value, sampling, total, own)


def _pooled(weight: Floats, off: Floats, noise: Floats, pool: Floats) -> tuple[Floats, Floats, Floats]:
    """Deviation, its sampling variance (infinite without data) and weight of columns summed by `pool`."""
    total = weight @ pool
    some = total > 0
    safe = np.where(some, total, 1.0)
    return (off @ pool) / safe, np.where(some, (noise @ pool) / safe**2, np.inf), total
