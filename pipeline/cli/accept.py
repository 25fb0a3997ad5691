"""`seamwatch accept`: a person accepts the present level of a scope as its anchor."""

from __future__ import annotations

import argparse
import getpass
import sys
import time
import uuid
from typing import Final

from pipeline.cli.cluster import deployment
from pipeline.cli.handovers import append, fault
from pipeline.cli.worker import configure_settings
from pipeline.messages import Decision

SIGNALS: Final = (
    "latency", "failure", "denial", "timeout", "retry", "out_of_order", "duplicate", "gap", "delay", "contract",
)  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    configure_settings(parser)
    parser.add_argument(
        "scope",
        metavar="DIMENSION=VALUE",
        nargs="*",
        help="whose level: operator, device_class, firmware, environment; what is left out means all",
    )
    parser.add_argument("--everything", action="store_true", help="the whole fleet: instead of a scope")
    parser.add_argument("--signal", choices=SIGNALS, metavar="NAME", help=f"only that one of {', '.join(SIGNALS)}")
    parser.add_argument("--operation", metavar="NAME", help="only that of one operation")
    parser.add_argument(
        "--days", type=int, default=1, metavar="N", help="the present level is that of the last N days (default 1)"
    )
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; it is kept and shown")
    parser.add_argument("--by", metavar="NAME", help="who; it is kept and shown (default: who runs this)")
    parser.add_argument("--at", metavar="MS", type=int, help="when, ms since the epoch (default: now)")
    parser.add_argument(
        "--to", metavar="FILE.ndjson", help="append the decision to a file for `replay --decisions`, and send nothing"
    )
    parser.epilog = (
        "The first anchor is kept, and what has moved since is told. Exit status: 0 it is decided; 2 unusable "
        "arguments; 3 no broker, or no such deployment."
    )


def run(arguments: argparse.Namespace) -> int:
    scope = {}
    for pair in arguments.scope:
        name, equals, value = pair.partition("=")
        if not equals or not value or name in scope:
            return _refuse(f"{pair!r} is no DIMENSION=VALUE, or the second of its dimension")
        scope[name] = value
    if bool(scope) == arguments.everything:
        return _refuse("name a scope, or --everything, not both")
    decision = Decision(
        decision_id=uuid.uuid4().hex,
        at=int(time.time() * 1000) if arguments.at is None else arguments.at,
        by=arguments.by if arguments.by is not None else getpass.getuser(),
        reason=arguments.reason,
        scope=scope,
        operation=arguments.operation,
        signal=arguments.signal,
        days=arguments.days,
    )
    if wrong := fault(decision):
        return _refuse(wrong)
    if arguments.to is not None:
        try:
            append(arguments.to, [decision])
        except OSError as error:
            return _refuse(f"{arguments.to} cannot be written: {error.strerror}")
        print(f"decision {decision.decision_id} is in {arguments.to}")
        return 0
    return _send(arguments, decision)


def _send(arguments: argparse.Namespace, decision: Decision) -> int:
    from pipeline.stream.handover import NotSentError, send

    cluster = deployment(arguments)
    if cluster is None:
        return 2
    try:
        partitions = send(cluster.client, cluster.names, [decision])
    except NotSentError as error:
        print(f"seamwatch accept: {cluster.bootstrap}: {error}", file=sys.stderr)
        return 3
    print(f"decision {decision.decision_id} is in {partitions} partitions of {cluster.names.windows}")
    return 0


def _refuse(why: str) -> int:
    print(f"seamwatch accept: {why}", file=sys.stderr)
    return 2
