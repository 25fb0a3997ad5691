"""An operator whose records cannot be used: too great a share of a minute was refused, and its feed is an incident."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from pipeline.detect.evidence import FeedHealth, FeedPart
from pipeline.incidents import wording
from pipeline.incidents.life import Scope
from pipeline.messages import Signal, Windows
from pipeline.operators.profile import RejectLimits

CLAUSE: Final = "rejected"
CLEARLY: Final = 3.0
"""Standard errors above the limit; a minute is enough when it says so clearly."""

_USUAL: Final = RejectLimits()


class RejectWatch:
    """Judges minutes by themselves, and keeps nothing: what is open stands in the incidents.

    limits: of operators that have their own.
    """

    def __init__(self, limits: Mapping[str, RejectLimits] | None = None) -> None:
        self._limits = dict(limits or {})

    def finding(self, scope: Scope, feed: FeedPart, minute: int) -> tuple[Signal, str] | None:
        """What is to be said of an operator's minute; None when it is within its limit."""
        if not isinstance(feed, FeedHealth):
            # What cannot be read does not say of which device class it is.
            return None
        limits = self._limits.get(scope[0][1], _USUAL)
        came = feed.records + feed.rejected
        if came < limits.least:
            return None
        bound = limits.incident * came + CLEARLY * math.sqrt(limits.incident * (1 - limits.incident) * came)
        if feed.rejected <= bound:
            return None
        share = feed.rejected / came
        return (
            Signal("*", "contract", "up", share, limits.incident, None, 1.0, "step", clause=CLAUSE),
            f"{wording.name(scope)}: {100 * share:.0f} % of its records cannot be used since "
            f"{wording.instant(minute)} (limit {100 * limits.incident:.3g} %); they are kept and can be redriven: "
            "see seamwatch rejects.",
        )


def with_rejects(feeds: dict[str, FeedHealth], minute: int, windows: Iterable[Windows]) -> dict[str, FeedHealth]:
    """The feeds of a minute with what was refused in it; an operator of which all was refused is among them."""
    refused: Counter[str] = Counter()
    for window in windows:
        if window.rejects:
            refused[window.operator] += sum(window.rejects.values())
    if not refused:
        return feeds
    out = dict(feeds)
    for operator, count in refused.items():
        health = out.get(operator) or FeedHealth("ok", minute, 0, 0.0)
        out[operator] = msgspec.structs.replace(health, rejected=count)
    return dict(sorted(out.items()))
