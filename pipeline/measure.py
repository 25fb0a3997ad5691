"""Reads a series of single values from CSV and follows it: what `seamwatch measure` does, without the terminal."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from pipeline.detect.aggregates import Mark, SeriesWatch

_MS_FROM: Final = 100_000_000_000
"""A number from here on is milliseconds; seconds would be the year 5138."""


class SeriesError(ValueError):
    """A file that is no series; the message names the line and says what would be right."""


def read_series(lines: Iterable[str], time_column: str | None, value_column: str | None) -> Iterator[tuple[int, float]]:
    """Instants (ms since the epoch) and values; NaN where the value is empty. Columns: by name, else the first two.

    Raises:
        SeriesError: a column is missing, or a cell is no time or number.
    """
    rows = csv.reader(lines)
    header = next(rows, None)
    if header is None:
        msg = "line 1: the file is empty; it needs a header and a column each for time and value"
        raise SeriesError(msg)
    time_at, value_at = _column(header, time_column, 0), _column(header, value_column, 1)
    for number, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) <= max(time_at, value_at):
            msg = f"line {number}: {len(row)} cells, where the header has {len(header)}"
            raise SeriesError(msg)
        yield _instant(row[time_at], number), _value(row[value_at], number)


def measure(series: Iterable[tuple[int, float]], false_alarms_per_week: float) -> Iterator[Mark]:
    """What is said of each value, in order."""
    watch = SeriesWatch(false_alarms_per_week)
    for at, value in series:
        yield watch.feed(at, value)


def _column(header: list[str], name: str | None, default: int) -> int:
    if name is None:
        if len(header) <= default:
            msg = f"line 1: {len(header)} column; a series has one for time and one for value"
            raise SeriesError(msg)
        return default
    if name not in header:
        msg = f"line 1: no column is called {name!r}; there are {', '.join(header)}"
        raise SeriesError(msg)
    return header.index(name)


def _instant(text: str, line: int) -> int:
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        if math.isfinite(number):
            return round(number if abs(number) >= _MS_FROM else number * 1000)
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        msg = f"line {line}: {text!r} is no time; write 2026-01-05T10:00:00, or seconds or milliseconds since 1970"
        raise SeriesError(msg) from None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _value(text: str, line: int) -> float:
    if not text.strip():
        return math.nan
    try:
        return float(text)
    except ValueError:
        msg = f"line {line}: {text!r} is no number"
        raise SeriesError(msg) from None
