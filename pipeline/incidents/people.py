"""What people do about an incident, and what becomes of it.

    acknowledge   somebody has it
    note          a text beside it
    accept        its level is the anchor from now on (a `Decision` goes with it to the baselines): resolved, hidden by
                  the accepted anchor; not raised again before the anchor has had `ANCHOR_MS` to come into force
    false_alarm   resolved; not raised again for `MUTE_MS` by the same signals unless `STRONGER` times as far off
    confirm       it is one: it says nothing about false alarms, and one that was called false may be raised again

Whoever does anything but take a note has seen it: the first of these acknowledges it.
"""

from __future__ import annotations

from typing import Final

from models.season import SLOT_MS
from pipeline.changes import HOUR_MS
from pipeline.incidents import telling
from pipeline.incidents.life import Case, Incidents
from pipeline.incidents.wording import instant
from pipeline.messages import Action, Decision, Incident

VERBS: Final = ("acknowledge", "note", "accept", "false_alarm", "confirm")
FALSE_ALARM: Final = "false_alarm"
TRUE: Final = "true"
MUTE_MS: Final = 7 * 24 * HOUR_MS
"""As long as the longest span: what was called false has left all of them by then."""
ANCHOR_MS: Final = 2 * HOUR_MS
STRONGER: Final = 1.5
MOST_ACTIONS: Final = 100
"""Of an incident that are kept; past it the oldest go, but for the first."""
MOST_TEXT: Final = 1_024


def fault(action: Action) -> str | None:
    """What is wrong with an action, if anything."""
    if action.verb not in VERBS:
        return f"{action.verb!r} is nothing that can be done about an incident; there are {', '.join(VERBS)}"
    if not action.by.strip() or not action.by.isprintable():
        return "an action has somebody who took it"
    if action.verb == "note" and not action.text.strip():
        return "a note has a text"
    if len(action.text) > MOST_TEXT or not action.text.replace("\n", " ").isprintable():
        return f"a text has at most {MOST_TEXT} characters, all of them printable"
    return None


def objection(action: Action, incident: Incident) -> str | None:
    """Why an action cannot be taken of an incident as it is, and what can; None: it can."""
    if action.verb != "accept":
        return None
    without = next((signal.signal for signal in incident.signals if signal.signal in NO_ANCHOR), None)
    if without is not None or not incident.signals:
        return (
            f"there is no anchor of its {without or 'signals'} that could be moved; note it, or call it a false alarm"
        )
    ready_at = _solid_since(incident) + 2 * SLOT_MS
    if action.at < ready_at:
        return f"its level is not known yet: it began too short a time ago; accept it after {instant(ready_at)}"
    return None


NO_ANCHOR: Final = ("volume",)


def decisions(action: Action, incident: Incident) -> list[Decision]:
    """What goes with `accept` to the baselines: the level since the onset is the anchor of its scope and signals."""
    if action.verb != "accept":
        return []
    named = dict.fromkeys((signal.operation, signal.signal) for signal in incident.signals)
    return [
        Decision(
            decision_id=f"{action.action_id}-{number}",
            at=action.at,
            by=action.by,
            reason=action.text or f"incident {incident.incident_id} is accepted",
            scope=dict(incident.scope),
            operation=None if operation == "*" else operation,
            signal=signal,
            since=_solid_since(incident),
        )
        for number, (operation, signal) in enumerate(named)
    ]


def _solid_since(incident: Incident) -> int:
    """From when on all that is seen of it is its level."""
    return max(incident.onset_at, incident.onset_until or incident.onset_at)


def act(incidents: Incidents, case: Case, action: Action, at: int) -> Incident:
    """Take an action at `at` (arrival clock, ms); the record that it makes."""
    kept = [*case.actions, action]
    case.actions = tuple(kept if len(kept) <= MOST_ACTIONS else [kept[0], *kept[2:]])
    if action.verb != "note" and case.acknowledged_at is None:
        case.acknowledged_at = max(at, case.said_at)
    if action.verb == "confirm":
        case.verdict, case.muted_until = TRUE, None
    elif action.verb == FALSE_ALARM:
        case.verdict, case.muted_until = FALSE_ALARM, at + MUTE_MS
        return incidents.change(case, "resolved", at, why=telling.false_alarm(action, case.muted_until, STRONGER))
    elif action.verb == "accept":
        case.muted_until = at + ANCHOR_MS
        return incidents.change(case, "resolved", at, why=telling.accepted(action))
    return incidents.say(case, at)
