"""`seamwatch check`: every fault of a configuration directory at once, each with file and line."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from pipeline.config.directory import configuration
from pipeline.drill import file as drills
from pipeline.intent import ConfigurationError
from pipeline.stream import settings


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", metavar="DIR", help="intent.yaml, operators/, workarounds.yaml, worker.yaml, drills/"
    )
    parser.epilog = (
        "Exit status: 0 it can be used; 2 it cannot, every fault said with file and line. "
        "What expires within 14 days is said, and is no fault."
    )


def run(arguments: argparse.Namespace) -> int:
    directory = Path(arguments.directory)
    faults = []
    found = None
    try:
        found = configuration(directory)
    except ConfigurationError as error:
        faults += error.faults
    if directory.is_dir():
        faults += settings.lint(directory)
        # Without an intent that can be read there is nothing to hold drills against.
        faults += drills.lint(directory, found.intent) if found is not None else []
    for fault in faults:
        print(fault, file=sys.stderr)
    if found is not None:
        for warning in found.warnings(round(time.time() * 1_000)):
            print(f"warning: {warning}", file=sys.stderr)
    return 2 if faults else 0
