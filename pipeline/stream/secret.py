"""A text that must not be seen: not in logs, not in `repr`, not in an error."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_SHOWN: Final = "Secret(…)"


class Secret:
    """Whoever needs the text asks for it by `reveal`, which is easy to find in a review.

    It cannot be pickled or copied into plain data by accident, and compares equal to another of the same text.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return _SHOWN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> str:
        msg = "a secret is not to be written anywhere"
        raise TypeError(msg)


def read_secret(path: Path) -> Secret:
    """The first line of a file, as Docker and Kubernetes mount them. Raises OSError or UnicodeDecodeError."""
    return Secret(path.read_text(encoding="utf-8").split("\n", 1)[0].removesuffix("\r"))
