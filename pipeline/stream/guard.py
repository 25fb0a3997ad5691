"""The last resort: a thread that ends the process when its event loop cannot.

A loop that hangs looks well from outside: Kafka's heartbeats run in a thread of their own, and so the partitions stay
with a worker that does nothing. Nothing that runs on the loop can see that.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from typing import Final

_BEAT_S: Final = 0.5
_LOOK_S: Final = 0.2


class Guard:
    """Watches one event loop, from `watch` on.

    Args:
        stall_s: for so long the loop may say nothing.
        say: takes a line for a person.
        leave: ends the process at once, with a status.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        stall_s: float,
        say: Callable[[str], None],
        leave: Callable[[int], object] = os._exit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stall_s = stall_s
        self._say = say
        self._leave = leave
        self._clock = clock
        self._heard_at = clock()
        self._deadline: float | None = None

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        def beat() -> None:
            self.heard()
            loop.call_later(_BEAT_S, beat)

        beat()
        threading.Thread(target=self._run, name="guard", daemon=True).start()

    def heard(self) -> None:
        """The loop is well."""
        self._heard_at = self._clock()

    def end_within(self, seconds: float) -> None:
        """The process is to end by itself within this time; the first call counts."""
        if self._deadline is None:
            self._deadline = self._clock() + seconds

    def look(self) -> str | None:
        """Why the process must be ended now; None while it need not."""
        now = self._clock()
        if self._deadline is not None and now >= self._deadline:
            return "not done in time; what is left is done again after the next start"
        if now - self._heard_at >= self._stall_s:
            return f"the event loop has hung for {now - self._heard_at:.0f} s"
        return None

    def _run(self) -> None:
        while True:
            time.sleep(_LOOK_S)
            why = self.look()
            if why is not None:
                self._say(why)
                self._leave(1)
                return
