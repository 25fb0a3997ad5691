"""`seamwatch learn`: anchors out of records that exist already, on disk or in topics."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipeline.cli.bar import shown
from pipeline.cli.handovers import append
from pipeline.cli.replay import UNREADABLE
from pipeline.cli.worker import configure_settings, given
from pipeline.config.directory import Configuration, configuration
from pipeline.history import Lesson, learn
from pipeline.intent import ConfigurationError
from pipeline.operators import ADAPTERS, Adapter, adapter_of
from pipeline.recordfile import STDIN, RecordFiles
from pipeline.records import RecordBatch

SOURCE: Final = "history"
MOST_DOUBTS: Final = 10
WEEK_DAYS: Final = 7


def configure(parser: argparse.ArgumentParser) -> None:
    configure_settings(parser)
    parser.add_argument(
        "--format",
        metavar="NAME",
        choices=list(ADAPTERS),
        help="wire format of the files: %(choices)s (default: the operator's, else canonical)",
    )
    parser.add_argument("--operator", metavar="NAME", help="whose records the files are, by its file in --config")
    parser.add_argument("--to", metavar="FILE", help="write the anchors to a file, for `replay --learned`")
    parser.add_argument("--send", action="store_true", help="hand the anchors over to the deployment at --brokers")
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="records in arrival order; gzip and zstd by content; - is standard input; without any, --input is read",
    )
    parser.epilog = (
        "A cohort that has a full day of its own in the deployment keeps it. Exit status: 0 it ran; 2 unusable "
        "arguments or configuration; 3 an input was missing or ended unreadable, after all that could be read was "
        "used, or there is no broker."
    )


def run(arguments: argparse.Namespace) -> int:
    if (arguments.to is None) != arguments.send:
        return _refuse("give either --to FILE or --send")
    if arguments.to is not None:
        inputs = {os.path.realpath(name) for name in arguments.files if name != STDIN}
        if arguments.to == STDIN or os.path.realpath(arguments.to) in inputs:
            return _refuse(f"--to {arguments.to} is an input, or no file; give another")
    if arguments.files:
        try:
            adapter = _adapter(arguments)
        except ConfigurationError as error:
            return _faults(error)
        except LookupError as error:
            return _refuse(str(error.args[0]))
        files = RecordFiles(arguments.files)
        with shown(files.size(), "learning") as progress:
            lesson = learn(
                _of_files(files),
                [SOURCE],
                adapter=lambda _: adapter,
                progress=lambda: progress(files.bytes_read),
            )
        faults = [str(fault) for fault in files.faults]
    else:
        found = _of_topics(arguments)
        if isinstance(found, int):
            return found
        lesson, faults = found
    for fault in faults:
        print(f"seamwatch learn: {fault}", file=sys.stderr)
    status = _pass_on(arguments, lesson)
    if status == 0:
        print("\n".join(_summary(lesson)))
    return status or (UNREADABLE if faults else 0)


def _adapter(arguments: argparse.Namespace) -> Adapter:
    directory = arguments.config
    found = configuration(Path(directory)) if directory is not None else Configuration()
    return found.adapter(arguments.operator, arguments.format)


def _of_files(files: RecordFiles) -> Iterator[tuple[str, RecordBatch]]:
    for batch in files:
        yield SOURCE, batch


def _of_topics(arguments: argparse.Namespace) -> tuple[Lesson, list[str]] | int:
    from pipeline.stream import settings as stream_settings
    from pipeline.stream.clients import confluent
    from pipeline.stream.history import TopicHistory
    from pipeline.stream.topics import ClusterError

    try:
        directory = Path(arguments.config) if arguments.config is not None else None
        settings = stream_settings.load(given(arguments), os.environ, directory)
    except ConfigurationError as error:
        return _faults(error)
    try:
        history = TopicHistory(confluent(settings.bootstrap, settings.security), list(settings.inputs))
    except ClusterError as error:
        print(f"seamwatch learn: {settings.bootstrap}: {error}", file=sys.stderr)
        return UNREADABLE
    with shown(history.size, "learning", of_bytes=False) as progress:
        done = 0

        def counted() -> Iterator[tuple[str, RecordBatch]]:
            nonlocal done
            for source, batch in history:
                yield source, batch
                done += len(batch.values)

        lesson = learn(
            counted(),
            history.sources,
            adapter=lambda source: adapter_of(
                settings.inputs[topic := source.rpartition("/")[0]], settings.operator(topic)
            ),
            progress=lambda: progress(done),
        )
    return lesson, [] if history.fault is None else [f"{settings.bootstrap}: {history.fault}"]


def _pass_on(arguments: argparse.Namespace, lesson: Lesson) -> int:
    if arguments.to is not None:
        try:
            Path(arguments.to).write_bytes(b"")
            append(arguments.to, lesson.learned)
        except OSError as error:
            return _refuse(f"{arguments.to} cannot be written: {error.strerror}")
        return 0
    from pipeline.stream import settings as stream_settings
    from pipeline.stream.clients import confluent
    from pipeline.stream.handover import NotSentError, send
    from pipeline.stream.names import Names

    try:
        directory = Path(arguments.config) if arguments.config is not None else None
        settings = stream_settings.load(given(arguments), os.environ, directory, reads=False)
        send(confluent(settings.bootstrap, settings.security), Names(settings.prefix), lesson.learned)
    except ConfigurationError as error:
        return _faults(error)
    except NotSentError as error:
        print(f"seamwatch learn: {settings.bootstrap}: {error}", file=sys.stderr)
        return UNREADABLE
    return 0


def _summary(lesson: Lesson) -> Iterator[str]:
    yield f"{lesson.records} records: {lesson.accepted} accepted, {lesson.rejected} rejected; {lesson.days:.1f} days"
    yield f"{lesson.cohorts} cohorts have an anchor" + (
        f"; {lesson.young} were not seen for a full day and have none" if lesson.young else ""
    )
    if lesson.cohorts and lesson.days < WEEK_DAYS:
        yield (
            f"less than {WEEK_DAYS} days: how far this fleet's days wander is not known, and nothing is frozen; "
            "cohorts are judged by contrast with each other until their own week is over"
        )
    for doubt in lesson.doubts[:MOST_DOUBTS]:
        yield f"doubtful: {doubt}"
    if len(lesson.doubts) > MOST_DOUBTS:
        yield f"doubtful: {len(lesson.doubts) - MOST_DOUBTS} more"


def _faults(error: ConfigurationError) -> int:
    for fault in error.faults:
        print(f"seamwatch learn: {fault}", file=sys.stderr)
    return 2


def _refuse(why: str) -> int:
    print(f"seamwatch learn: {why}", file=sys.stderr)
    return 2
