"""`seamwatch replay`: recorded files through the engine."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from pipeline.cli.bar import shown
from pipeline.cli.handovers import UnusableFileError, read_changes, read_decisions, read_learned
from pipeline.config.directory import Configuration, configuration
from pipeline.incidents.wording import instant
from pipeline.intent import ConfigurationError
from pipeline.operators import ADAPTERS
from pipeline.recordfile import STDIN, RecordFiles, printable
from pipeline.replay import SEVERITIES, Goals, Result, replay

UNREADABLE: Final = 3
"""Exit status: an input was missing or ended unreadable."""

_OUTPUTS: Final = ("incidents", "evidence", "rejects", "report")
_BUFFER: Final = 1 << 16


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="DIR", help="the intent file and what goes with it (default: built in)")
    parser.add_argument(
        "--format",
        metavar="NAME",
        choices=list(ADAPTERS),
        help="wire format of the records: %(choices)s (default: the operator's, else canonical)",
    )
    parser.add_argument("--operator", metavar="NAME", help="whose records they are, by its file in --config")
    parser.add_argument("--learned", metavar="FILE", help="anchors to start with, as `seamwatch learn` wrote them")
    parser.add_argument(
        "--decisions",
        metavar="FILE.ndjson",
        help="what people decided, did or told of, as `accept`, `incident` and `changes add` wrote it with --to",
    )
    parser.add_argument("--changes", metavar="FILE", help="known changes, NDJSON or YAML (docs/incidents.md)")
    parser.add_argument("--incidents", metavar="OUT.ndjson", help="every change of an incident, one a line")
    parser.add_argument(
        "--evidence", metavar="OUT.ndjson", help="what was seen and expected, one cohort and minute a line"
    )
    parser.add_argument(
        "--rejects", metavar="OUT.ndjson", help="records that could not be used: why, where, and as they came"
    )
    parser.add_argument("--report", metavar="OUT.html", help="a page to read, in one file")
    parser.add_argument("--json", action="store_true", help="print the totals as one JSON object")
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="records in arrival order; gzip and zstd by content; - is standard input",
    )
    parser.epilog = (
        "Several files are one stream in the order given. Exit status: 0 it ran, whatever it found; 2 unusable "
        "arguments or configuration; 3 an input was missing or ended unreadable, after all that could be read was used."
    )


def run(arguments: argparse.Namespace) -> int:
    began = time.perf_counter()
    try:
        found = configuration(Path(arguments.config)) if arguments.config is not None else Configuration()
        adapter = found.adapter(arguments.operator, arguments.format)
    except ConfigurationError as error:
        for fault in error.faults:
            print(f"seamwatch replay: {fault}", file=sys.stderr)
        return 2
    except LookupError as error:
        print(f"seamwatch replay: {error.args[0]}", file=sys.stderr)
        return 2
    try:
        learned = read_learned(arguments.learned) if arguments.learned is not None else []
        decisions = read_decisions(arguments.decisions) if arguments.decisions is not None else []
        decisions += read_changes(arguments.changes) if arguments.changes is not None else []
    except UnusableFileError as error:
        for line in str(error).splitlines():
            print(f"seamwatch replay: {line}", file=sys.stderr)
        return 2
    wrong = _clash(arguments)
    if wrong is not None:
        print(f"seamwatch replay: {wrong}", file=sys.stderr)
        return 2
    files = RecordFiles(arguments.files)
    try:
        with _outputs(arguments) as (goals, report), shown(files.size(), "replaying") as progress:
            result = replay(
                files,
                found.intent,
                goals,
                adapter=adapter,
                learned=learned,
                decisions=decisions,
                progress=progress,
            )
            if report is not None:
                _write_report(report, result, files.names)
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"seamwatch replay: {error.filename or 'an output'} cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    for action in result.vain:
        what = f"{action.verb} of {action.by} at {instant(action.at)}"
        print(f"seamwatch replay: {what}: there was no incident {printable(action.incident_id)} then", file=sys.stderr)
    for unread in result.faults:
        print(f"seamwatch replay: {unread}", file=sys.stderr)
    if arguments.json:
        print(_totals(result, time.perf_counter() - began))
    else:
        print("\n".join(_summary(result)))
    return UNREADABLE if result.faults else 0


def _clash(arguments: argparse.Namespace) -> str | None:
    """What is wrong with the outputs: nothing may be written over an input, or twice."""
    inputs = {os.path.realpath(name) for name in arguments.files if name != STDIN}
    inputs |= {
        os.path.realpath(name)
        for name in (arguments.learned, arguments.decisions, arguments.changes)
        if name is not None
    }
    seen: set[str] = set()
    for option in _OUTPUTS:
        name = getattr(arguments, option)
        if name is None:
            continue
        real = os.path.realpath(name)
        if name == STDIN:
            return f"--{option} is a file; for standard output give /dev/stdout"
        if real in inputs:
            return f"--{option} {name} is an input; give another file to write to"
        if real in seen:
            return f"--{option} {name} is another output already; give each its own file"
        seen.add(real)
    return None


@contextmanager
def _outputs(arguments: argparse.Namespace) -> Iterator[tuple[Goals, BinaryIO | None]]:
    """All outputs, opened before anything is read."""
    with ExitStack() as stack:

        def opened(name: str | None) -> BinaryIO | None:
            return None if name is None else stack.enter_context(Path(name).open("wb", buffering=_BUFFER))

        incidents, evidence, rejects, report = (opened(getattr(arguments, option)) for option in _OUTPUTS)
        yield Goals(incidents, evidence, rejects), report


def _write_report(file: BinaryIO, result: Result, names: Sequence[str]) -> None:
    # Only who wants the page loads its templates.
    from pipeline.report import render

    file.write(render(result, [printable(name) for name in names]).encode())


def _totals(result: Result, seconds: float) -> str:
    """The object of `--json`."""
    return msgspec.json.encode(
        {
            "records": result.records,
            "accepted": result.accepted,
            "duplicates": result.duplicates,
            "rejected": result.rejected,
            "incidents": {severity: list(result.fired.values()).count(severity) for severity in SEVERITIES},
            "first_at": result.first_at,
            "last_at": result.last_at,
            "seconds": round(seconds, 3),
        }
    ).decode()


def _summary(result: Result) -> Iterator[str]:
    """A few lines for people."""
    rejected = sum(result.rejected.values())
    yield (
        f"{result.records} records: {result.accepted} accepted, {result.duplicates} duplicates, {rejected} rejected"
        + (f" ({', '.join(f'{reason} {count}' for reason, count in result.rejected.items())})" if rejected else "")
    )
    if result.first_at is not None and result.last_at is not None:
        yield f"{instant(result.first_at)} to {instant(result.last_at)}"
    if result.unknown_fields:
        yield f"{result.unknown_fields} unknown fields were ignored"
    if not result.fired:
        yield "no incident fired"
    firing = [incident for incident in result.incidents if incident.state == "firing"]
    for name, severity in result.fired.items():
        first = next(incident for incident in firing if incident.incident_id == name)
        yield f"{severity}, fired {instant(first.at)}: {first.summary}"
