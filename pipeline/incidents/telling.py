"""What a record says beside its finding: why it is over or believed to be, that its scope is another, what preceded it.

Sentences, each complete, that are added to the summary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.incidents import wording
from pipeline.messages import Action, RelatedChange, Signal
from pipeline.workarounds import Workaround

Scope = Sequence[tuple[str, str]]

MOST_SIGNALS: Final = 3
LONGEST_WHAT: Final = 80
"""Characters of a change that a summary quotes."""
_KINDS: Final = {
    "app_version": "app version",
    "configuration": "configuration change",
    "contract": "contract change",
    "feed": "feed change",
    "firmware": "firmware change",
    "other": "change",
}


def preceded(best: RelatedChange) -> str:
    """The change that fits best."""
    change = best.change
    what = change.what if len(change.what) <= LONGEST_WHAT else change.what[: LONGEST_WHAT - 1] + "…"
    said = what if change.inferred else f"{_KINDS.get(change.kind, change.kind)} {what}"
    by = f" by {change.by}" if change.by else ""
    return f"Before it, {wording.instant(change.at)}{by}: {said}."


def back(now: Sequence[Signal], span: str) -> str:
    """Why it is believed to be over: what is seen now, against what is expected."""
    said = "; ".join(map(_reading, now[:MOST_SIGNALS]))
    return f"Back at what is expected, by the last {span}: {said}." if said else "Back at what is expected."


def faded(hours: int) -> str:
    return f"It came to nothing: not seen again for {hours} h."


def merged(incident_id: str) -> str:
    return f"Explained by incident {incident_id}."


def accepted(action: Action) -> str:
    return (
        f"Hidden by an accepted anchor: {action.by} has accepted its level{_reason(action)}; it is not back at what "
        "was expected before."
    )


def false_alarm(action: Action, until: int, factor: float) -> str:
    return (
        f"Called a false alarm by {action.by}{_reason(action)}; the same signals page again after "
        f"{wording.instant(until)}, or when they deviate {factor:g} times as far."
    )


def louder(channels: Sequence[tuple[str, str]], same: bool) -> str:
    """It was silenced by a person, and is raised again: for an operation and signal each, new or clearly stronger."""
    names = [signal if operation == "*" else f"{operation} {signal}" for operation, signal in channels[:MOST_SIGNALS]]
    return f"A person had silenced it; {', '.join(names)} {'is clearly stronger now' if same else 'is new'}."


def behind(by: Workaround) -> str:
    """It is back behind a workaround, which may be why."""
    return (
        f"It is not called resolved while workaround {by.id} of {by.owner} hides it, until "
        f"{wording.instant(by.expires_at)}."
    )


def no_longer_behind(workaround: str) -> str:
    return f"Workaround {workaround} hides it no longer, and it has stayed so."


def moved(before: Scope, after: Scope) -> str:
    """Its scope is another: narrower, wider, or beside the one before."""
    old, new = set(before), set(after)
    how = "Narrowed from" if old < new else "Grown from" if new < old else "Named anew, before"
    return f"{how} {_within(before)}."


def grown(parts: Sequence[Scope]) -> str:
    return f"Grown from {' and '.join(_within(part) for part in parts)}."


def split(incident_id: str, before: Scope) -> str:
    """It was part of an incident that has narrowed."""
    return f"Split from incident {incident_id}, which was said of {_within(before)}."


def _reading(signal: Signal) -> str:
    assert signal.observed is not None
    assert signal.expected is not None
    observed, expected = (wording.figure(signal, value) for value in (signal.observed, signal.expected))
    return f"{wording.noun(signal)} {observed} where {expected} is expected"


def _within(scope: Scope) -> str:
    said = wording.name(scope)
    return said[0].lower() + said[1:]


def _reason(action: Action) -> str:
    return f" ({action.text})" if action.text else ""
