import json
from pathlib import Path

import pytest

from pipeline.cli import main

OPERATOR = """\
version: 1
format: cmcd
fields: {device_class: com.acme-model}
defaults: {environment: production}
quirks:
  - {id: ec, clause: cmcd.ec, owner: crew, reason: dash.js, expires: 2030-01-01}
"""
LINES = [
    'e=ps,sta=p,msd=1840,com.acme-model="stb-g2",sid="6e2f",sn=1,ts=1790000001250,v=2',
    'e=t,ec=5,com.acme-odd="\x1b[31m",sid="7a",sn=-1,ts=1790000001250,v=2',
    "nothing of the kind",
]


@pytest.fixture
def feed(tmp_path: Path) -> list[str]:
    (tmp_path / "operators").mkdir()
    (tmp_path / "operators/acme.yaml").write_text(OPERATOR)
    path = tmp_path / "feed.cmcd"
    path.write_text("\n".join(LINES))
    return ["--config", str(tmp_path), "--operator", "acme", str(path)]


def test_each_record_is_shown_with_what_it_violates_and_what_was_kept(
    feed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["adapt", *feed]) == 0
    out = capsys.readouterr().out
    assert "playback_start ok 1840 ms  ·  acme / stb-g2 / unknown / production" in out
    assert "violates cmcd.sn: sn is an integer that is not negative." in out
    assert "tolerated for now: cmcd.ec (1)" in out
    assert "kept as it came: com.acme-odd=\\u001b[31m" in out
    assert "rejected, cmcd.syntax: not a CMCD line" in out


def test_as_json_there_is_one_object_a_record(feed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapt", "--json", *feed]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [document["place"].split(":")[-1] for document in found] == ["1", "2", "3"]
    assert found[0]["observations"][0]["latency_ms"] == 1840.0
    assert found[1]["observations"][0]["clauses"] == ["cmcd.sn"]
    assert found[2]["rejects"][0]["reason"] == "cmcd.syntax"


def test_a_file_may_be_one_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "report.csv"
    path.write_text("ReportTimestamp,Device.DeviceInfo.ModelName\n1790000000,g2\n1790000300,g2\n")
    assert main(["adapt", "--format", "bulkdata", "--whole", "--json", str(path)]) == 0
    [document] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [seen["arrival"] for seen in document["observations"]] == [1_790_000_300_000] * 2


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--operator", "none", "x"], 2, "no operator 'none' is configured"),
        (["--config", "/none", "x"], 2, "no such directory"),
        (["--format", "rdk", "/none/x"], 3, "cannot be read"),
        (["--format", "rdk", "--whole", "/none/x"], 3, "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["adapt", *arguments]) == status
    assert said in capsys.readouterr().err
