"""`seamwatch incident`: what is open, and what people do about it."""

from __future__ import annotations

import argparse
import getpass
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from pipeline.cli.cluster import Deployment, deployment
from pipeline.cli.handovers import append
from pipeline.cli.worker import configure_settings
from pipeline.engine import Told
from pipeline.incidents import people
from pipeline.incidents.wording import instant, name
from pipeline.messages import Action, Incident
from pipeline.recordfile import printable

VERBS: Final = {
    "ack": "acknowledge",
    "note": "note",
    "accept": "accept",
    "false-alarm": "false_alarm",
    "confirm": "confirm",
}
_HELP: Final = {
    "list": "those that are open (--all: those that are over as well)",
    "show": "all that is said of one",
    "ack": "you have it",
    "note": "put a text beside it",
    "accept": "its level is the anchor from now on",
    "false-alarm": "it is none: it is over, and does not page again for a week unless clearly stronger",
    "confirm": "it is one: it says nothing about false alarms",
}
NO_BROKER: Final = 3


def configure(parser: argparse.ArgumentParser) -> None:
    configure_settings(parser)
    parser.add_argument(
        "verb", choices=list(_HELP), metavar="VERB", help="; ".join(f"{k}: {v}" for k, v in _HELP.items())
    )
    parser.add_argument("incident", metavar="ID", nargs="?", help="its id, or an unmistakable beginning of it")
    parser.add_argument("--by", metavar="NAME", help="who; it is kept and shown (default: who runs this)")
    parser.add_argument("--text", metavar="TEXT", default="", help="why, or what; it is kept and shown")
    parser.add_argument("--all", action="store_true", help="list: those that are over as well")
    parser.add_argument("--json", action="store_true", help="list, show: the records themselves, one a line")
    parser.add_argument("--at", metavar="MS", type=int, help="when, ms since the epoch (default: now)")
    parser.add_argument(
        "--incidents",
        metavar="FILE.ndjson",
        help="incidents as `replay --incidents` wrote them, instead of a cluster's",
    )
    parser.add_argument(
        "--to", metavar="FILE.ndjson", help="append to a file for `replay --decisions`, and send nothing"
    )
    parser.epilog = (
        "Exit status: 0 it is done; 2 unusable arguments, or no such incident; 3 no broker, or no such deployment."
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.incidents is not None and arguments.verb in VERBS and arguments.to is None:
        return _refuse("what --incidents names is over: say --to FILE.ndjson, for `replay --decisions`")
    if (arguments.verb == "list") != (arguments.incident is None):
        return _refuse("list takes no incident" if arguments.verb == "list" else f"{arguments.verb} which incident? ID")
    cluster = None
    if arguments.incidents is None:
        if (cluster := deployment(arguments)) is None:
            return 2
        known, status = _of_cluster(cluster)
    else:
        known, status = _of_file(arguments.incidents)
    if known is None:
        return status
    if arguments.verb == "list":
        for one in known:
            if arguments.all or one.state != "resolved":
                print(_json(one) if arguments.json else _line(one))
        return 0
    found = [one for one in known if one.incident_id.startswith(arguments.incident)]
    if len(found) != 1:
        said = printable(arguments.incident)
        return _refuse(f"{said!r} is the beginning of {len(found)} incidents" if found else f"no incident {said!r}")
    if arguments.verb == "show":
        print(_json(found[0]) if arguments.json else "\n".join(_whole(found[0])))
        return 0
    return _act(arguments, found[0], cluster)


def _act(arguments: argparse.Namespace, incident: Incident, cluster: Deployment | None) -> int:
    action = Action(
        action_id=uuid.uuid4().hex,
        at=int(time.time() * 1000) if arguments.at is None else arguments.at,
        by=arguments.by if arguments.by is not None else getpass.getuser(),
        incident_id=incident.incident_id,
        verb=VERBS[arguments.verb],
        text=arguments.text,
    )
    wrong = people.fault(action) or people.objection(action, incident)
    if wrong is not None:
        return _refuse(wrong)
    told: list[Told] = [action, *people.decisions(action, incident)]
    if arguments.to is not None:
        try:
            append(arguments.to, told)
        except OSError as error:
            return _refuse(f"{arguments.to} cannot be written: {error.strerror}")
        print(f"{action.verb} of incident {incident.incident_id} is in {arguments.to}")
        return 0
    from pipeline.stream.handover import NotSentError, send

    assert cluster is not None
    try:
        send(cluster.client, cluster.names, told)
    except NotSentError as error:
        print(f"seamwatch incident: {cluster.bootstrap}: {error}", file=sys.stderr)
        return NO_BROKER
    print(f"{action.verb} of incident {incident.incident_id} is sent; {cluster.names.prefix}incidents will say so")
    return 0


def _of_cluster(cluster: Deployment) -> tuple[list[Incident] | None, int]:
    """The newest record of each, or an exit status."""
    from pipeline.stream import newest
    from pipeline.stream.topics import ClusterError

    try:
        return newest.incidents(cluster.client, cluster.names), 0
    except ClusterError as error:
        print(f"seamwatch incident: {cluster.bootstrap}: {error}", file=sys.stderr)
        return None, NO_BROKER


def _of_file(path: str) -> tuple[list[Incident] | None, int]:
    found: dict[str, Incident] = {}
    try:
        for number, line in enumerate(Path(path).read_bytes().splitlines(), 1):
            try:
                incident = msgspec.json.decode(line, type=Incident)
            except msgspec.MsgspecError as error:
                return None, _refuse(f"{path}:{number}: is not what `replay --incidents` writes: {error}")
            found[incident.incident_id] = incident
    except OSError as error:
        return None, _refuse(f"{path} cannot be read: {error.strerror}")
    return list(found.values()), 0


def _line(one: Incident) -> str:
    seen = "" if one.acknowledged_at is None else "  acknowledged"
    return printable(f"{one.incident_id}  {instant(one.at)}  {one.severity} {one.state}{seen}  {one.summary}")


def _whole(one: Incident) -> Sequence[str]:
    lines = [
        f"{one.incident_id}  {one.severity} {one.state}: {one.summary}",
        f"scope     {name(tuple(one.scope.items()))}",
    ]
    for word, at in (
        ("began", one.onset_at),
        ("forming", one.forming_at),
        ("fired", one.fired_at),
        ("seen by", one.acknowledged_at),
        ("recovering", one.recovering_at),
        ("resolved", one.resolved_at),
    ):
        if at is not None:
            lines.append(f"{word:<10}{instant(at)}")
    if one.verdict is not None:
        lines.append(f"verdict   {one.verdict}")
    for related in one.changes:
        change = related.change
        lines.append(f"before it {instant(change.at)} {change.kind}: {change.what} (fit {related.fit:.2f})")
    for action in one.actions:
        lines.append(f"by people {instant(action.at)} {action.by}: {action.verb} {action.text}".rstrip())
    return [printable(line) for line in lines]


def _json(one: Incident) -> str:
    return msgspec.json.encode(one).decode()


def _refuse(why: str) -> int:
    print(f"seamwatch incident: {why}", file=sys.stderr)
    return 2
