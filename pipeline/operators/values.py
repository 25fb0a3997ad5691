"""Values that formats write in their own ways: numbers in strings, times in some unit, absent ones in words."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.operators.profile import UNITS

_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_WORDS: Final = ("null", "none", "unknown", "n/a", "na")
_ABSENT: Final = frozenset({"", " ", "-", *_WORDS, *map(str.upper, _WORDS), *map(str.title, _WORDS), "N/a"})

# By magnitude: 1e9 to 1e10 are seconds, three, six and nine orders more are ms, µs and ns; below is time since start.
_MAGNITUDES: Final = ((10**9, 10**10, "s"), (10**12, 10**13, "ms"), (10**15, 10**16, "us"), (10**18, 10**19, "ns"))


def is_absent(value: Any) -> bool:
    """Nothing, or a word for nothing."""
    return value is None or (value.__class__ is str and value in _ABSENT)


def number(value: Any) -> int | float | None:
    """A finite number, also one that stands in a string; None where there is none. `True` is no number."""
    if value.__class__ is int:
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) and len(value) <= 90:
        text = value.strip()
        if text.isascii() and text.isdigit() and len(text) <= 19:
            return int(text)
        if _NUMBER.fullmatch(text):
            found = float(text)
            return found if math.isfinite(found) else None
    return None


def whole(value: Any) -> int | None:
    """An integer, also one in a string or with nothing behind its point."""
    found = number(value)
    if isinstance(found, float):
        return int(found) if found.is_integer() and abs(found) <= 2.0**53 else None
    return found


def milliseconds(value: int | float, unit: str | None, usual: str) -> tuple[int, bool]:
    """An instant in ms since the epoch, and whether its unit is not the one it should have.

    unit: what the operator says its unit is. usual: the format's. Without the former, the magnitude tells; what is of
    no calendar (time since start, say) stays in the usual unit.
    """
    if unit is not None:
        return _clamped(value * UNITS[unit]), False
    for least, most, name in _MAGNITUDES:
        if least <= value < most:
            return (_exactly(value) if name == usual == "ms" else _clamped(value * UNITS[name])), name != usual
    return _clamped(value * UNITS[usual]), False


def _exactly(value: int | float) -> int:
    return value if isinstance(value, int) else round(value)


def _clamped(ms: float) -> int:
    """Within 64 bits: how far beyond all calendars an instant lies makes no difference."""
    return round(max(min(ms, 9.2e18), -9.2e18))


def instant(text: str) -> int | None:
    """ISO 8601, or `YYYY-MM-DD HH:MM:SS` in UTC, as ms since the epoch; None where it is neither."""
    if not 10 <= len(text) <= 40:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return round(moment.timestamp() * 1_000)
    except (OverflowError, ValueError):
        return None
