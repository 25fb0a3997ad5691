"""Files by which one command hands to another what was learnt, decided, done or told: one JSON object a line.

Changes may stand in YAML as well, as people write them (see docs/incidents.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from models.snapshot import SnapshotError
from pipeline import changes
from pipeline.codec import decode, encode
from pipeline.config.changes import read as read_yaml
from pipeline.detect.evidence import Learned
from pipeline.detect.handover import check
from pipeline.engine import Told
from pipeline.incidents import people
from pipeline.messages import Action, Change, Decision
from pipeline.observation import DIMENSIONS

_Kind = TypeVar("_Kind")


class UnusableFileError(Exception):
    """A file cannot be read, or holds something else; the message has file, line and what would be right."""


def read_learned(name: str) -> list[Learned]:
    """Raises UnusableFileError."""
    found = _read(name, Learned, "what `seamwatch learn` writes")
    for number, learned in found:
        try:
            check(learned)
        except SnapshotError as error:
            msg = f"{name}:{number}: {error}"
            raise UnusableFileError(msg) from error
    return [learned for _, learned in found]


def read_decisions(name: str) -> list[Told]:
    """What people decided, did or told of. Raises UnusableFileError."""
    what = "what `seamwatch accept`, `incident` or `changes add` write with --to"
    found: list[tuple[int, Told]] = _read(name, (Decision, Action, Change), what)
    return _sound(name, found, fault)


def read_changes(name: str) -> list[Change]:
    """Of a file of NDJSON, or of YAML if it is called so. Raises UnusableFileError."""
    if Path(name).suffix in (".yaml", ".yml"):
        listed, faults = read_yaml(Path(name))
        if faults:
            raise UnusableFileError("\n".join(map(str, faults)))
        return listed
    # What other tools write need not say of which type it is: here all are of one.
    found = _read(name, Change, "a change, see docs/incidents.md", lambda line: msgspec.json.decode(line, type=Change))
    return _sound(name, found, changes.fault)


def append(name: str, messages: Iterable[Learned | Told]) -> None:
    """Raises OSError."""
    with Path(name).open("ab") as file:
        file.writelines(encode(message) + b"\n" for message in messages)


def fault(told: Told) -> str | None:
    """What is wrong with something that was told, if anything."""
    if isinstance(told, Decision):
        return _fault(told)
    return people.fault(told) if isinstance(told, Action) else changes.fault(told)


def _fault(decision: Decision) -> str | None:
    for name in decision.scope:
        if name not in DIMENSIONS:
            return f"{name!r} is no dimension; there are {', '.join(DIMENSIONS)}"
    if not 1 <= decision.days <= MOST_DAYS:
        return f"the present level is that of 1 to {MOST_DAYS} days, not {decision.days}"
    if not decision.reason.strip() or not decision.by.strip():
        return "a decision has a reason, and somebody who took it"
    return None


MOST_DAYS = 7


def _sound(name: str, found: list[tuple[int, _Kind]], wrong: Callable[[_Kind], str | None]) -> list[_Kind]:
    for number, one in found:
        if why := wrong(one):
            msg = f"{name}:{number}: {why}"
            raise UnusableFileError(msg)
    return [one for _, one in found]


def _read(name: str, kind: Any, what: str, decoded: Callable[[bytes], Any] = decode) -> list[tuple[int, Any]]:
    """Messages of one kind, or of several, each with its line."""
    try:
        lines = Path(name).read_bytes().splitlines()
    except OSError as error:
        msg = f"{name}: cannot be read: {error.strerror}"
        raise UnusableFileError(msg) from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            message = decoded(line)
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            msg = f"{name}:{number}: is not {what}: {error}"
            raise UnusableFileError(msg) from error
        if not isinstance(message, kind):
            msg = f"{name}:{number}: is a {type(message).__name__.lower()}, not {what}"
            raise UnusableFileError(msg)
        found.append((number, message))
    return found
