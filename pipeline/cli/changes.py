"""`seamwatch changes`: tell of a deployment or the like, list what is known, and show where configuration drifts."""

from __future__ import annotations

import argparse
import getpass
import sys
import time
import uuid
from typing import Final

import msgspec

from pipeline import changes
from pipeline.cli.cluster import deployment
from pipeline.cli.handovers import UnusableFileError, append, read_changes
from pipeline.cli.worker import configure_settings
from pipeline.drift import Drift, Value, drift
from pipeline.incidents.wording import instant, name
from pipeline.messages import Change
from pipeline.recordfile import printable

NO_BROKER: Final = 3


def configure(parser: argparse.ArgumentParser) -> None:
    configure_settings(parser)
    parser.add_argument(
        "verb",
        choices=("add", "list", "drift"),
        metavar="VERB",
        help="add: tell of one, or of those in files; list: all that are known; drift: settings that are not the same "
        "in certification and production, or between cohorts",
    )
    parser.add_argument("files", metavar="FILE", nargs="*", help="changes, NDJSON or YAML (docs/incidents.md)")
    one = parser.add_argument_group("one change, for add without files")
    one.add_argument("--kind", choices=changes.KINDS, metavar="KIND", help=f"one of {', '.join(changes.KINDS)}")
    one.add_argument("--what", metavar="TEXT", help="a sentence, or a name and version")
    one.add_argument("--scope", metavar="DIMENSION=VALUE", action="append", default=[], help="may be repeated")
    one.add_argument("--service", metavar="NAME", action="append", default=[], help="of the intent; may be repeated")
    one.add_argument("--set", metavar="SETTING=VALUE", action="append", default=[], help="of a configuration; likewise")
    one.add_argument("--by", metavar="NAME", help="who (default: who runs this)")
    one.add_argument("--link", metavar="URL", help="where more is said")
    one.add_argument("--at", metavar="MS", type=int, help="when it took effect, ms since the epoch (default: now)")
    one.add_argument("--id", metavar="TEXT", help="the same change counts once under it (default: a new one)")
    parser.add_argument(
        "--to", metavar="FILE.ndjson", help="add: append to a file for `replay --changes`, send nothing"
    )
    parser.add_argument("--json", action="store_true", help="list, drift: one JSON object a line")
    parser.epilog = "Exit status: 0 it is done; 2 unusable arguments or files; 3 no broker, or no such deployment."


def run(arguments: argparse.Namespace) -> int:
    try:
        given = [change for path in arguments.files for change in read_changes(path)]
    except UnusableFileError as error:
        for line in str(error).splitlines():
            _refuse(line)
        return 2
    if arguments.verb == "add":
        return _add(arguments, given)
    if not arguments.files:
        from pipeline.stream import newest
        from pipeline.stream.topics import ClusterError

        cluster = deployment(arguments)
        if cluster is None:
            return 2
        try:
            given = newest.changes(cluster.client, cluster.names)
        except ClusterError as error:
            print(f"seamwatch changes: {cluster.bootstrap}: {error}", file=sys.stderr)
            return NO_BROKER
    if arguments.verb == "list":
        for change in sorted(given, key=lambda one: (one.at, one.change_id)):
            print(msgspec.json.encode(change).decode() if arguments.json else _line(change))
        return 0
    found = drift(given)
    for each in found:
        print(msgspec.json.encode(each).decode() if arguments.json else "\n".join(_lines(each)))
    if not found and not arguments.json:
        print("no setting differs")
    return 0


def _add(arguments: argparse.Namespace, given: list[Change]) -> int:
    if not arguments.files:
        if arguments.kind is None or arguments.what is None:
            return _refuse("say --kind and --what, or name files")
        try:
            scope, configuration = _pairs(arguments.scope), _pairs(arguments.set)
        except ValueError as error:
            return _refuse(str(error))
        given = [
            Change(
                change_id=arguments.id or uuid.uuid4().hex,
                at=int(time.time() * 1000) if arguments.at is None else arguments.at,
                kind=arguments.kind,
                what=arguments.what,
                scope=scope,
                services=arguments.service,
                by=arguments.by if arguments.by is not None else getpass.getuser(),
                link=arguments.link,
                configuration=configuration,
            )
        ]
    for change in given:
        if change.inferred:
            return _refuse(f"{change.change_id}: inferred: only Seamwatch infers a change; leave it out")
        if wrong := changes.fault(change):
            return _refuse(wrong)
    if arguments.to is not None:
        try:
            append(arguments.to, given)
        except OSError as error:
            return _refuse(f"{arguments.to} cannot be written: {error.strerror}")
        print(f"{len(given)} changes are in {arguments.to}")
        return 0
    from pipeline.stream.handover import NotSentError, send

    cluster = deployment(arguments)
    if cluster is None:
        return 2
    try:
        send(cluster.client, cluster.names, given)
    except NotSentError as error:
        print(f"seamwatch changes: {cluster.bootstrap}: {error}", file=sys.stderr)
        return NO_BROKER
    print(f"{len(given)} changes are in {cluster.names.changes}")
    return 0


def _pairs(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not value or key in found:
            msg = f"{text!r} is no NAME=VALUE, or the second of its name"
            raise ValueError(msg)
        found[key] = value
    return found


def _line(change: Change) -> str:
    by = " (inferred)" if change.inferred else f" by {change.by}" if change.by else ""
    where = name(tuple(change.scope.items()))
    return printable(f"{instant(change.at)}  {change.kind}: {change.what}{by}  {where}  {change.change_id}")


def _lines(found: Drift) -> list[str]:
    lines = [found.setting]
    lines += [f"  {_value(value)}" for value in found.values]
    for tried, used in found.certified:
        lines.append(f"  certified is not in use: {_value(tried)}; {_value(used)}")
    lines += [f"  cohorts differ in {'every environment' if each == '*' else each}" for each in found.cohorts]
    return [printable(line) for line in lines]


def _value(value: Value) -> str:
    by = f" by {value.by}" if value.by else ""
    return f"{value.value} for {name(tuple(sorted(value.scope.items())))} since {instant(value.at)}{by}"


def _refuse(why: str) -> int:
    print(f"seamwatch changes: {why}", file=sys.stderr)
    return 2
