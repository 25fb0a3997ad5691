"""Sends what a person decided, did or told of, or what was learnt elsewhere, into the logs that it concerns.

    Decision   every partition of the windows topic
    Learned    the partition of its operator, of the windows topic
    Action     the partition of the evidence topic that the pattern stage reads
    Change     the changes topic, from where it is relayed to that

There they stand among the windows or the evidence, so that they count at the same place whenever the log is read again,
and survive every restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipeline.codec import encode
from pipeline.detect.evidence import Learned
from pipeline.messages import Action, Change, Decision
from pipeline.stream.names import EVIDENCE_PARTITION, Names, partition_of
from pipeline.stream.stamps import HANDED, Stamp
from pipeline.stream.topics import LARGEST_MESSAGE, ClusterError, Topics

ANSWER_S: Final = 30.0


class NotSentError(Exception):
    """The cluster does not answer, refuses, or has no such deployment."""


Handed: TypeAlias = Decision | Learned | Action | Change


def send(client: Mapping[str, Any], names: Names, messages: Iterable[Handed]) -> int:
    """Send, and wait until all of it is there; the number of partitions of the windows topic.

    Sending again what failed in part is safe: what has its own id counts once. What an action is about is not looked
    for here; `pipeline.stream.newest` knows.

    Raises:
        NotSentError: not all of it is there.
    """
    messages = list(messages)
    topics = [names.windows]
    if any(isinstance(message, Action) for message in messages):
        topics.append(names.evidence)
    if any(isinstance(message, Change) for message in messages):
        topics.append(names.changes)
    try:
        there = Topics(client, answer_s=ANSWER_S).partitions(topics)
    except ClusterError as error:
        raise NotSentError(str(error)) from error
    for topic in topics:
        if topic not in there:
            msg = f"there is no topic {topic}; is the prefix right?"
            raise NotSentError(msg)
    partitions = there[names.windows]
    failed: list[str] = []

    def told(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failed.append(error.str())

    producer = Producer(
        {
            "log_level": 0,
            "acks": "all",
            "enable.idempotence": True,
            "message.timeout.ms": int(ANSWER_S * 1000),
            "message.max.bytes": LARGEST_MESSAGE,
            **client,
        }
    )
    try:
        for message in messages:
            identity, topic, where = _address(message, names, partitions)
            source = f"{HANDED}{identity}"
            body, header = encode(message), Stamp(0, 0, 0).header(source)
            for partition in where:
                producer.produce(topic, body, source.encode(), partition=partition, headers=[header], on_delivery=told)
        left = producer.flush(ANSWER_S)
    except KafkaException as error:
        raise NotSentError(error.args[0].str()) from error
    if failed or left:
        raise NotSentError(failed[0] if failed else f"no answer in {ANSWER_S:.0f} s")
    return partitions


def _address(message: Handed, names: Names, partitions: int) -> tuple[str, str, list[int]]:
    """Identity, topic and its partitions; `partitions`: how many the windows topic has."""
    if isinstance(message, Decision):
        return message.decision_id, names.windows, list(range(partitions))
    if isinstance(message, Learned):
        return message.learned_id, names.windows, [partition_of(message.operator, partitions)]
    if isinstance(message, Action):
        return message.action_id, names.evidence, [EVIDENCE_PARTITION]
    return message.change_id, names.changes, [0]
