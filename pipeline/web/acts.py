"""What people do, as messages for the logs that it concerns. Pure: who, when and the ids are arguments."""

from __future__ import annotations

from pipeline.changes import fault
from pipeline.messages import Action, Change, Decision, Incident
from pipeline.web import records as say


class UnfitError(ValueError):
    """A request that is well formed and makes no sense; says why."""


def action(
    incident: Incident, asked: say.ActionRequest, by: str, at: int, action_id: str
) -> tuple[Action, Decision | None]:
    """The action, and the decision that goes with `accept`: the level of the incident's leading signal in its scope is
    the anchor from now on.

    Raises:
        UnfitError: a note without words, or an incident whose level cannot be accepted.
    """
    text = asked.text.strip()
    if asked.verb == "note" and not text:
        msg = "a note needs a text"
        raise UnfitError(msg)
    done = Action(action_id, at, by, incident.incident_id, asked.verb, text)
    if asked.verb != "accept":
        return done, None
    if incident.kind == "feed" or not incident.signals or not incident.scope:
        msg = f"the level of a {incident.kind} incident cannot be accepted" if incident.scope else "it names no scope"
        raise UnfitError(msg)
    leading = incident.signals[0]
    return done, Decision(
        decision_id=f"{action_id}.accept",
        at=at,
        by=by,
        reason=text or f"accepted with incident {incident.incident_id}",
        scope=dict(incident.scope),
        operation=None if leading.operation == "*" else leading.operation,
        signal=leading.signal,
    )


def change(asked: say.ChangeRequest, by: str, at: int, change_id: str) -> Change:
    """Raises UnfitError for what the book of changes would not take."""
    told = Change(
        change_id=change_id,
        at=at if asked.at is None else asked.at,
        kind=asked.kind,
        what=asked.what,
        scope={str(name): value for name, value in asked.scope.items()},
        services=asked.services,
        by=by,
        link=asked.link,
        configuration=asked.configuration,
    )
    wrong = fault(told)
    if wrong is not None:
        raise UnfitError(wrong)
    return told


def decision(asked: say.DecisionRequest, by: str, at: int, decision_id: str) -> Decision:
    return Decision(
        decision_id=decision_id,
        at=at,
        by=by,
        reason=asked.reason,
        scope={str(name): value for name, value in asked.scope.items()},
        operation=asked.operation,
        signal=asked.signal,
        days=asked.days,
    )
