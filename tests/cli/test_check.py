from pathlib import Path

import pytest

from pipeline.cli import main


def test_a_clean_directory_ends_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "intent.yaml").write_text(
        "version: 1\nservices:\n  a:\n    operations: [playback_start]\n    priority: degradable\n"
    )
    assert main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().err == ""


def test_every_fault_is_said_at_once_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    intent = tmp_path / "intent.yaml"
    intent.write_text("version: 2\nservice: {}\nservices:\n  a:\n    operations: x\n    priority: high\n")
    assert main(["check", str(tmp_path)]) == 2
    places = [text.split(": ")[0] for text in capsys.readouterr().err.splitlines()]
    assert places == [f"{intent}:{line}" for line in (1, 2, 5, 6)]


def test_a_directory_that_is_not_there_ends_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "/none"]) == 2
    assert "no such directory" in capsys.readouterr().err


def test_what_is_probably_not_meant_is_a_warning_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    intent = tmp_path / "intent.yaml"
    intent.write_text("version: 1\nservices:\n  a:\n    operations: [playbak_start]\n    priority: degradable\n")
    assert main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().err.startswith(
        f"warning: {intent}:4: nothing known sends 'playbak_start'; did you mean "
    )


def test_the_schema_is_printed_without_a_directory(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--schema"]) == 0
    published = Path(__file__).parents[2] / "docs/intent.schema.json"
    assert capsys.readouterr().out == published.read_text(encoding="utf-8")


def test_neither_directory_nor_schema_ends_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 2
    assert "give a directory, or --schema" in capsys.readouterr().err


def test_a_baseline_that_is_none_ends_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "learned.ndjson").write_text("{}\n")
    assert main(["check", str(tmp_path), "--baseline", str(tmp_path / "learned.ndjson")]) == 2
    assert "learned.ndjson:1: is not what `seamwatch learn` writes" in capsys.readouterr().err
