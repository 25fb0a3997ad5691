"""What a replay came to, as one HTML file that needs nothing else: totals, incidents, a time line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.incidents.wording import instant, name
from pipeline.messages import Incident
from pipeline.replay import Result

WIDTH: Final = 1_000
"""Of the time line, in units of its drawing."""
LEAST_WIDTH: Final = 2.0
"""What is shorter would not be seen."""
TICKS: Final = 5


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the time line in which an incident was in one state."""

    state: str
    x: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class Life:
    """One incident from its first record to its last."""

    incident_id: str
    severity: str
    kind: str
    scope: str
    services: str
    onset: str
    fired: str
    ended: str
    summary: str
    spans: Sequence[Span]


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    label: str


def render(result: Result, names: Iterable[str]) -> str:
    """The page of a replay of the files `names`; the same result gives the same page."""
    environment = Environment(
        loader=PackageLoader("pipeline"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    by_id: dict[str, list[Incident]] = {}
    for incident in result.incidents:
        by_id.setdefault(incident.incident_id, []).append(incident)
    scale = _Scale(result)
    return environment.get_template("report.html").render(
        result=result,
        names=list(names),
        width=WIDTH,
        first=None if result.first_at is None else instant(result.first_at),
        last=None if result.last_at is None else instant(result.last_at),
        lives=[_life(by_id[name], severity, scale) for name, severity in result.fired.items()],
        unfired=len(by_id) - len(result.fired),
        ticks=scale.ticks(),
    )


class _Scale:
    """From instants to places on the time line."""

    def __init__(self, result: Result) -> None:
        self.start = result.first_at or 0
        self.end = max(result.last_at or 0, self.start + 1)

    def x(self, at: int) -> float:
        share = (min(max(at, self.start), self.end) - self.start) / (self.end - self.start)
        return round(share * WIDTH, 1)

    def ticks(self) -> list[Tick]:
        step = (self.end - self.start) / TICKS
        instants = [round(self.start + i * step) for i in range(TICKS + 1)]
        return [Tick(self.x(at), instant(at)) for at in instants]


def _life(records: Sequence[Incident], severity: str, scale: _Scale) -> Life:
    firing = [record for record in records if record.state == "firing"]
    shown, last = firing[-1], records[-1]
    return Life(
        incident_id=shown.incident_id,
        severity=severity,
        kind=shown.kind,
        scope=name(list(shown.scope.items())),
        services=", ".join(shown.services),
        onset=instant(shown.onset_at),
        fired=instant(firing[0].at),
        ended=instant(last.at) if last.state == "resolved" else f"still {last.state}",
        summary=shown.summary,
        spans=list(_spans(records, scale)),
    )


def _spans(records: Sequence[Incident], scale: _Scale) -> Iterable[Span]:
    ends = [record.at for record in records[1:]] + [scale.end]
    yield _span("onset", records[0].onset_at, records[0].at, scale)
    for record, end in zip(records, ends, strict=True):
        if record.state != "resolved":
            yield _span(record.state, record.at, end, scale)


def _span(state: str, start: int, end: int, scale: _Scale) -> Span:
    x = scale.x(start)
    width = round(max(scale.x(end) - x, LEAST_WIDTH), 1)
    return Span(state, x, width, f"{state}, {instant(start)} to {instant(end)}")
