"""`seamwatch account`, from files and from the topic of a deployment."""

from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.cli import main
from pipeline.codec import encode
from pipeline.replay import evidence_lines, incident_line
from pipeline.stream.names import Names
from tests.detect.planted import quick
from tests.report.material import LIFE, change


def written(folder: Path) -> str:
    path = folder / "incidents.ndjson"
    path.write_bytes(b"".join(map(incident_line, [*LIFE, change("firing", LIFE[0].at, "b2", summary="Another.")])))
    return str(path)


def test_it_writes_markdown_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["account", "a1", "--incidents", written(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# Firmware fw-1: latency up.")
    assert "## What happened" in out


def test_it_writes_both_files_with_what_it_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evidence, page, text = (tmp_path / name for name in ("evidence.ndjson", "a.html", "a.md"))
    evidence.write_bytes(b"".join(line for one in quick(0.3) for line in evidence_lines(one)))
    given = ["--evidence", str(evidence), "--html", str(page), "--markdown", str(text)]
    assert main(["account", "b", "--incidents", written(tmp_path), *given]) == 0
    assert page.read_text().startswith("<!doctype html>")
    assert "Another." in text.read_text()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("incident", "more", "status", "said"),
    [
        ("none", [], 1, "no incident 'none'"),
        ("", [], 1, "beginning of 2 incidents: a1, b2"),
        ("a1", ["--evidence", "/none"], 3, "/none: cannot be read"),
        ("a1", ["--config", "/none"], 2, "/none:1: no such directory"),
        ("a1", ["--html", "/none/a.html"], 2, "/none/a.html cannot be written"),
    ],
)
def test_what_is_wrong_is_said(
    incident: str, more: list[str], status: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["account", incident, "--incidents", written(tmp_path), *more]) == status
    assert said in capsys.readouterr().err


def test_a_file_of_something_else_is_said_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.ndjson"
    path.write_bytes(incident_line(LIFE[0]) + b"{}\n")
    assert main(["account", "a1", "--incidents", str(path)]) == 3
    assert f"{path}:2: no incident record" in capsys.readouterr().err
    assert main(["account", "a1", "--incidents", written(tmp_path), "--evidence", str(path)]) == 3
    assert f"{path}:1: no line of evidence" in capsys.readouterr().err


@pytest.fixture
def kafka_topics(kafka: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})  # it has to outlive its answers
    for future in admin.create_topics([NewTopic(Names("account.").incidents, 1, 1)]).values():
        future.result(60)


def test_it_reads_the_topic_of_a_deployment(kafka: str, kafka_topics: None, capsys: pytest.CaptureFixture[str]) -> None:
    topic = Names("account.").incidents
    producer = Producer({"bootstrap.servers": kafka, "log_level": 0})
    for record in LIFE:
        producer.produce(topic, encode(record), record.incident_id.encode())
    producer.produce(topic, None, b"gone")
    assert producer.flush(60) == 0
    assert main(["account", "a1", "--brokers", kafka, "--prefix", "account."]) == 0
    assert "resolved" in capsys.readouterr().out
    assert main(["account", "zz", "--brokers", kafka, "--prefix", "account."]) == 1
    assert main(["account", "a1", "--brokers", kafka, "--prefix", "nowhere."]) == 3
