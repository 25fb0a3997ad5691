"""When an operator's intake has to stop: more of it is refused than may be lost quietly."""

from __future__ import annotations

from typing import Final

from pipeline.operators.profile import RejectLimits

SPAN: Final = 500
"""Records after which the older half of what is looked at is forgotten."""


class RejectGate:
    """Watches the share of refused records among the last 500 to 1 000."""

    def __init__(self, limits: RejectLimits) -> None:
        self._limits = limits
        self._now = (0, 0)
        self._before = (0, 0)

    def count(self, records: int, rejects: int) -> bool:
        """Take a batch; whether the intake has to stop."""
        self._now = self._now[0] + records, self._now[1] + rejects
        came, refused = self._now[0] + self._before[0], self._now[1] + self._before[1]
        if self._now[0] >= SPAN:
            self._before, self._now = self._now, (0, 0)
        stop = self._limits.stop
        return stop is not None and came >= self._limits.least and refused > stop * came
