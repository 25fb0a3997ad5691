"""Files by which one command hands anchors and decisions to another: one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from models.snapshot import SnapshotError
from pipeline.codec import decode, encode
from pipeline.detect.evidence import Learned
from pipeline.detect.handover import check
from pipeline.messages import Decision
from pipeline.observation import DIMENSIONS

_Kind = TypeVar("_Kind", Learned, Decision)


class UnusableFileError(Exception):
    """A file cannot be read, or holds something else; the message has file, line and what would be right."""


def read_learned(name: str) -> list[Learned]:
    """Raises UnusableFileError."""
    found = _read(name, Learned, "what `seamwatch learn` writes")
    for number, learned in enumerate(found, 1):
        try:
            check(learned)
        except SnapshotError as error:
            msg = f"{name}:{number}: {error}"
            raise UnusableFileError(msg) from error
    return found


def read_decisions(name: str) -> list[Decision]:
    """Raises UnusableFileError."""
    found = _read(name, Decision, "what `seamwatch accept --to` writes")
    for number, decision in enumerate(found, 1):
        if wrong := fault(decision):
            msg = f"{name}:{number}: {wrong}"
            raise UnusableFileError(msg)
    return found


def append(name: str, messages: Iterable[Learned | Decision]) -> None:
    """Raises OSError."""
    with Path(name).open("ab") as file:
        file.writelines(encode(message) + b"\n" for message in messages)


def fault(decision: Decision) -> str | None:
    """What is wrong with a decision, if anything."""
    for name in decision.scope:
        if name not in DIMENSIONS:
            return f"{name!r} is no dimension; there are {', '.join(DIMENSIONS)}"
    if not 1 <= decision.days <= MOST_DAYS:
        return f"the present level is that of 1 to {MOST_DAYS} days, not {decision.days}"
    if not decision.reason.strip() or not decision.by.strip():
        return "a decision has a reason, and somebody who took it"
    return None


MOST_DAYS = 7


def _read(name: str, kind: type[_Kind], what: str) -> list[_Kind]:
    try:
        lines = Path(name).read_bytes().splitlines()
    except OSError as error:
        msg = f"{name}: cannot be read: {error.strerror}"
        raise UnusableFileError(msg) from error
    found: list[_Kind] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            message = decode(line)
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            msg = f"{name}:{number}: is not {what}: {error}"
            raise UnusableFileError(msg) from error
        if not isinstance(message, kind):
            msg = f"{name}:{number}: is a {type(message).__name__.lower()}, not {what}"
            raise UnusableFileError(msg)
        found.append(message)
    return found
