"""`seamwatch check`: every fault of a configuration directory at once, each with file and line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline.intent import ConfigurationError, load


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="the intent file, worker.yaml, and what goes with them")


def run(arguments: argparse.Namespace) -> int:
    from pipeline.stream.settings import lint

    directory = Path(arguments.directory)
    try:
        load(directory)
        faults = []
    except ConfigurationError as error:
        faults = error.faults
    if directory.is_dir():
        faults = [*faults, *lint(directory)]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 2 if faults else 0
