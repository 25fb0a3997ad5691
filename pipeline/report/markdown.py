"""An account as Markdown. What others have named is text: no name makes a link, a heading or an image."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from pipeline.report.account import Account
from pipeline.report.words import instant

_SIGNS: Final = re.compile(r"[\\`*_\[\]|~$]|:(?=//)|(?<=www)\.")
"""What CommonMark or its dialects read as markup anywhere in a line, and what makes an address a link by itself."""
_AT_START: Final = re.compile(r"\d{1,9}(?=[.)](?:\s|$))|(?=[#>+=-])")
"""What stands before the sign that would begin a numbered list, or a heading, quotation, list or rule."""


def escape(text: str) -> str:
    """One line of plain text, as Markdown that shows it: a backslash makes a sign itself (CommonMark 2.4).

    >>> escape("[x](http://y)")
    '\\\\[x\\\\](http\\\\://y)'
    """
    # Controls, among them those that turn the direction of writing, show nothing but may hide something.
    line = "".join(" " if sign.isspace() else sign for sign in text).strip()
    line = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(sign) in ("Cc", "Cf") else sign for sign in line)
    line = _SIGNS.sub(r"\\\g<0>", line.replace("&", "&amp;").replace("<", "&lt;"))
    first = _AT_START.match(line)
    return line if first is None else f"{first[0]}\\{line[first.end() :]}"


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
        yield f"| {instant(event.at)} | {escape(event.what)}{detail} |"
    for part in told.parts:
        yield ""
        yield f"## {part.heading}"
        yield ""
        for sentence in part.sentences:
            yield f"- {escape(sentence)}"
