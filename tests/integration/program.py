"""A real program that a test starts, awaits, kills and reads the log of."""

import json
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.integration.waiting import until

_START_S = 90.0
_STOP_S = 20.0
_TAIL_LINES = 30


class Program:
    """One process, known by its pid and stopped by it, that logs to `log`. It may be started again after its end."""

    def __init__(self, argv: Sequence[str], *, log: Path, ready: Callable[[], bool]) -> None:
        self.argv = tuple(argv)
        self.log = log
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """As subprocess gives it; None while it runs and before it was started."""
        return None if self._process is None else self._process.poll()

    def launch(self) -> None:
        """Starts it, without waiting until it can be used."""
        if self.running:
            message = f"{self.argv[0]} runs already"
            raise RuntimeError(message)
        with self.log.open("ab") as log:
            # Its own session: a Ctrl-C for pytest must not reach it, the fixture stops it.
            self._process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def await_ready(self) -> None:
        """Waits until it can be used. With the end of its log: RuntimeError when it ends instead, TimeoutError when it
        hangs."""
        try:
            until(lambda: not self.running or self._ready(), within=_START_S, what=f"{self.argv[0]} to be ready")
        except TimeoutError as late:
            raise TimeoutError(self._say(str(late))) from late
        if not self.running:
            raise RuntimeError(self._say(f"{self.argv[0]} ended at its start"))

    def start(self) -> None:
        self.launch()
        self.await_ready()

    def wait(self) -> None:
        """Blocks until it has ended by itself."""
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        """Asks it to end and waits for that; kills it when it does not."""
        if not self._end(signal.SIGTERM):
            self._end(signal.SIGKILL)

    def kill(self) -> None:
        """SIGKILL: it gets no chance to tidy up."""
        self._end(signal.SIGKILL)

    def tail(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-_TAIL_LINES:])

    def _end(self, with_signal: signal.Signals) -> bool:
        if self._process is None:
            return True
        self._process.send_signal(with_signal)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _say(self, what: str) -> str:
        return f"{what}; the end of {self.log}:\n{self.tail()}"


class HttpProgram(Program):
    """A program that serves HTTP at `url`, and is ready once it answers `ready_path` with 200."""

    def __init__(self, argv: Sequence[str], *, log: Path, url: str, ready_path: str) -> None:
        super().__init__(argv, log=log, ready=lambda: self.answers(ready_path))
        self.url = url

    def get_json(self, path: str) -> object:
        """What it answers at `path`, decoded. urllib.error.HTTPError when that is no success."""
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            decoded: object = json.load(answer)
        return decoded

    def answers(self, path: str) -> bool:
        """Whether it answers at `path`, with success."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            # Refused, reset, timed out, or an HTTP status that means "not yet" (HTTPError is an OSError).
            return False
