"""What one incident record says to the person on call, in words, whatever shows them.

`message(incident)` says what changed, for whom, since when, how sure it is, who is not affected, which line of the
intent it endangers and when, what else happened before it, the first step to contain it and the runbook. All of its
words are plain lines (`escaping.plain`); `phone` makes the title and the text of bounded length, `document` Markdown.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from pipeline.incidents import phone, wording
from pipeline.incidents.escaping import plain
from pipeline.incidents.told import VERSION, Message
from pipeline.messages import Confidence, Contrast, Danger, Effect, Incident, RelatedChange

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000
SURE: Final = 7.0
"""Full days of anchors that know the shape of a week; fewer are said."""


def message(incident: Incident, link: str | None = None) -> Message:
    """All that one record tells. link: the incident's page, where there is one."""
    bare = Message(
        version=VERSION,
        incident_id=plain(incident.incident_id),
        state=incident.state,
        severity=incident.severity,
        kind=incident.kind,
        at=incident.at,
        title="",
        text="",
        summary=plain(incident.summary),
        scope={dimension: plain(value) for dimension, value in incident.scope.items()},
        whom=plain(wording.name(list(incident.scope.items()))),
        what=[plain(wording.deviation(signal)) for signal in incident.signals],
        since=incident.onset_at,
        since_words=f"{_moment(incident.onset_at, incident.at)} ({_ago(incident.onset_at, incident.at)})",
        since_from=incident.onset_from,
        since_until=incident.onset_until,
        sure=_sure(incident),
        affected=incident.affected,
        unaffected=incident.unaffected,
        not_affected=[plain(_beside(one, incident)) for one in _calmest(incident.contrast)],
        endangers=[plain(_danger(danger, incident.at)) for danger in incident.dangers],
        broken_at=_broken_at(incident.dangers, incident.at),
        effects=[plain(_effect(effect, incident.at)) for effect in incident.effects],
        changes=[plain(_change(related, incident)) for related in incident.changes],
        containment=[plain(step) for step in incident.containment],
        runbooks=[plain(runbook) for runbook in incident.runbooks],
        people=[
            plain(f"{_moment(one.at, incident.at)} {one.by}: {one.verb.replace('_', ' ')} {one.text}")
            for one in incident.actions
        ],
        owner=plain(incident.owner) if incident.owner is not None else None,
        workaround=plain(incident.workaround) if incident.workaround is not None else None,
        merged_into=incident.merged_into,
        link=link,
    )
    return msgspec.structs.replace(bare, title=phone.title(bare), text=phone.text(bare))


def _moment(at: int, now: int) -> str:
    """`16:00 UTC`, with the date where it is not that of `now`."""
    then = datetime.fromtimestamp(at / 1000, UTC)
    same = then.date() == datetime.fromtimestamp(now / 1000, UTC).date()
    return then.strftime("%H:%M UTC" if same else "%Y-%m-%d %H:%M UTC")


def _span(ms: int) -> str:
    """`12 min`, `5 h`, `3 days`: the largest unit of which there are two."""
    if ms >= 2 * _DAY_MS:
        return f"{ms // _DAY_MS} days"
    if ms >= 2 * _HOUR_MS:
        return f"{ms // _HOUR_MS} h"
    return f"{max(ms, 0) // _MINUTE_MS} min"


def _ago(at: int, now: int) -> str:
    return f"{_span(now - at)} ago" if now >= at else f"in {_span(at - now)}"


def _sure(incident: Incident) -> list[str]:
    """A feed is silent or not: that is counted, and has no odds."""
    said = ["counted" if incident.kind == "feed" else f"evidence {_odds(incident.evidence)}"]
    confidence = incident.confidence
    if confidence is not None:
        said.insert(0, f"scope {100 * confidence.scope:.0f} %")
        said += [plain(each) for each in _grounds(confidence)]
    return said


def _odds(log10: float) -> str:
    return f"1 : {10**-log10:.2g}" if log10 < 0 else f"{10**log10:.0f} : 1" if log10 < 4 else f"10^{log10:.0f} : 1"


def _grounds(confidence: Confidence) -> list[str]:
    said = []
    if confidence.anchor_days < SURE:
        said.append(f"only {confidence.anchor_days:.0f} days to compare with")
    if confidence.borrowed:
        said.append(f"compared with the firmware before: {', '.join(confidence.borrowed)}")
    if confidence.anchor_moved is not None:
        said.append(f"the accepted level is {confidence.anchor_moved:.2f} times the first")
    return [*said, *confidence.accepted, *confidence.doubts]


def _calmest(contrast: Sequence[Contrast]) -> list[Contrast]:
    """Those that are not affected first; in their order otherwise."""
    return sorted(contrast, key=lambda one: one.ratio is None or one.ratio > wording.CALM)


def _beside(one: Contrast, incident: Incident) -> str:
    name = ", ".join(value for dimension, value in one.scope.items() if incident.scope.get(dimension) != value)
    name = name or wording.name(list(one.scope.items()))
    if one.ratio is None:
        return f"{name}: not to be told"
    return name if one.ratio <= wording.CALM else f"{name}: less ({100 * (one.ratio - 1):+.0f} %)"


def _danger(danger: Danger, now: int) -> str:
    """When comes first: what is cut off at the end is the line, which its place names as well."""
    line = f"{danger.line} [{danger.place}]"
    if danger.burn is not None:
        line += f", {danger.burn:.3g} times its budget"
    if danger.broken:
        return f"{danger.service} breaks {line}"
    if danger.at is None:
        return f"{danger.service}: {line}"
    said = f"{danger.service} at {_moment(danger.at, now)} ({_ago(danger.at, now)}): {line}"
    if danger.at_from is not None and danger.at_until is not None:
        said += f", between {_moment(danger.at_from, now)} and {_moment(danger.at_until, now)} if this goes on"
    return said


def _broken_at(dangers: Sequence[Danger], now: int) -> int | None:
    if any(one.broken for one in dangers):
        return now
    return min((one.at for one in dangers if one.at is not None), default=None)


def _effect(effect: Effect, now: int) -> str:
    what = "; ".join(wording.deviation(signal) for signal in effect.signals[: wording.MOST_SIGNALS])
    return f"{effect.service} since {_moment(effect.since, now)}" + (f": {what}" if what else "")


def _change(related: RelatedChange, incident: Incident) -> str:
    change = related.change
    before = incident.onset_at - change.at
    when = f"{_span(before)} before" if before >= 0 else f"{_span(-before)} after it began"
    who = f", by {change.by}" if change.by else ", first seen in the telemetry" if change.inferred else ""
    where = f", {change.link}" if change.link else ""
    return f"{change.what} ({change.kind.replace('_', ' ')}, {when}{who}{where}; fits {100 * related.fit:.0f} %)"
