"""`seamwatch topics`: create Seamwatch's topics, and check that they are as they should be."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pipeline.cli.worker import configure_settings, given
from pipeline.intent import ConfigurationError


def configure(parser: argparse.ArgumentParser) -> None:
    configure_settings(parser)
    parser.add_argument("--create", action="store_true", help="create those that do not exist; never the inputs")
    parser.add_argument("--partitions", type=int, default=8, metavar="N", help="of those that are created (default 8)")
    parser.add_argument(
        "--replicas",
        type=int,
        metavar="N",
        help="of those that are created (default: 3, or as many as there are brokers)",
    )
    parser.epilog = "Exit status: 0 all is well; 1 something is not, which is said; 2 unusable arguments; 3 no broker."


def run(arguments: argparse.Namespace) -> int:
    from pipeline.stream import settings as stream_settings
    from pipeline.stream.clients import confluent
    from pipeline.stream.names import Names
    from pipeline.stream.rights import how_to_give, needed
    from pipeline.stream.topics import ClusterError, Topic, Topics, wanted

    try:
        directory = Path(arguments.config) if arguments.config is not None else None
        settings = stream_settings.load(given(arguments), os.environ, directory)
    except ConfigurationError as error:
        for fault in error.faults:
            print(f"seamwatch topics: {fault}", file=sys.stderr)
        return 2
    try:
        topics = Topics(confluent(settings.bootstrap, settings.security))
        replicas = arguments.replicas or min(3, topics.brokers())
        own = wanted(Names(settings.prefix), replicas=replicas)
        if arguments.create:
            for name in topics.create(own, partitions=arguments.partitions, replicas=replicas):
                print(f"created {name}")
        inputs = [Topic(name, None, ours=False) for name in settings.inputs]
        found = topics.check([*inputs, *own])
        refused = topics.lacking(needed(settings))
    except ClusterError as error:
        print(f"seamwatch topics: {settings.bootstrap}: {error}", file=sys.stderr)
        return 3
    for finding in found:
        print(f"seamwatch topics: {finding}", file=sys.stderr)
    for right in refused:
        print(f"seamwatch topics: a worker is not allowed: {right}; {how_to_give([right])}", file=sys.stderr)
    if not found and not refused:
        print(f"{len(inputs) + len(own)} topics are as they should be")
    return 1 if found or refused else 0
