"""One incident from its first sign to what was learnt, told from its records.

The newest record suffices: it carries when the incident formed, fired, was acknowledged, recovered and was resolved,
and what people did. Older ones, where there are any, add what was said in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from pipeline.detect.recovery import GONE
from pipeline.incidents.hold import STEADY_MS
from pipeline.intent import Intent, Severity
from pipeline.messages import Action, Incident, LedgerEntry
from pipeline.report.cost import Cost, without_evidence
from pipeline.report.sections import sure
from pipeline.report.words import amount, change, counted, duration, instant, percent, scope_name, signal_name

_VERBS = {
    "acknowledge": "acknowledged it",
    "note": "noted",
    "accept": "accepted its level as the new anchor",
    "false_alarm": "called it a false alarm",
    "confirm": "confirmed it",
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something at an instant. kind: `sign`, `change`, `onset`, `state`, `person`, `effect`, `danger`."""

    at: int
    kind: str
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Sentences under a heading."""

    heading: str
    sentences: list[str]


@dataclass(frozen=True, slots=True)
class Account:
    """All text is plain: whoever writes it escapes it."""

    incident: Incident
    title: str
    facts: list[tuple[str, str]]
    events: list[Event]
    parts: list[Part] = field(default_factory=list)


def account(records: Sequence[Incident], intent: Intent | None = None, measured: Cost | None = None) -> Account:
    """records: of one incident, oldest first, at least one. intent: says who was told; None: not known. measured: what
    it cost by the evidence."""
    newest = _timed(records)
    fired = [record for record in records if record.state == "firing"]
    told = fired[-1] if fired else newest
    parts = [
        Part("Who was told", list(_told(newest, told, intent))),
        Part("What of the intent it endangered", list(_dangers(newest))),
        Part("Signals", list(_signals(told))),
        Part("Who was not affected", list(_unaffected(told))),
        Part("First steps that the intent has", [*newest.containment, *(f"Runbook: {one}" for one in newest.runbooks)]),
        Part("What recovered, and why one believes it", list(_recovered(newest, told, measured))),
        Part("What it cost", measured.sentences() if measured is not None else [without_evidence(newest, end(newest))]),
        Part("How sure it was", sure(told)),
        Part("What was learnt", list(_learnt(newest))),
    ]
    return Account(
        incident=newest,
        title=told.summary,
        facts=list(_facts(newest, told)),
        events=sorted(_events(records, newest, told), key=lambda event: event.at),
        parts=[part for part in parts if part.sentences],
    )


def _timed(records: Sequence[Incident]) -> Incident:
    """The newest record, with the times that older ones show where it does not carry them."""
    newest = records[-1]
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    before = None
    for record in records:
        if record.state != before:
            first.setdefault(record.state, record.at)
            last[record.state] = record.at
        before = record.state
    return msgspec.structs.replace(
        newest,
        forming_at=newest.forming_at if newest.forming_at is not None else first.get("forming"),
        fired_at=newest.fired_at if newest.fired_at is not None else first.get("firing"),
        recovering_at=newest.recovering_at if newest.recovering_at is not None else last.get("recovering"),
        resolved_at=newest.resolved_at if newest.resolved_at is not None else last.get("resolved"),
    )


def end(newest: Incident) -> int:
    """When what deviated was over, as far as is known: it recovers before it is resolved."""
    if newest.recovering_at is not None and newest.state in ("recovering", "resolved"):
        return newest.recovering_at
    return newest.resolved_at if newest.resolved_at is not None else newest.at


def _facts(newest: Incident, told: Incident) -> Iterator[tuple[str, str]]:
    yield "State", f"{newest.state}, {newest.severity}, {newest.kind}"
    yield "Scope", scope_name(newest.scope)
    yield "Services", ", ".join(newest.services) or "none of the intent"
    fired = newest.fired_at
    for label, at, since in (
        ("Time to detect", fired, told.onset_at),
        ("Time to acknowledge", newest.acknowledged_at, fired),
        ("Time to recover", newest.recovering_at, fired),
    ):
        if at is not None and since is not None:
            yield label, duration(at - since)
    yield "Identity", newest.incident_id


def _events(records: Sequence[Incident], newest: Incident, told: Incident) -> Iterator[Event]:
    for one in newest.changes:
        what = one.change
        by = f", by {what.by}" if what.by else ""
        seen = ", first seen in the telemetry" if what.inferred else ""
        yield Event(what.at, "change", f"{what.kind}: {what.what}{by}", f"fits by {percent(one.fit)}{seen}")
    first = min((entry for entry in told.ledger if entry.nats > 0), key=lambda entry: entry.at, default=None)
    if first is not None:
        yield Event(
            first.at, "sign", f"first small inconsistency: {_channel(first)}", f"{first.nats:+.1f} nats of evidence"
        )
    between = ""
    if told.onset_from is not None and told.onset_until is not None:
        between = f"between {instant(told.onset_from)} and {instant(told.onset_until)}"
    yield Event(told.onset_at, "onset", "behaviour changed, by the best estimate", between)
    yield from _states(records, newest)
    for action in newest.actions:
        yield Event(action.at, "person", f"{action.by} {_VERBS.get(action.verb, action.verb)}", action.text)
    for effect in newest.effects:
        signals = ", ".join(signal_name(signal) for signal in effect.signals)
        yield Event(effect.since, "effect", f"{effect.service} suffers too", signals)


def _states(records: Sequence[Incident], newest: Incident) -> Iterator[Event]:
    """By the newest record's own times, and by what was said in between where those records are there."""
    times = {
        "forming": newest.forming_at,
        "firing": newest.fired_at,
        "recovering": newest.recovering_at,
        "resolved": newest.resolved_at,
    }
    before: Incident | None = None
    told = ""
    said: set[tuple[str, int]] = set()
    for record in records:
        turned = before is None or record.state != before.state
        anew = before is not None and (record.scope, record.severity) != (before.scope, before.severity)
        before = record
        if not turned and not anew:
            continue
        said.add((record.state, record.at))
        # What was said last need not be said again.
        detail = record.summary if record.summary != told and record.state != "forming" else ""
        told = detail or told
        yield Event(record.at, "state", record.state if turned else f"{record.state}, said anew", detail)
    for state, at in times.items():
        if at is not None and (state, at) not in said:
            yield Event(at, "state", state)


