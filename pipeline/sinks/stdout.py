"""A line for a person, for each change of an incident."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final, TextIO

from pipeline.messages import Incident
from pipeline.metrics import Metrics
from pipeline.sinks.alert import instant

NAME: Final = "stdout"
_LOG: Final = logging.getLogger(__name__)


class StdoutSink:
    """Writes to `stream`. A stream that cannot be written to, such as a full disk, is no reason to stop the others."""

    def __init__(self, stream: TextIO, *, metrics: Metrics) -> None:
        self._stream = stream
        self._metrics = metrics

    async def restore(self, incidents: Sequence[Incident]) -> None:
        """They have had their lines."""

    async def send(self, incident: Incident) -> None:
        try:
            self._stream.write(line(incident) + "\n")
            self._stream.flush()
        except OSError as error:
            self._metrics.sink_failures.add(1, NAME)
            _LOG.warning("cannot write an incident to the standard output: %s", error)
        else:
            self._metrics.sink_sends.add(1, NAME)

    async def close(self) -> None:
        """The stream is not ours."""


def line(incident: Incident) -> str:
    """Such as `2026-03-01T12:00:00.000Z firing page 3f2a… Firmware fw-7: latency …`; nothing a terminal would obey."""
    text = f"{instant(incident.at)} {incident.state} {incident.severity} {incident.incident_id} {incident.summary}"
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
