"""Which clock is believed of an observation, one at a time and in words: what `ingest` decides for a minute at once.

occurred            the device's clock, as it says
occurred corrected  the same, less the skew that its reports show
sent                it does not say when it happened, only when it sent
arrival             its clocks say nothing that can be believed, or it was held back; arrival stands in
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from pipeline.clocks import ABSENT, NONE, DeviceClocks
from pipeline.contracts import clause_id
from pipeline.messages import MINUTE_MS
from pipeline.observation import EARLIEST_MS, LATEST_MS, Observation

ROOM: Final = 200_000
"""Devices that are told apart; whoever comes later is judged by itself."""


class Belief(NamedTuple):
    """occurred_at: believed, ms since the epoch. skew_ms: by which the device's clock is behind; below zero, ahead.
    delay_ms: from occurrence to arrival; None where it cannot be told. clause: that the clocks violate."""

    clock: str
    occurred_at: int
    skew_ms: int
    delay_ms: int | None
    clause: str | None


class Believer:
    """Judges the observations of one log, in its order, each as the end of what is known so far."""

    def __init__(self) -> None:
        self._clocks = DeviceClocks()
        self._numbers: dict[tuple[str, str | None, str | None], int] = {}

    def believe(self, seen: Observation, arrival: int) -> Belief:
        occurred, sent = _plausible(seen.occurred_at), _plausible(seen.sent_at)
        judged = self._clocks.believe(
            arrival // MINUTE_MS * MINUTE_MS,
            np.array([self._number(seen)], dtype=np.int64),
            np.array([arrival], dtype=np.int64),
            np.array([ABSENT if seen.occurred_at is None else seen.occurred_at], dtype=np.int64),
            np.array([ABSENT if seen.sent_at is None else seen.sent_at], dtype=np.int64),
            np.array([not seen.cached], dtype=np.bool_),
        )
        delay, number = int(judged.delay[0]), int(judged.clause[0])
        clause = None if number == NONE else clause_id(number)
        said = occurred if occurred is not None else sent
        if delay == NONE or said is None:
            return Belief("arrival", arrival, 0, None, clause)
        at = arrival - delay
        skew = at - said
        clock = "sent" if occurred is None else "occurred"
        return Belief(f"{clock} corrected" if skew else clock, at, skew, delay, clause)

    def _number(self, seen: Observation) -> int:
        """Of its device, as `ingest` tells devices apart; below zero is nobody known."""
        if seen.device_id is None and seen.session_id is None:
            return -1
        key = (seen.operator, seen.device_id, seen.session_id if seen.device_id is None else None)
        number = self._numbers.get(key)
        if number is None:
            if len(self._numbers) >= ROOM:
                return -1
            number = self._numbers[key] = len(self._numbers)
        return number


def _plausible(at: int | None) -> int | None:
    return at if at is not None and EARLIEST_MS <= at <= LATEST_MS else None
