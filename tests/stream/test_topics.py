"""Seamwatch's topics on Apache Kafka: made, checked, and what is not right explained."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)

from pipeline.cli import main
from pipeline.stream.names import Names
from pipeline.stream.topics import ClusterError, Topic, Topics, wanted
from tests.integration.ports import free_port
from tests.integration.waiting import until


@pytest.fixture
def names() -> Names:
    return Names(f"topics-{uuid.uuid4().hex[:8]}.")


@pytest.fixture
def run(kafka: str, names: Names) -> Callable[..., int]:
    """`seamwatch topics` with an input that exists."""
    Topics({"bootstrap.servers": kafka}).create([Topic(f"{names.prefix}in", 2)], partitions=2, replicas=1)

    def run(*arguments: str) -> int:
        return main(
            ["topics", "--brokers", kafka, "--prefix", names.prefix, "--input", f"{names.prefix}in", *arguments]
        )

    return run


def test_what_is_created_is_as_it_should_be(
    run: Callable[..., int], kafka: str, names: Names, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--create", "--partitions", "3") == 0
    out = capsys.readouterr().out
    assert out.count("created ") == 7
    assert "8 topics are as they should be" in out
    assert Topics({"bootstrap.servers": kafka}).partitions([names.windows, names.evidence]) == {
        names.windows: 3,
        names.evidence: 1,
    }


def test_creating_again_changes_nothing(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    run("--create")
    capsys.readouterr()
    assert run("--create") == 0
    assert "created" not in capsys.readouterr().out


def test_topics_that_do_not_exist_are_named_with_what_to_do(
    run: Callable[..., int], names: Names, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 1
    said = capsys.readouterr().err
    assert f"{names.windows}: does not exist; create it: seamwatch topics --create" in said
    assert said.count("does not exist") == 7


def test_an_input_that_does_not_exist_is_not_for_seamwatch_to_create(
    kafka: str, names: Names, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["topics", "--brokers", kafka, "--prefix", names.prefix, "--input", "absent", "--create"]) == 1
    assert "seamwatch topics: absent: does not exist; name one that does with --input\n" in capsys.readouterr().err


def test_a_topic_that_is_not_right_is_explained(
    run: Callable[..., int], kafka: str, names: Names, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--create", "--partitions", "3")
    admin = AdminClient({"bootstrap.servers": kafka})
    _set(admin, names.incidents, "cleanup.policy", "delete")
    _set(admin, names.windows, "retention.ms", "1000")
    _set(admin, names.rejects, "retention.ms", "-1")  # for ever is longer than needed, which is right
    admin.create_partitions([NewPartitions(names.evidence, 2)])[names.evidence].result(timeout=30)
    capsys.readouterr()
    until(lambda: run() == 1, within=30, what="the changes to show")
    until(lambda: _said(run, capsys).count(";") == 3, within=30, what="all three to be found")
    said = _said(run, capsys)
    assert f"{names.incidents}: cleanup.policy is delete, not compact; set it: kafka-configs.sh" in said
    assert f"{names.windows}: retention.ms is 1000, not 604800000" in said
    assert f"{names.evidence}: has 2 partitions, not 1" in said


def test_state_must_have_as_many_partitions_as_windows(
    run: Callable[..., int], kafka: str, names: Names, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--create", "--partitions", "3")
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_partitions([NewPartitions(names.windows, 5)])[names.windows].result(timeout=30)
    until(lambda: run() == 1, within=30, what="the change to show")
    assert f"{names.baseline_state}: has 3 partitions, and {names.windows} has 5" in capsys.readouterr().err


def test_a_cluster_that_does_not_answer_is_said_to(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["topics", "--brokers", f"127.0.0.1:{free_port()}", "--input", "in"])
    assert status == 3
    assert "seamwatch topics: 127.0.0.1:" in capsys.readouterr().err


def test_what_a_cluster_refuses_is_said_in_its_words(kafka: str, names: Names) -> None:
    with pytest.raises(ClusterError, match="replication factor"):
        Topics({"bootstrap.servers": kafka}).create(wanted(names, replicas=1), partitions=1, replicas=5)


def _said(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    run()
    return capsys.readouterr().err


def _set(admin: AdminClient, topic: str, key: str, value: str) -> None:
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(timeout=30)


def test_too_few_replicas_are_found(kafka: str, names: Names) -> None:
    topics = Topics({"bootstrap.servers": kafka})
    topics.create(wanted(names, replicas=1), partitions=1, replicas=1)
    found = [str(finding) for finding in topics.check(wanted(names, replicas=3))]
    assert any(said.startswith(f"{names.windows}: has 1 replicas, not 3: a broker that is lost") for said in found)
    assert any(said.startswith(f"{names.windows}: min.insync.replicas is 1, not 2; set it: ") for said in found)
