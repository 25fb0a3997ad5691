import json
from pathlib import Path

import pytest

from pipeline.cli import main

LINES = [
    b'e=t,sid="a",sn=0,ts=1790000001000,v=2',
    b"no \x1b[31m such thing",
    b"\xff",
    b"nor this",
    b'{"ts":1790000009000,"topic":"acme","headers":["k","v"],"payload":"odd\\nthis"}',
    b"x" * (1 << 20) + b"y",
]


@pytest.fixture
def kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What a replay refused."""
    feed, rejects = tmp_path / "feed", tmp_path / "rejects.ndjson"
    feed.write_bytes(b"\n".join(LINES))
    assert main(["replay", "--format", "cmcd", "--rejects", str(rejects), str(feed)]) == 0
    capsys.readouterr()
    return str(rejects)


def test_they_are_grouped_by_reason(kept: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rejects", "--json", kept]) == 0
    groups = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(group["reason"], group["count"], group["redrivable"]) for group in groups] == [
        ("cmcd.syntax", 3, 3),
        ("record.too_long", 1, 0),
        ("utf8.invalid", 1, 1),
    ]
    assert {group["adapter"] for group in groups} == {"cmcd/1"}
    assert main(["rejects", kept]) == 0
    assert "3  " in capsys.readouterr().out.splitlines()[0]


def test_they_are_listed_and_chosen(kept: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rejects", "--list", "--reason", "cmcd.syntax", kept]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].rsplit(":")[-1] for line in lines] == ["2", "4", "5"]
    assert "\x1b" not in "".join(lines)


def test_one_is_shown_with_the_bytes_that_came(kept: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rejects", "--show", f"{tmp_path / 'feed'}:2", kept]) == 0
    out = capsys.readouterr().out
    assert "refused by cmcd/1" in out
    assert "no \\u001b[31m such thing" in out
    assert main(["rejects", "--show", "elsewhere:2", kept]) == 1


def test_they_are_written_to_be_replayed_after_a_fix(
    kept: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = tmp_path / "again"
    assert main(["rejects", "--redrive", "--out", str(again), kept]) == 0
    assert "4 records written" in capsys.readouterr().out
    lines = again.read_bytes().splitlines()
    assert lines == [*LINES[1:4], LINES[4]]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "give FILE, or --brokers"),
        (["x", "--brokers", "a:1"], 2, "not both"),
        (["x", "--redrive"], 2, "needs --out"),
        (["--brokers", "a:1", "--out", "y"], 2, "--out is for"),
        (["--brokers", "a"], 2, "is no HOST:PORT"),
        (["/none/x"], 3, "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rejects", *arguments]) == status
    assert said in capsys.readouterr().err


def test_a_line_that_is_no_refused_record_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x"
    path.write_text('{"reason":"a"}\n')
    assert main(["rejects", str(path)]) == 3
    assert f"{path}:1: no refused record" in capsys.readouterr().err
