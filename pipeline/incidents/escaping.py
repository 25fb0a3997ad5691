"""Names that devices and operators chose, made harmless for what shows them. Slack's escaping is in the templates."""

from __future__ import annotations

import re
from typing import Final

ELLIPSIS: Final = "…"

_MARKDOWN: Final = re.compile(r"[\\`*_{}\[\]<>#|~&!]")
_LISTS: Final = re.compile(r"^([-+=]|\d+(?=[.)](?:\s|$)))")
_LINKS: Final = re.compile(r"(?<=www)\.|:(?=//)|(?<=mailto):", re.IGNORECASE)


def plain(text: str) -> str:
    """One line that no terminal would obey: white space is a space, and what cannot be printed is shown as �.

    What cannot be printed is, among others, control characters and those that turn the direction of writing.
    """
    # First, because several separators (U+2028, NBSP) count as not printable.
    line = " ".join(text.split())
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)


def markdown(text: str) -> str:
    """As `plain`, and literal in CommonMark and GitHub's Markdown: no emphasis, link, HTML, list, heading or table.

    >>> markdown("a_b <script> www.evil.example")
    'a\\\\_b \\\\<script\\\\> www\\\\.evil.example'
    """
    # A bare address becomes a link by itself in GitHub's Markdown: the name of a firmware must not lead anywhere.
    literal = _LINKS.sub(r"\\\g<0>", _MARKDOWN.sub(r"\\\g<0>", plain(text)))
    return _LISTS.sub(lambda found: f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}", literal)


def clip(text: str, room: int) -> str:
    """At most `room` characters (1 or more), and an ellipsis where some are missing."""
    return text if len(text) <= room else text[: room - 1].rstrip() + ELLIPSIS
