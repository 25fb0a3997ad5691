"""Seamwatch's topics: what they should be, creating them, and saying what is not as it should be."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

from pipeline.stream.names import Names
from pipeline.stream.rights import Right, lacking
from pipeline.stream.tokens import TokenError
from pipeline.stream.trouble import Listener, Trouble

LARGEST_MESSAGE: Final = 16 << 20
"""Bytes: the windows of a large operator's minute, or the evidence of thousands of cohorts, are one message."""

_DAY_MS: Final = 86_400_000
_PAUSE_S: Final = 0.05
_NOT_YET: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        # "No leaders found": the client looks for the leader before it asks.
        KafkaError._NOENT,
        KafkaError._UNKNOWN_PARTITION,
    }
)
"""What brokers say of a partition that is being made."""

_COMPACTED: Final = {
    "cleanup.policy": "compact",
    # What is read at a start is what has not been compacted away: segments are kept small and compacted early.
    "segment.bytes": str(64 << 20),
    "min.cleanable.dirty.ratio": "0.1",
}


class ClusterError(Exception):
    """The cluster does not answer, or refuses. lasting: trying again does not help."""

    def __init__(self, why: str, *, lasting: bool = False) -> None:
        self.lasting = lasting
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic should be. `partitions` None: as many as are wanted. `ours`: it is Seamwatch's to create.

    replicas: at least so many; None: any number.
    """

    name: str
    partitions: int | None
    config: Mapping[str, str] = field(default_factory=dict)
    ours: bool = True
    replicas: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a topic that is not as it should be, and what to do."""

    topic: str
    wrong: str
    right: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.wrong}; {self.right}"


def wanted(names: Names, *, replicas: int) -> list[Topic]:
    """Seamwatch's own topics."""
    # A write counts once two replicas have it, so that no single failure loses it, and none stops it either.
    safe = {"min.insync.replicas": str(max(1, replicas - 1)), "max.message.bytes": str(LARGEST_MESSAGE)}
    # The windows and evidence of a week: a stage that was down for a long weekend finds what it missed.
    kept = {"cleanup.policy": "delete", "retention.ms": str(7 * _DAY_MS)}
    own = [
        Topic(names.windows, None, safe | kept),
        Topic(names.evidence, 1, safe | kept),
        Topic(names.incidents, None, safe | _COMPACTED),
        Topic(names.rejects, None, safe | kept),
        # Few and small; what a configuration is now may have been set long ago.
        Topic(names.changes, 1, safe | {"cleanup.policy": "delete", "retention.ms": str(400 * _DAY_MS)}),
        Topic(names.baseline_state, None, safe | _COMPACTED),
        Topic(names.pattern_state, 1, safe | _COMPACTED),
    ]
    return [dataclasses.replace(topic, replicas=replicas) for topic in own]


