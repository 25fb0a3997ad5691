"""`seamwatch simulate`: what it writes, where, and what it says to unusable arguments."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ConfigSource

from pipeline.cli import main
from pipeline.stream.embedded import PARTITIONS, EmbeddedBroker

OF_THE_TOPIC = ConfigSource.DYNAMIC_TOPIC_CONFIG.value

SHORT = ["simulate", "--minutes", "20", "--seed", "4", "--events-per-minute", "60"]


def written(directory: Path, *arguments: str, name: str = "records.ndjson") -> bytes:
    path = directory / name
    assert main([*SHORT, "--out", str(path), *arguments]) == 0
    return path.read_bytes()


def test_a_seed_gives_the_same_file_and_another_seed_another(tmp_path: Path) -> None:
    assert written(tmp_path) == written(tmp_path)
    assert written(tmp_path) != written(tmp_path, "--seed", "5")


def unzstd(packed: bytes) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(packed) as stream:
        return stream.read()


@pytest.mark.parametrize(("suffix", "unpack"), [("gz", gzip.decompress), ("zst", unzstd)])
def test_the_suffix_chooses_a_compression_that_repeats_to_the_byte(
    tmp_path: Path, suffix: str, unpack: Callable[[bytes], bytes]
) -> None:
    packed = written(tmp_path, name=f"a.ndjson.{suffix}")
    assert packed == written(tmp_path, name=f"b.ndjson.{suffix}")
    assert unpack(packed) == written(tmp_path)


def test_standard_output_gets_the_same_bytes(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(SHORT) == 0
    out, err = capfdbinary.readouterr()
    assert out == written(tmp_path)
    assert err == b""


def test_it_begins_when_it_is_told_to(tmp_path: Path) -> None:
    first = json.loads(written(tmp_path, "--start", "2026-03-01T12:00:00+02:00").splitlines()[0])
    assert 0 <= first["received_at"] - 1_772_359_200_000 < 60_000


@pytest.mark.parametrize(("ago", "hours"), [("now", 0), ("now-6h", 6), ("now-2d", 48)])
def test_it_begins_so_long_before_now(tmp_path: Path, ago: str, hours: int) -> None:
    first = json.loads(written(tmp_path, "--start", ago).splitlines()[0])
    assert 0 <= first["received_at"] / 1_000 - (time.time() - hours * 3_600) + 120 < 240


def test_the_truth_names_the_faults_and_the_incidents_to_expect(tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    written(tmp_path, "--fault", "latency*1.5@firmware=fw-2.4.1,from=5m,until=15m", "--truth", str(truth))
    assert json.loads(truth.read_bytes()) == {
        "seed": 4,
        "start": 1_767_571_200_000,
        "end": 1_767_571_200_000 + 20 * 60_000,
        "faults": ["latency*1.5@firmware=fw-2.4.1,from=5m,until=15m"],
        "incidents": [
            {
                "scope": {"firmware": "fw-2.4.1"},
                "kind": "pattern",
                "signals": ["latency"],
                "operations": [],
                "at": 1_767_571_200_000 + 5 * 60_000,
                "until": 1_767_571_200_000 + 15 * 60_000,
            }
        ],
    }


def consumed(bootstrap: str, count: int) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test"})
    consumer.assign([TopicPartition("fleet", partition, 0) for partition in range(PARTITIONS)])
    found: list[Message] = []
    while len(found) < count:
        found += consumer.consume(1_000, timeout=5)
    consumer.close()
    return found


# All of it is past, so that catching up waits for nothing.
@pytest.mark.parametrize("pace", [["--as-fast"], ["--speed", "6000"], ["--catch-up"]])
def test_a_topic_gets_the_records_of_the_file_keyed_by_device_and_stamped_with_their_arrival(
    tmp_path: Path, pace: list[str]
) -> None:
    lines = written(tmp_path).splitlines()
    with EmbeddedBroker() as broker:
        assert main([*SHORT, "--brokers", broker.bootstrap, "--topic", "fleet", *pace]) == 0
        found = consumed(broker.bootstrap, len(lines))
    assert sorted(record.value() or b"" for record in found) == sorted(lines)
    for record in found:
        said = json.loads(record.value() or b"")
        assert (record.key() or b"").decode() == said["device_id"]
        assert record.timestamp()[1] == said["received_at"]


def test_the_topic_of_an_old_fleet_keeps_its_records_and_that_of_one_of_today_leaves_them_to_the_broker(
    kafka: str,
) -> None:
    topics = {"old": "2026-01-01T00:00:00Z", "new": "now"}
    for topic, start in topics.items():
        assert main([*SHORT, "--start", start, "--brokers", kafka, "--topic", topic, "--as-fast"]) == 0
    admin = AdminClient({"bootstrap.servers": kafka})
    asked = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics])
    own = {
        resource.name: {name for name, entry in found.result().items() if entry.source == OF_THE_TOPIC}
        for resource, found in asked.items()
    }
    assert own == {"old": {"retention.ms"}, "new": set()}


def test_a_broker_that_does_not_answer_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.simulate.kafka.ANSWER_S", 0.5)
    assert main([*SHORT, "--brokers", "127.0.0.1:1", "--topic", "fleet"]) == 1
    assert capsys.readouterr().err.startswith("seamwatch simulate: 127.0.0.1:1: no broker answers")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--fault", "latncy*2"], "no kind is called 'latncy'"),
        (["--fault", "latency*2@operator=nobody"], "the fleet has no operator 'nobody'; it has altura, bluecove"),
        (["--fault", "latency*2@from=2d"], "it begins after the end of the simulation; see --days"),
        (["--nuisance", "shock=1"], "no nuisance is called 'shock'"),
        (["--cohorts", "0"], "a fleet needs at least 1 cohort, not 0"),
        (["--cohorts", "5", "--preset", "small"], "give --preset or --cohorts, not both"),
        (["--brokers", "localhost:9092"], "--brokers and --topic go together"),
        (["--brokers", "localhost:9092", "--topic", "t", "--out", "f"], "give --out or --brokers, not both"),
        (["--speed", "2"], "--speed, --catch-up and --as-fast are for --brokers"),
        (["--catch-up"], "--speed, --catch-up and --as-fast are for --brokers"),
        (["--out", "/nowhere/f.ndjson"], "/nowhere/f.ndjson: No such file or directory"),
        (["--truth", "/nowhere/t.json"], "--truth /nowhere/t.json: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_would_be_right(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SHORT, *arguments]) == 2
    told = capsys.readouterr().err
    assert told.startswith("seamwatch simulate: ")
    assert says in told


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--days", "-1"], "'-1' is no number above 0"),
        (["--seed", "x"], "'x' is no whole number from 0"),
        (["--start", "soon"], "'soon' is no instant; write 2026-01-05T00:00:00Z, now, now-2d or now-6h"),
        (["--start", "1970-01-01"], "'1970-01-01' is not between 2000 and 2090"),
        (["--preset", "huge"], "invalid choice: 'huge'"),
    ],
)
def test_unusable_arguments_end_with_status_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", *arguments])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
