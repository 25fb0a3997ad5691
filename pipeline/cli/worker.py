"""`seamwatch worker`: the always-on stream processor."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Any, Final

from pipeline.config.directory import configuration
from pipeline.intent import ConfigurationError, default

_OPTIONS: Final = {
    "brokers": "brokers",
    "inputs": "input",
    "prefix": "prefix",
    "group": "group",
    "stages": "stages",
    "web": "web",
    "alertmanager": "alertmanager",
    "idle_after_s": "idle_after",
    "checkpoint_s": "checkpoint",
    "lookback": "lookback",
    "session_s": "session",
    "stall_s": "stall",
}


def configure(parser: argparse.ArgumentParser) -> None:
    configure_settings(parser)
    parser.add_argument("--stages", metavar="A,B", help="of ingest, baseline, pattern, route (default: all)")
    parser.add_argument(
        "--web", metavar="HOST:PORT", help="page, API, health, metrics (default 127.0.0.1:6066; or off)"
    )
    parser.add_argument("--alertmanager", metavar="URL", help="post incidents to this Alertmanager")
    parser.add_argument(
        "--idle-after", metavar="S", help="a silent partition holds nobody up after so long (default 10)"
    )
    parser.add_argument("--checkpoint", metavar="S", help="between two checkpoints of a stage's state (default 30)")
    parser.add_argument(
        "--lookback", metavar="N", help="records of a partition that are read back at the start, at most"
    )
    parser.add_argument(
        "--session", metavar="S", help="a worker not heard of for so long loses its partitions (default 15)"
    )
    parser.add_argument(
        "--stall", metavar="S", help="end when records wait and none are taken for so long (default 120)"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say what Faust and the Kafka client say, too")


def configure_settings(parser: argparse.ArgumentParser) -> None:
    """What is said of the cluster and its topics; every option may stand in worker.yaml or SEAMWATCH_… as well."""
    parser.add_argument("--config", metavar="DIR", help="directory of the intent file and of worker.yaml")
    parser.add_argument("--brokers", metavar="HOST:PORT,…", help="where to ask for the cluster")
    parser.add_argument(
        "--input", action="append", metavar="TOPIC[=FORMAT]", help="may be repeated (format: canonical)"
    )
    parser.add_argument(
        "--prefix", metavar="TEXT", help="begins the names of Seamwatch's own topics (default seamwatch.)"
    )
    parser.add_argument("--group", metavar="NAME", help="workers of one group share the work (default seamwatch)")


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Settings that were given on the command line."""
    found = {name: getattr(arguments, option, None) for name, option in _OPTIONS.items()}
    return {name: value for name, value in found.items() if value is not None}


def run(arguments: argparse.Namespace) -> int:
    # Faust is only loaded by who works with it.
    from pipeline.service import PageError, Service
    from pipeline.stream import settings as stream_settings

    try:
        directory = Path(arguments.config) if arguments.config is not None else None
        settings = stream_settings.load(given(arguments), os.environ, directory)
        intent = configuration(directory).intent if directory is not None else default()
    except ConfigurationError as error:
        for fault in error.faults:
            print(f"seamwatch worker: {fault}", file=sys.stderr)
        return 2
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.CRITICAL, format="%(levelname)s %(name)s: %(message)s"
    )

    async def work() -> int:
        service = Service(settings, intent, _say)
        service.end_on_signals()
        return await service.run()

    try:
        return asyncio.run(work())
    except PageError as error:
        _say(str(error))
        return 2


def _say(line: str) -> None:
    print(f"seamwatch worker: {line}", file=sys.stderr, flush=True)