def _channel(entry: LedgerEntry) -> str:
    return entry.signal if entry.operation == "*" else f"{entry.operation} {entry.signal}"


def _told(newest: Incident, told: Incident, intent: Intent | None) -> Iterator[str]:
    if newest.fired_at is None and told.state != "firing":
        yield "Nobody: it never fired."
        return
    when = f"at {instant(newest.fired_at)}" if newest.fired_at is not None else "when it fired"
    if told.severity == "log":
        yield "Nobody: its severity is log."
    elif intent is None:
        yield f"As a {told.severity} {when}; whom, the intent says: give --config."
    else:
        names = receivers(intent, told)
        if names:
            yield f"{', '.join(names)}, as a {told.severity} {when}, by the intent."
        else:
            yield f"As a {told.severity} {when}, whoever the sinks are set to: the intent names no receiver."
    if newest.workaround is not None:
        yield f"Workaround {newest.workaround} of {newest.owner or 'nobody'} hides it, or hid it until it expired."
    first = next((action for action in newest.actions if action.verb == "acknowledge"), None)
    if first is not None:
        since = newest.fired_at
        after = f", {duration(first.at - since)} after it fired" if since is not None else ""
        yield f"{first.by} acknowledged it at {instant(first.at)}{after}."
    elif told.severity == "page":
        yield "Nobody acknowledged it."


def receivers(intent: Intent, incident: Incident) -> list[str]:
    """Names of the receivers that the intent routes an incident to, each once."""
    return intent.receivers_of(incident.services, Severity(incident.severity))


def _dangers(newest: Incident) -> Iterator[str]:
    for danger in newest.dangers:
        when = ""
        if danger.broken:
            when = ": broken"
        elif danger.at is not None:
            when = f": would have been broken {instant(danger.at)}"
        yield f"{danger.service}, {danger.line} ({danger.place}){when}"


def _signals(told: Incident) -> Iterator[str]:
    for signal in told.signals:
        ratio = f" ({change(signal.ratio)})" if signal.ratio is not None else ""
        seen, usual = amount(signal.signal, signal.observed), amount(signal.signal, signal.expected)
        yield f"{signal_name(signal)}: {seen} instead of {usual}{ratio}"


def _unaffected(told: Incident) -> Iterator[str]:
    if told.affected is not None and told.unaffected is not None:
        yield f"{counted(told.affected, 'cohort')} affected, {counted(told.unaffected, 'cohort')} not.".capitalize()
    for one in told.contrast:
        ratio = f" ({change(one.ratio)})" if one.ratio is not None else ""
        signal = told.signals[0].signal if told.signals else ""
        yield f"{scope_name(one.scope)}: {amount(signal, one.observed)}, {amount(signal, one.expected)} expected{ratio}"


def _recovered(newest: Incident, told: Incident, measured: Cost | None) -> Iterator[str]:
    if newest.merged_into is not None:
        yield f"It ended because incident {newest.merged_into} explains it."
    elif newest.state == "resolved":
        if newest.summary != told.summary or told.state == "resolved":
            yield newest.summary
        if newest.kind == "pattern":
            yield (
                f"A pattern is recovering when its effect is surely below {GONE:.0%} of what it was, and resolved when "
                f"it has stayed there for {duration(STEADY_MS)} or longer."
            )
    elif newest.state == "suppressed":
        yield f"Nothing is said to have recovered: {newest.summary}"
    else:
        yield f"It has not: its state is {newest.state}."
    if measured is not None and newest.state in ("recovering", "resolved"):
        yield from measured.back()


def _learnt(newest: Incident) -> Iterator[str]:
    if newest.verdict == "true":
        yield "A person confirmed it: it counts as a true page when the threshold is held against the budget."
    elif newest.verdict is not None:
        yield "A person called it a false alarm: it counts as one when the threshold is held against the budget."
    accepted: list[Action] = [action for action in newest.actions if action.verb == "accept"]
    for action in accepted:
        why = f": {action.text}" if action.text else ""
        yield f"{action.by} accepted its level as the new anchor at {instant(action.at)}{why}"
    if newest.confidence is not None:
        for text in newest.confidence.accepted:
            yield f"Accepted before: {text}"
    if newest.workaround is not None:
        yield f"It is a known one: workaround {newest.workaround}, owed by {newest.owner or 'nobody'}."
    for change_of in newest.changes[:1]:
        yield f"The change that fits best: {change_of.change.what} ({instant(change_of.change.at)})."
