import base64
import gzip
import json
import os
import pty
import shlex
import signal
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pipeline.cli import main

START = 1_767_571_200_000
REPLAY = [sys.executable, "-m", "pipeline.cli", "replay"]


def line(number: int, **fields: object) -> bytes:
    record = {
        "event_id": f"e{number}",
        "operation": "playback_start",
        "operator": "altura",
        "device_class": "stb-g2",
        "outcome": "ok",
        "latency_ms": 300 + number % 7,
        "received_at": START + 500 * number,
    }
    return json.dumps({**record, **fields}).encode() + b"\n"


def lines(count: int, first: int = 0) -> bytes:
    return b"".join(line(number) for number in range(first, first + count))


def written(folder: Path, data: bytes, name: str = "in.ndjson") -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


class Ran:
    """What a replay in this process came to."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        self.status = main(["replay", "--json", *arguments])
        captured = capsys.readouterr()
        self.stderr = captured.err
        self.totals: dict[str, Any] = json.loads(captured.out) if captured.out else {}


def program(*arguments: str, given: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A replay as a program of its own, its output in pipes."""
    command = [*REPLAY, *arguments]
    return subprocess.run(
        command, input=given, capture_output=True, check=False, timeout=120, env={**os.environ, **environment}
    )


def ndjson(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_bytes().splitlines()]


def test_json_prints_exactly_the_totals_of_the_wire_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Ran(capsys, written(tmp_path, lines(3) + line(1) + b"[]\n"))
    assert ran.totals.pop("seconds") >= 0
    assert ran.totals == {
        "records": 5,
        "accepted": 3,
        "duplicates": 1,
        "rejected": {"json.not_object": 1},
        "incidents": {"page": 0, "ticket": 0, "log": 0},
        "first_at": START,
        "last_at": START + 1_000,
    }
    assert ran.status == 0


@pytest.mark.parametrize("data", [b"", b"\n\n", gzip.compress(b"", mtime=0), zstandard.compress(b"\n")])
def test_an_empty_input_is_a_run_without_times(data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, written(tmp_path, data))
    assert (ran.status, ran.totals["records"], ran.totals["first_at"], ran.totals["last_at"]) == (0, 0, None, None)


def test_an_input_that_is_all_rejected_is_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, written(tmp_path, b"rubbish\n" * 5))
    assert (ran.status, ran.totals["rejected"], ran.totals["first_at"]) == (0, {"json.invalid": 5}, None)


