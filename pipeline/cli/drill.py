"""`seamwatch drill`: injects calibrated faults into a stream that is nobody's production, and proves what is found."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from pipeline.cli.liveguard import LiveError, LiveGuard, token_of
from pipeline.cli.worker import configure_settings, given
from pipeline.config.directory import configuration
from pipeline.drill import report
from pipeline.drill.file import DrillFile, drill_files, read
from pipeline.drill.outcome import Held, combined, duration
from pipeline.drill.plan import Plan, default_plan
from pipeline.drill.recorded import recorded
from pipeline.drill.rehearsal import Known, Progress, Rehearsal, hold
from pipeline.drill.streams import (
    RECORDS_AN_OPERATION,
    LostStreamError,
    SimulatedStream,
    Stream,
    UnusableStreamError,
    fleet_of,
)
from pipeline.intent import ConfigurationError, Fault, Intent, default
from pipeline.stream.settings import Settings

UNUSABLE: Final = 2
NOT_NOW: Final = 3
"""Exit status: an incident fires, the live detector is unwell, or there is no broker."""
HOURS: Final = 12.0
_OWN: Final = "seamwatch drill"


def configure(parser: argparse.ArgumentParser) -> None:
    configure_settings(parser)
    what = parser.add_argument_group("what is drilled")
    what.add_argument(
        "--drill",
        action="append",
        default=[],
        metavar="FILE",
        help="a drill file; may be repeated (default: those of DIR/drills, or else a plan from the intent)",
    )
    what.add_argument(
        "--default", action="store_true", help="the plan that follows from the intent, although there are drill files"
    )
    what.add_argument("--service", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    what.add_argument("--list", action="store_true", help="say what would be injected and expected, and end")
    stream = parser.add_argument_group("into which stream")
    stream.add_argument(
        "--simulated", action="store_true", help="a simulated fleet that does what the intent is about (default)"
    )
    stream.add_argument(
        "--recorded",
        nargs="+",
        metavar="FILE",
        help="canonical records in arrival order, whose last hours are changed in a copy",
    )
    stream.add_argument(
        "--hours", type=float, metavar="H", help=f"of recorded files, to be changed (default {HOURS:g})"
    )
    stream.add_argument(
        "--shadow",
        metavar="TOPIC",
        help="write the simulated stream to a new topic at --brokers, and run a worker of its own on it",
    )
    stream.add_argument("--seed", type=int, metavar="N", help="same seed, same drill (default 0)")
    stream.add_argument(
        "--records",
        type=float,
        default=RECORDS_AN_OPERATION,
        metavar="R",
        help="of the simulated fleet: records a minute of each operation (default %(default)g)",
    )
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="faults at a time (default 1)")
    parser.add_argument("--report", action="append", default=[], metavar="OUT", help="a page (.html) or Markdown (.md)")
    parser.add_argument("--json", action="store_true", help="print what came of it as JSON")
    live = parser.add_argument_group("beside a live deployment")
    live.add_argument("--live", metavar="URL", help="of a worker's page: no drill while it fires or is unwell")
    live.add_argument("--live-token-file", metavar="FILE", help="its first line is the token for reading there")
    live.add_argument("--offline", action="store_true", help="ask no live worker, although results are published")
    live.add_argument("--publish", action="store_true", help="tell the deployment at --brokers what was proven")
    parser.epilog = (
        "Nothing is ever injected into an operator's input. Exit status: 0 every non-negotiable service is proven "
        "(others that are not are said); 1 one is not, or the stream is not quiet without faults; 2 unusable arguments "
        "or configuration; 3 not now: an incident fires, the live detector is unwell, or there is no broker."
    )


def run(arguments: argparse.Namespace) -> int:
    try:
        intent, files = _configured(arguments)
        settings = _settings(arguments)
    except ConfigurationError as error:
        for fault in error.faults:
            print(f"{_OWN}: {fault}", file=sys.stderr)
        return UNUSABLE
    wrong = _clash(arguments, intent, files, settings)
    if wrong is not None:
        return _refuse(wrong)
    plans: list[tuple[Plan, DrillFile | None]] = [(each.plan, each) for each in files]
    plans = plans or [(default_plan(intent), None)]
    if arguments.service:
        plans = [(plan.only(frozenset(arguments.service)), each) for plan, each in plans]
    if arguments.list:
        print("\n".join(_listed(plans)))
        return 0
    try:
        guard = _guard(arguments, settings)
        with tempfile.TemporaryDirectory(prefix="seamwatch-drill-") as folder:
            known: dict[Stream, Known] = {}
            helds = [_held(arguments, intent, settings, plan, each, Path(folder), guard, known) for plan, each in plans]
    except (LiveError, LostStreamError) as error:
        return _refuse(str(error), NOT_NOW)
    except (UnusableStreamError, OSError) as error:
        return _refuse(str(error))
    return _tell(arguments, settings, helds)


def _configured(arguments: argparse.Namespace) -> tuple[Intent, list[DrillFile]]:
    """Raises ConfigurationError with every fault of every file."""
    directory = Path(arguments.config) if arguments.config is not None else None
    intent = configuration(directory).intent if directory is not None else default()
    paths = [Path(name) for name in arguments.drill]
    if not paths and directory is not None and not arguments.default:
        paths = drill_files(directory)
    faults: list[Fault] = []
    found = [read(path, intent, faults) for path in paths]
    if faults:
        raise ConfigurationError(faults)
    return intent, [each for each in found if each is not None]


def _settings(arguments: argparse.Namespace) -> Settings | None:
    """Of the deployment; None where nothing is asked of one. Raises ConfigurationError."""
    if not (arguments.publish or arguments.shadow is not None):
        return None
    from pipeline.stream import settings as stream_settings

    directory = Path(arguments.config) if arguments.config is not None else None
    return stream_settings.load(given(arguments), os.environ, directory, reads=False)


def _clash(
    arguments: argparse.Namespace, intent: Intent, files: list[DrillFile], settings: Settings | None
) -> str | None:
    if arguments.simulated and arguments.recorded:
        return "give --simulated or --recorded, not both"
    if arguments.shadow is not None and arguments.recorded:
        return "--shadow writes a simulated stream; leave out --recorded"
    if arguments.live is not None and arguments.offline:
        return "give --live or --offline, not both"
    if arguments.processes < 1:
        return f"--processes is {arguments.processes}; give 1 or more"
    if arguments.records <= 0:
        return f"--records is {arguments.records:g}; give more than 0"
    unknown = sorted(set(arguments.service) - {service.name for service in intent.services})
    if unknown:
        return f"there is no service {unknown[0]}; there are {', '.join(service.name for service in intent.services)}"
    for name in arguments.report:
        if Path(name).suffix not in (".html", ".md"):
            return f"--report {name}: write .html or .md"
    if arguments.recorded and any(each.stream.kind == "simulated" for each in files):
        return "a drill file wants a simulated stream; leave out --recorded"
    if settings is not None and arguments.shadow is not None:
        from pipeline.shadow import forbidden

        return forbidden(arguments.shadow, settings)
    return None


def _guard(
    arguments: argparse.Namespace, settings: Settings | None
) -> Callable[[Callable[[float, str], None]], Progress]:
    """Makes what is told how far a drill is; asks the live worker first. Raises LiveError."""
    url = arguments.live
    if url is None and settings is not None and not arguments.offline:
        if settings.web is None:
            msg = "which worker is live? give --live URL, or --offline to ask none"
            raise LiveError(msg)
        url = f"http://{settings.web}"
    if url is None:
        print(f"{_OWN}: no live worker was asked whether an incident fires (--live URL)", file=sys.stderr)
        return _Shown
    token = token_of(arguments.live_token_file)
    LiveGuard(url, token, lambda done, what: None).begin()
    return lambda show: LiveGuard(url, token, show)


class _Shown(Progress):
    def __init__(self, show: Callable[[float, str], None]) -> None:
        self._show = show

    def step(self, done: float, what: str) -> None:
        self._show(done, what)


def _held(
    arguments: argparse.Namespace,
    intent: Intent,
    settings: Settings | None,
    plan: Plan,
    file: DrillFile | None,
    folder: Path,
    guard: Callable[[Callable[[float, str], None]], Progress],
    known: dict[Stream, Known],
) -> Held:
    """known: what there is at the end of the histories of streams that were drilled before."""
    stream = _stream(arguments, intent, file, folder)
    rehearsal = Rehearsal(intent, stream)
    with _bar() as show:
        if arguments.shadow is not None:
            from pipeline.shadow import hold_in_shadow

            assert settings is not None
            assert isinstance(stream, SimulatedStream)
            return hold_in_shadow(plan, intent, stream, settings, arguments.shadow, guard(show))
        progress = guard(show)
        if stream not in known:
            known[stream] = rehearsal.known(progress)
        return hold(plan, rehearsal, progress, arguments.processes, known[stream])


def _stream(arguments: argparse.Namespace, intent: Intent, file: DrillFile | None, folder: Path) -> Stream:
    choice = None if file is None else file.stream
    seed = arguments.seed if arguments.seed is not None else (choice and choice.seed) or 0
    names = arguments.recorded or (list(choice.files) if choice is not None and not arguments.simulated else [])
    if names and arguments.shadow is None:
        hours = arguments.hours or (choice and choice.hours) or HOURS
        stream = recorded(names, folder, hours=hours, seed=seed)
        for fault in stream.faults:
            print(f"{_OWN}: {fault}", file=sys.stderr)
        return stream
    made = SimulatedStream(fleet_of(intent, arguments.records), seed)
    return made if choice is None else replace(made, days=choice.days)


@contextmanager
def _bar() -> Iterator[Callable[[float, str], None]]:
    """How far it is, on a terminal; silent in a pipe."""
    if not sys.stderr.isatty():
        yield lambda done, what: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("drill", total=1.0)
        yield lambda done, what: bar.update(task, completed=done, description=what)


def _tell(arguments: argparse.Namespace, settings: Settings | None, helds: list[Held]) -> int:
    ended = round(time.time() * 1_000)
    for name in arguments.report:
        page = report.html(helds) if name.endswith(".html") else "\n".join(map(report.markdown, helds))
        try:
            Path(name).write_text(page, encoding="utf-8")
        except OSError as error:
            return _refuse(f"--report {name} cannot be written: {error.strerror}")
    if arguments.json:
        print(msgspec.json.encode(_document(helds, ended)).decode())
    else:
        print("\n".join(line for held in helds for line in report.lines(held)))
    if arguments.publish:
        assert settings is not None
        from pipeline.stream.clients import confluent
        from pipeline.stream.handover import NotSentError
        from pipeline.stream.names import Names
        from pipeline.stream.proofs import publish

        try:
            publish(confluent(settings.bootstrap, settings.security), Names(settings.prefix), combined(helds, ended))
        except NotSentError as error:
            return _refuse(f"{settings.bootstrap}: {error}", NOT_NOW)
    return max(held.status for held in helds)


def _document(helds: list[Held], at: int) -> dict[str, object]:
    """Of `--json`."""
    when = datetime.fromtimestamp(at / 1_000, UTC).isoformat(timespec="seconds")
    return {
        "at": when,
        "proven": not any(held.status for held in helds),
        "drills": [
            {
                **msgspec.to_builtins(held),
                "outcomes": [{**msgspec.to_builtins(one), "wrong": one.wrong} for one in held.outcomes],
                "proofs": [msgspec.to_builtins(proof) for proof in held.proofs(at)],
            }
            for held in helds
        ],
    }


def _listed(plans: list[tuple[Plan, DrillFile | None]]) -> Iterator[str]:
    for plan, _ in plans:
        yield f"drill {plan.title!r}: {len(plan.faults)} faults"
        for one in plan.faults:
            told = "pages nobody" if one.tolerated else f"{one.severity} to {', '.join(one.receivers)}"
            where = f" ({one.place})" if one.place else ""
            whose = one.service or "(the stream)"
            yield f"  {whose}: {one.name}: within {duration(one.within_ms)}, {told}{where}"


def _refuse(why: str, status: int = UNUSABLE) -> int:
    print(f"{_OWN}: {why}", file=sys.stderr)
    return status
