"""A partition that is there and has no use: the embedded broker makes four of every topic."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.stream.agents.holding import Holding
from pipeline.stream.broker import Record
from pipeline.stream.transport import Committed


class UnusedHolding(Holding):
    """Passes over what it is given."""

    async def _open(self, committed: Committed | None, beginning: int) -> None:
        self.position = beginning

    async def _take(self, records: Sequence[Record], end: int) -> None:
        self.position = end

    async def _tend(self, now: float) -> None:
        """Nothing is ever due."""

    async def _close(self) -> None:
        """Nothing is ever open."""
