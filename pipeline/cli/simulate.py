"""`seamwatch simulate`: a seeded fleet with faults to choose, written to a file or to Kafka."""

from __future__ import annotations

import argparse
import gzip
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import zstandard

from pipeline.cli.worker import configure_security, given_security
from pipeline.intent import ConfigurationError
from pipeline.simulate.durations import MINUTE_MS
from pipeline.simulate.events import Batch, simulate
from pipeline.simulate.faults import FaultError, parse_fault
from pipeline.simulate.fleet import PRESETS, Fleet, sized
from pipeline.simulate.formats import CONFIGURATION, lines
from pipeline.simulate.nuisances import NuisanceError, parse_nuisances
from pipeline.simulate.truth import truth_of
from pipeline.simulate.world import World, draw_world

_MINUTES_A_DAY: Final = 1_440
_LONGEST_DAYS: Final = 3_650.0


def configure(parser: argparse.ArgumentParser) -> None:
    fleet = parser.add_argument_group("the fleet")
    fleet.add_argument("--preset", choices=sorted(PRESETS), help="standard: 126 cohorts; small: 24 (default)")
    fleet.add_argument("--cohorts", type=int, metavar="N", help="instead of a preset: a fleet of about N cohorts")
    fleet.add_argument("--events-per-minute", type=_rate, metavar="R", help="records a minute, on average")
    fleet.add_argument("--seed", type=_seed, default=0, metavar="N", help="same seed, same bytes (default 0)")
    length = fleet.add_mutually_exclusive_group()
    length.add_argument("--days", type=_days, metavar="D", help="how long it lasts (default 1)")
    length.add_argument("--minutes", type=_minutes, metavar="M", help="likewise, in minutes")
    fleet.add_argument(
        "--start",
        type=_instant,
        default="2026-01-05T00:00:00Z",
        metavar="ISO",
        help="first instant (default %(default)s, a Monday); now, or now-2d, for a live feed",
    )
    fleet.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="FAULT",
        help="may be repeated; such as latency*1.25@firmware=fw-2.4.1,from=8d,until=13d, or, with what waits for it, "
        "latency*2@operation=entitlement_check,cascades=playback_start,operator=altura,from=8d",
    )
    fleet.add_argument(
        "--nuisance",
        action="append",
        default=[],
        metavar="NAME=SCALE",
        help="may be repeated; scales what goes on without a fault, such as shocks=0, all=0, tails=t3",
    )
    where = parser.add_argument_group("where it goes")
    where.add_argument(
        "--out", metavar="FILE", help="NDJSON, compressed for .gz and .zst; - is standard output (default)"
    )
    where.add_argument("--truth", metavar="FILE", help="the injected faults and the incidents expected, as JSON")
    where.add_argument(
        "--format",
        choices=["canonical", *CONFIGURATION],
        default="canonical",
        help="wire format of the records (default %(default)s); what it cannot say is left out",
    )
    where.add_argument(
        "--write-config",
        metavar="DIR",
        help="write the operator's file that reads --format back: DIR/operators/simulated.yaml",
    )
    where.add_argument("--brokers", metavar="HOST:PORT", help="write to Kafka instead")
    where.add_argument("--topic", metavar="NAME", help="the topic to write to")
    where.add_argument("--config", metavar="DIR", help="directory of a worker.yaml that says how to connect")
    configure_security(parser)
    pace = where.add_mutually_exclusive_group()
    pace.add_argument("--speed", type=_rate, metavar="X", help="1: in real time (default); 60: an hour a minute")
    pace.add_argument(
        "--catch-up", action="store_true", help="what is past by now as fast as it goes, then in real time"
    )
    pace.add_argument("--as-fast", action="store_true", help="as fast as the broker takes it")


def run(arguments: argparse.Namespace) -> int:
    # A live fleet is not behind by as long as drawing it took.
    began = time.monotonic()
    try:
        world = _world(arguments)
        _check_goal(arguments)
    except (FaultError, NuisanceError, ValueError) as error:
        print(f"seamwatch simulate: {error}", file=sys.stderr)
        return 2
    if arguments.write_config is not None:
        folder = Path(arguments.write_config) / "operators"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "simulated.yaml").write_text(CONFIGURATION[arguments.format], encoding="utf-8")
        except OSError as error:
            print(f"seamwatch simulate: --write-config {folder}: {error.strerror}", file=sys.stderr)
            return 2
    if arguments.truth is not None:
        try:
            Path(arguments.truth).write_bytes(msgspec.json.format(msgspec.json.encode(truth_of(world))) + b"\n")
        except OSError as error:
            print(f"seamwatch simulate: --truth {arguments.truth}: {error.strerror}", file=sys.stderr)
            return 2
    with _progress(world) as advance:
        if arguments.brokers is not None:
            return _to_kafka(arguments, world, advance, began)
        return _to_file(arguments, world, advance)


