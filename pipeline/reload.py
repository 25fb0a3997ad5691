"""A configuration that changes under a worker: read again, and kept as it was when it is wrong.

On SIGHUP, and each minute when what stands in the files has changed: a mounted directory changes without anybody's
signal. The intent and the workarounds count at once, at the next minute that is judged; operators' feeds, and
worker.yaml, when the worker starts again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.config.directory import Configuration, configuration, fingerprint
from pipeline.config.intent import FILE_NAME
from pipeline.intent import ConfigurationError, Fault, Intent

LOOK_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Found:
    """What a look has found: a configuration, or the faults for which the former one stays."""

    configuration: Configuration | None
    faults: tuple[Fault, ...] = ()
    hash: str = ""
    """Of the intent file."""


class Directory:
    """A configuration directory, as it was read last.

    Attributes:
        configuration: as it was at the start.

    Raises:
        ConfigurationError: it cannot be used to begin with.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = fingerprint(path)
        self._has_file = (path / FILE_NAME).exists()
        self.configuration = configuration(path)

    @property
    def hash(self) -> str:
        """Of the intent file as it is now."""
        return fingerprint(self.path, intent_alone=True)

    def look(self, *, asked: bool) -> Found | None:
        """None when nothing has changed since the last look, unless it is asked for. Reads files."""
        try:
            # Before they are read: what changes in between is seen at the next look.
            seen = fingerprint(self.path)
            if seen == self._seen and not asked:
                return None
            self._seen = seen
            of = self.hash
            found = configuration(self.path)
        except ConfigurationError as error:
            return Found(None, tuple(error.faults))
        except OSError as error:
            return Found(None, (Fault(str(self.path), 1, f"cannot be read: {error.strerror}", "make it readable"),))
        if self._has_file and not (self.path / FILE_NAME).exists():
            # At a start the built-in intent serves; here it would replace what people wrote.
            return Found(None, (Fault(str(self.path / FILE_NAME), 1, "is gone", "put it back, or start anew without"),))
        self._has_file = (self.path / FILE_NAME).exists()
        return Found(found, hash=of)

    def needs_a_start(self, found: Configuration) -> bool:
        """Whether operators have changed, whose records this worker reads as before."""
        return found.operators != self.configuration.operators


class Reloader:
    """Looks at a directory, and says what came of it.

    Args:
        use: takes the new intent, and the hash of its file.
        refused: is told that the former one stays.
        say: takes a line for a person.
    """

    def __init__(
        self,
        directory: Directory,
        *,
        use: Callable[[Intent, str], None],
        refused: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._use = use
        self._refused = refused
        self._say = say
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Look now, whether or not anything seems to have changed."""
        self._asked.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._asked.wait()
            except TimeoutError:
                pass
            asked = self._asked.is_set()
            self._asked.clear()
            found = await asyncio.to_thread(self._directory.look, asked=asked)
            if found is not None:
                self._take(found)

    def _take(self, found: Found) -> None:
        if found.configuration is None:
            for fault in found.faults:
                self._say(str(fault))
            self._say(f"the intent stays as it was: {self._directory.path} cannot be used")
            self._refused()
            return
        for remark in found.configuration.remarks:
            self._say(f"warning: {remark}")
        self._use(found.configuration.intent, found.hash)
        self._say(f"read {self._directory.path} again: intent {found.hash}")
        if self._directory.needs_a_start(found.configuration):
            self._say("operators have changed: that counts when the worker starts again")
