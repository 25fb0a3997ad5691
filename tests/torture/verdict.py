"""Whether a tortured run said what an undisturbed one says: nothing lost, nothing doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from pipeline.codec import Message, encode
from pipeline.detect.evidence import Anchors, Evidence
from pipeline.messages import Tick, Windows
from tests.stream.live import Live


@dataclass(frozen=True, slots=True)
class Said:
    """What a run said, repeats dropped: every message once, by its topic."""

    windows: Counter[Hashable]
    evidence: Counter[Hashable]
    incidents: tuple[Hashable, ...]
    closed: int
    """The last minute that every baseline has closed."""


def said(live: Live, end: int) -> Said:
    """Of the minutes up to `end`, ms; later ones may be open still."""
    names = live.names
    answers = live.read(names.evidence)
    windows = [it for it in live.read(names.windows) if isinstance(it, Windows) and it.minute <= end]
    evidence = [it for it in answers if isinstance(it, Evidence | Anchors) and it.minute <= end]
    incidents = [it for it in live.incidents() if it.at <= end]
    incidents.sort(key=lambda incident: (incident.incident_id, incident.at))
    closed = _closed(answers, live.topics.partitions([names.windows])[names.windows])
    return Said(_once(windows), _once(evidence), tuple(encode(incident) for incident in incidents), closed)


def differences(found: Said, expected: Said) -> list[str]:
    """What is lost or doubled, a line each; none when all is well."""
    lines = []
    for topic in ("windows", "evidence"):
        have, want = getattr(found, topic), getattr(expected, topic)
        lines += [f"{topic}: lost {_short(message)}" for message in (want - have).elements()]
        lines += [f"{topic}: doubled or other {_short(message)}" for message in (have - want).elements()]
    if found.incidents != expected.incidents:
        lines.append(f"incidents: {len(found.incidents)} records instead of {len(expected.incidents)}, or others")
    return lines


def _once(messages: Iterable[Message]) -> Counter[Hashable]:
    return Counter(encode(message) for message in messages)


def _closed(messages: Iterable[Message], baselines: int) -> int:
    last: dict[str, int] = {}
    for message in messages:
        if isinstance(message, Tick):
            last[message.source] = max(message.minute, last.get(message.source, 0))
    return min(last.values()) if len(last) == baselines else 0


def _short(message: Hashable) -> str:
    text = message.decode() if isinstance(message, bytes) else str(message)
    return text if len(text) <= 160 else f"{text[:160]}…"
