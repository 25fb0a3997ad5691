"""What the topics of a deployment say now: its incidents, each as it is, and the changes that are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pipeline.changes import fault
from pipeline.codec import decode
from pipeline.messages import Change, Incident
from pipeline.stream.history import TopicHistory
from pipeline.stream.names import Names
from pipeline.stream.topics import ClusterError


def incidents(client: Mapping[str, Any], names: Names) -> list[Incident]:
    """The newest record of each incident, those that changed last at the end. Raises ClusterError."""
    found: dict[str, Incident] = {}
    for message in told(client, names):
        before = found.get(message.incident_id)
        if before is None or message.at >= before.at:
            found[message.incident_id] = message
    return sorted(found.values(), key=lambda one: (one.at, one.incident_id))


def told(client: Mapping[str, Any], names: Names) -> Iterator[Incident]:
    """Every record of an incident that the topic still holds, in order within a partition. Raises ClusterError."""
    for value in _values(client, names.incidents):
        try:
            message = decode(value)
        except msgspec.MsgspecError:
            continue  # of another version: the worker will say so
        if isinstance(message, Incident):
            yield message


def changes(client: Mapping[str, Any], names: Names) -> list[Change]:
    """Every change that was told or inferred and can be used, in order of time. Raises ClusterError."""
    found: dict[str, Change] = {}
    for value in _values(client, names.changes):
        try:
            change = msgspec.json.decode(value, type=Change)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue  # it is among the rejects
        if fault(change) is None:
            found.setdefault(change.change_id, change)
    return sorted(found.values(), key=lambda one: (one.at, one.change_id))


def _values(client: Mapping[str, Any], topic: str) -> Iterator[bytes]:
    history = TopicHistory(client, [topic])
    for _, batch in history:
        yield from batch.values
    if history.fault is not None:
        raise ClusterError(history.fault)
