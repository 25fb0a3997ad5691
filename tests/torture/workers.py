"""Worker processes that are killed, frozen and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.integration.waiting import until
from tests.stream.live import Live

SESSION_S = 6.0
"""The least that Kafka allows."""
IDLE_AFTER_S = 3600.0
"""Longer than any run: a cut minute is right, but not the same as an uncut one, and a busy machine is slow."""


class Workers:
    """A number of workers of one group; each has a log file that its successors add to.

    Attributes:
        failures: lines of those that ended by themselves.
    """

    def __init__(self, live: Live, home: Path, size: int) -> None:
        self._live = live
        self._home = home
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.size = size
        for number in range(size):
            self.start(number)

    def start(self, number: int, *, full_disk: bool = False) -> None:
        target = Path("/dev/full") if full_disk else self._home / f"worker-{number}.log"
        with target.open("ab") as log:
            self._processes[number] = subprocess.Popen(
                [sys.executable, "-m", "pipeline.cli", "worker", *self._arguments()], stdout=log, stderr=log
            )

    def _arguments(self) -> list[str]:
        live = self._live
        return [
            *("--brokers", live.bootstrap, "--input", live.input, "--prefix", live.names.prefix),
            *("--group", live.group, "--web", "off", "--session", str(SESSION_S), "--checkpoint", "1"),
            *("--idle-after", str(IDLE_AFTER_S), "--lookback", "1000000"),
        ]

    def kill(self, number: int) -> None:
        self._processes[number].kill()
        self._processes[number].wait()

    def freeze(self, number: int) -> None:
        self._processes[number].send_signal(signal.SIGSTOP)

    def thaw(self, number: int) -> None:
        self._processes[number].send_signal(signal.SIGCONT)

    def end(self, number: int, within: float = 30.0) -> None:
        """Ask it to end, and wait until it has."""
        self._processes[number].terminate()
        self._processes[number].wait(within)

    def revive(self) -> list[int]:
        """Start those again that have ended by themselves, as an orchestrator does; their numbers."""
        dead = [number for number, process in self._processes.items() if process.poll() is not None]
        for number in dead:
            self.start(number)
        return dead

    def stop(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()

    def said(self, number: int) -> str:
        log = self._home / f"worker-{number}.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def await_one(self, within: float = 120.0) -> None:
        """Until the group has given its partitions to somebody."""
        until(lambda: any(self._live.members().values()), within=within, what="a worker with partitions")


def nap(seconds: float) -> None:
    """A fault lasts as long as it lasts; there is no condition to wait for."""
    time.sleep(seconds)
