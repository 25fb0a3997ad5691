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

from pipeline.changes import HOUR_MS
from pipeline.incidents import telling
from pipeline.incidents.life import Case, Incidents
from pipeline.messages import Action, Incident

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
