"""What the yardsticks count of a cohort's minute: shares and latency bins by operation, as ingest does.

Less than ingest counts, in their favour: neither duplicates nor order, gaps, clocks or contract clauses, and a device
that speaks twice counts twice.
"""

from __future__ import annotations

import math
from typing import Any

_BIN = 0.04


def name_of(event: dict[str, Any]) -> str:
    """Of its cohort."""
    get = event.get
    return f"{get('operator')}|{get('device_class')}|{get('firmware')}|{get('environment')}"


def empty() -> dict[str, Any]:
    return {}


def add(minute: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    of = minute.get(event["operation"])
    if of is None:
        of = minute[event["operation"]] = {"records": 0, "known": 0, "tells": 0, "retried": 0, "bins": {}}
    of["records"] += 1
    outcome = event.get("outcome", "unknown")
    if outcome != "unknown":
        of["known"] += 1
        of[outcome] = of.get(outcome, 0) + 1
    retries = event.get("retries")
    if isinstance(retries, int):
        of["tells"] += 1
        of["retried"] += retries > 0
    latency = event.get("latency_ms")
    if outcome in ("ok", "unknown") and isinstance(latency, int | float):
        # A text, because that is what a key of JSON is.
        cell = str(int(math.log(max(latency, 1.0)) / _BIN))
        of["bins"][cell] = of["bins"].get(cell, 0) + 1
    return minute


def merged(minute: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Of one cohort's minute, two parts in one."""
    for operation, counts in other.items():
        into = minute.setdefault(operation, {"records": 0, "known": 0, "tells": 0, "retried": 0, "bins": {}})
        for name, count in counts.items():
            if name != "bins":
                into[name] = into.get(name, 0) + count
        for cell, count in counts["bins"].items():
            into["bins"][cell] = into["bins"].get(cell, 0) + count
    return minute