def _world(arguments: argparse.Namespace) -> World:
    if arguments.preset is not None and arguments.cohorts is not None:
        msg = "give --preset or --cohorts, not both"
        raise ValueError(msg)
    fleet: Fleet = sized(arguments.cohorts) if arguments.cohorts is not None else PRESETS[arguments.preset or "small"]
    fleet = fleet.with_nuisances(parse_nuisances(arguments.nuisance))
    if arguments.events_per_minute is not None:
        fleet = replace(fleet, events_per_minute=arguments.events_per_minute)
    minutes = arguments.minutes or max(round((arguments.days or 1.0) * _MINUTES_A_DAY), 1)
    faults = tuple(parse_fault(text) for text in arguments.fault)
    for fault in faults:
        if fault.start >= minutes * MINUTE_MS:
            raise FaultError(str(fault), "it begins after the end of the simulation; see --days")
    return draw_world(fleet, faults, seed=arguments.seed, start_ms=arguments.start, minutes=minutes)


def _check_goal(arguments: argparse.Namespace) -> None:
    if (arguments.brokers is None) != (arguments.topic is None):
        msg = "--brokers and --topic go together"
        raise ValueError(msg)
    if arguments.write_config is not None and arguments.format == "canonical":
        msg = "--write-config is for a --format that needs an operator's file; canonical records need none"
        raise ValueError(msg)
    if arguments.brokers is not None and arguments.out is not None:
        msg = "give --out or --brokers, not both"
        raise ValueError(msg)
    if arguments.brokers is None and (arguments.speed is not None or arguments.as_fast or arguments.catch_up):
        msg = "--speed, --catch-up and --as-fast are for --brokers; a file is written as fast as it goes"
        raise ValueError(msg)


def _to_file(arguments: argparse.Namespace, world: World, advance: Callable[[Batch], None]) -> int:
    name = arguments.out or "-"
    try:
        with _opened(name) as write:
            for batch in simulate(world):
                write(lines(batch, arguments.format))
                advance(batch)
    except BrokenPipeError:
        raise  # Whoever reads has seen enough; that is for `main`.
    except OSError as error:
        print(f"seamwatch simulate: {name}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def _to_kafka(arguments: argparse.Namespace, world: World, advance: Callable[[Batch], None], began: float) -> int:
    # Only who writes to Kafka loads its client.
    from pipeline.simulate.kafka import DeliveryError, produce
    from pipeline.stream.clients import confluent
    from pipeline.stream.settings import load_security

    try:
        directory = Path(arguments.config) if arguments.config is not None else None
        security = load_security(given_security(arguments), os.environ, directory)
    except ConfigurationError as error:
        for fault in error.faults:
            print(f"seamwatch simulate: {fault}", file=sys.stderr)
        return 2
    try:
        produce(
            simulate(world),
            brokers=arguments.brokers,
            topic=arguments.topic,
            speed=None if arguments.as_fast else arguments.speed or 1.0,
            since=(time.monotonic(), _now()) if arguments.catch_up else (began, world.start_ms),
            progress=advance,
            client=confluent(arguments.brokers, security),
            format_name=arguments.format,
            begins_ms=world.start_ms,
        )
    except DeliveryError as error:
        print(f"seamwatch simulate: {error}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def _opened(name: str) -> Iterator[Callable[[bytes], object]]:
    """What writes to the file of that name, compressed as its suffix says."""
    if name == "-":
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    with Path(name).open("wb") as raw:
        if name.endswith(".gz"):
            # No time and no name in its head: the same seed gives the same bytes.
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as packed:
                yield packed.write
        elif name.endswith(".zst"):
            with zstandard.ZstdCompressor(level=3).stream_writer(raw) as stream:
                yield stream.write
        else:
            yield raw.write


@contextmanager
def _progress(world: World) -> Iterator[Callable[[Batch], None]]:
    """Reports how far it is, on a terminal; silent in a pipe."""
    if not sys.stderr.isatty():
        yield lambda batch: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("simulating", total=world.minutes * MINUTE_MS)
        yield lambda batch: progress.update(task, completed=batch.until - world.start_ms)


def _instant(text: str) -> int:
    live = re.fullmatch(r"now(?:-(\d{1,4})([dh]))?", text)
    if live is not None:
        return _now() - int(live[1] or 0) * (24 if live[2] == "d" else 1) * 3_600_000
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{text!r} is no instant; write 2026-01-05T00:00:00Z, now, now-2d or now-6h"
        raise argparse.ArgumentTypeError(msg) from None
    if not 2000 <= moment.year < 2090:
        msg = f"{text!r} is not between 2000 and 2090"
        raise argparse.ArgumentTypeError(msg)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)


def _now() -> int:
    """In ms since the epoch, at a full second."""
    return int(datetime.now(UTC).timestamp()) * 1_000


def _rate(text: str) -> float:
    return _bounded(text, 0.0, 1e9)


def _days(text: str) -> float:
    return _bounded(text, 0.0, _LONGEST_DAYS)


def _minutes(text: str) -> int:
    return _whole(text, 1, int(_LONGEST_DAYS) * _MINUTES_A_DAY)


def _seed(text: str) -> int:
    return _whole(text, 0, 2**63 - 1)


def _bounded(text: str, above: float, limit: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = above
    if not above < value <= limit:
        msg = f"{text!r} is no number above {above:g} and at most {limit:g}"
        raise argparse.ArgumentTypeError(msg)
    return value


def _whole(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        msg = f"{text!r} is no whole number from {least} to {most}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
