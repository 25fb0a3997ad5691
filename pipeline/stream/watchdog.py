"""When a worker must end because it only seems to work: decided from how its partitions stand, and nothing else.

Faust's users report consumers that slowly stop, partitions that never fetch, recoveries that hang. Whatever the cause,
what helps is the same: end, and let the orchestrator start a worker that goes on from the last commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Standing(NamedTuple):
    """How far a partition has been taken, and how many records wait; waiting None: its leader does not answer."""

    taken: int
    waiting: int | None


@dataclass(slots=True)
class _Watched:
    taken: int
    since: float
    """When it last moved, or had nothing to do."""
    idle: bool


class Watchdog:
    """Of one worker.

    Args:
        stall_s: for so long records may wait and none be taken.
    """

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._watched: dict[str, _Watched] = {}
        self._unready_since: float | None = None

    def look(self, standings: Mapping[str, Standing], now: float) -> str | None:
        """Why to end; None while there is no reason. Standings by partition, such as `acme.telemetry/3`."""
        self._watched = {name: seen for name, seen in self._watched.items() if name in standings}
        for name, standing in standings.items():
            seen = self._watched.get(name)
            idle = standing.waiting == 0
            if seen is None or standing.taken != seen.taken or idle or seen.idle:
                self._watched[name] = _Watched(standing.taken, now, idle)
        stalled = {name: seen for name, seen in self._watched.items() if now - seen.since >= self._stall_s}
        if not stalled:
            return None
        name = min(stalled, key=lambda name: stalled[name].since)
        standing, seconds = standings[name], now - stalled[name].since
        others = f", and so are {len(stalled) - 1} others" if len(stalled) > 1 else ""
        if standing.waiting is None:
            return f"{name}: its leader has not answered for {seconds:.0f} s{others}"
        at_work = any(standing.waiting != 0 for name, standing in standings.items() if name not in stalled)
        what = "is stuck while others go on" if at_work else "makes no progress"
        return (
            f"{name} {what}: offset {standing.taken} for {seconds:.0f} s, and {standing.waiting} records wait{others}"
        )

    def wait_for(self, *, ready: bool, moved_at: float, now: float) -> str | None:
        """Why to end, of a worker that is not ready. moved_at: when it last read something back."""
        if ready:
            self._unready_since = None
            return None
        if self._unready_since is None:
            self._unready_since = now
        seconds = now - max(self._unready_since, moved_at)
        if seconds < self._stall_s:
            return None
        return f"not ready for {seconds:.0f} s: the group does not settle, or state is not read back"
