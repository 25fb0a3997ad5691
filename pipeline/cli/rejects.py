"""`seamwatch rejects`: records that could not be used: by reason, one by one, and fed again once they can be."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from pipeline.cli.adapt import shown
from pipeline.cli.worker import configure_security, given
from pipeline.incidents.wording import instant
from pipeline.intent import ConfigurationError
from pipeline.messages import Reject
from pipeline.rejects import UnreadableRejectError, grouped, is_whole, lines_again, reject_of, whose

UNREADABLE: Final = 3
_SHOWN_BYTES: Final = 2_000


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", metavar="FILE", nargs="*", help="as `replay --rejects` writes them (or give --brokers)"
    )
    parser.add_argument("--brokers", metavar="HOST:PORT,…", help="read the rejects topic of this cluster")
    parser.add_argument("--prefix", metavar="TEXT", help="of Seamwatch's own topics (default seamwatch.)")
    parser.add_argument("--config", metavar="DIR", help="directory of worker.yaml, which may name the brokers")
    parser.add_argument("--operator", metavar="NAME", help="only this operator's")
    parser.add_argument("--reason", metavar="REASON", help="only those of this reason, such as json.invalid")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="one by one")
    what.add_argument("--show", metavar="PLACE", help="one of them, with its bytes")
    what.add_argument("--redrive", action="store_true", help="feed them again: to their topics, or to --out")
    parser.add_argument("--again", action="store_true", help="with --redrive: those too that were redriven before")
    parser.add_argument("--out", metavar="FILE", help="with --redrive, of files: where to write them, to be replayed")
    parser.add_argument("--json", action="store_true", help="as JSON, one object a line")
    configure_security(parser)
    parser.epilog = (
        "Redriving doubles nothing: what of a record was accepted before is known by its ids. Of a record over the "
        "limit only the beginning was kept; it cannot be redriven. Exit status: 0 done; 1 the broker did not take all; "
        "2 unusable arguments; 3 unreadable input."
    )


def run(arguments: argparse.Namespace) -> int:
    wrong = _clash(arguments)
    if wrong is not None:
        return _say(wrong, 2)

    def wanted(reject: Reject) -> bool:
        return (arguments.operator is None or whose(reject) == arguments.operator) and (
            arguments.reason is None or reject.reason == arguments.reason
        )

    if arguments.files:
        return _of_files(arguments, wanted)
    return _of_topic(arguments, wanted)


def _clash(arguments: argparse.Namespace) -> str | None:
    if bool(arguments.files) == bool(arguments.brokers or arguments.config or "SEAMWATCH_BROKERS" in os.environ):
        if not arguments.files:
            return "give FILE, or --brokers HOST:PORT"
        if arguments.brokers or arguments.config:
            return "give FILE or --brokers, not both"
    if arguments.files and arguments.redrive and arguments.out is None:
        return "--redrive of files needs --out FILE"
    if arguments.out is not None and not (arguments.files and arguments.redrive):
        return "--out is for --redrive of files"
    return None


def _of_files(arguments: argparse.Namespace, wanted: Callable[[Reject], bool]) -> int:
    unread: list[str] = []
    rejects = filter(wanted, _read(arguments.files, unread))
    if arguments.redrive:
        found = list(rejects)
        try:
            Path(arguments.out).write_bytes(b"".join(lines_again(found)))
        except OSError as error:
            return _say(f"{arguments.out} cannot be written: {error.strerror}", 2)
        cut = sum(not is_whole(reject) for reject in found)
        print(f"{len(found) - cut} records written to {arguments.out}" + _left(cut))
        status = 0
    else:
        status = _show(arguments, rejects)
    for why in unread:
        _say(why, UNREADABLE)
    return UNREADABLE if unread else status


def _read(names: list[str], unread: list[str]) -> Iterator[Reject]:
    for name in names:
        try:
            lines = Path(name).read_bytes().splitlines()
        except OSError as error:
            unread.append(f"{name}: cannot be read: {error.strerror}")
            continue
        for number, line in enumerate(lines, 1):
            try:
                yield reject_of(line)
            except UnreadableRejectError as error:
                unread.append(f"{name}:{number}: no refused record: {error}")
                break


def _of_topic(arguments: argparse.Namespace, wanted: Callable[[Reject], bool]) -> int:
    # Only who asks a broker loads its client.
    from pipeline.stream import settings as stream_settings
    from pipeline.stream.clients import confluent
    from pipeline.stream.deadletters import DeadLetterError, DeadLetters, Kept
    from pipeline.stream.names import Names

    try:
        directory = Path(arguments.config) if arguments.config is not None else None
        settings = stream_settings.load(given(arguments), os.environ, directory, reads=False)
    except ConfigurationError as error:
        for fault in error.faults:
            _say(str(fault), 2)
        return 2
    letters = DeadLetters(confluent(settings.bootstrap, settings.security), Names(settings.prefix))

    def chosen(kept: Kept) -> bool:
        return wanted(kept.reject) and (kept.is_new or arguments.again)

    try:
        if arguments.redrive:
            # A choice among them says nothing of the others, so it is not remembered; ids keep it from counting twice.
            everything = arguments.operator is None and arguments.reason is None
            sent, cut = letters.redrive(chosen, remember=everything)
            print(f"{sent} records redriven" + _left(cut))
            return 0
        return _show(arguments, (kept.reject for kept in letters if wanted(kept.reject)))
    except DeadLetterError as error:
        return _say(f"{settings.bootstrap}: {error}", 1)


def _left(cut: int) -> str:
    return f"; {cut} cannot be, as only their beginning was kept" if cut else ""


def _show(arguments: argparse.Namespace, rejects: Iterator[Reject]) -> int:
    if arguments.show is not None:
        found = next((reject for reject in rejects if str(reject.place) == arguments.show), None)
        if found is None:
            return _say(f"nothing was refused at {arguments.show}", 1)
        print(_json(_document(found)) if arguments.json else "\n".join(_whole(found)))
    elif arguments.list:
        for reject in rejects:
            line = f"{reject.place}  {whose(reject)}  {reject.reason}  {reject.detail}"
            print(_json(_document(reject)) if arguments.json else shown(line))
    else:
        groups = grouped(rejects)
        for group in groups:
            line = (
                f"{group.count:>8}  {group.operator}  {group.reason}  by {group.adapter}"
                f"  {group.first} … {group.last}  {group.detail}"
            )
            print(_json(msgspec.to_builtins(group)) if arguments.json else shown(line))
        if not groups and not arguments.json:
            print("nothing was refused")
    return 0


def _document(reject: Reject) -> dict[str, Any]:
    return {
        "place": str(reject.place),
        "operator": whose(reject),
        "reason": reject.reason,
        "field": reject.field,
        "detail": reject.detail,
        "adapter": reject.adapter,
        "received_at": reject.received_at,
        "headers": [[name, value.decode("utf-8", "replace")] for name, value in reject.headers],
        "value": reject.value,
    }


def _whole(reject: Reject) -> Iterator[str]:
    yield shown(f"{reject.place}  {whose(reject)}  refused by {reject.adapter}")
    yield shown(f"{reject.reason}" + (f" ({reject.field})" if reject.field else "") + f": {reject.detail}")
    if reject.received_at is not None:
        yield f"received {instant(reject.received_at)}"
    for name, value in reject.headers:
        yield shown(f"header {name}: {value.decode('utf-8', 'backslashreplace')}")
    yield f"{len(reject.value)} bytes" + ("" if is_whole(reject) else " that were kept; it was longer")
    yield shown(reject.value[:_SHOWN_BYTES].decode("utf-8", "backslashreplace"))


def _json(document: Any) -> str:
    return shown(msgspec.json.encode(document).decode())


def _say(line: str, status: int) -> int:
    print(f"seamwatch rejects: {line}", file=sys.stderr)
    return status
