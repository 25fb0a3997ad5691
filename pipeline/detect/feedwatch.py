"""Incidents of the telemetry itself: a feed that fell silent, comes late, cannot be read, or names too many cohorts.

Each is said of an operator, or of one of its device classes when the rest of the operator is sound. Nothing is judged
by a silent feed and nothing learnt from a late one; that its devices are slow is another matter, and is not said here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from pipeline.detect.evidence import Evidence, FeedHealth, FeedPart
from pipeline.detect.rejectwatch import RejectWatch
from pipeline.incidents import wording
from pipeline.incidents.life import Case, Finding, Incidents, Scope
from pipeline.intent import Intent, Severity
from pipeline.messages import MINUTE_MS, Incident, Signal

FIRING_MINUTES: Final = 15
"""A feed that is silent or late for less comes back by itself more often than not."""
STEADY_MINUTES: Final = 10
"""Sound for so long is resolved."""


class Trouble(NamedTuple):
    """What is wrong with a feed, since when, and how it is said."""

    what: str
    """`silent`, `late`, `crowd`, `rejected`."""
    since: int
    signal: Signal
    sentence: str
    waits: bool = True
    """Whether it may come back by itself, so that it is said only after a while."""


class FeedWatch:
    """Turns the health of feeds into incidents of kind `feed`."""

    def __init__(self, intent: Intent) -> None:
        self._intent = intent
        self._rejects = RejectWatch(intent.reject_limits)

    def judge(self, evidence: Evidence, incidents: Incidents) -> list[Incident]:
        out: list[Incident] = []
        for scope, health, covered in _feeds(evidence):
            trouble = None if covered else _trouble(scope, health, evidence.minute)
            refused = self._rejects.finding(scope, health, evidence.minute)
            if refused is not None and (trouble is None or trouble.what != "silent"):
                trouble = Trouble("rejected", evidence.minute, *refused, waits=False)
            case = incidents.find(scope, "feed")
            record = self._move(case, incidents, scope, trouble, health, evidence.minute)
            if record is not None:
                out.append(record)
        return out

    def _move(
        self,
        case: Case | None,
        incidents: Incidents,
        scope: Scope,
        trouble: Trouble | None,
        health: FeedPart,
        at: int,
    ) -> Incident | None:
        if case is None or case.state == "resolved":
            if case is not None and trouble is None:
                # What a person has said was of this time; of the next nothing was said.
                case.muted_until = None
            if case is not None and trouble is not None and _is_silenced(case, trouble, at):
                return None
            if trouble is None or (trouble.waits and at - trouble.since < FIRING_MINUTES * MINUTE_MS):
                return None
            return incidents.begin(_finding(scope, trouble), "firing", at)[1]
        if case.state == "firing":
            if trouble is None:
                return incidents.change(case, "recovering", at, why=_back(health))
            if trouble.signal.signal != case.finding.signals[0].signal:
                return incidents.change(case, "firing", at, _finding(scope, trouble))
        elif case.state == "recovering":
            if trouble is not None:
                return incidents.change(case, "firing", at, _finding(scope, trouble))
            if health.state == "ok" and at - case.changed_at >= STEADY_MINUTES * MINUTE_MS:
                return incidents.change(case, "resolved", at, why=_back(health))
        return None


def _feeds(evidence: Evidence) -> Iterator[tuple[Scope, FeedPart, bool]]:
    """Operators and their device classes; whether a class is covered by what is said of its operator."""
    for operator, health in sorted(evidence.feeds.items()):
        scope: Scope = (("operator", operator),)
        yield scope, health, False
        whole = health.state != "ok" or health.late_since is not None
        for kind, part in sorted(health.parts.items()):
            yield (*scope, ("device_class", kind)), part, whole


def _trouble(scope: Scope, health: FeedPart, at: int) -> Trouble | None:
    """The gravest; silence says nothing of lateness."""
    name = wording.name(scope)
    if health.state == "silent":
        return Trouble(
            "silent",
            health.since,
            Signal("*", "volume", "down", float(health.records), health.expected, None, 1.0, "step"),
            f"{name}: its telemetry is silent since {wording.instant(health.since)} "
            f"({health.records} records a minute instead of {health.expected:.0f}); "
            "nothing is judged by it until it is back.",
        )
    if health.late_since is not None and health.state == "ok":
        usual = health.usual_delay_ms
        ratio = health.delay_ms / usual if usual > 0 else None
        return Trouble(
            "late",
            health.late_since,
            Signal("*", "delay", "up", health.delay_ms, usual, ratio, 1.0, "step"),
            f"{name}: its telemetry comes late since {wording.instant(health.late_since)} "
            f"({_seconds(health.delay_ms)} after what it tells of instead of {_seconds(usual)}); "
            "the devices need not be slower for it, and nothing is learnt from it.",
        )
    if isinstance(health, FeedHealth) and health.pooled_since is not None:
        return Trouble(
            "crowd",
            # Nothing is to be waited for: what cannot be kept apart is not judged.
            min(health.pooled_since, at - FIRING_MINUTES * MINUTE_MS),
            Signal("*", "contract", "up", float(health.pooled), 0.0, None, 1.0, "step"),
            f"{name}: names more firmwares or device classes than can be kept apart "
            f"since {wording.instant(health.pooled_since)}; records of new ones are counted together and not judged.",
        )
    return None


def _is_silenced(case: Case, trouble: Trouble, at: int) -> bool:
    return case.is_muted(at) and trouble.signal.signal == case.finding.signals[0].signal


def _back(health: FeedPart) -> str:
    """Why it is believed to be over."""
    usual = f" where {health.expected:.0f} are expected" if health.expected > 0 else ""
    delay = f", {_seconds(health.delay_ms)} after what they tell of" if health.delay_ms > 0 else ""
    return f"The telemetry is back: {health.records} records a minute{usual}{delay}."


def _finding(scope: Scope, trouble: Trouble) -> Finding:
    return Finding(
        scope=scope,
        kind="feed",
        onset_at=trouble.since,
        severity=Severity.TICKET,
        services=(),
        signals=(trouble.signal,),
        evidence=0.0,
        summary=trouble.sentence,
    )


def _seconds(ms: float) -> str:
    return f"{ms / 1000:.0f} s" if ms < 120_000 else f"{ms / 60_000:.0f} min"
