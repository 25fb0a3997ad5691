"""A newcomer's path: every command of README.md, word by word, in its order, in one shell.

What a person leaves running in another terminal (`# until Ctrl-C`) runs beside the rest of its block and is ended with
it; a command that fails is tried again for a while, as a person would. Only the two addresses are others, so that
nothing else on the machine is in the way.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Command, commands
from tests.integration.ports import free_port
from tests.integration.waiting import until

PATIENCE_S = 150.0
ADDRESSES = re.compile(r"^export BROKERS=127\.0\.0\.1:9092 PAGE=127\.0\.0\.1:6066$")


class Shell:
    """One bash that remembers what was exported, and processes beside it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._beside = ExitStack()
        self._exports: list[str] = []
        self._log = home / "commands.log"

    def run(self, command: Command) -> None:
        if command.text.startswith("export "):
            self._exports.append(command.text)
        elif command.stays:
            self._leave_running(command)
        else:
            until(lambda: self._once(command), within=PATIENCE_S, what=f"README.md:{command.line} {command.text}")

    def _once(self, command: Command) -> bool:
        process = self._start(command)
        return process.wait() == 0

    def _leave_running(self, command: Command) -> None:
        process = self._start(command)

        def end() -> None:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

        self._beside.callback(end)

    def end(self) -> None:
        """End what runs beside."""
        self._beside.close()

    def _start(self, command: Command) -> subprocess.Popen[bytes]:
        script = "\n".join(["set -e", *self._exports, command.text])
        with self._log.open("ab") as log:
            log.write(f"\n$ {command.text}\n".encode())
            log.flush()
            return subprocess.Popen(
                ["bash", "-c", script], cwd=self._home, stdout=log, stderr=log, start_new_session=True
            )

    def said(self) -> str:
        return self._log.read_text(errors="replace")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """In a folder that looks like a fresh checkout, its environment being the one that runs this."""
    for name in ("Makefile", "pyproject.toml", "uv.lock", "deploy", "pipeline", "models", "tests", ".venv", "build"):
        if (ROOT / name).exists():
            (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "README.md", tmp_path)
    made = Shell(tmp_path)
    yield made
    made.end()


@pytest.mark.timeout(900)
def test_a_newcomer_gets_there_by_the_words_of_the_readme(shell: Shell, kafka_jars: Path, tmp_path: Path) -> None:
    broker, page = free_port(), free_port()
    path = list(commands((tmp_path / "README.md").read_text()))
    assert sum(bool(ADDRESSES.match(command.text)) for command in path) == 1
    block = 0
    for command in path:
        if command.block != block:
            shell.end()
            block = command.block
        text = ADDRESSES.sub(f"export BROKERS=127.0.0.1:{broker} PAGE=127.0.0.1:{page}", command.text)
        if text.startswith("make kafka"):
            text = text.replace("make kafka", f"make kafka ARGS='--port {broker}'", 1)
        try:
            shell.run(Command(command.line, text))
        except TimeoutError as error:
            msg = f"{error}\n{shell.said()[-4000:]}"
            raise TimeoutError(msg) from error
    said = shell.said()
    assert "firmware fw-3.4.1" in said.lower()
    assert "playback_start ok 1840 ms" in said
    assert (tmp_path / "report.html").exists()
    assert (tmp_path / "mine.ndjson").read_bytes()
