"""The command line: one file a subcommand, each with `configure(parser)` and `run(arguments) -> exit status`.

Only the file of the subcommand that was asked for is imported: `replay` loads no Faust.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Final

COMMANDS: Final = {
    "replay": "process recorded files, with the same engine as live",
    "measure": "judge a series of single values, one a window, by its own past",
    "adapt": "show what an operator's records become, a record at a time",
    "check": "lint a configuration directory: every fault at once",
    "contracts": "say which operator keeps which clause of its format",
    "learn": "build anchors from records on disk or in topics",
    "accept": "accept the present level of a scope as its anchor, with who and why",
    "incident": "list and show incidents; acknowledge, note, accept, call false, confirm",
    "changes": "tell of deployments and the like, list them, show where configuration drifts",
    "worker": "the always-on stream processor, against a real Kafka",
    "inspect": "look into what a stage knows: any model's state, readable",
    "token": "make a token that lets somebody read or act on the page",
    "rejects": "list, show and redrive records that could not be used",
    "topics": "create and check the topics of a worker",
    "simulate": "write a seeded fleet with faults to choose, to a file or to Kafka",
    "demo": "see an incident form, fire and resolve, with nothing but this program",
}
"""What each file of this folder does, in a few words."""

INTERRUPTED: Final = 130
"""As a shell reports a program that Ctrl-C ended."""

ALLOCATIONS: Final = 100_000
"""Of containers, before the garbage collector looks for cycles; 700 is Python's own."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; unusable arguments end the program with status 2."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="seamwatch", description="Sees patterns of small inconsistencies early.")
    parser.add_argument("--version", action="version", version=f"seamwatch {version('seamwatch')}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((word for word in words if word in COMMANDS), None)
    for name, summary in COMMANDS.items():
        # Without abbreviations: --sasl-password, which is none, would be taken for the file of it, and shown.
        subparser = subparsers.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + ".", allow_abbrev=False
        )
        if name == chosen:
            command = import_module(f"pipeline.cli.{name}")
            command.configure(subparser)
    arguments = parser.parse_args(words)
    # What was imported stays; and what comes and goes with every batch is lists of records, which the collector of
    # cycles would look through again and again and never find one in. It still runs, less often.
    gc.freeze()
    gc.set_threshold(ALLOCATIONS)
    try:
        return int(command.run(arguments))
    except KeyboardInterrupt:
        print(f"seamwatch {arguments.command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever reads has seen enough; Python would complain once more when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
