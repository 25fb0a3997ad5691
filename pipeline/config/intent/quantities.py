"""Durations and shares as people write them in the intent: always with their unit, so that nothing is guessed."""

from __future__ import annotations

import re
from typing import Any, Final

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000

UNITS: Final = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "min": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
DURATION: Final = r"[0-9]{1,9}(\.[0-9]{1,6})? ?(ms|s|m|min|h|d)"
SHARE: Final = r"[0-9]{1,2}(\.[0-9]{1,6})? ?%"
QUANTILE: Final = r"p[0-9]{1,2}(\.[0-9]{1,3})?"
"""As regular expressions, which the JSON Schema has as well."""

_DURATION: Final = re.compile(DURATION)
_SHARE: Final = re.compile(SHARE)
_QUANTILE: Final = re.compile(QUANTILE)


def duration_ms(text: Any) -> float | None:
    """Milliseconds; None when it is no duration.

    >>> duration_ms("1.2 s"), duration_ms("1h"), duration_ms(1200)
    (1200.0, 3600000.0, None)
    """
    if not isinstance(text, str) or _DURATION.fullmatch(text) is None:
        return None
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    return round(float(number) * UNITS[text[len(number) :]], 6)


def share(text: Any) -> float | None:
    """A share between 0 and 1, both excluded; None when it is none. A number without its sign could be either.

    >>> share("0.5 %"), share("0.5")
    (0.005, None)
    """
    if not isinstance(text, str) or _SHARE.fullmatch(text) is None:
        return None
    value = round(float(text.rstrip("% ")) / 100, 12)
    return value if value > 0.0 else None


def quantile(text: Any) -> float | None:
    """The quantile that `p95` or `p99.9` names, between 0 and 1, both excluded; None when it names none.

    >>> quantile("p99.9"), quantile("95")
    (0.999, None)
    """
    if not isinstance(text, str) or _QUANTILE.fullmatch(text) is None:
        return None
    value = round(float(text[1:]) / 100, 12)
    return value if value > 0.0 else None
