"""A worker as a process that is measured from outside: its memory, its time on the processor, what it exports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.integration.ports import free_port
from tests.integration.waiting import until
from tests.stream.live import Live

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Measured:
    """`seamwatch worker` on the topics of `live`, for the length of a `with`."""

    def __init__(self, live: Live, log: Path, *arguments: str) -> None:
        self.log = log
        self._page = free_port()
        self._arguments = [
            *("--brokers", live.bootstrap, "--input", live.input, "--prefix", live.names.prefix),
            *("--group", live.group, "--web", f"127.0.0.1:{self._page}", *arguments),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.cli", "worker", *self._arguments], stdout=log, stderr=log
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.kill()
        self._running.wait()

    @property
    def url(self) -> str:
        """Of its page, without a slash at its end."""
        return f"http://127.0.0.1:{self._page}"

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def end(self, within: float = 30.0) -> int:
        """Ask it to end; its status."""
        self._running.send_signal(signal.SIGTERM)
        return self._running.wait(within)

    def await_ready(self, within: float) -> None:
        until(lambda: self._ended() or self.is_ready(), within=within, what="the worker to be ready")
        assert not self._ended(), self.said()

    def _ended(self) -> bool:
        return self._running.poll() is not None

    def is_ready(self) -> bool:
        return self._get("/readyz") is not None

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def cpu_s(self) -> float:
        """On the processor since it began, in user and system mode."""
        fields = Path(f"/proc/{self._running.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_mb(self) -> float:
        return int(Path(f"/proc/{self._running.pid}/statm").read_text().split()[1]) * _PAGE / 1e6

    def metric(self, name: str) -> dict[str, float]:
        """Values by the text of their labels."""
        found = {}
        for line in (self._get("/metrics") or "").splitlines():
            if line.startswith((f"{name}{{", f"{name} ")):
                head, value = line.rsplit(" ", 1)
                found[head.removeprefix(name)] = float(value)
        return found

    def total(self, name: str) -> float:
        return sum(self.metric(name).values())

    def _get(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._page}{path}", timeout=5) as answer:
                text: str = answer.read().decode()
                return text
        except (OSError, urllib.error.HTTPError):
            return None


def table(rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)
