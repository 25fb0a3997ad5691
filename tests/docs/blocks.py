"""What stands in the documents: commands in their `sh` blocks and in spans of code, headings, and paths."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNTIL = re.compile(r"#\s*until Ctrl-C")


@dataclass(frozen=True, slots=True)
class Command:
    """line: where it begins. block: which one of the document it stands in."""

    line: int
    text: str
    block: int = 0

    @property
    def stays(self) -> bool:
        return UNTIL.search(self.text) is not None


def commands(document: str) -> Iterator[Command]:
    """Those of all `sh` blocks, a here-document with the command that reads it."""
    block, blocks = False, 0
    held: list[str] = []
    end = None
    for number, line in enumerate(document.splitlines(), 1):
        if line.startswith("```"):
            block = line == "```sh"
            blocks += block
        elif block:
            held.append(line)
            begun = re.search(r"<<'(\w+)'$", line)
            if begun:
                end = begun[1]
            elif end is None and line.endswith("\\"):
                continue
            elif end is None or line == end:
                yield Command(number - len(held) + 1, "\n".join(held), blocks)
                held, end = [], None


def prose(document: str) -> str:
    """It without its blocks, line by line where it was."""
    inside, kept = False, []
    for line in document.splitlines():
        fence = line.startswith("```")
        kept.append("" if fence or inside else line)
        inside ^= fence
    return "\n".join(kept)


def spans(document: str) -> Iterator[Command]:
    """Code within the prose; a span may go over the end of a line."""
    text = prose(document)
    for found in re.finditer(r"`([^`]+)`", text):
        yield Command(text.count("\n", 0, found.start()) + 1, " ".join(found[1].split()))


def headings(document: str) -> set[str]:
    """The names by which a link leads to a heading, as GitHub makes them."""
    found: set[str] = set()
    for title in re.findall(r"^#+ +(.+?)\s*$", prose(document), re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        number = 0
        while (candidate := f"{name}-{number}" if number else name) in found:
            number += 1
        found.add(candidate)
    return found


def documents() -> list[Path]:
    """All that is written for people who try, run or change it."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "deploy" / "RUNBOOK.md"]
