"""The same input gives the same bytes in every process: nothing hangs on the salt of Python's hashes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SEAMWATCH = Path(sys.executable).with_name("seamwatch")


def run(*arguments: str | Path, salt: str = "0") -> None:
    environment = {**os.environ, "PYTHONHASHSEED": salt}
    done = subprocess.run([SEAMWATCH, *arguments], check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hours of a small fleet, with all that goes on in one: late, repeated, reordered and missing records."""
    path = tmp_path_factory.mktemp("recording") / "fleet.ndjson"
    run("simulate", "--minutes=180", "--seed=7", "--out", path)
    return path


def test_a_simulated_fleet_is_the_same_whatever_the_salt(recording: Path, tmp_path: Path) -> None:
    run("simulate", "--minutes=180", "--seed=7", "--out", tmp_path / "again.ndjson", salt="1")
    assert (tmp_path / "again.ndjson").read_bytes() == recording.read_bytes()


def test_a_replay_is_the_same_whatever_the_salt(recording: Path, tmp_path: Path) -> None:
    for salt in ("1", "2"):
        run("replay", "--evidence", tmp_path / salt, recording, salt=salt)
    evidence = (tmp_path / "1").read_bytes()
    assert evidence.count(b"\n") > 1_000
    assert evidence == (tmp_path / "2").read_bytes()
