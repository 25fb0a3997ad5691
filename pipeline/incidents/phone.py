"""An incident on the screen of a phone: a title and a text of bounded length.

For whom, since when and the first step are never left out; what does not fit of them ends in an ellipsis. All else is
there as far as there is room, in the order of what helps most.
"""

from __future__ import annotations

from typing import Final

from pipeline.incidents.escaping import clip
from pipeline.incidents.told import Message

TITLE: Final = 100
TEXT: Final = 320

_HEAD: Final = 140
_WHOM: Final = 72
_STEP: Final = 96
_REST: Final = 64
"""Room of one thing that is said beyond what must be."""
_CAPS: Final = (128, 64, 48, 32, 24, 16, 12)
_LEAST: Final = 8
_TAGS: Final = {"firing": "", "suppressed": "known: ", "recovering": "recovering: ", "resolved": "over: "}


def title(message: Message) -> str:
    """How grave, for whom, what leads: `PAGE nordcast, 9.4.1: playback_start latency 1250 ms instead of 1000 ms`."""
    return clip(_tag(message) + _headline(message, _WHOM), TITLE)


def text(message: Message) -> str:
    """The same, since when, and the first step; then the line in danger, who is not affected, and so on."""
    must = [clip(_tag(message) + _headline(message, _WHOM), _HEAD) + ".", f"Since {message.since_words}."]
    steps = [f"First: {_sentence(clip(message.containment[0], _STEP))}"] if message.containment else []
    room = TEXT - len(" ".join([*must, *steps]))
    kept: dict[int, str] = {}
    for place, said in _optional(message):
        if len(said) + 1 <= room:
            kept[place] = said
            room -= len(said) + 1
    before = [said for place, said in sorted(kept.items()) if place < _AFTER]
    after = [said for place, said in sorted(kept.items()) if place >= _AFTER]
    return " ".join([*must, *before, *steps, *after])


_AFTER: Final = 10
"""Places from here on are read after the first step."""


def _optional(message: Message) -> list[tuple[int, str]]:
    """What more there is, with its place in the reading; what helps most first."""
    found: list[tuple[int, str]] = []
    if message.endangers:
        found.append((0, f"Endangers {_sentence(clip(message.endangers[0], _REST))}"))
    found.append((4, f"Sure: {_sentence(clip(message.sure[0], _REST))}"))
    if message.runbooks:
        # Whole or not at all: half an address leads nowhere.
        found.append((10, f"Runbook: {message.runbooks[0]}"))
    if message.not_affected:
        found.append((2, f"Not: {_sentence(clip('; '.join(message.not_affected), _REST))}"))
    elif message.unaffected:
        found.append((2, f"{message.unaffected} other cohorts are as expected."))
    if message.changes:
        found.append((3, f"Before: {_sentence(clip(message.changes[0], _REST))}"))
    if message.effects:
        found.append((1, f"With it: {_sentence(clip('; '.join(message.effects), _REST))}"))
    if message.link is not None:
        found.append((11, message.link))
    return found


def _tag(message: Message) -> str:
    return f"{message.severity.upper()} {_TAGS.get(message.state, f'{message.state}: ')}"


def _headline(message: Message, room: int) -> str:
    whom = _whom(message.scope, message.whom, room)
    return f"{whom}: {message.what[0]}" if message.what else whom


def _whom(scope: dict[str, str], words: str, room: int) -> str:
    """A scope in at most `room` characters: in words, else its values alone, each of them shorter and shorter."""
    if len(words) <= room:
        return words
    return next((said for cap in _CAPS if len(said := _values(scope, cap)) <= room), _values(scope, _LEAST))


def _values(scope: dict[str, str], cap: int) -> str:
    return ", ".join(clip(value, cap) for value in scope.values())


def _sentence(said: str) -> str:
    return said if said.endswith((".", "…", "!", "?")) else f"{said}."
