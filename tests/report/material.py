"""Replays to report: of a small fleet with planted faults, by the pattern stage itself, and incidents by hand."""

from collections.abc import Iterable
from functools import cache

import msgspec

from pipeline.detect.pattern import Pattern
from pipeline.incidents.known import Known
from pipeline.intent import Intent, default
from pipeline.messages import (
    Action,
    Change,
    Contrast,
    Danger,
    Effect,
    Incident,
    LedgerEntry,
    RelatedChange,
    Signal,
    Tick,
)
from pipeline.replay import Result
from pipeline.report.courses import Courses
from tests.detect.planted import FAILURE, LATENCY, SOURCE, Plant, anchors, at, quick

HOUR = 3_600_000
START = 1_767_571_200_000

SLOW = Plant(LATENCY, 1.3, {"firmware": "stb-1.1"}, start=9.0, until=12.0)
FAILING = Plant(FAILURE, 3.0, {"operator": "norvik"}, start=17.0, until=18.5)
KNOWN = Known("INC-1", "slow on stb-1.1", {"firmware": "stb-1.1"}, at(9.0), at(12.0), at(11.0))
MISSED = Known(
    "INC-2", "tv of tessera denies", {"operator": "tessera", "device_class": "tv"}, at(14.0), at(15.0), at(14.5)
)


def change(state: str, at: int, incident_id: str = "a1", **more: object) -> Incident:
    """A record of an incident, by hand."""
    fields: dict[str, object] = {
        "severity": "page",
        "onset_at": START + HOUR,
        "scope": {"firmware": "fw-1"},
        "services": ["playback"],
        "signals": [],
        "kind": "pattern",
        "evidence": 7.0,
        "summary": "Firmware fw-1: latency up.",
        **more,
    }
    return Incident(incident_id=incident_id, state=state, at=at, **fields)  # type: ignore[arg-type]


LIFE = [
    change("forming", START + 2 * HOUR),
    change("firing", START + 3 * HOUR),
    change("recovering", START + 6 * HOUR),
    change("resolved", START + 8 * HOUR),
]


def result(incidents: Iterable[Incident], **more: object) -> Result:
    """Ten hours of records."""
    fields: dict[str, object] = {
        "records": 10,
        "accepted": 7,
        "duplicates": 1,
        "rejected": {"json.invalid": 2},
        "unknown_fields": 3,
        "first_at": START,
        "last_at": START + 10 * HOUR,
        "incidents": list(incidents),
        **more,
    }
    return Result(**fields)  # type: ignore[arg-type]


def full(at: int, incident_id: str = "full", text: str = "fw-1") -> Incident:
    """An incident with something in every field; `text` stands wherever others may write."""
    signal = Signal("playback_start", "latency", "up", 1250.0, 1000.0, 1.25, 0.8, "drift", 0.5, None, 1.2, 1.3)
    known = Change("c1", at - 2 * HOUR, "deployment", f"release {text}", {"firmware": text}, by=text)
    return change(
        "firing",
        at,
        incident_id,
        onset_at=at - HOUR,
        onset_from=at - 2 * HOUR,
        onset_until=at,
        scope={"firmware": text},
        services=[text],
        signals=[signal, Signal(text, "retry", "up", 0.06, 0.04, 1.5, 0.2, "step")],
        summary=f"Firmware {text}: slow.",
        affected=3,
        unaffected=9,
        contrast=[Contrast({"firmware": f"{text} too"}, 1010.0, 1000.0, 1.01, 3)],
        ledger=[
            LedgerEntry(at - 2 * HOUR, at - HOUR, "playback_start", "latency", 3.5),
            LedgerEntry(at - HOUR, at, text, "retry", -0.4),
        ],
        actions=[Action("x1", at, text, incident_id, "acknowledge"), Action("x2", at, text, incident_id, "note", text)],
        acknowledged_at=at,
        changes=[RelatedChange(known, 0.9)],
        dangers=[Danger("playback", f"p95 {text}", "intent.yaml:12", at=at + HOUR, at_from=at, at_until=at + 3 * HOUR)],
        effects=[Effect(text, at, [signal])],
        containment=[f"roll back {text}"],
        runbooks=[f"https://runbooks.example/{text}"],
    )


def played(days: float, *plants: Plant, intent: Intent | None = None) -> tuple[Result, Courses]:
    """What a replay of so many days of a small fleet comes to."""
    pattern, courses = Pattern([SOURCE], intent or default()), Courses()
    incidents: list[Incident] = []
    messages = [anchors(), *(part for one in quick(days, *plants) for part in (one, Tick(SOURCE, one.minute)))]
    for message in messages:
        courses.take(message)
        incidents += pattern.feed(message)
    return result(incidents, first_at=at(0.0), last_at=at(days)), courses


@cache
def month() -> tuple[Result, Courses]:
    """Four weeks with two faults, the first of them with all that people and other stages add to an incident."""
    found, courses = played(28.0, SLOW, FAILING)
    first = next(incident for incident in found.incidents if incident.state == "firing")
    added = full(first.at + HOUR, first.incident_id, text="stb-1.1")
    names = ("actions", "acknowledged_at", "changes", "dangers", "effects", "containment", "runbooks")
    told = {name: getattr(added, name) for name in names}
    incidents = [
        msgspec.structs.replace(one, **told) if one.incident_id == first.incident_id else one for one in found.incidents
    ]
    return result(incidents, first_at=found.first_at, last_at=found.last_at), courses
