"""Reads the incidents of one continuation: was the fault found, when, as what, and what else was said."""

from __future__ import annotations

from typing import Final

from pipeline.drill.calibrate import Calibrated
from pipeline.drill.outcome import Outcome
from pipeline.drill.plan import FEED_SIGNALS
from pipeline.drill.routing import receivers_of
from pipeline.drill.usual import ALL, Usual
from pipeline.incidents.wording import name as worded
from pipeline.intent import Intent, Severity
from pipeline.messages import Incident

_GRAVITY: Final = tuple(Severity)


class Watch:
    """One fault.

    Args:
        start_ms: when it begins, ms since the epoch.
        before: ids of the incidents that were there before.
    """

    def __init__(self, intent: Intent, found: Calibrated, usual: Usual, start_ms: int, before: frozenset[str]) -> None:
        self._intent = intent
        self._fault = found
        self._usual = usual
        self._start_ms = start_ms
        self._before = before
        self._kinds = ("feed",) if found.planned.signal in FEED_SIGNALS else ("pattern", "breach")
        self._exact: Incident | None = None
        self._first: Incident | None = None
        self._hidden_by: str | None = None
        self._gravest: dict[str, Severity] = {}
        """Of the incidents that have fired."""
        self._about: dict[str, str] = {}
        self._others: dict[str, str] = {}

    @property
    def found_ms(self) -> int | None:
        """From the fault's begin until it was named exactly."""
        return None if self._exact is None else self._exact.at - self._start_ms

    def take(self, record: Incident) -> None:
        """A change of an incident."""
        key = record.incident_id
        if key in self._before or record.at < self._start_ms:
            return
        about = self._is_about(record)
        if record.state == "suppressed" and about and self._is_exact(record):
            self._hidden_by = record.workaround
        if record.state != "firing":
            return
        if not about:
            self._others.setdefault(key, line_of(record))
            return
        self._about.setdefault(key, line_of(record))
        severity = Severity(record.severity)
        self._gravest[key] = min(self._gravest.get(key, severity), severity, key=_GRAVITY.index)
        self._first = self._first or record
        if self._exact is None and self._is_exact(record):
            self._exact = record

    def outcome(self) -> Outcome:
        planned, fault = self._fault.planned, self._fault.fault
        told = self._exact or self._first
        severity = None if told is None else self._gravest[told.incident_id]
        if planned.tolerated and self._gravest:
            severity = min(self._gravest.values(), key=_GRAVITY.index)
        receivers = () if told is None or severity is None else receivers_of(self._intent, told.services, severity)
        return Outcome(
            name=planned.name,
            service=planned.service,
            fault=str(fault),
            strength=strength_of(self._fault),
            why=self._fault.why,
            within_ms=planned.within_ms,
            severity=str(planned.severity),
            receivers=list(planned.receivers),
            scope=fault.scope,
            tolerated=planned.tolerated,
            alarm_ms=None if self._first is None else self._first.at - self._start_ms,
            found_ms=self.found_ms,
            said_scope=None if told is None else dict(told.scope),
            said_severity=None if severity is None else str(severity),
            said_receivers=list(receivers),
            hidden_by=self._hidden_by if self._exact is None else None,
            others=list(self._others.values()),
            also=[line for key, line in self._about.items() if told is None or key != told.incident_id],
            place=planned.place,
        )

    def _is_exact(self, record: Incident) -> bool:
        """The cohorts of the fault and no other: what has one firmware has several names."""
        return self._usual.members(record.scope) == self._fault.expected

    def _is_about(self, record: Incident) -> bool:
        """The right kind, around the fault's scope or inside of it, and the signal among what deviates."""
        planned = self._fault.planned
        if record.kind not in self._kinds:
            return False
        said, real = self._usual.members(record.scope), self._fault.expected
        if not (said <= real or real <= said):
            return False
        if record.kind == "feed":
            return True
        named = any(
            signal.signal == planned.signal
            and (planned.operation is None or signal.operation in (planned.operation, ALL))
            for signal in record.signals
        )
        return named and (planned.service is None or planned.service in record.services)


def strength_of(found: Calibrated) -> str:
    """`latency × 1.25`, for people."""
    fault = found.fault
    match fault.kind:
        case "silence":
            size = ""
        case "delay":
            size = f" + {fault.size / 1000:.0f} s"
        case _:
            size = f" × {fault.size:.3g}"
    return f"{fault.kind.replace('_', ' ')}{size}"


def line_of(record: Incident) -> str:
    """An incident in a line."""
    signals = ", ".join(f"{signal.operation} {signal.signal}" for signal in record.signals[:3])
    return f"{record.severity} {record.kind}, {worded(list(record.scope.items()))}: {signals or record.summary}"
