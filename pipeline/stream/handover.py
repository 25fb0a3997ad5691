"""Sends what a person decided, or what was learnt elsewhere, into the logs that it concerns.

A decision goes to every partition of the windows topic, anchors of an operator to the operator's own. There they stand
among the windows, so that they count at the same place whenever the log is read again, and survive every restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipeline.codec import encode
from pipeline.detect.evidence import Learned
from pipeline.messages import Decision
from pipeline.stream.names import Names, partition_of
from pipeline.stream.stamps import Stamp
from pipeline.stream.topics import LARGEST_MESSAGE, ClusterError, Topics

ANSWER_S: Final = 30.0


class NotSentError(Exception):
    """The cluster does not answer, refuses, or has no such deployment."""


def send(client: Mapping[str, Any], names: Names, messages: Iterable[Decision | Learned]) -> int:
    """Send, and wait until all of it is there; the number of partitions of the windows topic.

    Sending again what failed in part is safe: what has its own id counts once.

    Raises:
        NotSentError: not all of it is there.
    """
    try:
        partitions = Topics(client, answer_s=ANSWER_S).partitions([names.windows]).get(names.windows)
    except ClusterError as error:
        raise NotSentError(str(error)) from error
    if partitions is None:
        msg = f"there is no topic {names.windows}; is the prefix right?"
        raise NotSentError(msg)
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
            if isinstance(message, Decision):
                identity, where = message.decision_id, list(range(partitions))
            else:
                identity, where = message.learned_id, [partition_of(message.operator, partitions)]
            source = f"handed over/{identity}"
            body, header = encode(message), Stamp(0, 0, 0).header(source)
            for partition in where:
                producer.produce(
                    names.windows, body, source.encode(), partition=partition, headers=[header], on_delivery=told
                )
        left = producer.flush(ANSWER_S)
    except KafkaException as error:
        raise NotSentError(error.args[0].str()) from error
    if failed or left:
        raise NotSentError(failed[0] if failed else f"no answer in {ANSWER_S:.0f} s")
    return partitions
