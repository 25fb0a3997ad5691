"""What a worker must be allowed to do, and what of it the cluster does not allow: all of it said at the start.

A right that is missing would else show when it is first used, one by one, in the words of the client.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from pipeline.stream.names import Names
from pipeline.stream.settings import Settings

_REFUSALS: Final = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED})

READ: Final = AclOperation.READ
WRITE: Final = AclOperation.WRITE
DESCRIBE: Final = AclOperation.DESCRIBE


@dataclass(frozen=True, slots=True)
class Right:
    """To do something with a topic or group. kind: `topic` or `group`."""

    kind: str
    name: str
    operation: AclOperation

    def __str__(self) -> str:
        return f"{self.operation.name.title()} on {self.kind} {self.name}"


def needed(settings: Settings) -> list[Right]:
    """For the stages of a worker, each once."""
    names = Names(settings.prefix)
    of_topics: dict[str, list[tuple[str, AclOperation]]] = {
        "ingest": [
            *((topic, READ) for topic in settings.inputs),
            (names.windows, WRITE),
            (names.rejects, WRITE),
        ],
        "baseline": [
            *((topic, DESCRIBE) for topic in settings.inputs),
            (names.windows, READ),
            (names.evidence, WRITE),
            (names.changes, WRITE),
            (names.baseline_state, READ),
            (names.baseline_state, WRITE),
        ],
        "pattern": [
            (names.windows, DESCRIBE),
            (names.evidence, READ),
            (names.changes, READ),
            (names.evidence, WRITE),
            (names.rejects, WRITE),
            (names.incidents, WRITE),
            (names.pattern_state, READ),
            (names.pattern_state, WRITE),
        ],
        "route": [(names.incidents, READ)],
    }
    rights = [Right("group", settings.group, READ)]
    rights += [Right("topic", topic, operation) for stage in settings.stages for topic, operation in of_topics[stage]]
    return list(dict.fromkeys(rights))


def lacking(admin: AdminClient, rights: Iterable[Right], answer_s: float) -> list[Right]:
    """Those of `rights` that the cluster does not give; nothing of what does not exist, or that it does not tell."""
    rights = list(rights)
    topics = sorted({right.name for right in rights if right.kind == "topic"})
    groups = sorted({right.name for right in rights if right.kind == "group"})
    asked = (
        admin.describe_topics(TopicCollection(topics), include_authorized_operations=True, request_timeout=answer_s)
        if topics
        else {}
    )
    given = {("topic", name): _operations(done) for name, done in asked.items()}
    for group in groups:
        # Not all at once: the client asks the coordinator of each, and one that does not answer holds up no other.
        for name, done in admin.describe_consumer_groups(
            [group], include_authorized_operations=True, request_timeout=answer_s
        ).items():
            given["group", name] = _operations(done)
    return [right for right in rights if not _allows(given.get((right.kind, right.name)), right)]


def _operations(done: object) -> Sequence[AclOperation] | None:
    """What is allowed; None where the cluster does not tell."""
    try:
        found = done.result()  # type: ignore[attr-defined]  # a future of the client, which has two types for it
    except KafkaException as error:
        return () if error.args[0].code() in _REFUSALS else None
    operations: Sequence[AclOperation] | None = found.authorized_operations
    return operations or None


def _allows(given: Sequence[AclOperation] | None, right: Right) -> bool:
    if given is None:
        return True
    # Whoever may read or write a topic may ask about it.
    implied = {READ, WRITE} if right.operation is DESCRIBE else set()
    return right.operation in given or AclOperation.ALL in given or bool(implied.intersection(given))


def how_to_give(rights: Sequence[Right]) -> str:
    """The command that gives the first of them, as a pattern for all."""
    first = rights[0]
    return (
        f"kafka-acls.sh --add --allow-principal User:NAME --operation {first.operation.name.title()} "
        f"--{first.kind} '{first.name}'"
    )
