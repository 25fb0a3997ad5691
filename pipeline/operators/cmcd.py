"""CMCD (CTA-5004): what a player says with its requests, and in version 2 by itself as events.

    e=ps,sta=p,sid="6e2f",sn=4,ts=1790000001250,msd=1840,v=2

| what came | observation |
|---|---|
| `msd` | `playback_start`, ok, with that latency |
| `sta=f` | `playback_start` (nothing has been played: `pt` is 0 or absent) or `playback`, error |
| `sta=e`, `sta=q` | `playback`, ok |
| `sta=r`; each `bsd` | `stall`, with the latter as its length |
| `e=rr` | `license_request` (`ot=k`), `manifest_request` (`m`) or `segment_request`; outcome by `rc`, latency `ttlb` |
| `e=e` | `player_error`, error |
| `e=ce` | the operation that `cen` names |
| `e=t` | `heartbeat` |
| another event | `player_event` |
| a request (no `e`) | as for `rr`, with nothing known of its outcome; `bs` is a `stall` |

`sn` counts within session and mode. Nothing says when a report was sent, who the operator is or what the device is: a
topic is one operator's, and custom keys say the rest where they are mapped.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from pipeline.operators.cmcd_syntax import Members, lines_of
from pipeline.operators.identity import Identity
from pipeline.operators.jsontext import UnusableRecordError
from pipeline.operators.payload import Record
from pipeline.operators.profile import PLAIN, Profile
from pipeline.operators.reading import Found, Reading, RecordAdapter, digest
from pipeline.operators.recall import Recall
from pipeline.operators.values import milliseconds


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


EVENTS: Final = _words("abs abe ae as b bc c ce e h m pc pe pr ps rr sk t um")
STATES: Final = frozenset("sprkaefqd")
OBJECTS: Final = {"k": "license_request", "m": "manifest_request"}
LONGEST_SESSION: Final = 64

_V1: Final = _words("br bl bs cid d dl mtp nor nrr ot pr rtp sf sid st su tb v")
_RESPONSE: Final = _words("rc ttfb ttfbb ttlb url cmsdd cmsds smrt")
_WHOLE: Final = _words(
    "ab lab tab br lb tb tpb pb mtp rtp bl tbl bsd bsda d dl ltc pt msd bsa dfa rc ttfb ttfbb ttlb ts"
)
_FLAGS: Final = _words("bg bs nr su")
_WORDS: Final = _words("cdn cid cs sid ot sf st sta e cen h url cmsdd cmsds smrt")
_COUNTERS: Final = _words("sn v")
_LISTS: Final = _words("ec nor")
KNOWN: Final = _V1 | _RESPONSE | _WHOLE | _FLAGS | _WORDS | _COUNTERS | _LISTS | {"pr", "nrr"}
_ONLY_V2: Final = KNOWN - _V1
_KINDS: Final[dict[str, type]] = dict.fromkeys(_WHOLE, int) | dict.fromkeys(_WORDS, str) | dict.fromkeys(_FLAGS, bool)
"""What the value of a key is; of one that is an integer, a list of such will do."""
_MOST_SHAPES: Final = 2_048
_TIMEOUTS: Final = frozenset((0, 408, 504))
_DENIALS: Final = frozenset((401, 403, 451))


class Cmcd(RecordAdapter):
    """The CMCD adapter."""

    version = "cmcd/1"

    def __init__(self, profile: Profile = PLAIN, *, keep_raw: bool = True) -> None:
        super().__init__(profile, keep_raw=keep_raw)
        self.identity = Identity(profile, {"session_id": ("sid",)})
        self._mapped = self.identity.used | KNOWN
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._started = Recall[bool]()
        """Sessions, by mode, that have said their `msd`."""

    def read(self, record: Record) -> Reading:
        found: list[Found] = []
        unknown = 0
        problem = None
        for members in lines_of(record.value):
            if members.values.keys().isdisjoint(self._mapped):
                # Any word is a member of a dictionary of structured fields.
                detail = f"no key of CMCD: {members.text[:80]!r}"
                problem = UnusableRecordError(reason="cmcd.syntax", detail=detail)
            else:
                unknown += self._line(members, record, found)
        if problem is not None and not found:
            raise problem
        return Reading(found, unknown, problem=problem)

    def _line(self, members: Members, record: Record, out: list[Found]) -> int:
        values = members.values
        keys = tuple(values)
        shape = self._shapes.get(keys)
        if shape is None:
            shape = _Shape.of(keys, self._mapped)
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            self._shapes[keys] = shape
        wrong = _violations(values, shape)
        if members.bad:
            wrong.append("cmcd.syntax")
        event = values.get("e")
        fields = self.identity.of(values)
        at = values.get("ts")
        if at.__class__ is int or isinstance(at, float):
            fields["occurred_at"], off = milliseconds(at, self.profile.unit, "ms")
            if off:
                wrong.append("clock.unit")
        mode = "event" if event is not None else "request"
        sid, sn = fields.get("session_id"), values.get("sn")
        if sn.__class__ is int and sn >= 0 and "seq" not in fields:
            fields["seq"] = sn
            if isinstance(sid, str):
                fields["seq_scope"] = f"{sid[:240]} {mode}"
        # Without one of them nothing tells two requests of a session apart, but when they came.
        telling = "sn" in values or "ts" in values
        fields["event_id"] = digest(members.text) if telling else digest(members.text, b"%d" % (record.timestamp or 0))
        main, latency = self._operation(values, event)
        code = _code(values.get("ec"))
        if code is not None:
            fields.setdefault("error_code", code)
        msd = _number(values.get("msd"))
        if msd is not None and main.get("outcome") != "error":
            main = {"operation": "playback_start", "outcome": "ok"}
            latency = msd
            key = (fields["operator"], sid, mode)
            if isinstance(sid, str):
                if self._started.get(key):
                    wrong.append("cmcd.msd_repeated")
                self._started.put(key, True)
        if main.get("outcome") == "error" and "error_code" in fields:
            main["outcome"] = self.profile.outcomes.get(str(fields["error_code"]), "error")
        main["operation"] = self.profile.operations.get(main["operation"], main["operation"])
        whole = {**main, **fields}
        if latency is not None and "latency_ms" not in whole:
            whole["latency_ms"] = latency
        unmapped = shape.unmapped
        raw: dict[str, Any] | None = None
        if self.keep_raw:
            raw = {key: values[key] for key in unmapped}
            raw |= {f"({number})": text for number, text in enumerate(members.bad)}
            if event is not None and main["operation"] in ("player_event", "player_error"):
                raw["e"] = event
        out.append(Found(whole, tuple(wrong), raw))
        if "bsd" not in values and "bs" not in values:
            return len(unmapped) + len(members.bad)
        for number, length in enumerate(_stalls(values, main["operation"])):
            stall = {
                key: value for key, value in fields.items() if key not in ("seq", "seq_scope", "outcome", "latency_ms")
            }
            stall |= {"operation": "stall", "event_id": f"{fields['event_id']}.{number}"}
            if length is not None:
                stall["latency_ms"] = length
            out.append(Found(stall))
        return len(unmapped) + len(members.bad)

    def _operation(self, values: dict[str, Any], event: Any) -> tuple[dict[str, Any], float | None]:
        """What the main observation of a line is of, and its latency."""
        if event is None or event == "rr":
            kind = values.get("ot")
            operation = OBJECTS.get(kind, "segment_request") if isinstance(kind, str) else "media_request"
            if event is None:
                return {"operation": operation}, None
            latency = _number(values.get("ttlb"))
            return {"operation": operation, "outcome": _outcome(values.get("rc"))}, (
                latency if latency is not None else _number(values.get("ttfb"))
            )
        if event == "ps":
            state = values.get("sta")
            if state == "f":
                played = _number(values.get("pt"))
                return {"operation": "playback" if played else "playback_start", "outcome": "error"}, None
            if state in ("e", "q"):
                return {"operation": "playback", "outcome": "ok"}, None
            return {"operation": "stall" if state == "r" else "player_event"}, None
        if event == "t":
            return {"operation": "heartbeat", "outcome": "ok"}, None
        if event == "e":
            return {"operation": "player_error", "outcome": "error"}, None
        if event == "ce":
            name = values.get("cen")
            return {"operation": name if isinstance(name, str) and name else "player_event"}, None
        return {"operation": "player_event"}, None


class _Shape(NamedTuple):
    """What follows from the keys of a line alone; players send few different sets of them.

    checked: keys whose values have a type of their own.
    """

    unmapped: tuple[str, ...]
    checked: tuple[tuple[str, type], ...]
    has_v2: bool
    has_response: bool

    @classmethod
    def of(cls, keys: tuple[str, ...], mapped: frozenset[str]) -> _Shape:
        return cls(
            tuple(key for key in keys if key not in mapped),
            tuple((key, _KINDS[key]) for key in keys if key in _KINDS),
            not _ONLY_V2.isdisjoint(keys),
            not _RESPONSE.isdisjoint(keys),
        )


def _violations(values: dict[str, Any], shape: _Shape) -> list[str]:
    """Clauses that a line violates by itself."""
    wrong = []
    event = values.get("e")
    version = values.get("v", 1)
    if shape.has_v2 and version != 2:
        wrong.append("cmcd.version")
    sn = values.get("sn")
    if event is None:
        if "ts" in values or "cen" in values or "h" in values:
            wrong.append("cmcd.event_missing")
        if sn is None and version == 2:
            wrong.append("cmcd.sn_missing")
    else:
        if not isinstance(event, str) or event not in EVENTS:
            wrong.append("cmcd.event")
        if "ts" not in values:
            wrong.append("cmcd.ts_missing")
        if sn is None:
            wrong.append("cmcd.sn_missing")
    if sn is not None and (sn.__class__ is not int or sn < 0):
        wrong.append("cmcd.sn")
    if event != "ce" and "cen" in values:
        wrong.append("cmcd.cen")
    if event == "rr":
        if "url" not in values:
            wrong.append("cmcd.response")
    elif shape.has_response:
        wrong.append("cmcd.response")
    sid = values.get("sid")
    if sid.__class__ is str and len(sid) > LONGEST_SESSION:
        wrong.append("cmcd.sid_length")
    state = values.get("sta")
    if state is not None and not (isinstance(state, str) and state in STATES):
        wrong.append("cmcd.state")
    code = values.get("ec")
    if code is not None and not (isinstance(code, list) and all(isinstance(item, str) for item in code)):
        wrong.append("cmcd.ec")
    for key, kind in shape.checked:
        value = values[key]
        if value.__class__ is kind:
            continue
        if kind is not int:
            wrong.append("cmcd.type")
        elif value.__class__ is list:
            for item in value:
                if item.__class__ is not int:
                    wrong.append("cmcd.decimal" if item.__class__ is float else "cmcd.type")
                    break
        else:
            wrong.append("cmcd.decimal" if value.__class__ is float else "cmcd.type")
    return wrong


def _number(value: Any) -> int | float | None:
    """A number that is not below zero; of a list, the first."""
    if isinstance(value, list):
        value = value[0] if value else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def _code(value: Any) -> str | None:
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None or isinstance(value, bool | list | dict):
        return None
    return str(value) or None


def _outcome(status: Any) -> str:
    """What the status of a response says; 0 is no response."""
    if status.__class__ is not int:
        return "unknown"
    if status in _TIMEOUTS:
        return "timeout"
    if status in _DENIALS:
        return "denied"
    if 200 <= status < 400:
        return "ok"
    return "error" if 400 <= status < 600 else "unknown"


def _stalls(values: dict[str, Any], main: str) -> list[int | float | None]:
    """Lengths of the stalls that a line tells beside its main observation, in ms; None where it does not say."""
    length = values.get("bsd")
    if isinstance(length, list):
        return [item for item in length if isinstance(item, int | float) and not isinstance(item, bool) and item >= 0]
    if _number(length) is not None:
        return [_number(length)]
    return [None] if values.get("bs") is True and main != "stall" and "e" not in values else []
