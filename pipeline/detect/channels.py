"""Channels: what is measured of every cohort, one column each. A signal of an operation, or one over all operations."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

EVERY: Final = "*"
"""Stands for all operations together."""

TAIL_QUANTILE: Final = 0.99


class Channel(NamedTuple):
    operation: str
    signal: str

    @property
    def is_shift(self) -> bool:
        """Measured as a mean on the log scale; all others are shares."""
        return self.signal in SHIFTS

    @property
    def reported_signal(self) -> str:
        """The wire's name: the tail is latency, at another quantile."""
        return "latency" if self.signal == "tail" else self.signal


SHIFTS: Final = frozenset({"latency", "delay"})

COHORT_RATES: Final = ("out_of_order", "gap", "duplicate", "contract")
OPERATION_RATES: Final = ("failure", "denial", "timeout", "retry")
OPERATION_SIGNALS: Final = ("latency", "tail", *OPERATION_RATES)
FEED_SIGNALS: Final = frozenset({"delay", "volume"})
"""Of the telemetry itself rather than of what it reports."""

MAX_OPERATIONS: Final = 64
"""Operations beyond these are pooled under `OVERFLOW`: the set is open, memory is not."""

OVERFLOW: Final = "__overflow__"

COMMON: Final = (*(Channel(EVERY, signal) for signal in COHORT_RATES), Channel(EVERY, "delay"))


class ChannelTable:
    """Columns in order of appearance; the common ones stand first."""

    def __init__(self, operations: tuple[str, ...] = ()) -> None:
        self.channels: list[Channel] = list(COMMON)
        self.operations: dict[str, int] = {}
        """First column of each operation; its signals follow in the order of `OPERATION_SIGNALS`."""
        self.tails: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        """Columns of tails; each one's latency stands before it."""
        for operation in operations:
            self.admit(operation)

    def __len__(self) -> int:
        return len(self.channels)

    def snapshot(self) -> list[str]:
        """The operations in order: everything else follows from them."""
        return list(self.operations)

    def admit(self, operation: str) -> int:
        """First column of the operation, made when it is new; a full table answers with the overflow's."""
        column = self.operations.get(operation)
        if column is not None:
            return column
        if len(self.operations) >= MAX_OPERATIONS and operation != OVERFLOW:
            return self.admit(OVERFLOW)
        column = self.operations[operation] = len(self.channels)
        self.channels += [Channel(operation, signal) for signal in OPERATION_SIGNALS]
        self.tails = np.append(self.tails, column + OPERATION_SIGNALS.index("tail"))
        return column
