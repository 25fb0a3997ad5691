"""`seamwatch account`: what happened in an incident, as a time line, and what it cost and taught."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from pipeline.cli.replay import UNREADABLE
from pipeline.cli.worker import configure_settings, given
from pipeline.config.directory import configuration
from pipeline.intent import ConfigurationError, Intent
from pipeline.messages import Incident
from pipeline.recordfile import RecordFiles
from pipeline.report.account import Account, account, end
from pipeline.report.cost import Cost, EvidenceLine, cost, decode

NO_SUCH: Final = 1
"""Exit status: nothing is known of the incident."""


class _UnusableError(Exception):
    """An input that cannot be read, with its place."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "incident", metavar="INCIDENT", help="its id, or enough of the beginning to tell it from others"
    )
    parser.add_argument(
        "--incidents",
        metavar="FILE.ndjson",
        help="as `replay --incidents` wrote it; else the topic of a deployment is read",
    )
    parser.add_argument(
        "--evidence", metavar="FILE.ndjson", help="as `replay --evidence` wrote it: what it cost, in devices and time"
    )
    parser.add_argument("--markdown", metavar="OUT.md", help="write Markdown (default, to standard output)")
    parser.add_argument("--html", metavar="OUT.html", help="write one HTML file that needs nothing else")
    configure_settings(parser)
    parser.epilog = (
        "Of a topic that is compacted the newest record may be all there is: it suffices. Who was told is said by the "
        "intent in --config. Exit status: 0 written; 1 no such incident; 2 unusable arguments or configuration; 3 an "
        "input was missing or unreadable, or no broker."
    )


def run(arguments: argparse.Namespace) -> int:
    try:
        intent = configuration(Path(arguments.config)).intent if arguments.config is not None else None
        known = _of_file(arguments.incidents) if arguments.incidents is not None else _of_topic(arguments)
        records = _chosen(known, arguments.incident)
        measured = _measured(records[-1], arguments.evidence) if arguments.evidence is not None else None
    except ConfigurationError as error:
        for fault in error.faults:
            _say(str(fault))
        return 2
    except LookupError as error:
        _say(str(error.args[0]))
        return NO_SUCH
    except _UnusableError as error:
        _say(str(error))
        return UNREADABLE
    return _write(arguments, records, intent, measured)


def _write(arguments: argparse.Namespace, records: list[Incident], intent: Intent | None, measured: Cost | None) -> int:
    from pipeline.report.markdown import markdown

    told = account(records, intent, measured)
    goals = [(arguments.markdown, markdown), (arguments.html, _html)]
    if all(name is None for name, _ in goals):
        sys.stdout.write(markdown(told))
    for name, written in goals:
        if name is not None:
            try:
                Path(name).write_text(written(told), encoding="utf-8")
            except OSError as error:
                _say(f"{name} cannot be written: {error.strerror}")
                return 2
    return 0


def _html(told: Account) -> str:
    from pipeline.report.html import render

    return render("account.html", told=told)


def _chosen(records: Iterable[Incident], wanted: str) -> list[Incident]:
    """Those of the one incident whose id begins so. Raises LookupError."""
    found: dict[str, list[Incident]] = {}
    for record in records:
        if record.incident_id.startswith(wanted):
            found.setdefault(record.incident_id, []).append(record)
    if wanted in found:
        return found[wanted]
    if len(found) != 1:
        shown = ", ".join(list(found)[:5])
        msg = f"{wanted!r} is the beginning of {len(found)} incidents: {shown}" if found else f"no incident {wanted!r}"
        raise LookupError(msg)
    return next(iter(found.values()))


def _of_file(name: str) -> Iterator[Incident]:
    for place, line in _lines(name):
        try:
            yield msgspec.json.decode(line, type=Incident)
        except (msgspec.MsgspecError, ValueError) as error:
            msg = f"{place}: no incident record: {error}"
            raise _UnusableError(msg) from error


def _measured(newest: Incident, name: str) -> Cost:
    return cost(newest, end(newest), _evidence(name))


def _evidence(name: str) -> Iterator[EvidenceLine]:
    for place, line in _lines(name):
        try:
            yield decode(line)
        except (msgspec.MsgspecError, ValueError) as error:
            msg = f"{place}: no line of evidence, as `replay --evidence` writes it: {error}"
            raise _UnusableError(msg) from error


def _lines(name: str) -> Iterator[tuple[str, bytes]]:
    """The lines of a file, compressed or not, and where each stands."""
    files = RecordFiles([name])
    for batch in files:
        for position, value in zip(batch.positions, batch.values, strict=True):
            yield f"{batch.origin}:{position}", value
    for fault in files.faults:
        raise _UnusableError(str(fault))


def _of_topic(arguments: argparse.Namespace) -> Iterator[Incident]:
    """Records of the incidents topic, oldest first."""
    # Only who asks a broker loads its client.
    from pipeline.codec import decode as decode_message
    from pipeline.stream import settings as stream_settings
    from pipeline.stream.clients import confluent
    from pipeline.stream.history import TopicHistory
    from pipeline.stream.names import Names
    from pipeline.stream.topics import ClusterError

    directory = Path(arguments.config) if arguments.config is not None else None
    settings = stream_settings.load(given(arguments), os.environ, directory, reads=False)
    names = Names(settings.prefix)
    try:
        history = TopicHistory(confluent(settings.bootstrap, settings.security), [names.incidents])
    except ClusterError as error:
        msg = f"{settings.bootstrap}: {error}"
        raise _UnusableError(msg) from error
    for _, batch in history:
        for value in filter(None, batch.values):
            message = decode_message(value)
            if isinstance(message, Incident):
                yield message
    if history.fault is not None:
        msg = f"{settings.bootstrap}: {history.fault}"
        raise _UnusableError(msg)


def _say(what: str) -> None:
    print(f"seamwatch account: {what}", file=sys.stderr)
