"""Recorded files through the engine: the same stages as live, time from the records alone.

    files ──► RecordFiles ──► Engine ──► incidents, evidence, rejects (NDJSON), summary

What is written depends on the input and the intent alone, to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from pipeline.detect.evidence import Evidence
from pipeline.engine import Engine, Output
from pipeline.intent import Intent, Severity
from pipeline.messages import Incident, Reject
from pipeline.recordfile import InputFault, RecordFiles

_INCIDENT: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Goals:
    """Files to write; None is not written."""

    incidents: Path | None = None
    evidence: Path | None = None
    rejects: Path | None = None
    report: Path | None = None

    def paths(self) -> list[Path]:
        return [path for path in (self.incidents, self.evidence, self.rejects, self.report) if path is not None]


@dataclass(frozen=True, slots=True)
class Result:
    """What a replay came to.

    Attributes:
        fired: incidents that fired, by the gravest severity each had while firing.
        first_at, last_at: least and greatest arrival time of the records used, ms epoch; None without any.
        records_of_incidents: every change of an incident, in order.
        faults: inputs that could not be read to their end.
    """

    records: int
    accepted: int
    duplicates: int
    rejected: dict[str, int]
    unknown_fields: int
    fired: dict[str, int]
    first_at: int | None
    last_at: int | None
    incidents: list[Incident] = field(default_factory=list)
    faults: list[InputFault] = field(default_factory=list)


def replay(
    files: RecordFiles,
    intent: Intent,
    goals: Goals,
    *,
    adapter: str = "canonical",
    progress: Callable[[int], object] = lambda bytes_read: None,
) -> Result:
    """Feed the records of `files` to the engine and write what it says. `progress` is told the bytes read so far.

    Raises:
        OSError: a goal cannot be written; the goals are opened before anything is read.
    """
    engine = Engine(intent, adapter=adapter)
    incidents: list[Incident] = []
    with ExitStack() as opened:
        write_incidents, write_evidence, write_rejects = (
            opened.enter_context(_opened(path)) for path in (goals.incidents, goals.evidence, goals.rejects)
        )

        def take(output: Output) -> None:
            if write_rejects:
                write_rejects(map(reject_line, output.rejects))
            if write_evidence:
                write_evidence(line for evidence in output.evidence for line in evidence_lines(evidence))
            if write_incidents:
                write_incidents(map(incident_line, output.incidents))
            incidents.extend(output.incidents)

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
        fired=fired(incidents),
        first_at=totals.first_at,
        last_at=totals.last_at,
        incidents=incidents,
        faults=files.faults,
    )


def fired(incidents: Sequence[Incident]) -> dict[str, int]:
    """Incidents that fired, by the gravest severity each had while it did."""
    rank = [str(severity) for severity in Severity]
    gravest: dict[str, str] = {}
    for incident in incidents:
        if incident.state == "firing":
            before = gravest.get(incident.incident_id, incident.severity)
            gravest[incident.incident_id] = min(before, incident.severity, key=rank.index)
    found = list(gravest.values())
    return {severity: found.count(severity) for severity in rank}


def incident_line(incident: Incident) -> bytes:
    return _INCIDENT.encode(incident) + b"\n"


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


@contextmanager
def _opened(path: Path | None) -> Iterator[Callable[[Iterable[bytes]], None] | None]:
    if path is None:
        yield None
        return
    with path.open("wb", buffering=1 << 16) as file:
        yield file.writelines
