"""Numbers and times as reports say them. Nothing here is HTML or Markdown: escaping is for whoever writes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from pipeline.incidents.wording import instant, name
from pipeline.messages import Signal

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
WEEK_MS: Final = 7 * DAY_MS

_NAMES: Final = {"out_of_order": "out of order", "gap": "gaps", "contract": "contract violations"}
SHAPES: Final = {"step": "all at once", "drift": "bit by bit", "spread": "the slowest more than the rest"}
STATES: Final = {
    "forming": "evidence gathers; nobody is told yet",
    "firing": "sure enough to tell whoever is on call",
    "recovering": "what deviated is back; watched until it has stayed so",
    "resolved": "what deviated has stayed back",
    "suppressed": "known, and paging nobody",
}

__all__ = [
    "DAY_MS",
    "HOUR_MS",
    "SHAPES",
    "STATES",
    "WEEK_MS",
    "amount",
    "change",
    "counted",
    "duration",
    "figure",
    "instant",
    "interval",
    "machine_instant",
    "percent",
    "scope_name",
    "short_instant",
    "signal_name",
]


def scope_name(scope: Mapping[str, str]) -> str:
    return name(list(scope.items()))


def machine_instant(at: int) -> str:
    """For `<time datetime>`: `2026-03-01T12:00:00Z`."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def short_instant(at: int) -> str:
    """For an axis: `1 Mar` at midnight, else `12:00`."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return f"{moment.day} {moment:%b}" if at % DAY_MS == 0 else f"{moment:%H:%M}"


def duration(ms: float) -> str:
    """`3.2 days`, `41 h`, `12 min`: two figures of the largest unit that there are at least two of.

    >>> duration(41 * 3_600_000), duration(90 * 60_000), duration(5 * 86_400_000)
    ('41 h', '90 min', '5 days')
    """
    minutes = abs(ms) / 60_000
    if minutes >= 72 * 60:
        return f"{figure(minutes / 1440)} days"
    if minutes >= 120:
        return f"{minutes / 60:.0f} h"
    return f"{minutes:.0f} min"


def figure(value: float) -> str:
    """At most one digit behind the point, and none that says nothing; thousands apart."""
    text = f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"
    return text.removesuffix(".0")


def counted(count: int, noun: str) -> str:
    """`1 page`, `2 pages`, `no page`."""
    return f"no {noun}" if count == 0 else f"{count} {noun}" + ("" if count == 1 else "s")


def percent(share: float) -> str:
    """`4.2 %`, with as many digits as say something."""
    value = 100.0 * share
    digits = 0 if value >= 10.0 else 1 if value >= 1.0 else 2
    return f"{value:.{digits}f} %"


def change(ratio: float) -> str:
    """`+25 %` for 1.25, `×3.0` for what has become several times as much."""
    return f"×{ratio:.1f}" if ratio >= 3.0 else f"{100.0 * (ratio - 1.0):+.0f} %".replace("-", "−")


def interval(low: float, high: float) -> str:
    """Of a change: both ends in the same form."""
    if high >= 3.0:
        return f"×{low:.1f} to ×{high:.1f}"
    return f"{change(low)} to {change(high)}"


def amount(signal: str, value: float | None) -> str:
    """Observed or expected, in the unit of the signal."""
    if value is None:
        return "–"
    if signal in ("latency", "delay"):
        return f"{value:,.0f} ms" if value < 100_000 else f"{value / 1000:,.0f} s"
    return f"{figure(value)} a minute" if signal == "volume" else percent(value)


def signal_name(signal: Signal) -> str:
    """With its operation, and at which quantile where that is not the middle."""
    text = _NAMES.get(signal.signal, signal.signal)
    if signal.quantile is not None and signal.quantile != 0.5:
        text += f", {100 * signal.quantile:.4g}th percentile"
    if signal.clause is not None:
        text += f", {signal.clause}"
    return text if signal.operation == "*" else f"{signal.operation} {text}"
