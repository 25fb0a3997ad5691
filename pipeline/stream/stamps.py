"""How a stage knows what it has seen already: every message carries a stamp that a repetition of the work repeats.

After a crash work is done again from the last commit, and what it sends is sent again. Stamps of one source grow in the
order in which it sends, and follow from its log alone; so whatever is not above the highest seen of its source is a
repeat, and is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

HEADER: Final = "stamp"
HANDED: Final = "handed over/"
"""Begins the source of what people send: each message has one of its own (`handover`)."""
MOST_HANDED: Final = 10_000
"""Of these so many are remembered, and the oldest forgotten; what they name counts once by its own id as well."""


class Stamp(NamedTuple):
    """Place of a message in what its source sends.

    From ingest: the minute (ms), the number of early flushes in that minute before it, and a running number. From
    baseline and pattern: the offset of the message that brought it about, 0, and a running number.
    """

    major: int
    cut: int
    number: int

    def header(self, source: str) -> tuple[str, bytes]:
        return HEADER, f"{source} {self.major} {self.cut} {self.number}".encode()


def stamp_of(headers: Iterable[tuple[str, bytes]]) -> tuple[str, Stamp] | None:
    """Source and stamp of a record; None for a record that has none: Seamwatch did not write it."""
    for name, value in headers:
        if name == HEADER:
            try:
                source, major, cut, number = value.decode().rsplit(" ", 3)
                return source, Stamp(int(major), int(cut), int(number))
            except ValueError:
                return None
    return None


class Seen:
    """The highest stamp of each source; the number of those is bounded, see `MOST_HANDED`."""

    def __init__(self, highest: Mapping[str, Iterable[int]] | None = None) -> None:
        self._highest = {source: Stamp(*stamp) for source, stamp in (highest or {}).items()}
        self._handed = dict.fromkeys(source for source in self._highest if source.startswith(HANDED))

    def is_new(self, source: str, stamp: Stamp) -> bool:
        """Whether this has not been seen; it has been from now on."""
        highest = self._highest.get(source)
        if highest is not None and stamp <= highest:
            return False
        self._highest[source] = stamp
        if source.startswith(HANDED):
            self._handed[source] = None
            while len(self._handed) > MOST_HANDED:
                oldest = next(iter(self._handed))
                del self._handed[oldest], self._highest[oldest]
        return True

    def snapshot(self) -> dict[str, list[int]]:
        return {source: list(stamp) for source, stamp in self._highest.items()}
