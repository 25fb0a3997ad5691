"""What the documents point to is there: files, headings, pictures, and the paths that their prose names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, documents, headings, prose

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
PATH = re.compile(r"(?<![\w/.:-])(?:docs|deploy|tests|pipeline|models)/[\w./*-]*\w")
PICTURES = ROOT / "docs" / "pictures"
MOST_BYTES = 150_000


def broken(document: Path, text: str) -> Iterator[str]:
    """Where it leads nowhere: line, and to what."""
    told = prose(text)
    for found in LINK.finditer(told):
        to = found[1]
        if re.match(r"[a-z]+:", to):
            continue
        path, _, heading = to.partition("#")
        target = document.parent / path
        lost = bool(path) and not target.exists()
        if lost or (heading and heading not in headings(target.read_text() if path else text)):
            yield f"{told.count(chr(10), 0, found.start()) + 1}: {to}"
    for found in PATH.finditer(LINK.sub("", told)):
        if not any(ROOT.glob(found[0])):
            yield f"{found[0]}"


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_everything_that_a_document_points_to_is_there(document: Path) -> None:
    assert list(broken(document, document.read_text())) == []


def test_a_link_into_the_void_is_found() -> None:
    text = (
        "# A b\n[x](#a-b) [y](#c)\n[z](detection.md#nothing) ![p](pictures/none.png)\n`docs/none.md` https://a/docs/b\n"
    )
    assert list(broken(ROOT / "docs" / "new.md", text)) == [
        "2: #c",
        "3: detection.md#nothing",
        "3: pictures/none.png",
        "docs/none.md",
    ]
    assert headings("# A b\n## A b\n```\n# no\n```\n### `x`, *y*\n") == {"a-b", "a-b-1", "x-y"}


def test_every_picture_is_shown_somewhere_and_is_small() -> None:
    shown = chain.from_iterable(
        re.findall(r"!\[[^\]]+\]\(pictures/([^)\s]+)\)", path.read_text()) for path in documents()
    )
    there = {path.name: path.stat().st_size for path in PICTURES.iterdir()}
    assert set(there) == set(shown)
    assert all(size <= MOST_BYTES for size in there.values()), there
