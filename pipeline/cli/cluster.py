"""A deployment on its cluster, for commands that ask it or tell it something."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.worker import given
from pipeline.intent import ConfigurationError

if TYPE_CHECKING:
    from pipeline.stream.names import Names


@dataclass(frozen=True, slots=True)
class Deployment:
    """bootstrap: addresses, for people. group: of its workers. client: settings of a confluent-kafka client."""

    bootstrap: str
    group: str
    client: Mapping[str, Any]
    names: Names


def deployment(arguments: argparse.Namespace) -> Deployment | None:
    """By the settings on the command line and elsewhere; None when they are unusable, which is said."""
    # Only who asks a broker loads its client.
    from pipeline.stream import settings as stream_settings
    from pipeline.stream.clients import confluent
    from pipeline.stream.names import Names

    try:
        directory = Path(arguments.config) if arguments.config is not None else None
        settings = stream_settings.load(given(arguments), os.environ, directory, reads=False)
    except ConfigurationError as error:
        for fault in error.faults:
            print(f"seamwatch {arguments.command}: {fault}", file=sys.stderr)
        return None
    client = confluent(settings.bootstrap, settings.security)
    return Deployment(settings.bootstrap, settings.group, client, Names(settings.prefix))
