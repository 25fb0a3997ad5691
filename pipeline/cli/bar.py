"""How far a long command is, for who sits in front of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def shown(size: int | None, doing: str, *, of_bytes: bool = True) -> Iterator[Callable[[int], object]]:
    """Takes what is done so far (bytes, or records) and shows it, on a terminal; silent in a pipe."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    # Only a terminal needs it, and it takes a while to load.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    count = DownloadColumn() if of_bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(doing, total=size)
        yield lambda done: progress.update(task, completed=done)
