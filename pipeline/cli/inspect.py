"""`seamwatch inspect`: what the stages of a deployment know, read from their newest snapshots."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Final

import msgspec

from pipeline.cli.cluster import deployment
from pipeline.cli.worker import configure_settings
from pipeline.inspection import NoSuchPathError, Sight, sight

_STATUS_UNREACHABLE: Final = 3


def configure(parser: argparse.ArgumentParser) -> None:
    configure_settings(parser)
    parser.add_argument(
        "where",
        metavar="SOURCE[:PATH]",
        nargs="?",
        help="such as windows/0, or evidence/0:references.cells.level; without it, the snapshots that there are",
    )
    parser.add_argument("--first", type=int, default=0, metavar="N", help="items before it are left out (default 0)")
    parser.add_argument("--json", action="store_true", help="print one object")
    parser.epilog = (
        "Exit status: 0 it is shown; 2 unusable arguments, or nothing at that path; 3 no broker, or no state."
    )


def run(arguments: argparse.Namespace) -> int:
    from pipeline.stream import states
    from pipeline.stream.checkpoints import LostStateError
    from pipeline.stream.topics import ClusterError

    cluster = deployment(arguments)
    if cluster is None:
        return 2
    source, _, path = (arguments.where or "").partition(":")
    try:
        held = states.held(cluster.client, cluster.group, cluster.names)
        if not source:
            return _list(held, as_json=arguments.json)
        one = next((one for one in held if one.source == source), None)
        if one is None:
            known = ", ".join(other.source for other in held) or "none has been written yet"
            return _refuse(f"no snapshot of {source!r}; there is {known}", _STATUS_UNREACHABLE)
        seen = sight(states.load(cluster.client, cluster.group, one), path, max(arguments.first, 0))
    except (ClusterError, LostStateError) as error:
        return _refuse(f"{cluster.bootstrap}: {error}", _STATUS_UNREACHABLE)
    except NoSuchPathError as error:
        return _refuse(str(error), 2)
    _show(seen, one.source, one.position, as_json=arguments.json)
    return 0


def _list(held: list, *, as_json: bool) -> int:  # type: ignore[type-arg]  # of `Held`, which needs Kafka's client
    if as_json:
        said = [
            {"source": one.source, "stage": one.stage, "position": one.position, "topic": one.topic} for one in held
        ]
        print(msgspec.json.encode(said).decode())
        return 0
    for one in held:
        print(f"{one.source:<14} {one.stage:<9} up to offset {one.position}, in {one.topic}/{one.partition}")
    if not held:
        print("no snapshot has been written yet")
    return 0


def _show(seen: Sight, source: str, position: int, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode({"source": source, "position": position, **asdict(seen)}).decode())
        return
    print(f"{source}{':' + seen.path if seen.path else ''}  {seen.kind}: {_tame(seen.value)}")
    width = min(max((len(item.name) for item in seen.items), default=0), 40)
    for item in seen.items:
        print(f"  {_tame(item.name):<{width}}  {item.kind:<8} {_tame(item.value)}")
    if seen.left_out:
        print(f"  and {seen.left_out} more (--first {len(seen.items)})")


def _tame(text: str) -> str:
    """Names come from operators; a terminal obeys what is in them unless it is taken out."""
    return "".join(sign if sign.isprintable() else "�" for sign in text)


def _refuse(why: str, status: int) -> int:
    print(f"seamwatch inspect: {why}", file=sys.stderr)
    return status
