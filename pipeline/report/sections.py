"""What the page of a replay says of one incident."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.incidents.known import Catch, Life
from pipeline.messages import Action, Change, Contrast, Danger, Incident, LedgerEntry, Signal
from pipeline.report.bands import band
from pipeline.report.charts import Mark, Plot, Span, TimeAxis, of_band, of_ledger, spans
from pipeline.report.courses import Courses
from pipeline.report.words import DAY_MS, amount, change, duration, figure, instant, interval, percent, signal_name

MOST_SIGNALS: Final = 4
"""Drawn of one incident; all are in its table."""
AHEAD_MS: Final = 3 * DAY_MS
"""What is drawn before an incident began, and after it was over (less)."""
AFTER_MS: Final = DAY_MS


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class SignalRow:
    """interval: of the change, 95 %; empty where it is not known. plot: None where nothing can be drawn."""

    name: str
    observed: str
    expected: str
    change: str
    interval: str
    share: str
    shape: str
    plot: Plot | None


@dataclass(frozen=True, slots=True)
class Beside:
    """A scope beside the one that is affected, with its change as a bar: x and width in per cent of the widest."""

    name: str
    observed: str
    expected: str
    change: str
    width: float
    own: bool = False


@dataclass(frozen=True, slots=True)
class LedgerRow:
    since: int
    until: int
    signal: str
    nats: str
    width: float
    up: bool


@dataclass(frozen=True, slots=True)
class Section:
    """`told` is the newest record that fired, `newest` the newest of all: what people did and what became of it."""

    life: Life
    told: Incident
    newest: Incident
    facts: list[Fact]
    signals: list[SignalRow]
    beside: list[Beside]
    ledger: list[LedgerRow]
    ledger_plot: Plot | None
    sure: list[str]
    known: list[Catch]
    strip: list[Span]
    marks: list[Mark]

    @property
    def dangers(self) -> list[Danger]:
        return self.newest.dangers

    @property
    def changes(self) -> list[tuple[Change, float]]:
        return [(one.change, one.fit) for one in self.newest.changes]

    @property
    def actions(self) -> list[Action]:
        return self.newest.actions


def section(
    life: Life,
    records: Sequence[Incident],
    courses: Courses,
    catches: Sequence[Catch],
    troubled: Sequence[tuple[Mapping[str, str], int, int]],
    start: int,
    end: int,
) -> Section:
    """records: all of the incident. troubled: scopes and stretches of all incidents. start, end: of the replay."""
    told, newest = life.told, life.newest
    ended = life.ended_at if life.ended_at is not None else end
    began = told.onset_from if told.onset_from is not None else told.onset_at
    since = max(start, min(began, life.fired_at) - AHEAD_MS)
    axis = TimeAxis(since, min(end, ended + AFTER_MS))
    trouble = [(one, other) for scope, one, other in troubled if not _apart(scope, told.scope)]
    rows = [
        _signal(signal, told, courses, axis, trouble, drawn=number < MOST_SIGNALS)
        for number, signal in enumerate(told.signals)
    ]
    return Section(
        life=life,
        told=told,
        newest=newest,
        facts=_facts(life, catches),
        signals=rows,
        beside=_beside(told),
        ledger=_ledger(told.ledger),
        ledger_plot=_ledger_plot(told.ledger),
        sure=sure(told),
        known=list(catches),
        strip=spans(records, axis),
        marks=_marks(life, newest, catches, axis),
    )


def _apart(scope: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return any(other.get(name, value) != value for name, value in scope.items())


def _signal(
    signal: Signal,
    told: Incident,
    courses: Courses,
    axis: TimeAxis,
    trouble: Sequence[tuple[int, int]],
    *,
    drawn: bool,
) -> SignalRow:
    found = band(courses, told.scope, signal, axis.start, axis.end, trouble) if drawn else None
    low, high = signal.ratio_low, signal.ratio_high
    return SignalRow(
        name=signal_name(signal),
        observed=amount(signal.signal, signal.observed),
        expected=amount(signal.signal, signal.expected),
        change=change(signal.ratio) if signal.ratio is not None else signal.direction,
        interval="" if low is None or high is None else interval(low, high),
        share=f"{100 * signal.share:.0f} %",
        shape=signal.shape,
        plot=None if found is None else of_band(found, signal.signal, axis),
    )


def _facts(life: Life, catches: Sequence[Catch]) -> list[Fact]:
    told, newest = life.told, life.newest
    onset = instant(told.onset_at)
    if told.onset_from is not None and told.onset_until is not None:
        onset += f", between {instant(told.onset_from)} and {instant(told.onset_until)}"
    out = [
        Fact("Began", onset),
        Fact("Told", f"{instant(life.fired_at)}, {duration(life.fired_at - told.onset_at)} later"),
    ]
    for catch in catches:
        if catch.known.detected_at is not None and catch.lead_ms is not None:
            when = "later" if catch.lead_ms >= 0 else "earlier"
            text = f"{instant(catch.known.detected_at)}, {duration(catch.lead_ms)} {when}"
            out.append(Fact(f"People noticed {catch.known.known_id}", text))
    for label, at in (("Acknowledged", newest.acknowledged_at), ("Recovered", newest.recovering_at)):
        if at is not None:
            out.append(Fact(label, f"{instant(at)}, {duration(at - life.fired_at)} after it was told"))
    ended = life.ended_at
    if ended is None:
        out.append(Fact("Resolved", f"not within the records: still {newest.state}"))
    else:
        out.append(Fact("Resolved", f"{instant(ended)}, {duration(ended - told.onset_at)} after it began"))
    if newest.merged_into is not None:
        out.append(Fact("Explained by", newest.merged_into))
    if newest.workaround is not None:
        out.append(Fact("Workaround", f"{newest.workaround}, of {newest.owner or 'nobody'}"))
    if newest.verdict is not None:
        out.append(Fact("Verdict", "a person called it a false alarm" if newest.verdict != "true" else "confirmed"))
    out.append(Fact("Services", ", ".join(newest.services) or "none of the intent"))
    return out


def _beside(told: Incident) -> list[Beside]:
    """The scope itself, then those beside it; bars by the size of their change."""
    if not told.contrast or not told.signals:
        return []
    lead = told.signals[0]
    ratios = [lead.ratio, *(one.ratio for one in told.contrast)]
    most = max((abs(ratio - 1.0) for ratio in ratios if ratio is not None), default=0.0) or 1.0

    def row(name: str, observed: float | None, expected: float | None, ratio: float | None, own: bool) -> Beside:
        width = 0.0 if ratio is None else round(100.0 * max(ratio - 1.0, 0.0) / most, 1)
        said = "–" if ratio is None else change(ratio)
        return Beside(name, amount(lead.signal, observed), amount(lead.signal, expected), said, width, own)

    out = [row("the affected scope", lead.observed, lead.expected, lead.ratio, True)]
    return out + [
        row(_difference(one, told.scope), one.observed, one.expected, one.ratio, False) for one in told.contrast
    ]


def _difference(one: Contrast, scope: Mapping[str, str]) -> str:
    """A sibling by what tells it from the scope."""
    changed = [value for name, value in one.scope.items() if scope.get(name) != value]
    return ", ".join(changed) or "all others"


def _ledger(entries: Sequence[LedgerEntry]) -> list[LedgerRow]:
    most = max((abs(entry.nats) for entry in entries), default=0.0) or 1.0
    return [
        LedgerRow(
            entry.at,
            entry.until,
            _channel(entry),
            f"{entry.nats:+.1f}".replace("-", "−"),
            round(100.0 * abs(entry.nats) / most, 1),
            entry.nats >= 0.0,
        )
        for entry in entries
    ]


def _channel(entry: LedgerEntry) -> str:
    return entry.signal if entry.operation == "*" else f"{entry.operation} {entry.signal}"


def _ledger_plot(entries: Sequence[LedgerEntry]) -> Plot | None:
    if not entries:
        return None
    axis = TimeAxis(min(entry.at for entry in entries), max(entry.until for entry in entries))
    return of_ledger(entries, [_channel(entry) for entry in entries], axis)


def sure(told: Incident) -> list[str]:
    """How sure it was, and on what that rests; sentences."""
    out = []
    if told.evidence:
        out.append(f"Evidence {told.evidence:+.1f} on the log10 scale, at 0 it fires.".replace("-", "−"))
    confidence = told.confidence
    if confidence is None:
        return out
    out.append(
        f"{percent(confidence.scope)} of the likelihood is with the named scope, among those above and below it."
    )
    days = figure(confidence.anchor_days)
    anchors = f"The anchors rest on {days} days"
    if confidence.borrowed:
        anchors += f", borrowed from {', '.join(confidence.borrowed)}"
    out.append(f"{anchors}; the threshold on {figure(confidence.calibrated_weeks)} quiet weeks.")
    if confidence.anchor_moved is not None and round(confidence.anchor_moved, 2) != 1.0:
        out.append(f"The anchor has moved {change(confidence.anchor_moved)} since the first one.")
    out += [f"Accepted: {text}" for text in confidence.accepted]
    return out + [f"In doubt: {text}" for text in confidence.doubts]


def _marks(life: Life, newest: Incident, catches: Sequence[Catch], axis: TimeAxis) -> list[Mark]:
    marks = [Mark("change", axis.x(one.change.at), one.change.what) for one in newest.changes]
    marks += [Mark("onset", axis.x(life.told.onset_at), "began"), Mark("fired", axis.x(life.fired_at), "told")]
    for catch in catches:
        if catch.known.detected_at is not None and axis.start <= catch.known.detected_at <= axis.end:
            marks.append(Mark("noticed", axis.x(catch.known.detected_at), f"people noticed {catch.known.known_id}"))
    return marks
