"""Measured processes: started, waited for, and what they said of themselves."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE_S: Final = 900.0
_ENVIRONMENT: Final = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    # One thread each: what is measured is a process on a core.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
}


class MeasurementError(Exception):
    """A measured process failed; the message has what it said."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one measurement came to. seconds: from its first events to its last; cpu_seconds: of all its processes."""

    events: int
    seconds: float
    cpu_seconds: float
    peak_mb: float

    @property
    def a_second(self) -> float:
        return self.events / self.seconds

    @property
    def a_cpu_second(self) -> float:
        return self.events / self.cpu_seconds


def run(module: str, *arguments: object, python: Path = Path(sys.executable)) -> Run:
    """Run a module (or a file, `….py`) that ends by itself. Raises MeasurementError."""
    return run_together([(module, *arguments)], python=python)


def run_together(commands: Sequence[Sequence[object]], *, python: Path = Path(sys.executable)) -> Run:
    """Run some processes that share one work; when one ends, which means that all is done, the others are asked to.

    Raises MeasurementError.
    """
    with ExitStack() as files:
        errors = [files.enter_context(tempfile.TemporaryFile()) for _ in commands]
        return _run(commands, errors, python)


def _run(commands: Sequence[Sequence[object]], errors: Sequence[IO[bytes]], python: Path) -> Run:
    processes = [_start(command, python, error) for command, error in zip(commands, errors, strict=True)]
    try:
        _await_one(processes)
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        said = [_said(process, error) for process, error in zip(processes, errors, strict=True)]
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()
    return Run(
        events=sum(it["events"] for it in said),
        # Those that were asked to end did so later than the work.
        seconds=min(it["ended"] for it in said) - min(it["began"] for it in said),
        cpu_seconds=sum(it["cpu_seconds"] for it in said),
        peak_mb=max(it["peak_mb"] for it in said),
    )


def _start(command: Sequence[object], python: Path, error: IO[bytes]) -> subprocess.Popen[bytes]:
    module, *arguments = map(str, command)
    what = [module] if module.endswith(".py") else ["-m", module]
    argv = [str(python), *what, *arguments]
    return subprocess.Popen(argv, cwd=ROOT, env=_ENVIRONMENT, stdout=subprocess.PIPE, stderr=error)


def _await_one(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Until one has said something or has ended."""
    ready, _, _ = select.select([process.stdout for process in processes if process.stdout], [], [], PATIENCE_S)
    if not ready:
        msg = f"no result in {PATIENCE_S:.0f} s: {processes[0].args!r}"
        raise MeasurementError(msg)


def _said(process: subprocess.Popen[bytes], error: IO[bytes]) -> dict[str, Any]:
    try:
        out, _ = process.communicate(timeout=60)
    except subprocess.TimeoutExpired as late:
        msg = f"it did not end: {process.args!r}"
        raise MeasurementError(msg) from late
    lines = [line for line in out.decode().splitlines() if line.startswith("{")]
    if not lines or process.returncode not in (0, -signal.SIGTERM):  # those that were asked to end
        error.seek(0)
        nothing = "" if lines else " and no result"
        tail = "\n".join(error.read().decode(errors="replace").splitlines()[-30:])
        msg = f"{process.args!r} ended with status {process.returncode}{nothing}:\n{tail}"
        raise MeasurementError(msg)
    found: dict[str, Any] = json.loads(lines[-1])
    return found
