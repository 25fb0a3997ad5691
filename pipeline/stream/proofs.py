"""What drills have shown, on a compacted topic: published by `seamwatch drill`, read by every worker.

A proof that proves has its service for its key, and stays until the next one; one that does not has another key, so
that it takes nothing away from when the service was last proven.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from pipeline.codec import decode, encode
from pipeline.messages import Proof
from pipeline.stream.handover import ANSWER_S, NotSentError
from pipeline.stream.names import Names
from pipeline.stream.topics import ClusterError, Topics

MISSED: Final = "!missed"
"""Ends the key of a proof that does not prove."""
_WAIT_S: Final = 0.5
_GRACE_S: Final = 2.0
_ASK_S: Final = 3.0


def key_of(proof: Proof) -> str:
    return proof.service if proof.found else proof.service + MISSED


def publish(client: Mapping[str, Any], names: Names, proofs: Iterable[Proof]) -> None:
    """Send, and wait until all of it is there.

    Raises:
        NotSentError: not all of it is there.
    """
    try:
        there = Topics(client, answer_s=ANSWER_S).partitions([names.proofs])
    except ClusterError as error:
        raise NotSentError(str(error)) from error
    if names.proofs not in there:
        msg = f"there is no topic {names.proofs}; create it: seamwatch topics --create"
        raise NotSentError(msg)
    failed: list[str] = []

    def told(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failed.append(error.str())

    settings = {"log_level": 0, "acks": "all", "enable.idempotence": True, "message.timeout.ms": int(ANSWER_S * 1000)}
    producer = Producer({**settings, **client})
    try:
        for proof in proofs:
            producer.produce(names.proofs, encode(proof), key_of(proof), on_delivery=told)
        left = producer.flush(ANSWER_S)
    except KafkaException as error:
        raise NotSentError(error.args[0].str()) from error
    if failed or left:
        raise NotSentError(failed[0] if failed else f"no answer in {ANSWER_S:.0f} s")


class ProofReader:
    """Reads the topic from its beginning, and goes on, in a thread of its own and outside of every group.

    Args:
        take: called in that thread with every proof; what is none is passed over.
    """

    def __init__(self, client: Mapping[str, Any], names: Names, take: Callable[[Proof], None]) -> None:
        self._client = dict(client)
        self._topic = names.proofs
        self._take = take
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._read, name="proofs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it may take a moment, or for a broker that does not answer some more."""
        self._ending.set()
        self._thread.join(_GRACE_S)

    def _read(self) -> None:
        partitions = self._partitions()
        consumer = Consumer(
            {"log_level": 0, "group.id": "unused", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
            | self._client
        )
        try:
            consumer.assign([TopicPartition(self._topic, number, OFFSET_BEGINNING) for number in range(partitions)])
            while not self._ending.is_set():
                message = consumer.poll(_WAIT_S)
                value = None if message is None or message.error() is not None else message.value()
                if value is not None:
                    self._told(value)
        finally:
            consumer.close()

    def _told(self, value: bytes) -> None:
        try:
            found = decode(value)
        except msgspec.MsgspecError:
            return
        if isinstance(found, Proof):
            self._take(found)

    def _partitions(self) -> int:
        """As soon as the cluster says how many there are."""
        while not self._ending.wait(_WAIT_S):
            try:
                found = Topics(self._client, answer_s=_ASK_S).partitions([self._topic])
            except ClusterError:
                continue
            if found:
                return found[self._topic]
        return 0
