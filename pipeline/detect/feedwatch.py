"""Incidents of the telemetry itself: an operator's feed that fell silent. It says so, and nothing is judged by it."""

from __future__ import annotations

from typing import Final

from pipeline.detect.evidence import Evidence, FeedHealth
from pipeline.detect.rejectwatch import RejectWatch
from pipeline.incidents import wording
from pipeline.incidents.life import Finding, Incidents
from pipeline.intent import Intent, Severity
from pipeline.messages import MINUTE_MS, Incident, Signal

FIRING_MINUTES: Final = 15
"""A feed that is silent for less comes back by itself more often than not."""


class FeedWatch:
    """Turns the health of feeds into incidents of kind `feed`."""

    def __init__(self, intent: Intent) -> None:
        self._intent = intent
        self._rejects = RejectWatch(intent.reject_limits)

    def judge(self, evidence: Evidence, incidents: Incidents) -> list[Incident]:
        out: list[Incident] = []
        for operator, feed in sorted(evidence.feeds.items()):
            case = incidents.find((("operator", operator),), "feed")
            is_open = case is not None and case.state != "resolved"
            silent = feed.state == "silent" and evidence.minute - feed.since >= FIRING_MINUTES * MINUTE_MS
            refused = self._rejects.finding(operator, feed, evidence.minute)
            if (silent or refused is not None) and not is_open:
                finding = self._finding(operator, feed) if refused is None else refused
                out.append(incidents.begin(finding, "firing", evidence.minute)[1])
            elif case is not None and case.state == "firing" and feed.state != "silent" and refused is None:
                out.append(incidents.change(case, "recovering", evidence.minute))
            elif case is not None and case.state == "recovering" and (feed.state == "silent" or refused is not None):
                out.append(incidents.change(case, "firing", evidence.minute, refused))
            elif (
                case is not None
                and case.state == "recovering"
                and feed.state == "ok"
                and self._rejects.is_over(case, evidence.minute)
            ):
                out.append(incidents.change(case, "resolved", evidence.minute))
        return out

    def _finding(self, operator: str, feed: FeedHealth) -> Finding:
        scope = (("operator", operator),)
        signal = Signal("*", "volume", "down", float(feed.records), feed.expected, None, 1.0, "step")
        return Finding(
            scope=scope,
            kind="feed",
            onset_at=feed.since,
            severity=Severity.TICKET,
            services=(),
            signals=(signal,),
            evidence=0.0,
            summary=(
                f"{wording.name(scope)}: its telemetry is silent since {wording.instant(feed.since)} "
                f"({feed.records} records a minute instead of {feed.expected:.0f}); "
                "nothing is judged by it until it is back."
            ),
        )