class Topics:
    """The topics of one cluster.

    Args:
        client: settings of a confluent-kafka client.
        answer_s: how long to wait for an answer.

    Raises ClusterError when it needs a token and there is none.
    """

    def __init__(self, client: Mapping[str, Any], answer_s: float = 15.0) -> None:
        self._log = Listener()
        self._answer_s = answer_s
        try:
            if "oauth_cb" in client:
                # The client would wait for ten seconds, and not say why.
                client["oauth_cb"]("")
            self._admin = AdminClient(dict(client), logger=self._log)
        except TokenError as error:
            raise ClusterError(str(error)) from None
        except KafkaException as error:
            raise ClusterError(error.args[0].str()) from error

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """Number of partitions by topic; those that do not exist are left out. Raises ClusterError."""
        return {topic: len(replicas) for topic, replicas in self._replicas(topics).items()}

    def _replicas(self, topics: Iterable[str]) -> dict[str, list[int]]:
        """How many replicas each partition has, by topic; those that do not exist are left out. Raises ClusterError."""
        found = {}
        for topic in topics:
            answer = self._ask(partial(self._admin.list_topics, topic, timeout=self._answer_s)).topics[topic]
            if answer.error is None:
                found[topic] = [len(partition.replicas) for partition in answer.partitions.values()]
            elif answer.error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise _refused(topic, "Describe")
            elif answer.error.code() not in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
                msg = f"{topic}: {answer.error.str()}"
                raise ClusterError(msg)
        return found

    def lacking(self, rights: Iterable[Right]) -> list[Right]:
        """Rights that the cluster does not give. Raises ClusterError."""
        self._ask(partial(self._admin.list_topics, timeout=self._answer_s))
        return lacking(self._admin, rights, self._answer_s)

    def brokers(self) -> int:
        """How many brokers the cluster has. Raises ClusterError."""
        return len(self._ask(partial(self._admin.list_topics, timeout=self._answer_s)).brokers)

    def create(self, topics: Iterable[Topic], *, partitions: int, replicas: int) -> list[str]:
        """Create those that are not there, and wait until they can be used; names of those that were made.

        Raises ClusterError.
        """
        new = [
            NewTopic(
                topic.name,
                num_partitions=topic.partitions or partitions,
                replication_factor=replicas,
                config=dict(topic.config),
            )
            for topic in topics
        ]
        made = []
        for name, done in self._admin.create_topics(new, operation_timeout=self._answer_s).items():
            try:
                self._ask(done.result)
                made.append(name)
            except ClusterError as error:
                cause = error.__cause__
                code = cause.args[0].code() if isinstance(cause, KafkaException) else None
                if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    raise _refused(name, "Create") from error
                if code != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
        self._await_leaders(made)
        return made

    def _await_leaders(self, topics: Iterable[str]) -> None:
        """A cluster has made a topic before all of its brokers know."""
        waiting, deadline = list(topics), time.monotonic() + self._answer_s
        while waiting and time.monotonic() < deadline:
            waiting = [topic for topic in waiting if not self._is_led(topic)]
            time.sleep(_PAUSE_S)
        if waiting:
            msg = f"{waiting[0]}: not every partition has a leader after {self._answer_s:.0f} s"
            raise ClusterError(msg)

    def _is_led(self, topic: str) -> bool:
        found = self._ask(partial(self._admin.list_topics, topic, timeout=self._answer_s)).topics[topic]
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the client's hints have a hole here
        partitions = {TopicPartition(topic, partition): latest for partition in found.partitions}
        if found.error is not None or not partitions:
            return False
        try:
            for done in self._admin.list_offsets(partitions, request_timeout=self._answer_s).values():
                done.result()
        except KafkaException as error:
            if error.args[0].code() in _NOT_YET:
                return False
            msg = f"{topic}: {error.args[0].str()}"
            raise ClusterError(msg) from error
        return True

    def check(self, topics: Iterable[Topic]) -> list[Finding]:
        """All that is not as it should be. Raises ClusterError."""
        topics = list(topics)
        found = []
        replicas = self._replicas(topic.name for topic in topics)
        have = {topic: len(counts) for topic, counts in replicas.items()}
        there = [topic for topic in topics if topic.name in have]
        for topic in topics:
            if topic.name not in have:
                right = "create it: seamwatch topics --create" if topic.ours else "name one that does with --input"
                found.append(Finding(topic.name, "does not exist", right))
            elif topic.partitions is not None and have[topic.name] != topic.partitions:
                wrong = f"has {have[topic.name]} partitions, not {topic.partitions}"
                found.append(
                    Finding(topic.name, wrong, "delete it and create it anew: partitions cannot be taken away")
                )
        for topic in there:
            fewest = min(replicas[topic.name], default=0)
            if topic.replicas is not None and fewest < topic.replicas:
                wrong = f"has {fewest} replicas, not {topic.replicas}: a broker that is lost takes data with it"
                found.append(Finding(topic.name, wrong, "add some (kafka-reassign-partitions.sh), or say --replicas"))
        counts = {topic.name: have[topic.name] for topic in there}
        found += _pairs(counts, there)
        configs = self._configs(topic.name for topic in there)
        for topic in there:
            found += _differences(topic, configs[topic.name])
        return found

    def _configs(self, topics: Iterable[str]) -> dict[str, dict[str, str]]:
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
        if not resources:
            return {}
        answers = self._admin.describe_configs(resources, request_timeout=self._answer_s)
        found = {}
        for resource, done in answers.items():
            try:
                entries = self._ask(done.result)
            except ClusterError as error:
                cause = error.__cause__
                if isinstance(cause, KafkaException) and cause.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    raise _refused(resource.name, "DescribeConfigs") from error
                raise
            found[resource.name] = {name: entry.value for name, entry in entries.items()}
        return found

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except KafkaException as error:
            # The client's log reaches us when it is polled.
            self._admin.poll(0)
            trouble = self._log.trouble() or Trouble(error.args[0].str(), False)
            raise ClusterError(trouble.text, lasting=trouble.lasting) from error


def _refused(topic: str, operation: str) -> ClusterError:
    return ClusterError(f"not allowed: {operation} on topic {topic}", lasting=True)


def _pairs(counts: Mapping[str, int], topics: Iterable[Topic]) -> list[Finding]:
    """Each partition of windows has its state in the partition of the same number."""
    windows = next((name for name in counts if name.endswith("windows")), None)
    state = next((name for name in counts if name.endswith("state.baseline")), None)
    if windows is None or state is None or counts[windows] == counts[state]:
        return []
    wrong = f"has {counts[state]} partitions, and {windows} has {counts[windows]}"
    return [Finding(state, wrong, "give both the same number; each partition of one goes with one of the other")]


def _differences(topic: Topic, config: Mapping[str, str]) -> list[Finding]:
    found = []
    for key, value in topic.config.items():
        have = config.get(key)
        if have is None or have == value:
            continue
        if key == "retention.ms" and (int(have) == -1 or int(have) >= int(value)):
            continue
        if key == "max.message.bytes" and int(have) >= int(value):
            continue
        if key == "min.insync.replicas" and int(have) >= int(value):
            continue
        if key in ("segment.bytes", "min.cleanable.dirty.ratio"):
            # Matters of speed, which an operator may have tuned.
            continue
        alter = f"kafka-configs.sh --alter --entity-type topics --entity-name {topic.name}"
        right = f"set it: {alter} --add-config {key}={value}"
        found.append(Finding(topic.name, f"{key} is {have}, not {value}", right))
    return found
