"""`seamwatch incident` and `seamwatch changes` on files, and what `replay` makes of what they write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.codec import encode
from pipeline.messages import Incident, Signal

START = 1_767_571_200_000
MINUTE = 60_000
SILENT = range(200, 260)
"""Minutes in which an operator says nothing, which makes an incident."""


def lines() -> Iterator[bytes]:
    for minute in range(300):
        for number in range(8):
            for operator in ("altura", "norvik"):
                if operator == "norvik" or minute not in SILENT:
                    at = START + minute * MINUTE + number * 7_000
                    record = {
                        "event_id": f"{operator} {minute} {number}",
                        "operation": "playback_start",
                        "operator": operator,
                        "device_class": "tv",
                        "firmware": "tv-1.0",
                        "outcome": "ok",
                        "device_id": f"d{number}",
                        "received_at": at,
                    }
                    yield json.dumps(record).encode() + b"\n"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "records.ndjson"
    path.write_bytes(b"".join(lines()))
    return path


@pytest.fixture(scope="module")
def incidents(recorded: Path) -> Path:
    path = recorded.with_name("incidents.ndjson")
    assert main(["replay", "--incidents", str(path), str(recorded)]) == 0
    return path


def objects(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_what_people_did_is_part_of_the_incident_from_its_time_on_when_replayed(
    recorded: Path, incidents: Path, tmp_path: Path
) -> None:
    first = next(one for one in objects(incidents) if one["state"] == "firing")
    doings, out = tmp_path / "doings.ndjson", tmp_path / "out.ndjson"
    for verb, minutes in (("ack", 5), ("note", 6), ("confirm", 7)):
        at = str(first["at"] + minutes * MINUTE)
        words = [verb, first["incident_id"][:8], "--incidents", str(incidents), "--to", str(doings)]
        assert main(["incident", *words, "--by", "anna", "--at", at, "--text", "the carrier"]) == 0
    assert [one["type"] for one in objects(doings)] == ["action"] * 3
    for _ in range(2):
        assert main(["replay", "--decisions", str(doings), "--incidents", str(out), str(recorded)]) == 0
    said = [one for one in objects(out) if one["incident_id"] == first["incident_id"]]
    acknowledged = [one["acknowledged_at"] for one in said]
    assert acknowledged[0] is None
    assert first["at"] + 5 * MINUTE <= acknowledged[-1] <= first["at"] + 6 * MINUTE
    assert [action["verb"] for action in said[-1]["actions"]] == ["acknowledge", "note", "confirm"]
    assert said[-1]["verdict"] == "true"
    assert [one["state"] for one in said if not one["actions"]] == ["firing"]
    assert said[-1]["summary"].split(" The telemetry is back: ")[1].startswith("8 records a minute")


def test_a_silence_that_was_called_a_false_alarm_is_over_and_a_later_one_is_told(
    recorded: Path, incidents: Path, tmp_path: Path
) -> None:
    first = next(one for one in objects(incidents) if one["state"] == "firing")
    doings, out = tmp_path / "doings.ndjson", tmp_path / "out.ndjson"
    words = ["--incidents", str(incidents), "--to", str(doings), "--by", "anna", "--at", str(first["at"] + MINUTE)]
    assert main(["incident", "false-alarm", first["incident_id"], *words]) == 0
    assert main(["replay", "--decisions", str(doings), "--incidents", str(out), str(recorded)]) == 0
    said = [one for one in objects(out) if one["incident_id"] == first["incident_id"]]
    assert [(one["state"], one["verdict"]) for one in said] == [("firing", None), ("resolved", "false_alarm")]


def test_an_action_about_an_incident_that_there_is_not_yet_is_told_and_changes_nothing(
    recorded: Path, incidents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = next(one for one in objects(incidents) if one["state"] == "firing")
    doings, out = tmp_path / "doings.ndjson", tmp_path / "out.ndjson"
    words = ["--incidents", str(incidents), "--to", str(doings), "--by", "anna", "--at", str(START + MINUTE)]
    assert main(["incident", "ack", first["incident_id"], *words]) == 0
    capsys.readouterr()
    assert main(["replay", "--decisions", str(doings), "--incidents", str(out), str(recorded)]) == 0
    assert f"there was no incident {first['incident_id']} then" in capsys.readouterr().err
    assert out.read_bytes() == incidents.read_bytes()


def test_a_list_names_what_is_open_and_show_says_all(incidents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = objects(incidents)[0]["incident_id"]
    assert main(["incident", "list", "--all", "--incidents", str(incidents)]) == 0
    assert first in capsys.readouterr().out
    assert main(["incident", "show", first, "--incidents", str(incidents)]) == 0
    shown = capsys.readouterr().out
    assert "scope     Operator altura" in shown
    assert "fired     2026-01-05 03:3" in shown
    assert main(["incident", "show", first, "--json", "--incidents", str(incidents)]) == 0
    assert json.loads(capsys.readouterr().out)["incident_id"] == first


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("ack", "nobody"), "no incident 'nobody'"),
        (("ack", ""), "is the beginning of 2 incidents"),
        (("ack",), "ack which incident?"),
        (("list", "x"), "list takes no incident"),
        (("note", "abc"), "a note has a text"),
        (("ack", "abc", "--by", " "), "somebody who took it"),
        (
            ("accept", "abc"),
            "its level is not known yet: it began too short a time ago; accept it after 2026-01-05 04:00",
        ),
        (("accept", "abd"), "there is no anchor of its volume"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_written(
    words: tuple[str, ...], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held, out = tmp_path / "incidents.ndjson", tmp_path / "out.ndjson"
    latency = Signal("playback_start", "latency", "up", 900.0, 800.0, 1.125, 1.0, "step")
    volume = Signal("*", "volume", "down", 0.0, 9.0, None, 1.0, "step")
    held.write_bytes(
        b"".join(
            encode(Incident(name, "firing", "page", START, START, {}, [], [signal], "pattern", 1.0, "Slow.")) + b"\n"
            for name, signal in (("abc", latency), ("abd", volume))
        )
    )
    given = ["incident", *words, "--incidents", str(held), "--to", str(out), "--at", str(START + MINUTE)]
    assert main(given) == 2
    assert why in capsys.readouterr().err
    assert not out.exists()


def test_what_is_accepted_takes_its_decisions_with_it(tmp_path: Path) -> None:
    held, out = tmp_path / "incidents.ndjson", tmp_path / "out.ndjson"
    signal = Signal("playback_start", "latency", "up", 900.0, 800.0, 1.125, 1.0, "step")
    held.write_bytes(encode(Incident("abc", "firing", "page", START, START, {}, [], [signal], "pattern", 1.0, "Slow.")))
    at = START + 300 * MINUTE
    words = ["abc", "--incidents", str(held), "--to", str(out), "--by", "anna", "--at", str(at)]
    assert main(["incident", "accept", *words]) == 0
    action, decision = objects(out)
    assert (action["verb"], decision["since"], decision["signal"]) == ("accept", START, "latency")
    assert decision["reason"] == "incident abc is accepted"
    records = tmp_path / "records"
    records.write_bytes(b"")
    assert main(["replay", "--decisions", str(out), str(records)]) == 0


# -- changes ---------------------------------------------------------------------------------------------------------

YAML = """\
version: 1
changes:
  - at: 2026-01-05T03:10:00Z
    kind: deployment
    what: relay 7
    scope: {operator: altura}
  - at: 2026-01-05T00:10:00Z
    kind: configuration
    what: patience
    scope: {environment: production}
    configuration: {retries: "5"}
  - at: 2026-01-05T00:10:00Z
    kind: configuration
    what: patience
    scope: {environment: certification}
    configuration: {retries: "3"}
