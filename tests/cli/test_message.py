"""`seamwatch message`, from a file of incident records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.codec import encode
from tests.sinks.incidents import FIRING, incident


@pytest.fixture
def incidents(tmp_path: Path) -> str:
    path = tmp_path / "incidents.ndjson"
    other = incident(incident_id="77aa", scope={"operator": "ac\x1b[2Jme"}, severity="ticket")
    path.write_bytes(b"\n".join(map(encode, [FIRING, other, incident(state="resolved", at=FIRING.at + 60_000)])))
    return str(path)


def test_the_newest_record_of_each_incident_is_told(incidents: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["message", incidents]) == 0
    said = capsys.readouterr().out
    assert said.count("PAGE over: Operator nordcast, firmware 9.4.1") == 2
    assert "TICKET Operator ac\N{REPLACEMENT CHARACTER}[2Jme" in said
    assert "\x1b" not in said


def test_one_incident_is_told_by_the_beginning_of_its_id(incidents: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["message", incidents, "5d2f", "--as", "json", "--page-url", "https://seamwatch.example/"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["state"] == "resolved"
    assert said["link"] == f"https://seamwatch.example/incidents/{FIRING.incident_id}"
    assert len(said["text"]) <= 320


def test_markdown_is_the_whole_of_it(incidents: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["message", incidents, FIRING.incident_id, "--as", "markdown"]) == 0
    assert "### What changed\n- playback\\_start latency 1250 ms" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["nothing", ""])
def test_an_id_that_is_not_one_incident_is_refused(
    incidents: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["message", incidents, name]) == 2
    assert "77aa" in capsys.readouterr().err


def test_what_is_no_incident_is_named_by_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.ndjson"
    path.write_bytes(encode(FIRING) + b'\n{"type":"tick","source":"a","minute":0}\n')
    assert main(["message", str(path)]) == 2
    assert f"{path}:2: no incident record: it is a Tick" in capsys.readouterr().err


def test_a_missing_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["message", str(tmp_path / "none")]) == 3
    assert "cannot be read" in capsys.readouterr().err
