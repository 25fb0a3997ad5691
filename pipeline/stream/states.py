"""The newest snapshots of all stages of a deployment, read from the state topics by whoever wants to look into them.

Where a snapshot is the group's commit says (see `checkpoints`). Nothing is joined, committed or buried.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
import zstandard
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from pipeline.stream.checkpoints import LARGEST, VERSION, LostStateError, Pointer
from pipeline.stream.names import Names, source_of
from pipeline.stream.topics import ClusterError, Topics

_ANSWER_S: Final = 15.0
_AT_ONCE: Final = 100

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Held:
    """A stage's newest snapshot. source: the stage's instance, such as `windows/3`; position: of its input, up to which
    it knows all; topic, partition: where it was written."""

    source: str
    stage: str
    position: int
    topic: str
    partition: int
    pointer: Pointer


class _Versioned(msgspec.Struct):
    version: int


class _Plain(msgspec.Struct):
    version: int
    position: int
    state: dict[str, Any]


class _References(msgspec.Struct):
    """What is wanted of the pattern stage's references; the rest of a large state is passed over unread."""

    cohorts: list[list[str]]
    days: dict[str, Any]
    lender: list[str]
    doubt: list[tuple[int, str]] = []
    accepted: list[tuple[int, str]] = []


class _PatternState(msgspec.Struct):
    references: _References


class _PatternSnapshot(msgspec.Struct):
    version: int
    state: _PatternState


def held(client: Mapping[str, Any], group: str, names: Names) -> list[Held]:
    """Those of all partitions of the windows topic, and that of pattern; none of a stage that has written none yet.

    Raises:
        ClusterError: no answer, or refused.
    """
    partitions = Topics(client, _ANSWER_S).partitions([names.windows])
    asked = [TopicPartition(names.windows, number) for number in range(partitions.get(names.windows, 0))]
    asked.append(TopicPartition(names.evidence, 0))
    consumer = _consumer(client, group)
    try:
        committed = consumer.committed(asked, timeout=_ANSWER_S)
    except KafkaException as error:
        raise ClusterError(error.args[0].str()) from error
    finally:
        consumer.close()
    found = []
    for at in committed:
        pointer = _pointer(_metadata(at))
        if at.error is None and at.offset >= 0 and pointer is not None:
            is_pattern = at.topic == names.evidence
            source = source_of("evidence" if is_pattern else "windows", at.partition)
            topic = names.pattern_state if is_pattern else names.baseline_state
            stage = "pattern" if is_pattern else "baseline"
            found.append(Held(source, stage, at.offset, topic, at.partition, pointer))
    return found


def load(client: Mapping[str, Any], group: str, one: Held) -> dict[str, Any]:
    """What a stage knows, as plain data.

    Raises:
        LostStateError: it is no longer there (a newer one has replaced it), or this program cannot read it.
        ClusterError: no answer, or refused.
    """
    return _decoded(_body(client, group, one), one, _Plain).state


def references(client: Mapping[str, Any], group: str, one: Held) -> _References:
    """Of the pattern stage's snapshot, what it knows of the anchors; as `load`."""
    return _decoded(_body(client, group, one), one, _PatternSnapshot).state.references


def _metadata(at: TopicPartition) -> str:
    """As committed, and perhaps more: the client reads on to the next zero byte, and what it finds need be no text."""
    try:
        return at.metadata or ""
    except UnicodeDecodeError as error:
        return bytes(error.object[: error.start]).decode()


def _pointer(metadata: str) -> Pointer | None:
    try:
        plain, _ = json.JSONDecoder().raw_decode(metadata)
        return msgspec.convert(plain, Pointer)
    except (ValueError, msgspec.MsgspecError):
        return None


def _consumer(client: Mapping[str, Any], group: str) -> Consumer:
    return Consumer(
        {
            "log_level": 0,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            **client,
        }
    )


def _body(client: Mapping[str, Any], group: str, one: Held) -> bytes:
    pointer = one.pointer
    keys = [
        f"{one.source} {one.position} {pointer.writer} {number}".encode() for number in range(pointer.pieces)
    ]  # as `Checkpoints` names them
    pieces: dict[bytes, bytes] = {}
    consumer = _consumer(client, group)
    try:
        consumer.assign([TopicPartition(one.topic, one.partition, pointer.at)])
        quiet = 0
        while len(pieces) < len(keys) and quiet < int(_ANSWER_S):
            records = consumer.consume(_AT_ONCE, 1.0)
            quiet = 0 if records else quiet + 1
            for record in records:
                error = record.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:
                    quiet = int(_ANSWER_S)
                elif error is not None:
                    raise ClusterError(error.str())
                else:
                    key, value = record.key(), record.value()
                    if key is not None and value is not None and key in keys:
                        pieces[key] = value
    except KafkaException as error:
        raise ClusterError(error.args[0].str()) from error
    finally:
        consumer.close()
    if len(pieces) < len(keys):
        raise _lost(one, "a newer one has replaced it, or it is gone")
    return b"".join(pieces[key] for key in keys)


def _decoded(body: bytes, one: Held, kind: type[S]) -> S:
    try:
        plain = zstandard.ZstdDecompressor().decompress(body, max_output_size=LARGEST)
        version = msgspec.msgpack.decode(plain, type=_Versioned).version
        if version != VERSION:
            raise _lost(one, f"it has version {version}, and this program reads {VERSION}")
        return msgspec.msgpack.decode(plain, type=kind)
    except (zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise _lost(one, str(error)) from error


def _lost(one: Held, why: str) -> LostStateError:
    return LostStateError(f"the snapshot of {one.source} at offset {one.position} cannot be read: {why}")
