"""An incident as Markdown: complete, for the page of a chat, a ticket or a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from pipeline.incidents.escaping import markdown
from pipeline.incidents.told import Message

_ADDRESS: Final = re.compile(r"https?://[^\s<>\\]+")


def document(message: Message) -> str:
    """Every part of the message, each under a heading of its own; those that have nothing to say are left out."""
    return "\n".join(_lines(message)) + "\n"


def _lines(message: Message) -> Iterator[str]:
    yield f"**{markdown(message.title)}**"
    yield ""
    yield markdown(message.summary)
    yield from _section("First", message.containment, numbered=True)
    yield from _section("Runbooks", map(_address, message.runbooks), literal=True)
    yield from _section("What changed", message.what)
    yield from _section("For whom", [_whom(message)])
    yield from _section("Since", [_since(message)])
    yield from _section("How sure", message.sure)
    yield from _section("Not affected", message.not_affected)
    yield from _section("Endangers", message.endangers)
    yield from _section("Suffers with it", message.effects)
    yield from _section("What happened before", message.changes)
    yield from _section("What people did", message.people)
    yield from _section("Known", _known(message))
    yield ""
    where = f", {_address(message.link)}" if message.link is not None else ""
    yield f"Incident {markdown(message.incident_id)}, {message.state}, as of {_instant(message.at)}{where}"


def _section(name: str, said: Iterable[str], *, numbered: bool = False, literal: bool = False) -> Iterator[str]:
    lines = list(said) if literal else [markdown(each) for each in said]
    if lines:
        yield ""
        yield f"### {name}"
        yield from (f"{number}. {line}" if numbered else f"- {line}" for number, line in enumerate(lines, 1))


def _address(said: str) -> str:
    """What the intent's author or we ourselves have written as an address is one; nothing else becomes a link."""
    return f"<{said}>" if _ADDRESS.fullmatch(said) else markdown(said)


def _whom(message: Message) -> str:
    if message.affected is None:
        return message.whom
    spread = f"{message.affected} cohort{'' if message.affected == 1 else 's'}"
    beside = f", {message.unaffected} beside it" if message.unaffected is not None else ""
    return f"{message.whom}: {spread}{beside}"


def _since(message: Message) -> str:
    said = message.since_words
    if message.since_from is not None and message.since_until is not None:
        said += f", between {_instant(message.since_from)} and {_instant(message.since_until)}"
    return said


def _known(message: Message) -> list[str]:
    said = []
    if message.workaround is not None:
        said.append(f"workaround {message.workaround}")
    if message.owner is not None:
        said.append(f"owed by {message.owner}")
    if message.merged_into is not None:
        said.append(f"explained by incident {message.merged_into}")
    return said


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
