"""The brokers that other tests rely on do what those rely on."""

import uuid

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from tests.integration.kafka_cluster import StartCluster
from tests.integration.waiting import until


def create(bootstrap: str, *, replicas: int = 1, config: dict[str, str] | None = None) -> str:
    topic = f"cluster-{uuid.uuid4().hex}"
    # Held: what an AdminClient was asked for dies with it.
    admin = AdminClient({"bootstrap.servers": bootstrap})
    new = NewTopic(topic, num_partitions=1, replication_factor=replicas, config=config or {})
    for made in admin.create_topics([new]).values():
        made.result(timeout=30)
    return topic


def leader_of(bootstrap: str, topic: str) -> int:
    """Brokers that are asked right after a topic was made may not have heard of it."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    found: list[int] = []

    def is_known() -> bool:
        found[:] = [each.leader for each in admin.list_topics(topic, timeout=10).topics[topic].partitions.values()]
        return bool(found) and found[0] > 0

    until(is_known, within=30, what=f"the leader of {topic}")
    return found[0]


def produce(bootstrap: str, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(60) == 0


def consume(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    got: list[Message] = []

    def enough() -> bool:
        got.extend(message for message in consumer.consume(count, timeout=1) if message.error() is None)
        return len(got) >= count

    try:
        until(enough, within=60, what=f"{count} records of {topic}")
    finally:
        consumer.close()
    return [message.value() for message in got]


def test_what_is_produced_is_consumed_by_a_group(kafka: str) -> None:
    topic = create(kafka)
    produce(kafka, topic, [b"one", b"two"])
    assert consume(kafka, topic, 2) == [b"one", b"two"]


def test_a_topic_keeps_the_cleanup_policy_it_was_created_with(kafka: str) -> None:
    topic = create(kafka, config={"cleanup.policy": "compact"})
    resource = ConfigResource(ResourceType.TOPIC, topic)
    admin = AdminClient({"bootstrap.servers": kafka})
    described = admin.describe_configs([resource])[resource].result(timeout=30)
    assert described["cleanup.policy"].value == "compact"


def test_a_topic_that_nobody_created_is_an_error(kafka: str) -> None:
    producer = Producer({"bootstrap.servers": kafka, "message.timeout.ms": 2000, "log_level": 0})
    errors: list[str] = []
    producer.produce(f"absent-{uuid.uuid4().hex}", b"lost", on_delivery=lambda error, _: errors.append(str(error)))
    until(lambda: producer.poll(0.1) > 0, within=30, what="the report of the failed delivery")
    assert len(errors) == 1


def test_records_survive_that_the_only_broker_is_killed_and_restarted(
    kafka_clusters: StartCluster,
) -> None:
    cluster = kafka_clusters()
    topic = create(cluster.bootstrap)
    produce(cluster.bootstrap, topic, [b"before"])
    cluster.broker(1).kill()
    with pytest.raises(KafkaException):
        AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0}).list_topics(timeout=0.5)
    cluster.restart(1)
    produce(cluster.bootstrap, topic, [b"after"])
    assert consume(cluster.bootstrap, topic, 2) == [b"before", b"after"]


def test_three_brokers_take_acknowledged_writes_while_one_of_them_is_dead(
    kafka_clusters: StartCluster,
) -> None:
    cluster = kafka_clusters(size=3)
    topic = create(cluster.bootstrap, replicas=3)
    leader = leader_of(cluster.bootstrap, topic)
    produce(cluster.bootstrap, topic, [b"all three"])
    cluster.broker(leader).kill()
    produce(cluster.bootstrap, topic, [b"two of three"])
    cluster.restart(leader)
    produce(cluster.bootstrap, topic, [b"all again"])
    assert consume(cluster.bootstrap, topic, 3) == [b"all three", b"two of three", b"all again"]


def test_properties_of_the_test_win_over_the_defaults(kafka_clusters: StartCluster) -> None:
    cluster = kafka_clusters(properties={"num.partitions": "7"})
    resource = ConfigResource(ResourceType.BROKER, "1")
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    assert admin.describe_configs([resource])[resource].result(timeout=30)["num.partitions"].value == "7"