def test_every_record_is_accepted_a_duplicate_or_rejected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wild = line(900, received_at=START + 10**9)  # far ahead, and nobody agrees: held until the end
    data = lines(50) + lines(20) + b"\xff\n{}\n" + wild
    totals = Ran(capsys, written(tmp_path, data)).totals
    assert totals["records"] == 73
    assert totals["accepted"] + totals["duplicates"] + sum(totals["rejected"].values()) == 73


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_of_a_truncated_input_everything_readable_is_used_and_written(
    compress: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = compress(b"rubbish\n" + lines(20_000))
    rejects = tmp_path / "rejects"
    ran = Ran(capsys, "--rejects", str(rejects), written(tmp_path, data[: len(data) * 3 // 4]))
    assert ran.status == 3
    assert "cut off, after line" in ran.stderr
    assert 10_000 < ran.totals["accepted"] < 20_000
    assert len(ndjson(rejects)) == sum(ran.totals["rejected"].values()) >= 1


def test_a_missing_input_ends_3_after_the_others_were_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, written(tmp_path, lines(3), "1"), "/none", written(tmp_path, lines(3, first=3), "2"))
    assert (ran.status, ran.totals["accepted"]) == (3, 6)
    assert "/none: cannot be read: No such file or directory" in ran.stderr


def test_standard_input_may_be_compressed(tmp_path: Path) -> None:
    ran = program("--json", "-", given=gzip.compress(lines(5)))
    assert (ran.returncode, json.loads(ran.stdout)["accepted"]) == (0, 5)


def test_rejects_say_why_and_where_and_keep_the_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = b'{"event_id":"\xff"}'
    name, rejects = written(tmp_path, b"\n" + line(0) + bad + b"\n" + line(1, operator=None)), tmp_path / "rejects"
    Ran(capsys, "--rejects", str(rejects), name)
    first, second = ndjson(rejects)
    assert (first["reason"], first["field"], first["place"]) == ("utf8.invalid", None, f"{name}:3")
    assert base64.b64decode(first["value"]) == bad
    assert (second["reason"], second["field"], second["place"]) == ("operator.absent", "operator", f"{name}:4")
    assert "operator" in second["detail"]


def test_a_line_over_a_mebibyte_is_rejected_as_too_long_and_the_next_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    longest = line(0, error_code="x")[:-2] + b" " * (1 << 20)
    at_the_limit = longest[: (1 << 20) - 1] + b"}\n"
    over = longest[: 1 << 20] + b"}\n"
    ran = Ran(capsys, written(tmp_path, at_the_limit + over + line(1)))
    assert (ran.totals["accepted"], ran.totals["rejected"]) == (2, {"record.too_long": 1})


def test_evidence_has_a_line_a_cohort_and_minute_without_empty_cells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence = tmp_path / "evidence"
    Ran(capsys, "--evidence", str(evidence), written(tmp_path, lines(240) + line(240, device_class="tv")))
    found = ndjson(evidence)
    assert [(at["minute"], at["device_class"]) for at in found] == [
        (START, "stb-g2"),
        (START + 60_000, "stb-g2"),
        (START + 120_000, "tv"),
    ]
    failures = [cell for cell in found[0]["signals"] if cell["signal"] == "failure"]
    assert failures == [
        {
            "operation": "playback_start",
            "signal": "failure",
            "kind": "share",
            "n": 120.0,
            "x": 0.0,
            "observed": 0.0,
            "expected": None,
        }
    ]
    assert all(cell["n"] > 0 for at in found for cell in at["signals"])


def test_the_same_input_gives_the_same_bytes_in_every_output(tmp_path: Path) -> None:
    # Two operators, ten records a minute each; one falls silent for the last of five hours.
    fleet = tmp_path / "fleet.ndjson"
    one = range(0, 36_000, 12)
    other = (line(number + 1, operator="bluecove") for number in one if number < 30_000)
    spoken = [record for pair in zip_longest(map(line, one), other, fillvalue=b"") for record in pair]
    fleet.write_bytes(b"".join(spoken) + b"rubbish\n")
    outputs = []
    for seed in ("1", "2"):
        paths = [tmp_path / f"{option}.{seed}" for option in ("incidents", "evidence", "rejects", "report")]
        given = [word for path in paths for word in (f"--{path.stem}", str(path))]
        # Python salts its hashes anew in each process; nothing may depend on them.
        ran = program(*given, str(fleet), PYTHONHASHSEED=seed)
        assert ran.returncode == 0
        outputs.append([path.read_bytes() for path in paths])
    assert outputs[0] == outputs[1]
    assert all(outputs[0])


def test_a_wrong_intent_ends_2_with_every_fault_its_line_and_what_would_be_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    intent = tmp_path / "intent.yaml"
    intent.write_text("version: 1\nservices:\n  a:\n    operations: []\n    priority: degradible\n")
    ran = Ran(capsys, "--config", str(tmp_path), written(tmp_path, lines(3)))
    assert ran.status == 2
    assert ran.totals == {}
    assert f"{intent}:4: " in ran.stderr
    assert f"{intent}:5: " in ran.stderr
    assert "degradable" in ran.stderr


def test_the_priorities_of_the_intent_are_the_severities(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "intent.yaml").write_text(
        "version: 1\nservices:\n  a:\n    operations: [playback_start]\n    priority: best_effort\n"
    )
    assert Ran(capsys, "--config", str(tmp_path), written(tmp_path, lines(3))).status == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--format", "cmdc", "x"], "canonical"),
        ([], "FILE"),
        (["--incidents", "/none/out", "x"], "/none/out cannot be written: No such file or directory"),
        (["--config", "/none", "x"], "/none:1: no such directory"),
        (["--incidents", "-", "x"], "/dev/stdout"),
        (["--incidents", "a", "--rejects", "./a", "x"], "give each its own file"),
        (["--incidents", "./x", "x"], "is an input"),
    ],
)
def test_unusable_arguments_end_2_and_say_what_would_be_right(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        status: object = main(["replay", *arguments])
    except SystemExit as ended:  # argparse
        status = ended.code
    assert status == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


KNOWN = """version: 1
incidents:
  - {id: INC-1, scope: {operator: altura}, from: 2026-01-05T00:00:00Z, detected_at: 2026-01-05T06:00:00Z}
"""
SILENT = b"".join(line(number, operator="altura" if number < 20_000 else "bluecove") for number in range(0, 36_000, 6))
"""Five hours; one of two operators falls silent, which is a ticket."""


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[bytes]:
    """A replay with known incidents and a second intent, and its report."""
    folder = tmp_path_factory.mktemp("compared")
    (folder / "other").mkdir()
    (folder / "other/intent.yaml").write_text(
        "version: 1\nfalse_pages_per_week: 0.1\n"
        "services:\n  a:\n    operations: [playback_start]\n    priority: best_effort\n"
    )
    known, report = written(folder, KNOWN.encode(), "known.yaml"), str(folder / "report.html")
    options = ["--known", known, "--against", str(folder / "other"), "--report", report]
    ran = program("--json", *options, written(folder, SILENT))
    assert ran.returncode == 0
    page = Path(report).read_text()
    assert "INC-1" in page
    assert "The other" in page
    return ran


def test_known_incidents_and_a_second_intent_add_keys_to_the_totals(
    compared: subprocess.CompletedProcess[bytes],
) -> None:
    totals = json.loads(compared.stdout)
    assert set(totals) - {"backtest", "against"} == {
        "records", "accepted", "duplicates", "rejected", "incidents", "first_at", "last_at", "seconds",
    }  # fmt: skip
    assert totals["backtest"]["known"][0]["id"] == "INC-1"
    assert totals["backtest"]["covered"] == 1
    assert totals["backtest"]["budget_false_pages_per_week"] == 0.5
    assert totals["against"]["budget_false_pages_per_week"] == 0.1
    assert totals["against"]["incidents"]["page"] == 0


def test_they_are_said_in_words_as_well(tmp_path: Path) -> None:
    known = written(tmp_path, KNOWN.encode(), "known.yaml")
    ran = program("--known", known, "--against", str(tmp_path), written(tmp_path, lines(3)))
    said = ran.stdout.decode()
    assert "You would have had no page, and caught 0 of 1 known incident." in said
    assert "INC-1: missed" in said
    assert f"against {tmp_path}:" in said


def test_a_fault_in_the_known_incidents_ends_2_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = written(tmp_path, b"version: 1\nincidents:\n  - {id: a, from: 2026-01-01}\n", "known.yaml")
    ran = Ran(capsys, "--known", known, written(tmp_path, lines(3)))
    assert ran.status == 2
    assert f"{known}:3: scope is missing" in ran.stderr
    assert Ran(capsys, "--against", "/none", written(tmp_path, lines(3))).status == 2
    assert Ran(capsys, "--known", known, "--report", known, written(tmp_path, lines(3))).status == 2


def test_an_input_is_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = written(tmp_path, lines(3))
    assert Ran(capsys, "--report", name, name).status == 2
    assert Path(name).read_bytes() == lines(3)


def test_a_disk_that_is_full_is_said_without_a_traceback(tmp_path: Path) -> None:
    ran = program("--evidence", "/dev/full", written(tmp_path, lines(20_000)))
    assert ran.returncode == 2
    assert ran.stderr == b"seamwatch replay: an output cannot be written: No space left on device\n"


def test_the_summary_for_people_is_short(tmp_path: Path) -> None:
    ran = program(written(tmp_path, lines(3) + b"[]\n"))
    assert ran.stdout.decode().splitlines() == [
        "4 records: 3 accepted, 0 duplicates, 1 rejected (json.not_object 1)",
        "2026-01-05 00:00 UTC to 2026-01-05 00:00 UTC",
        "no incident fired",
    ]


def test_in_a_pipe_nothing_is_said_on_the_way(tmp_path: Path) -> None:
    assert program(written(tmp_path, lines(20_000))).stderr == b""


def test_on_a_terminal_a_bar_shows_how_far_it_is(tmp_path: Path) -> None:
    name = written(tmp_path, lines(20_000))
    terminal, other_end = pty.openpty()
    with subprocess.Popen(
        [*REPLAY, "--json", name], stdout=subprocess.PIPE, stderr=other_end, env={**os.environ, "TERM": "xterm"}
    ) as running:
        os.close(other_end)
        shown = b""
        try:
            while piece := os.read(terminal, 4096):
                shown += piece
        except OSError:  # how Linux says that the other end of a terminal is closed
            pass
        assert running.stdout is not None
        assert json.loads(running.stdout.read())["accepted"] == 20_000
    os.close(terminal)
    assert b"replaying" in shown


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = shlex.join([*REPLAY, "--evidence", "/dev/stdout", written(tmp_path, lines(20_000))])
    ran = subprocess.run(f"{command} | head -c 10", shell=True, capture_output=True, check=False, timeout=120)
    assert ran.stderr == b""


def test_an_interrupt_ends_it_without_a_traceback() -> None:
    command = [*REPLAY, "--rejects", "/dev/stdout", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(b"rubbish\n" * 4_000)
        running.stdin.flush()
        running.stdout.read(1)  # it is at work
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=120)
    assert running.returncode == 130
    assert said == b"seamwatch replay: interrupted\n"


def test_no_stream_engine_is_loaded(tmp_path: Path) -> None:
    show = (
        "import sys; from pipeline.cli import main; main(['replay', sys.argv[1]]);"
        "print(*(name for name in ('faust', 'aiokafka', 'confluent_kafka', 'aiohttp', 'rich', 'jinja2')"
        " if name in sys.modules))"
    )
    command = [sys.executable, "-c", show, written(tmp_path, lines(3))]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert ran.stdout.splitlines()[-1] == ""
