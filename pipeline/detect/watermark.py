"""When may a minute be closed? When every source that is not idle has closed it."""

from __future__ import annotations

from collections.abc import Iterable

from models.snapshot import Plain
from pipeline.messages import Tick


class Watermark:
    """Progress of a known set of sources.

    Before a source has spoken it holds everybody up: silence is not progress. An idle one does not, until it speaks.
    """

    def __init__(self, sources: Iterable[str]) -> None:
        self._closed: dict[str, int | None] = dict.fromkeys(sources)
        self._idle: set[str] = set()
        if not self._closed:
            msg = "a stage needs at least one source"
            raise ValueError(msg)

    def advance(self, tick: Tick) -> int | None:
        """Take a tick; the minute up to which all is closed now, or None when that cannot be said.

        When all are idle, it is the furthest that any has come.
        """
        if tick.source not in self._closed:
            msg = f"unknown source {tick.source!r}; known: {', '.join(sorted(self._closed))}"
            raise ValueError(msg)
        before = self._closed[tick.source]
        self._closed[tick.source] = tick.minute if before is None else max(before, tick.minute)
        if tick.idle:
            self._idle.add(tick.source)
        else:
            self._idle.discard(tick.source)
        awaited = [minute for source, minute in self._closed.items() if source not in self._idle]
        if None in awaited:
            return None
        known = [minute for minute in awaited or self._closed.values() if minute is not None]
        return min(known) if awaited else max(known, default=None)

    def snapshot(self) -> Plain:
        return {"closed": dict(self._closed), "idle": sorted(self._idle)}

    def restore(self, state: Plain) -> None:
        """Take up a snapshot; sources that it does not know have not spoken yet, others are not waited for any more."""
        self._closed = {source: state["closed"].get(source) for source in self._closed}
        self._idle = {source for source in state["idle"] if source in self._closed}
