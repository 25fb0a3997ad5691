import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main

START = 1_790_000_000_000


def event(number: int, sid: int, *, ok: bool, model: str = "g2") -> str:
    sn = f"sn={number}," if ok else ""
    at = START + 1_000 * number
    payload = f'e=t,sid="s{sid}",{sn}ts={at},com.acme-model="{model}",v=2'
    return json.dumps({"topic": "acme", "ts": at, "payload": payload})


@pytest.fixture
def feed(tmp_path: Path) -> list[str]:
    """An hour; in its second half one device class stops to send `sn`. One line in a hundred is no CMCD."""
    (tmp_path / "operators").mkdir()
    (tmp_path / "operators/acme.yaml").write_text(
        "version: 1\nformat: cmcd\nfields: {device_class: com.acme-model}\n"
        "quirks: [{id: sn, clause: cmcd.sn_missing, owner: <crew>, reason: r, expires: 2030-01-01}]\n"
    )
    lines = []
    for number in range(3_600):
        model = f"g{number % 4}"
        lines.append(event(number, number % 4, ok=number < 1_800 or model != "g3", model=model))
    path = tmp_path / "feed.ndjson"
    path.write_text("\n".join(lines))
    return ["--config", str(tmp_path), "--operator", "acme", str(path)]


def matrix(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> dict[str, Any]:
    assert main(["contracts", "--json", *arguments]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_matrix_says_share_trend_when_first_and_where_it_is_worst(
    feed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = matrix(capsys, feed)
    assert found["operators"] == {"acme": 3_600}
    rows = {row["clause"]: row for row in found["clauses"]}
    row = rows["cmcd.sn_missing"]
    assert (row["violations"], row["records"]) == (450, 3_600)
    assert row["share"] == 0.125
    assert (row["before"], row["trend"]) == (0.0, "new")
    assert row["after"] == pytest.approx(0.25, abs=0.01)
    assert row["first_at"] == START + 1_800_000 - (START + 1_803_000) % 60_000 + 3_000
    assert row["worst"]["device_class"] == "g3"
    assert row["worst_share"] == 0.5
    assert row["tolerated_until"] == 1_893_456_000_000


def test_the_table_is_for_people(feed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contracts", *feed]) == 0
    out = capsys.readouterr().out
    assert out.startswith("acme: 3600 records\n")
    assert "cmcd.sn_missing   12.500 %  new" in out
    assert "50.000 %  worst in acme / g3 / unknown / unknown" in out
    assert "tolerated until 2030-01-01: <crew>" in out


def test_the_page_needs_nothing_else_and_escapes_what_others_wrote(
    feed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert main(["contracts", "--html", str(page), *feed]) == 0
    text = page.read_text()
    assert "cmcd.sn_missing" in text
    assert "12.500 %" in text
    assert "&lt;crew&gt;" in text
    assert "<crew>" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_who_keeps_everything_is_said_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ok.cmcd"
    path.write_text('e=t,sid="a",sn=0,ts=1790000001000,v=2\n')
    assert main(["contracts", "--format", "cmcd", str(path)]) == 0
    assert capsys.readouterr().out == "unknown: 1 records\n  every clause was kept\n"


def test_rejects_of_an_operator_that_is_known_are_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = {"event_id": "1", "operator": "acme", "operation": "x", "received_at": START}
    lines = [json.dumps({**base, "event_id": str(n), "device_class": "g2"}) for n in range(3)]
    lines.append(json.dumps(base))
    path = tmp_path / "in.ndjson"
    path.write_text("\n".join(lines))
    [row] = matrix(capsys, [str(path)])["clauses"]
    assert (row["clause"], row["violations"], row["records"], row["trend"]) == ("rejected", 1, 4, "unknown")
