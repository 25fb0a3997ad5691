"""What an incident touches, by those of its signals that matter: a finding names all that deviates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from pipeline.detect.channels import EVERY
from pipeline.messages import Signal

LEAST_SHARE: Final = 0.1
"""Of the evidence: a signal with less does not make an incident that of another service."""
FURTHER: Final = 1.5
"""On the log scale: where all operations deviate alike, each is as far off as their sum."""


def telling(signals: Sequence[Signal]) -> list[Signal]:
    """Those by which services and severity go, of signals with the strongest first: that one, and others with a part in
    the evidence.

    One over all operations is left out where the same signal of one operation has a larger part, or is so much further
    off that the others can hardly be: it is that one, seen through the sum, which stands there in its place.
    """
    large = [signal for at, signal in enumerate(signals) if at == 0 or signal.share >= LEAST_SHARE]
    out: list[Signal] = []
    for signal in large:
        behind = [one for one in signals if signal.operation == EVERY and _is_behind(one, signal)]
        out += behind or [signal]
    return list(dict.fromkeys(out))


def _is_behind(one: Signal, whole: Signal) -> bool:
    """Is a signal over all operations nothing but that of one of them?"""
    if one.operation == EVERY or (one.signal, one.direction) != (whole.signal, whole.direction):
        return False
    return one.share > whole.share or _size(one) >= FURTHER * _size(whole) > 0


def _size(signal: Signal) -> float:
    return abs(math.log(signal.ratio)) if signal.ratio else 0.0
