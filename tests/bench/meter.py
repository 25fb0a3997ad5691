"""What a measured process says of itself: how many events, in how many seconds, for how many of its own CPU.

Only the standard library: yardsticks run in environments of their own. Time counts from the first events that come, so
that neither imports nor the joining of a group is measured, to the last that is dealt with.
"""

from __future__ import annotations

import json
import time


class Meter:
    """Takes the time of one run. CPU is of the whole process, user and system, all threads."""

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None
        self._before = 0
        self._over: tuple[float, float] | None = None

    def saw(self, events: int) -> None:
        """So many events have been dealt with in all; those of the first call are not measured."""
        if self._began is None and events:
            self._began = time.time(), time.process_time()
            self._before = events

    def end(self) -> None:
        """The last event has been dealt with. What is called again later says nothing new."""
        if self._over is None:
            self._over = time.time(), time.process_time()

    def report(self, events: int) -> None:
        """Say it on a line of its own; `events`: all that were dealt with."""
        self.end()
        assert self._over is not None
        began = self._began or self._over
        said = {
            "events": events - self._before,
            "began": began[0],
            "ended": self._over[0],
            "cpu_seconds": self._over[1] - began[1],
            "peak_mb": _peak_mb(),
        }
        print(json.dumps(said), flush=True)


def _peak_mb() -> float:
    """Most memory that was resident. Not getrusage: what it says begins with the parent's."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
