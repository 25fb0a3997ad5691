"""Recorded files through the engine: the same stages as live, time from the records alone.

    files ──► RecordFiles ──► Engine ──► incidents, evidence, rejects (NDJSON), summary

What is written depends on the input and the intent alone, to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

import msgspec

from pipeline.detect.evidence import Evidence, Learned
from pipeline.engine import Engine, Output, Told
from pipeline.intent import Intent, Severity
from pipeline.messages import Action, Incident, Reject
from pipeline.operators import Adapter
from pipeline.recordfile import InputFault, RecordFiles

SEVERITIES: Final = tuple(str(severity) for severity in Severity)
"""The gravest first."""


@dataclass(frozen=True, slots=True)
class Goals:
    """Open files to write to; None is not written."""

    incidents: BinaryIO | None = None
    evidence: BinaryIO | None = None
    rejects: BinaryIO | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a replay came to.

    Attributes:
        fired: incidents that fired, by id, with the gravest severity each had while it did.
        first_at, last_at: least and greatest arrival time of the records used, ms epoch; None without any.
        incidents: every change of an incident, in order.
        faults: inputs that could not be read to their end.
        vain: actions about an incident that there was not when their time came.
    """

    records: int
    accepted: int
    duplicates: int
    rejected: dict[str, int]
    unknown_fields: int
    first_at: int | None
    last_at: int | None
    incidents: list[Incident] = field(default_factory=list)
    faults: list[InputFault] = field(default_factory=list)
    vain: list[Action] = field(default_factory=list)
    fired: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fired", fired(self.incidents))


def replay(
    files: RecordFiles,
    intent: Intent,
    goals: Goals,
    *,
    adapter: str | Adapter = "canonical",
    learned: Iterable[Learned] = (),
    decisions: Iterable[Told] = (),
    progress: Callable[[int], object] = lambda bytes_read: None,
) -> Result:
    """Feed the records of `files` to the engine and write what it says. `progress` is told the bytes read so far.

    `learned` and `decisions`: see `Engine`.

    Raises:
        OSError: a goal cannot be written. What cannot be read is no error: the result says it.
    """
    engine = Engine(intent, adapter=adapter, learned=learned, decisions=decisions)
    incidents: list[Incident] = []
    vain: list[Action] = []

    def take(output: Output) -> None:
        if goals.rejects is not None:
            goals.rejects.writelines(map(reject_line, output.rejects))
        if goals.evidence is not None:
            goals.evidence.writelines(line for evidence in output.evidence for line in evidence_lines(evidence))
        if goals.incidents is not None:
            goals.incidents.writelines(map(incident_line, output.incidents))
        incidents.extend(output.incidents)
        vain.extend(output.vain)

    for batch in files:
        take(engine.feed(batch))
        progress(files.bytes_read)
    take(engine.finish())
    totals = engine.ingest.totals
    return Result(
        records=totals.records,
        accepted=totals.accepted,
        duplicates=totals.duplicates,
        rejected=dict(sorted(totals.rejected.items())),
        unknown_fields=totals.unknown_fields,
        first_at=totals.first_at,
        last_at=totals.last_at,
        incidents=incidents,
        faults=files.faults,
        vain=vain,
    )


def fired(incidents: Iterable[Incident]) -> dict[str, str]:
    """Incidents that fired, by id, with the gravest severity each had while it did."""
    found: dict[str, str] = {}
    for incident in incidents:
        if incident.state == "firing":
            before = found.get(incident.incident_id, incident.severity)
            found[incident.incident_id] = min(before, incident.severity, key=SEVERITIES.index)
    return found


def incident_line(incident: Incident) -> bytes:
    return msgspec.json.encode(incident) + b"\n"


def reject_line(reject: Reject) -> bytes:
    """Place as `file:line`, the original bytes in base64."""
    return (
        msgspec.json.encode(
            {
                "reason": reject.reason,
                "field": reject.field,
                "place": str(reject.place),
                "detail": reject.detail,
                "value": reject.value,
                "adapter": reject.adapter,
                "operator": reject.operator,
                "received_at": reject.received_at,
                "headers": reject.headers,
            }
        )
        + b"\n"
    )


def evidence_lines(evidence: Evidence) -> Iterator[bytes]:
    """One line a cohort of the minute; cells without data are left out.

    Of a share: `n` units (see `Evidence`), `x` those that hit; `observed` and `expected` are shares. Of a shift: `n`
    units, `x` the sum of their log deviations from the cohort's reference; `observed` and `expected` are its means.
    `expected` is null while the cohort has no anchor.
    """
    for row, cohort in enumerate(evidence.cohorts):
        signals = [
            {
                "operation": channel.operation,
                "signal": channel.signal,
                "kind": "shift" if channel.is_shift else "share",
                "n": n,
                "x": x,
                "observed": x / n,
                "expected": expected / n if expected else None,
            }
            for channel, n, x, expected in zip(
                evidence.channels,
                evidence.n[row].tolist(),
                evidence.x[row].tolist(),
                evidence.expected[row].tolist(),
                strict=True,
            )
            if n > 0
        ]
        line = {**cohort._asdict(), "minute": evidence.minute, "aside": bool(evidence.aside[row]), "signals": signals}
        yield msgspec.json.encode(line) + b"\n"
