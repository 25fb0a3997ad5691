"""Operators as configured, on Apache Kafka: four formats on four topics at once; rejects, and their way back."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Producer

from pipeline.cli import main
from pipeline.config.operators import operator, operators
from pipeline.config.yamlfile import Reader
from pipeline.ingest import Ingest
from pipeline.intent import Fault
from pipeline.messages import Incident, Windows
from pipeline.operators import Profile, adapter_of
from pipeline.records import RecordBatch
from pipeline.simulate.events import Batch, simulate
from pipeline.simulate.faults import parse_fault
from pipeline.simulate.fleet import SMALL
from pipeline.simulate.formats import CONFIGURATION, messages
from pipeline.simulate.nuisances import Nuisances
from pipeline.simulate.world import draw_world
from pipeline.stream.deadletters import DeadLetters
from pipeline.stream.topics import Topic, wanted
from tests.stream.live import START_MS, Live

FORMATS = {"altura": "cmcd", "bluecove": "rdk", "norvik": "otlp", "pelago": "cloudevents"}
PARTITIONS = 2


def configured(directory: Path, topics: Mapping[str, str]) -> dict[str, Profile]:
    """Operators by configuration alone, a file each; by topic."""
    (directory / "operators").mkdir(parents=True)
    for name, topic in topics.items():
        text = f"{CONFIGURATION[FORMATS[name]]}operator: {name}\ntopics: [{topic}]\n"
        (directory / f"operators/{name}.yaml").write_text(text)
    faults: list[Fault] = []
    found = {topic: profile for profile in operators(directory, faults) for topic in profile.topics}
    assert faults == []
    return found


def create(live: Live, topics: Mapping[str, str]) -> None:
    own = [*(Topic(topic, None) for topic in topics.values()), *wanted(live.names, replicas=1)]
    live.topics.create(own, partitions=PARTITIONS, replicas=1)


def write(live: Live, batches: list[Batch], topics: Mapping[str, str], formats: Mapping[str, str]) -> int:
    """Each operator's records to its topic in its format, each device to a partition of its own; how many."""
    producer = Producer({"bootstrap.servers": live.bootstrap, "log_level": 0})
    written = 0
    for batch in batches:
        for name, topic in topics.items():
            own = Batch([record for record in batch.records if record.operator == name], batch.until)
            for key, value, at in messages(own, formats[name]):
                producer.produce(topic, value, key, zlib.crc32(key.encode()) % PARTITIONS, timestamp=at)
                producer.poll(0)
                written += 1
    assert producer.flush(60) == 0
    return written


def accepted(live: Live) -> int:
    found = [message for message in live.read(live.names.windows) if isinstance(message, Windows)]
    return sum(cohort.records for message in found for cohort in message.cohorts)


def patterns(live: Live) -> list[Incident]:
    """The newest firing record of each incident that is about the devices."""
    found = sorted(live.incidents(), key=lambda incident: incident.at)
    return list({it.incident_id: it for it in found if it.state == "firing" and it.kind == "pattern"}.values())


# A day and a half through four stages: a minute on a machine of its own, several on one that is shared.
@pytest.mark.timeout(420)
async def test_four_formats_on_four_topics_give_one_incident_of_the_right_scope(kafka: str, tmp_path: Path) -> None:
    live = Live(kafka)
    topics = {name: f"{live.input}-{format_name}" for name, format_name in FORMATS.items()}
    fleet = replace(
        SMALL,
        operators=tuple(FORMATS),
        certification_operators=0,
        events_per_minute=40.0,
        nuisances=Nuisances(storms=0.0, rollouts=0.0),
    )
    fault = parse_fault("latency*2.5@device_class=stb-g3,from=30h,until=33h")
    world = draw_world(fleet, (fault,), seed=1, start_ms=START_MS, minutes=33 * 60)
    create(live, topics)
    write(live, list(simulate(world)), topics, FORMATS)
    profiles = configured(tmp_path, topics)
    inputs = {topic: profile.format for topic, profile in profiles.items()}
    async with live.working(inputs=inputs, operators=profiles):
        await live.until(lambda: bool(patterns(live)), within=360.0)
    [incident] = patterns(live)
    assert incident.scope == {"device_class": "stb-g3"}
    assert incident.signals[0].signal == "latency"
    windows = [message for message in live.read(live.names.windows) if isinstance(message, Windows)]
    assert {message.operator for message in windows} == set(FORMATS)


async def test_what_a_wrong_deployment_refused_is_redriven_after_the_fix_and_counted_once(
    kafka: str, tmp_path: Path
) -> None:
    live = Live(kafka)
    topics = {"altura": f"{live.input}-{uuid.uuid4().hex[:4]}"}
    world = draw_world(replace(SMALL, events_per_minute=60.0), (), seed=1, start_ms=START_MS, minutes=20)
    create(live, topics)
    batches = list(simulate(world))
    written = write(live, batches, topics, FORMATS)
    assert written > 300
    profiles = configured(tmp_path, topics)
    [topic] = topics.values()
    async with live.working(inputs={topic: "rdk"}):
        await live.until(lambda: len(live.read(live.names.rejects)) == written)
    command = ["rejects", "--brokers", kafka, "--prefix", live.names.prefix]
    assert main(command) == 0
    assert main([*command, "--redrive"]) == 0
    letters = DeadLetters({"bootstrap.servers": kafka}, live.names)
    assert [kept.is_new for kept in letters] == [False] * written
    assert letters.redrive(lambda kept: kept.is_new, remember=True) == (0, 0)
    expected = sum(counted(live, batches, partition) for partition in range(PARTITIONS))
    async with live.working(inputs={topic: "cmcd"}, operators=profiles):
        await live.until(lambda: accepted(live) >= expected)
        # Redriven once more, on purpose: their ids are known.
        assert letters.redrive(lambda kept: True, remember=True) == (written, 0)
        await live.until(lambda: sum(live.committed(topic)) == 3 * written)
    assert accepted(live) == expected


def counted(live: Live, batches: list[Batch], partition: int) -> int:
    """What a stage that never failed accepts of one partition."""
    ingest = Ingest("in/0", adapter=adapter_of("cmcd", configured_as("cmcd")))
    for batch in batches:
        own = Batch([record for record in batch.records if record.operator == "altura"], batch.until)
        sent = [it for it in messages(own, "cmcd") if zlib.crc32(it[0].encode()) % PARTITIONS == partition]
        if sent:
            values, stamps = [it[1] for it in sent], [it[2] for it in sent]
            ingest.feed(RecordBatch("in/0", range(len(sent)), values, stamps))
    ingest.flush()
    return ingest.totals.accepted


def configured_as(format_name: str) -> Profile:
    section = Reader([]).root_of(f"{CONFIGURATION[format_name]}operator: altura\n", "altura")
    assert section is not None
    return operator(section, "altura")
