"""`seamwatch learn` and `seamwatch accept`, and what `replay` makes of what they write."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.simulate.events import simulate
from pipeline.simulate.fleet import SMALL
from pipeline.simulate.world import draw_world

START = 1_767_571_200_000
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-six hours of a small fleet."""
    world = draw_world(replace(SMALL, events_per_minute=12.0), (), seed=2, start_ms=START, minutes=26 * 60)
    path = tmp_path_factory.mktemp("history") / "history.ndjson"
    with path.open("wb") as file:
        for batch in simulate(world):
            for key, value, at in batch.messages():
                del key
                file.write(json.dumps({**json.loads(value), "received_at": at}).encode() + b"\n")
    return path


@pytest.fixture(scope="module")
def learned(history: Path) -> Path:
    path = history.with_name("learned.ndjson")
    assert main(["learn", "--to", str(path), str(history)]) == 0
    return path


def run(*arguments: str) -> int:
    """Exit status."""
    return main(list(arguments))


def objects(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def expected(path: Path) -> list[float | None]:
    """What evidence expects of the latency of playback_start, line by line where there is any."""
    return [
        signal["expected"]
        for line in objects(path)
        for signal in line["signals"]
        if (signal["operation"], signal["signal"]) == ("playback_start", "failure")
    ]


def tail_of(history: Path, tmp_path: Path, hours: int = 1) -> Path:
    """The last hours, as if nothing else were known."""
    path = tmp_path / "now.ndjson"
    begin = START + (26 - hours) * HOUR_MS
    lines = history.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if json.loads(line)["received_at"] >= begin))
    return path


def test_learn_says_what_it_learnt_and_what_it_cannot_know_yet(
    history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("learn", "--to", str(tmp_path / "out"), str(history)) == 0
    said = capsys.readouterr().out
    assert "24 cohorts have an anchor" in said
    assert "1.1 days" in said
    assert "less than 7 days: how far this fleet's days wander is not known" in said


def test_the_same_history_is_learnt_to_the_same_bytes(history: Path, learned: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert run("learn", "--to", str(again), str(history)) == 0
    assert again.read_bytes() == learned.read_bytes()


def test_a_replay_that_starts_with_learnt_anchors_expects_something_from_its_first_minute(
    history: Path, learned: Path, tmp_path: Path
) -> None:
    now, without, given = tail_of(history, tmp_path), tmp_path / "without", tmp_path / "with"
    assert run("replay", "--evidence", str(without), str(now)) == 0
    assert run("replay", "--learned", str(learned), "--evidence", str(given), str(now)) == 0
    assert all(value is None for value in expected(without))
    assert all(value is not None and value > 0 for value in expected(given))


def test_a_decision_in_a_file_moves_the_anchor_when_its_time_has_come(
    history: Path, learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decisions = tmp_path / "decisions.ndjson"
    at = str(START + 25 * HOUR_MS + 30 * 60_000)
    arguments = ["operator=altura", "--reason", "a new back end", "--by", "anna", "--at", at, "--to", str(decisions)]
    assert run("accept", *arguments) == 0
    (decision,) = objects(decisions)
    assert decision["decision_id"] in capsys.readouterr().out
    assert (decision["scope"], decision["by"], decision["reason"]) == ({"operator": "altura"}, "anna", "a new back end")
    found = []
    now = tail_of(history, tmp_path, hours=5)
    for chosen in ([], ["--decisions", str(decisions)]):
        out = tmp_path / "evidence"
        assert run("replay", "--learned", str(learned), *chosen, "--evidence", str(out), str(now)) == 0
        found.append(
            {
                (line["minute"], line["operator"], line["device_class"], line["firmware"]): signal["expected"]
                for line in objects(out)
                for signal in line["signals"]
                if signal["signal"] == "latency" and signal["expected"] is not None
            }
        )
    before, after = found
    moved = {key for key in before if before[key] != pytest.approx(after[key], abs=1e-12)}
    assert moved
    assert {operator for _, operator, _, _ in moved} == {"altura"}
    assert min(minute for minute, _, _, _ in moved) >= int(at) - 60_000


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "name a scope, or --everything"),
        (("operator=altura", "--everything"), "name a scope, or --everything"),
        (("operator",), "no DIMENSION=VALUE"),
        (("operator=a", "operator=b"), "the second of its dimension"),
        (("planet=mars",), "is no dimension; there are operator, device_class, firmware, environment"),
        (("operator=altura", "--days", "8"), "1 to 7 days, not 8"),
        (("operator=altura", "--by", " "), "somebody who took it"),
    ],
)
def test_a_decision_that_cannot_be_meant_is_refused(
    arguments: tuple[str, ...], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "decisions"
    assert run("accept", *arguments, "--reason", "so it is", "--to", str(out)) == 2
    assert why in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("option", ["--learned", "--decisions"])
@pytest.mark.parametrize("held", [b"{}\n", b'{"type":"tick","source":"a","minute":1}\n', b"\xff\n", None])
def test_a_file_that_holds_something_else_is_refused_with_its_place(
    option: str, held: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, records = tmp_path / "held", tmp_path / "records"
    records.write_bytes(b"")
    if held is not None:
        path.write_bytes(held)
    assert run("replay", option, str(path), str(records)) == 2
    assert str(path) + (":1: is" if held is not None else ": cannot be read") in capsys.readouterr().err


def test_damaged_anchors_are_refused_by_replay(
    learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *_ = objects(learned)
    first["cells"]["level"] = first["cells"]["level"][:-1]
    path, records = tmp_path / "held", tmp_path / "records"
    path.write_text(json.dumps(first))
    records.write_bytes(b"")
    assert run("replay", "--learned", str(path), str(records)) == 2
    assert "are damaged" in capsys.readouterr().err


def test_learn_reads_what_it_can_of_a_truncated_file_and_says_so(
    history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import gzip

    broken, out = tmp_path / "broken.gz", tmp_path / "out"
    broken.write_bytes(gzip.compress(history.read_bytes())[:-2_000])
    assert run("learn", "--to", str(out), str(broken)) == 3
    captured = capsys.readouterr()
    assert str(broken) in captured.err
    assert "24 cohorts have an anchor" in captured.out
    assert objects(out)
    assert run("learn", "--to", str(out), str(tmp_path / "missing")) == 3


def test_learn_takes_one_way_out_and_never_over_its_input(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("learn", str(history)) == 2
    assert run("learn", "--send", "--to", "x", str(history)) == 2
    assert run("learn", "--to", str(history), str(history)) == 2
    assert "--to" in capsys.readouterr().err
    assert run("learn", "--send", str(history)) == 2
    assert "no broker is named" in capsys.readouterr().err
