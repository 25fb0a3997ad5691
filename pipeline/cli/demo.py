"""`seamwatch demo`: see an incident form, fire and resolve, with nothing but this program."""

from __future__ import annotations

import argparse
import asyncio
import logging
import socket
import sys
import time
from typing import TYPE_CHECKING, Final, Protocol

from pipeline.incidents.wording import instant, name

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.demo import Course, Demo
    from pipeline.messages import Incident
    from pipeline.web.cohorts import CohortView

USUAL_PORT: Final = 6066
_DAY_MS: Final = 86_400_000
_STYLES: Final = {"forming": "yellow", "firing": "bold red", "recovering": "cyan", "resolved": "green"}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=_port, help=f"of the page on 127.0.0.1 (default {USUAL_PORT}, or any if that is taken; 0: any)"
    )
    parser.add_argument("--seed", type=_seed, default=1, metavar="N", help="another fleet, another course (default 1)")
    parser.add_argument(
        "--exit-when-done",
        action="store_true",
        help="end once the incident has fired and resolved: 0 if the right scope was named and nothing else, else 1",
    )


def run(arguments: argparse.Namespace) -> int:
    # Faust is only loaded by who works with it.
    from pipeline.demo import Demo
    from pipeline.service import PageError

    logging.basicConfig(level=logging.CRITICAL)
    view = Screen() if sys.stdout.isatty() else Lines()
    port = _usual_port() if arguments.port is None else arguments.port
    demo = Demo(arguments.seed, port, view.heard)
    try:
        return asyncio.run(_perform(demo, view, stay=not arguments.exit_when_done))
    except PageError as error:
        print(f"seamwatch demo: {error}".replace("--web HOST:PORT, or off", "--port N, or 0 for any"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        # The way to leave a page that stays up.
        return 0


async def _perform(demo: Demo, view: View, *, stay: bool) -> int:
    began = time.monotonic()
    playing = asyncio.create_task(demo.run(stay=stay))
    told = False
    try:
        with view:
            while not playing.done():
                view.refresh(demo)
                if stay and demo.course.over and not told:
                    told = True
                    view.say(_verdict(demo.course, time.monotonic() - began))
                    view.say("The page stays up; Ctrl-C ends.")
                await asyncio.wait([playing], timeout=0.25)
    finally:
        playing.cancel()
        await asyncio.wait([playing])
    if playing.result() != 0:
        print(f"seamwatch demo: the worker has ended: {demo.course.problem}", file=sys.stderr)
        return 1
    print(_verdict(demo.course, time.monotonic() - began))
    return 0 if demo.course.right and demo.course.resolved else 1


def _verdict(course: Course, seconds: float) -> str:
    fired = course.fired
    scope = name(sorted(course.expected.items()))
    if not fired:
        verdict = f"Nothing fired, though the injected fault was in {scope}."
    elif course.right and course.resolved:
        verdict = f"One incident fired and resolved, with exactly the scope of the injected fault: {scope}."
    elif course.right:
        verdict = f"One incident fired, with exactly the scope of the injected fault: {scope}; it is not resolved."
    else:
        verdict = f"{len(fired)} fired; the injected fault was in {scope}, and only there."
    days = (course.judged_until - course.start) / _DAY_MS
    told = [incident.summary for incident in fired]
    return "\n".join([*told, f"{verdict} {days:.1f} days, {course.records} records, in {seconds:.0f} s."])


class View(Protocol):
    """What a person sees; a context manager around the performance."""

    def __enter__(self) -> object: ...

    def __exit__(self, *_: object) -> None: ...

    def heard(self, incident: Incident) -> None:
        """A change of an incident."""

    def refresh(self, demo: Demo) -> None:
        """Some time has passed."""

    def say(self, text: str) -> None:
        """A line that stays."""


class Lines:
    """In a pipe: a line for each day, and for each change of an incident."""

    def __init__(self) -> None:
        self._day = 0
        self._page = False

    def __enter__(self) -> object:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def heard(self, incident: Incident) -> None:
        self.say(_line(incident))

    def refresh(self, demo: Demo) -> None:
        if not self._page and demo.service is not None and demo.service.page is not None:
            self._page = True
            self.say(f"page: http://{demo.service.page}/")
        day = (demo.course.judged_until - demo.course.start) // _DAY_MS
        if day > self._day:
            self._day = day
            self.say(_progress(demo))

    def say(self, text: str) -> None:
        print(text, flush=True)


class Screen:
    """On a terminal: the fleet, its incidents and how far the simulation is, redrawn as they change."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console()
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)

    def __enter__(self) -> object:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def heard(self, incident: Incident) -> None:
        self._console.print(_line(incident), style=_STYLES.get(incident.state), highlight=False, markup=False)

    def refresh(self, demo: Demo) -> None:
        self._live.update(_picture(demo))

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)


def _line(incident: Incident) -> str:
    return f"{instant(incident.at)}  {incident.state:<10}  {incident.severity:<6}  {incident.summary}"


def _progress(demo: Demo) -> str:
    cohorts = _cohorts(demo)
    learnt = sum(_is_learnt(cohort) for cohort in cohorts)
    at = instant(demo.course.judged_until)
    return f"{at}  {demo.course.records} records, {len(cohorts)} cohorts, {learnt} of them learnt"


def _cohorts(demo: Demo) -> list[CohortView]:
    return demo.service.cohorts() if demo.service is not None else []


def _is_learnt(cohort: CohortView) -> bool:
    """Before a full day there is nothing yet that a deviation could be told by."""
    return cohort.anchor is not None and cohort.anchor.days >= 1.0


def _picture(demo: Demo) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    course = demo.course
    page = demo.service.page if demo.service is not None else None
    done = Table.grid()
    done.add_row(ProgressBar(total=course.end - course.start, completed=course.judged_until - course.start, width=60))
    table = Table(box=None, pad_edge=False)
    table.add_column("cohort")
    table.add_column("latency", justify="right")
    table.add_column("beyond chance")
    for cohort in _cohorts(demo):
        reading = cohort.readings.get("latency") if _is_learnt(cohort) else None
        ratio = reading.ratio if reading is not None else None
        percent = f"{(ratio - 1) * 100:+.0f} %" if ratio is not None else "…"
        deviation = reading.deviation if reading is not None else 0.0
        bar = Text("#" * min(round(abs(deviation) * 50), 40), style="red" if deviation > 0 else "green")
        table.add_row(str(cohort.cohort), percent, bar)
    where = Text(f"page: http://{page}/" if page is not None else "")
    return Group(where, Text(_progress(demo)), done, Text(), table)


def _usual_port() -> int:
    """The usual port, or 0 (any) where somebody has it."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", USUAL_PORT))
        except OSError:
            return 0
    return USUAL_PORT


def _port(text: str) -> int:
    return _whole(text, 65_535)


def _seed(text: str) -> int:
    return _whole(text, 2**63 - 1)


def _whole(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= most):
        msg = f"{text!r} is no whole number from 0 to {most}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
