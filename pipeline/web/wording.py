"""Numbers, times and states as the pages say them. Nothing here is HTML; escaping is the templates' part."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from pipeline.messages import Signal

SIGNAL_NAMES: Final = {
    "latency": "Latency",
    "failure": "Failures",
    "denial": "Denials",
    "timeout": "Timeouts",
    "retry": "Retries",
    "out_of_order": "Out of order",
    "gap": "Gaps",
    "duplicate": "Duplicates",
    "delay": "Delay",
    "volume": "Volume",
    "contract": "Contract",
}
DIMENSION_NAMES: Final = {
    "operator": "Operator",
    "device_class": "Device class",
    "firmware": "Firmware",
    "environment": "Environment",
}
STATE_MEANINGS: Final = {
    "firing": "sure enough to tell whoever is on call",
    "recovering": "what deviated is back; watched until it has stayed so",
    "forming": "evidence gathers; nobody is told yet",
    "suppressed": "known and silenced",
    "resolved": "what deviated has stayed back",
}
VERBS: Final = {
    "acknowledge": "Acknowledged",
    "note": "Noted",
    "accept": "Accepted as the new level",
    "false_alarm": "Called a false alarm",
    "confirm": "Confirmed",
}
SORTS: Final = {
    "deviation": "what deviates most",
    "name": "name",
    "devices": "devices",
    "silence": "silent longest",
}
SHAPE_MEANINGS: Final = {"step": "all at once", "drift": "bit by bit", "spread": "from one to the next"}

_DAY_S: Final = 86_400


def signal_name(signal: str) -> str:
    return SIGNAL_NAMES.get(signal, signal.replace("_", " ").capitalize())


def instant(at: int) -> str:
    """`2026-03-01 12:00 UTC`."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def machine_instant(at: int) -> str:
    """For `<time datetime>`."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat().replace("+00:00", "Z")


def duration(ms: int) -> str:
    """`3 days`, `5 h`, `12 min`: the largest unit that there is at least two of, or the smallest."""
    seconds = max(ms, 0) // 1000
    if seconds >= 2 * _DAY_S:
        return f"{seconds // _DAY_S} days"
    if seconds >= 2 * 3600:
        return f"{seconds // 3600} h"
    return f"{seconds // 60} min"


def percent(share: float) -> str:
    """`4.2 %`, with as many digits as say something."""
    value = 100.0 * share
    digits = 0 if value >= 10.0 else 1 if value >= 1.0 else 2
    return f"{value:.{digits}f} %"


def change(ratio: float) -> str:
    """`+25 %` for 1.25, `×3.0` for what has become several times as much."""
    if ratio >= 3.0:
        return f"×{ratio:.1f}"
    return f"{100.0 * (ratio - 1.0):+.0f} %".replace("-", "−").replace("+0 %", "±0 %").replace("−0 %", "±0 %")


def amount(signal: Signal, value: float | None) -> str:
    """Observed or expected, in the unit of the signal."""
    if value is None:
        return "–"
    if signal.signal in ("latency", "delay"):
        return f"{value:,.0f} ms"
    if signal.signal == "volume":
        return f"{value:,.1f} a minute"
    return percent(value)


def level(value: float, unit: str) -> str:
    """On the axis of a plot: a share, a factor of the expected as a change, or records."""
    if unit == "share":
        return percent(value)
    return change(value) if unit == "factor" else f"{value:,.0f}"


def where(signal: Signal) -> str:
    """The signal's name with its operation, and at which quantile where that is not the middle."""
    name = signal_name(signal.signal).lower()
    if signal.quantile is not None and signal.quantile != 0.5:
        name += f", {100 * signal.quantile:.4g}th percentile"
    if signal.clause is not None:
        name += f", {signal.clause}"
    return name if signal.operation == "*" else f"{signal.operation} {name}"
