"""`seamwatch measure` as a person calls it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.cli import main


@pytest.fixture
def series(tmp_path: Path) -> Path:
    g = np.random.default_rng(1)
    values = 50.0 * np.exp(0.05 * g.standard_normal(500))
    values[450:] *= 2
    path = tmp_path / "rate.csv"
    rows = [f"{1_767_571_200 + 3600 * i},x,{value}" for i, value in enumerate(values)]
    path.write_text("when,other,crashes\n" + "\n".join(rows) + "\n")
    return path


def test_the_change_is_said_where_it_is_and_every_row_is_scored(
    series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = tmp_path / "scores.csv"
    assert main(["measure", "--value", "crashes", "--json", "--scores", str(scores), str(series)]) == 0
    marks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert 1_767_571_200_000 + 450 * 3_600_000 in [mark["at"] for mark in marks]
    rows = scores.read_text().splitlines()
    assert rows[0] == "timestamp,anomaly_score"
    assert len(rows) == 501
    assert rows[1] == "2026-01-05 00:00:00,0.000000"
    assert float(rows[451].split(",")[1]) > 0.4


def test_a_sentence_says_what_was_expected(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", "--value", "crashes", str(series)]) == 0
    assert "2026-01-23 18:00 UTC" in (out := capsys.readouterr().out)
    assert ", expected 5" in out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: the file is empty"),
        ("only\n1\n", "line 1: 1 column"),
        ("at,value\nyesterday,1\n", "line 2: 'yesterday' is no time"),
        ("at,value\n2026-01-05,1\n2026-01-06,much\n", "line 3: 'much' is no number"),
        ("at,value\n2026-01-05\n", "line 2: 1 cells, where the header has 2"),
    ],
)
def test_a_file_that_is_no_series_ends_2_with_its_line(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text(text)
    assert main(["measure", str(path)]) == 2
    assert words in capsys.readouterr().err


def test_a_column_that_is_not_there_is_said_with_those_that_are(
    series: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["measure", "--value", "nothing", str(series)]) == 2
    assert "'nothing'; there are when, other, crashes" in capsys.readouterr().err


def test_standard_input_is_read_and_an_empty_cell_is_no_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("at,value\n2026-01-05T10:00:00+01:00,\n2026-01-05T11:00:00,5\n\n"))
    assert main(["measure", "-"]) == 0
    assert capsys.readouterr().out == ""


def test_a_file_that_cannot_be_read_ends_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", str(tmp_path / "none.csv")]) == 3
    assert "none.csv" in capsys.readouterr().err
