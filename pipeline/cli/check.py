"""`seamwatch check`: every fault of a configuration directory at once, each with file and line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline.intent import ConfigurationError, load


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="the intent file and what goes with it")


def run(arguments: argparse.Namespace) -> int:
    try:
        load(Path(arguments.directory))
    except ConfigurationError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return 2
    return 0
