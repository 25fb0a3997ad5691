from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.cli import main
from pipeline.config.directory import fingerprint

INTENT = """\
version: 1
services:
  playback: {operations: [playback_start], priority: non_negotiable}
receivers: {on-call: {kind: pagerduty, routing_key_file: /k}}
routes: {page: on-call}
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "intent.yaml").write_text(INTENT)
    return tmp_path


@pytest.mark.parametrize("kind", ["alertmanager", "prometheus"])
def test_what_is_written_says_what_made_it_and_from_what(
    kind: str, directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.yml"
    assert main(["compile", kind, str(directory), "--out", str(out)]) == 0
    assert main(["compile", kind, str(directory)]) == 0
    text = out.read_text()
    assert capsys.readouterr().out == text
    first, second, rest = text.split("\n", 2)
    assert first.startswith(f"# Made by `seamwatch compile {kind}` of seamwatch ")
    assert first.endswith(f" from intent.yaml ({fingerprint(directory, intent_alone=True)}).")
    assert "Do not edit" in second
    assert isinstance(YAML(typ="safe").load(rest), dict)
    assert str(directory) not in text


def test_the_same_intent_gives_the_same_bytes(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for _ in range(2):
        assert main(["compile", "alertmanager", str(directory)]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]


def test_faults_are_said_and_nothing_is_written(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "intent.yaml").write_text(INTENT.replace("page: on-call", "page: oncall"))
    assert main(["compile", "alertmanager", str(directory), "--out", str(directory / "out.yml")]) == 2
    said = capsys.readouterr().err
    assert f"seamwatch compile: {directory / 'intent.yaml'}:5: severity page leads to 'oncall'" in said
    assert not (directory / "out.yml").exists()


def test_that_nobody_is_told_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "alertmanager", str(tmp_path)]) == 0
    assert "no receivers, so nobody is told" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_ends_2(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "prometheus", str(directory), "--out", str(directory)]) == 2
    assert "cannot be written: Is a directory" in capsys.readouterr().err


def test_another_kind_is_refused(directory: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["compile", "grafana", str(directory)])
