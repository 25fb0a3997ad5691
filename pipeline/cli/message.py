"""`seamwatch message`: what the person on call is told of an incident, from a file of incident records."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Final

import msgspec

from pipeline.codec import decode
from pipeline.incidents.document import document
from pipeline.incidents.message import message
from pipeline.incidents.told import Message
from pipeline.messages import Incident
from pipeline.recordfile import RecordFiles

_SHOWN: Final[dict[str, Callable[[Message], str]]] = {
    "text": lambda said: f"{said.title}\n{said.text}\n",
    "markdown": document,
    "json": lambda said: msgspec.json.encode(said).decode() + "\n",
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "incidents", metavar="INCIDENTS.ndjson", help="as `replay --incidents` writes it, or `-`; may be compressed"
    )
    parser.add_argument("id", metavar="ID", nargs="?", help="of one incident, or how it begins (default: each of them)")
    parser.add_argument(
        "--as", dest="form", choices=_SHOWN, default="text", help="text for a phone (default), markdown, or json"
    )
    parser.add_argument("--page-url", metavar="URL", help="where people reach the page, for the link")
    parser.epilog = (
        "The newest record of an incident is what is told. Exit status: 0; 2 unusable arguments, no such incident or "
        "something that is no incident record, with its place; 3 the file is missing or ended unreadable."
    )


def run(arguments: argparse.Namespace) -> int:
    files = RecordFiles([arguments.incidents])
    newest: dict[str, Incident] = {}
    for batch in files:
        for line, value in zip(batch.positions, batch.values, strict=True):
            incident = _incident(value)
            if isinstance(incident, str):
                return _refuse(f"{batch.origin}:{line}: no incident record: {incident}")
            newest[incident.incident_id] = incident
    for fault in files.faults:
        print(f"seamwatch message: {fault}", file=sys.stderr)
    wanted = [one for name, one in newest.items() if name.startswith(arguments.id or "")]
    if arguments.id is not None and len(wanted) != 1:
        known = ", ".join(newest) or "none"
        return _refuse(f"{arguments.id!r} begins {len(wanted)} of the incidents there are: {known}")
    for number, incident in enumerate(wanted):
        if number and arguments.form != "json":
            print()
        sys.stdout.write(_SHOWN[arguments.form](message(incident, _link(arguments.page_url, incident))))
    return 3 if files.faults else 0


def _incident(value: bytes) -> Incident | str:
    try:
        found = decode(value)
    except msgspec.MsgspecError as error:
        return str(error)
    return found if isinstance(found, Incident) else f"it is a {type(found).__name__}"


def _link(page: str | None, incident: Incident) -> str | None:
    return None if page is None else f"{page.rstrip('/')}/incidents/{incident.incident_id}"


def _refuse(why: str) -> int:
    print(f"seamwatch message: {why}", file=sys.stderr)
    return 2
