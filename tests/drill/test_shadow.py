"""A drill through a real Kafka: topics of its own, a worker of its own, and nothing left of them."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient

from pipeline.drill.plan import Plan
from pipeline.drill.streams import UnusableStreamError
from pipeline.intent import Priority
from pipeline.shadow import forbidden, hold_in_shadow
from pipeline.stream.settings import Settings, parse_address
from pipeline.stream.topics import Topic, Topics
from tests.drill.material import INTENT, Silent, planned, small_stream

SMALL = small_stream(INTENT, days=1)
STREAM = replace(SMALL, fleet=replace(SMALL.fleet, events_per_minute=100.0))
SLOW = planned(scope={"device_class": "stb-g2"}, strength=2.5, within_ms=4 * 3_600_000)
PLAN = Plan("shadow", (SLOW,), {"playback": Priority.NON_NEGOTIABLE})


def settings(bootstrap: str, **inputs: str) -> Settings:
    return Settings((parse_address(bootstrap),), inputs)


@pytest.mark.timeout(600)
def test_a_fault_is_found_by_a_worker_of_the_drills_own_and_nothing_is_left_behind(kafka: str) -> None:
    topic = f"drill-{uuid.uuid4().hex[:8]}"
    found = hold_in_shadow(PLAN, INTENT, STREAM, settings(kafka), topic, Silent())
    assert found.outcomes[0].wrong == []
    assert (found.status, found.control.fired) == (0, [])
    left = AdminClient({"bootstrap.servers": kafka, "log_level": 0}).list_topics(timeout=30).topics
    assert [name for name in left if name.startswith(topic)] == []


def test_a_topic_that_is_there_is_never_written_to(kafka: str) -> None:
    topic = f"theirs-{uuid.uuid4().hex[:8]}"
    topics = Topics({"bootstrap.servers": kafka})
    topics.create([Topic(topic, 1)], partitions=1, replicas=1)
    with pytest.raises(UnusableStreamError, match="is there already"):
        hold_in_shadow(PLAN, INTENT, STREAM, settings(kafka), topic, Silent())
    assert topics.partitions([topic]) == {topic: 1}


def test_an_input_and_the_deployments_own_topics_are_refused_before_anything_is_asked() -> None:
    of = settings("127.0.0.1:1", **{"acme.telemetry": "canonical"})
    assert "it is an input" in (forbidden("acme.telemetry", of) or "")
    assert "own topics" in (forbidden("seamwatch.windows", of) or "")
    assert forbidden("drill", of) is None
    with pytest.raises(UnusableStreamError, match="it is an input"):
        hold_in_shadow(PLAN, INTENT, STREAM, of, "acme.telemetry", Silent())
