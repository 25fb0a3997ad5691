"""An account as Markdown. What others have named is text: no name makes a link, a heading or an image."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from pipeline.report.account import Account
from pipeline.report.words import instant

_SIGNS: Final = re.compile(r"([\\`*_{}\[\]()#+!|~>$@^=:-])")
"""What Markdown or its dialects read as markup; a backslash before it makes it itself (CommonMark 2.4). The colon and
the at keep an address from becoming a link by itself."""


def escape(text: str) -> str:
    """One line of plain text, as Markdown that shows it.

    >>> escape("[x](http://y)")
    '\\\\[x\\\\]\\\\(http\\\\://y\\\\)'
    """
    # Controls, among them those that turn the direction of writing, show nothing but may hide something.
    line = "".join(" " if sign.isspace() else sign for sign in text)
    line = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(sign) in ("Cc", "Cf") else sign for sign in line)
    return _SIGNS.sub(r"\\\1", line.replace("&", "&amp;").replace("<", "&lt;")).strip()


def markdown(told: Account) -> str:
    return "\n".join(_lines(told)) + "\n"


def _lines(told: Account) -> Iterator[str]:
    yield f"# {escape(told.title)}"
    yield ""
    for label, text in told.facts:
        yield f"- **{label}:** {escape(text)}"
    yield ""
    yield "## What happened"
    yield ""
    yield "| When | What |"
    yield "|---|---|"
    for event in told.events:
        detail = f"<br>{escape(event.detail)}" if event.detail else ""
        yield f"| {escape(instant(event.at))} | {escape(event.what)}{detail} |"
    for part in told.parts:
        yield ""
        yield f"## {part.heading}"
        yield ""
        for sentence in part.sentences:
            yield f"- {escape(sentence)}"
