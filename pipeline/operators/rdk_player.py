"""Markers of RDK's player AAMP in a telemetry report: tunes, their failures, requests."""

from __future__ import annotations

from typing import Any, Final

import orjson

from pipeline.operators.values import milliseconds, number, whole

MARKERS: Final = ("VideoStartTime", "VideoStartFailure", "VideoPlaybackFailure", "HttpRequestEnd")
UNREADABLE: Final = "rdk.nested"

_LONGEST: Final = 65_536
_AUTHORIZATION: Final = 40
_DRM: Final = range(50, 54)
_LICENCE_CLASS: Final = 200
_TIMEOUTS: Final = frozenset((3,))
_DENIALS: Final = frozenset((8, 100, 102, 103))
"""Token expired; denied; entitlement error; authentication."""
_CURL_TIMEOUT: Final = 28
_MANIFESTS: Final = frozenset((4, 10, 11, 12, 13))
_LICENCE: Final = 5
"""Kinds of media by number, as `HttpRequestEnd` writes them."""


def observations(name: str, value: Any, wrong: list[str]) -> list[dict[str, Any]]:
    """What one value of a player's marker says; clauses that it violates are added to `wrong`."""
    if name == "HttpRequestEnd":
        return _request(value, wrong)
    event = _nested(value)
    if event is None:
        wrong.append(UNREADABLE)
        return []
    if name == "VideoStartTime":
        return _tune(event, wrong)
    return _failure(event, "playback_start" if name == "VideoStartFailure" else "playback")


def _nested(value: Any) -> dict[str, Any] | None:
    """JSON in a string, as AAMP writes it; some collectors have unpacked it already."""
    if isinstance(value, str) and len(value) <= _LONGEST:
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
    return value if isinstance(value, dict) else None


def _tune(event: dict[str, Any], wrong: list[str]) -> list[dict[str, Any]]:
    """One tune: how long until the first frame, and the licence on the way."""
    began = number(event.get("tbu"))
    at = None
    if began is not None:
        at, off = milliseconds(began, None, "ms")
        if off:
            wrong.append("clock.unit")
    status = whole(event.get("tst"))
    start: dict[str, Any] = {
        "operation": "playback_start",
        "outcome": {0: "error", 1: "ok"}.get(status, "unknown") if status is not None else "unknown",
    }
    frame = number(event.get("gff"))
    if frame is not None and frame > 0 and status != 0:
        start["latency_ms"] = frame
    attempts = whole(event.get("tat"))
    if attempts is not None and attempts >= 0:
        start["retries"] = max(attempts - 1, 0)
    out = [start]
    total = number(event.get("lat"))
    phases = [found for name in ("lpr", "lnw", "lps") if (found := number(event.get(name))) is not None and found >= 0]
    if total is None or total <= 0:
        total = sum(phases) if phases else None
    if total is not None and total > 0:
        code = whole(event.get("dfe"))
        licence: dict[str, Any] = {"operation": "license_request", "latency_ms": total}
        if code:
            licence |= {"outcome": "error", "error_code": str(code)}
        elif status == 1:
            licence["outcome"] = "ok"
        out.append(licence)
    if at is not None:
        start["occurred_at"] = at
        if len(out) > 1:
            since = number(event.get("las"))
            out[1]["occurred_at"] = at + round(since) if since is not None and 0 <= since < 86_400_000 else at
    return out


def _failure(event: dict[str, Any], operation: str) -> list[dict[str, Any]]:
    category, group, code = (whole(event.get(name)) for name in ("cat", "cls", "smc"))
    outcome = "error"
    if category == _AUTHORIZATION:
        outcome = "denied"
    elif category in _DRM and group == _LICENCE_CLASS:
        outcome = "timeout" if code in _TIMEOUTS else "denied" if code in _DENIALS else "error"
    said = ".".join(str(part) for part in (category, group, code) if part is not None)
    failure: dict[str, Any] = {"operation": operation, "outcome": outcome}
    if said:
        failure["error_code"] = said
    began = number(event.get("tbu"))
    if began is not None:
        failure["occurred_at"] = milliseconds(began, None, "ms")[0]
    return [failure, {**failure, "operation": "license_request"}] if category in _DRM else [failure]


def _request(value: Any, wrong: list[str]) -> list[dict[str, Any]]:
    """`[application,]kind,type,status,total,…`; times are in seconds, a status below 100 is curl's."""
    parts = value[:_LONGEST].split(",") if isinstance(value, str) else []
    if parts and not parts[0].strip().isdigit():
        parts = parts[1:]
    kind, status = (whole(parts[at]) if len(parts) > at else None for at in (0, 2))
    total = number(parts[3]) if len(parts) > 3 else None
    if kind is None or status is None:
        wrong.append(UNREADABLE)
        return []
    operation = (
        "license_request" if kind == _LICENCE else "manifest_request" if kind in _MANIFESTS else "segment_request"
    )
    request: dict[str, Any] = {"operation": operation, "outcome": _outcome(status)}
    if request["outcome"] != "ok":
        request["error_code"] = str(status)
    if total is not None and total >= 0:
        request["latency_ms"] = 1_000.0 * total
    return [request]


def _outcome(status: int) -> str:
    if status in (_CURL_TIMEOUT, 408, 504):
        return "timeout"
    if status in (401, 403, 451):
        return "denied"
    return "ok" if 200 <= status < 400 else "error"
