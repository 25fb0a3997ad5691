"""Lines that a service must not cross.

thresholds:
  - latency: {p95: 1200 ms, p99: 4 s}    # of each of the service's operations, unless one is named
    over: 1h                             # default
    per: [operator]                      # default; or all
  - {operation: playback_start, failure: 0.5 %, over: 1d, scope: {environment: production}}
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.config.intent.quantities import DAY_MS, MINUTE_MS, duration_ms, quantile, share
from pipeline.config.yamlfile import Section
from pipeline.intent import Threshold
from pipeline.observation import DIMENSIONS, MAX_NAME

LATENCY: Final = "latency"
RATES: Final = ("failure", "denial", "timeout", "retry")
KEYS: Final = ("operation", LATENCY, *RATES, "over", "per", "scope")
ALL: Final = "all"
"""Asked for over everything together, not for each value of a dimension."""
WINDOW: Final = "1h"
LEAST_WINDOW_MS: Final = 5 * MINUTE_MS
MOST_WINDOW_MS: Final = 7 * DAY_MS
MOST_LATENCY_MS: Final = DAY_MS
_PER: Final = ("operator",)


class _Where(NamedTuple):
    """What the lines of one entry have in common."""

    service: str
    operations: tuple[str, ...]
    over: str
    window_ms: int
    per: tuple[str, ...]
    scope: dict[str, str]


def thresholds(service: Section, name: str, operations: tuple[str, ...]) -> tuple[Threshold, ...]:
    """All lines of a service, in the order of the file."""
    found: dict[str, Threshold] = {}
    for entry in service.sections("thresholds"):
        entry.only(KEYS)
        where = _where(entry, name, operations)
        lines = 0
        for made, section, key in _of(entry, where):
            lines += 1
            if made.threshold_id in found:
                before = found[made.threshold_id]
                section.fault(
                    key, f"{made.line!r} is a second line for what {before.place} limits", "keep one of the two"
                )
            else:
                found[made.threshold_id] = made
        if not lines and not any(signal in entry.node for signal in (LATENCY, *RATES)):
            right = "write latency: {p95: 1200 ms}, or failure: 0.5 %"
            entry.fault_at(entry.line, "a threshold that limits nothing", right)
    return tuple(found.values())


def _where(entry: Section, name: str, operations: tuple[str, ...]) -> _Where:
    named = entry.lines("operation")
    for operation, line in named.items():
        if operation not in operations:
            close = get_close_matches(operation, operations, n=1)
            known = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(operations) or 'none'}"
            entry.fault_at(line, f"operation {operation!r} is none of {name!r}", known)
    over = entry.node.get("over", WINDOW)
    window = duration_ms(over)
    if window is None or not LEAST_WINDOW_MS <= window <= MOST_WINDOW_MS or window % MINUTE_MS:
        entry.fault("over", f"over is {over!r}", "give whole minutes from 5 min to 7 d, such as 1h")
        over, window = WINDOW, duration_ms(WINDOW) or 0.0
    return _Where(
        name,
        tuple(operation for operation in named if operation in operations) or operations,
        over,
        round(window),
        _per(entry),
        _scope(entry),
    )


def _per(entry: Section) -> tuple[str, ...]:
    if "per" not in entry.node:
        return _PER
    if entry.node["per"] == ALL:
        return ()
    named = entry.lines("per")
    for one, line in named.items():
        if one not in DIMENSIONS:
            entry.fault_at(line, f"per names {one!r}", f"known are {', '.join(DIMENSIONS)}, or {ALL} alone")
    return tuple(dimension for dimension in DIMENSIONS if dimension in named)


def _scope(entry: Section) -> dict[str, str]:
    section = entry.section("scope")
    if section is None:
        return {}
    section.only(DIMENSIONS)
    found = {one: section.text(one, longest=MAX_NAME) for one in DIMENSIONS if one in section.node}
    return {one: value for one, value in found.items() if value is not None}


def _of(entry: Section, where: _Where) -> Iterator[tuple[Threshold, Section, str]]:
    """The lines of an entry, each with where it is written."""
    if LATENCY in entry.node:
        limits = entry.section(LATENCY)
        if limits is None or not limits.node:
            if limits is not None or entry.node[LATENCY] is None:
                entry.fault(LATENCY, "latency limits nothing", "write latency: {p95: 1200 ms}")
            return
        for key in limits:
            at, limit = quantile(key), duration_ms(limits.node[key])
            if at is None:
                limits.fault(key, f"{key!r} is no quantile", "write p50, p95, p99 or p99.9")
            elif limit is None or not 1.0 <= limit <= MOST_LATENCY_MS:
                limits.fault(key, f"{key} is {limits.node[key]!r}", "give a time with its unit, such as 1200 ms or 4 s")
            else:
                for operation in where.operations:
                    yield _latency(limits, key, at, limit, operation, where), limits, key
    for signal in RATES:
        if signal not in entry.node:
            continue
        allowed = share(entry.node[signal])
        if allowed is None:
            right = "give a share with its sign, above 0 and below 100: 0.5 %"
            entry.fault(signal, f"{signal} is {entry.node[signal]!r}", right)
            continue
        for operation in where.operations:
            yield _rate(entry, signal, allowed, operation, where), entry, signal


def _latency(limits: Section, key: str, at: float, limit: float, operation: str, where: _Where) -> Threshold:
    return Threshold(
        threshold_id=_identity(f"{where.service}/{operation}/latency/{key}", where),
        service=where.service,
        operation=operation,
        signal=LATENCY,
        allowed=round(1.0 - at, 12),
        window_ms=where.window_ms,
        limit_ms=limit,
        quantile=at,
        per=where.per,
        scope=where.scope,
        line=_line(f"{operation} latency {key} <= {limits.node[key]}", where),
        place=place(limits, key),
    )


def _rate(entry: Section, signal: str, allowed: float, operation: str, where: _Where) -> Threshold:
    return Threshold(
        threshold_id=_identity(f"{where.service}/{operation}/{signal}", where),
        service=where.service,
        operation=operation,
        signal=signal,
        allowed=allowed,
        window_ms=where.window_ms,
        per=where.per,
        scope=where.scope,
        line=_line(f"{operation} {signal} <= {entry.node[signal]}", where),
        place=place(entry, signal),
    )


def place(section: Section, key: str) -> str:
    """`intent.yaml:12`."""
    return f"{Path(section.file).name}:{section.line_of(key)}"


def _identity(text: str, where: _Where) -> str:
    """A function of the line alone, so that a reload that adds others renames none; what is usual is left out."""
    if where.window_ms != duration_ms(WINDOW):
        text += f"/{where.window_ms // MINUTE_MS}m"
    if where.per != _PER:
        text += f"/per={'+'.join(where.per) or ALL}"
    return text + "".join(f"/{dimension}={value}" for dimension, value in where.scope.items())


def _line(text: str, where: _Where) -> str:
    """As its author would quote it."""
    text += f" over {where.over}"
    if where.per != _PER:
        text += f" per {' and '.join(where.per)}" if where.per else " over all"
    return text + "".join(f", {dimension} {value}" for dimension, value in where.scope.items())
