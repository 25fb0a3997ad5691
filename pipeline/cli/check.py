"""`seamwatch check`: every fault of a configuration directory at once, each with file and line."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

from pipeline.cli.handovers import UnusableFileError, read_learned
from pipeline.config.directory import Configuration, configuration
from pipeline.config.intent import schema
from pipeline.config.usual import troubles, unheard
from pipeline.drill import file as drills
from pipeline.intent import ConfigurationError
from pipeline.stream import settings

BROKEN: Final = 1
"""Exit status: it can be used, and what is usual already breaks a line."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", metavar="DIR", nargs="?", help="intent.yaml, operators/, workarounds.yaml, worker.yaml, drills/"
    )
    parser.add_argument(
        "--baseline",
        metavar="FILE",
        help="anchors as `seamwatch learn --to` writes them: say which thresholds what is usual already breaks",
    )
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of intent.yaml, for editors")
    parser.epilog = (
        "Exit status: 0 it can be used; 1 with --baseline: it can be used, and a threshold is broken already; 2 it "
        "cannot, every fault said with file and line. Warnings are no faults: what is probably not meant, and what "
        "expires within 14 days."
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.schema:
        sys.stdout.write(schema.document())
        return 0
    if arguments.directory is None:
        print("seamwatch check: give a directory, or --schema", file=sys.stderr)
        return 2
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
        for warning in (*found.remarks, *found.warnings(round(time.time() * 1_000))):
            print(f"warning: {warning}", file=sys.stderr)
    if faults or found is None:
        return 2
    return _against(found, arguments.baseline) if arguments.baseline is not None else 0


def _against(found: Configuration, baseline: str) -> int:
    """What is usual held against the thresholds."""
    try:
        learned = read_learned(baseline)
    except UnusableFileError as error:
        print(f"seamwatch check: {error}", file=sys.stderr)
        return 2
    said = troubles(found.intent, learned)
    for one in said:
        print(one)
    cohorts = sum(len(message.cohorts) for message in learned)
    print(f"{len(found.intent.thresholds)} lines held against the anchors of {cohorts} cohorts")
    for line in unheard(found.intent, learned):
        print(f"{line.place}: nothing is known of {line.line!r}: too little was seen of it")
    return BROKEN if any(one.is_broken for one in said) else 0
