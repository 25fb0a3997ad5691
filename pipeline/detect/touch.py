"""What an incident touches, by those of its signals that matter: a finding names all that deviates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.detect.channels import EVERY
from pipeline.messages import Signal

LEAST_SHARE: Final = 0.1
"""Of the evidence: a signal with less does not make an incident that of another service."""


def telling(signals: Sequence[Signal]) -> list[Signal]:
    """Those by which services and severity go, of signals with the strongest first: that one, and others with a part in
    the evidence.

    One over all operations is left out where the same signal of one operation has a larger part: it is that one, seen
    through the sum.
    """
    large = [signal for at, signal in enumerate(signals) if at == 0 or signal.share >= LEAST_SHARE]
    alone: dict[str, float] = {}
    for signal in large:
        if signal.operation != EVERY:
            alone[signal.signal] = max(alone.get(signal.signal, 0.0), signal.share)
    return [signal for signal in large if signal.operation != EVERY or signal.share >= alone.get(signal.signal, 0.0)]
