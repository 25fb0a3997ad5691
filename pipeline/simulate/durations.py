"""Durations as people write them: `8d`, `1d12h`, `90m`, `45s`; whole seconds, held as milliseconds."""

from __future__ import annotations

import re
from typing import Final

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000

_UNITS: Final = {"d": DAY_MS, "h": HOUR_MS, "m": MINUTE_MS, "s": SECOND_MS}
_FORM: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_LONGEST_MS: Final = 36_500 * DAY_MS


def parse_duration(text: str) -> int:
    """Milliseconds. Raises ValueError when `text` is no duration.

    >>> parse_duration("1d12h")
    129600000
    """
    match = _FORM.fullmatch(text)
    if match is None or not text:
        msg = f"{text!r} is no duration; write 8d, 1d12h, 90m or 45s"
        raise ValueError(msg)
    total = sum(int(number) * unit for number, unit in zip(match.groups(), _UNITS.values(), strict=True) if number)
    if total > _LONGEST_MS:
        msg = f"{text!r} is longer than a century"
        raise ValueError(msg)
    return total


def format_duration(ms: int) -> str:
    """The shortest form that `parse_duration` reads back.

    >>> format_duration(129_600_000)
    '1d12h'
    """
    parts: list[str] = []
    for name, unit in _UNITS.items():
        number, ms = divmod(ms, unit)
        if number:
            parts.append(f"{number}{name}")
    return "".join(parts) or "0s"
