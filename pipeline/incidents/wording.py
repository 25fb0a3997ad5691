"""The sentence that a person on call reads first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from pipeline.messages import Contrast, Signal

_NAMES: Final = {
    "latency": "latency",
    "failure": "failures",
    "denial": "denials",
    "timeout": "timeouts",
    "retry": "retries",
    "out_of_order": "out-of-order records",
    "duplicate": "duplicates",
    "gap": "gaps",
    "delay": "delay of the telemetry",
    "volume": "volume of records",
    "contract": "contract violations",
}
_LABELS: Final = {
    "operator": "operator",
    "device_class": "device class",
    "firmware": "firmware",
    "environment": "environment",
}
MOST_SIGNALS: Final = 3
CALM: Final = 1.05
"""A sibling whose leading signal is off by less is not affected."""
MOST_CALM: Final = 3


def summary(
    scope: Sequence[tuple[str, str]],
    signals: Sequence[Signal],
    onset_at: int,
    affected: int,
    others: int,
    contrast: Sequence[Contrast] = (),
) -> str:
    """One sentence: for whom, what changed and by how much, since when, who is not affected.

    `affected` cohorts are in the scope, `others` are not; `contrast` names some that might have been.
    """
    what = "; ".join(_signal(signal) for signal in signals[:MOST_SIGNALS])
    more = len(signals) - MOST_SIGNALS
    if more > 0:
        what += f"; and {more} more signals" if more > 1 else "; and 1 more signal"
    spread = f"{affected} cohort{'' if affected == 1 else 's'} affected"
    rest = f"the other {others} move as expected" if others else "no cohort is left to compare with"
    calm = [one for one in contrast if one.ratio is not None and one.ratio <= CALM]
    beside = f" (not {', '.join(_beside(one, scope) for one in calm[:MOST_CALM])})" if calm else ""
    return f"{name(scope)}: {what}, since {instant(onset_at)}; {spread}, {rest}{beside}."


def suffering(services: Sequence[str]) -> str:
    """Which services suffer with the cause, after its sentence."""
    names = ", ".join(services[:-1]) + (" and " if len(services) > 1 else "") + services[-1]
    return f"{names[0].upper()}{names[1:]} {'suffers' if len(services) == 1 else 'suffer'} with it."


def _beside(one: Contrast, scope: Sequence[tuple[str, str]]) -> str:
    """A sibling by what tells it from the scope."""
    return ", ".join(value for dimension, value in one.scope.items() if dict(scope).get(dimension) != value)


def name(scope: Sequence[tuple[str, str]]) -> str:
    """A scope in words."""
    if not scope:
        return "The whole fleet"
    text = ", ".join(f"{_LABELS[dimension]} {value}" for dimension, value in scope)
    return text[0].upper() + text[1:]


def instant(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _signal(signal: Signal) -> str:
    if signal.observed is None or signal.expected is None:
        return f"{noun(signal)} {signal.direction}"
    is_time = signal.signal in ("latency", "delay") and signal.ratio is not None
    change = f" ({100 * (signal.ratio - 1):+.0f} %)" if is_time and signal.ratio is not None else ""
    expected = f"{signal.expected:.1f}" if signal.signal == "volume" else figure(signal, signal.expected)
    return f"{noun(signal)} {figure(signal, signal.observed)} instead of {expected}{change}"


def noun(signal: Signal) -> str:
    """What deviates, without how far."""
    where = "" if signal.operation == "*" else f"{signal.operation} "
    name = where + _NAMES[signal.signal]
    if signal.quantile is not None and signal.quantile > 0.5:
        name += f" at the {100 * signal.quantile:.0f}th percentile"
    return name


def figure(signal: Signal, value: float) -> str:
    """An observed or expected value of a signal in its unit."""
    if signal.signal in ("latency", "delay"):
        return f"{value:.0f} ms"
    if signal.signal == "volume":
        return f"{value:.1f} a minute"
    return f"{100 * value:.3g} %"