"""


def test_incidents_quote_the_changes_of_a_file_before_their_onset(recorded: Path, tmp_path: Path) -> None:
    known, out = tmp_path / "changes.yaml", tmp_path / "out.ndjson"
    known.write_text(YAML)
    assert main(["replay", "--changes", str(known), "--incidents", str(out), str(recorded)]) == 0
    firing = next(one for one in objects(out) if one["state"] == "firing")
    assert firing["changes"][0]["change"]["what"] == "relay 7"
    assert firing["changes"][0]["fit"] > 0.9
    assert "Before it, 2026-01-05 03:10 UTC: deployment relay 7." in firing["summary"]


def test_the_same_changes_in_ndjson_and_yaml_are_listed_and_drift_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known, again = tmp_path / "changes.yaml", tmp_path / "changes.ndjson"
    known.write_text(YAML)
    assert main(["changes", "add", str(known), "--to", str(again)]) == 0
    capsys.readouterr()
    said = []
    for path in (known, again):
        assert main(["changes", "list", str(path)]) == 0
        assert main(["changes", "drift", str(path)]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "2026-01-05 03:10 UTC  deployment: relay 7  Operator altura" in said[0]
    assert "certified is not in use: 3 for Environment certification since 2026-01-05 00:10 UTC; 5 for" in said[0]


def test_one_change_is_told_by_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "changes.ndjson"
    words = ["--kind", "configuration", "--what", "patience", "--scope", "operator=altura", "--set", "retries=5"]
    assert main(["changes", "add", *words, "--by", "ben", "--at", str(START), "--id", "p1", "--to", str(out)]) == 0
    (change,) = objects(out)
    assert (change["change_id"], change["scope"], change["by"]) == ("p1", {"operator": "altura"}, "ben")
    assert change["configuration"] == {"retries": "5"}
    assert main(["changes", "drift", str(out)]) == 0
    assert capsys.readouterr().out.endswith("no setting differs\n")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("version: 1\nchanges:\n  - {at: 2026-01-05, kind: deploy, what: x}\n", ":3: kind is 'deploy'"),
        ("version: 1\nchanges:\n  - kind: other\n    what: x\n", ":3: at is missing"),
        (
            "version: 1\nchanges:\n  - at: 2026-01-05\n    kind: other\n    what: x\n    scop: {}\n",
            ":6: unknown key 'scop'",
        ),
        (
            "version: 1\nchanges:\n  - at: 2026-01-05\n    kind: other\n    what: x\n    configuration: {a: b}\n",
            ":6: configuration cannot be used",
        ),
        ("changes: []\n", ":1: version is"),
    ],
)
def test_a_file_of_changes_that_is_wrong_is_refused_with_its_line(
    text: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known, records = tmp_path / "changes.yaml", tmp_path / "records"
    known.write_text(text)
    records.write_bytes(b"")
    assert main(["replay", "--changes", str(known), str(records)]) == 2
    assert str(known) + place in capsys.readouterr().err
    assert main(["changes", "list", str(known)]) == 2


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("add",), "say --kind and --what, or name files"),
        (("add", "--kind", "other", "--what", "x", "--scope", "a"), "'a' is no NAME=VALUE"),
        (("add", "--kind", "other", "--what", "x", "--scope", "planet=mars"), "'planet' is no dimension"),
        (("add", "--kind", "other", "--what", "x", "--at", "7"), "at: 7 is no time"),
        (("list", "missing.ndjson"), "missing.ndjson: cannot be read"),
    ],
)
def test_a_change_that_cannot_be_meant_is_refused(
    words: tuple[str, ...], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["changes", *words, "--to", str(tmp_path / "out")]) == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
