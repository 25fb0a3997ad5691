"""Every metric of Seamwatch, declared once.

`Metrics(registry)` makes them all and registers itself; what is known beforehand (states, severities, stages) is
exported at zero from the start, so that a rate over it never begins with a hole. Changed on one event loop; whoever
scrapes may be answered on another.

    metrics = Metrics(CollectorRegistry())
    metrics.records_read.add(250, "acme.telemetry/3")
    metrics.ready.set(1)

Labels are bounded: each label has its known values and room for so many more. Past that, a counter counts under
`other`, and a gauge (which cannot be added up) is left out; `seamwatch_label_overflow_total` says how often, by metric.
Devices, sessions and raw errors are never labels. Units are base units; a point in time is seconds since the epoch.

prometheus-client's own Counter and Gauge are not used: they know no bound, and export a `_created` series for each.

`python -m pipeline.metrics` writes docs/metrics.md, which a test compares with this file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

OTHER: Final = "other"
"""Where a counter counts what has no room of its own."""


@dataclass(frozen=True, slots=True)
class Label:
    """A label and its bound: `known` values are exported from the start, and `room` more may come."""

    name: str
    known: tuple[str, ...] = ()
    room: int = 0

    @property
    def bound(self) -> str:
        """For people."""
        named = ", ".join(f"`{value}`" for value in self.known)
        more = f"at most {self.room}{' others' if self.known else ''}" if self.room else ""
        return "; ".join(filter(None, (named, more)))


SOURCE: Final = Label("source", room=4096)
"""A partition as a source, such as `acme.telemetry/3`."""
STAGE: Final = Label("stage", known=("ingest", "baseline", "pattern", "route"))
SINK: Final = Label("sink", known=("alertmanager", "stdout"), room=16)
STATE: Final = Label("state", known=("forming", "firing", "recovering", "resolved", "suppressed"))
SEVERITY: Final = Label("severity", known=("page", "ticket", "log"))
PHASE: Final = Label("phase", known=("detect", "acknowledge", "recover", "resolve"))
FEED: Final = Label("state", known=("ok", "silent", "recovering"))
WORKAROUND: Final = Label("state", known=("active", "expired"))
OPERATOR: Final = Label("operator", room=200)
REASON: Final = Label("reason", room=64)


class Series:
    """One metric with all its label values; `Counter` and `Gauge` say how it changes.

    Args:
        name: as exported.
        text: what it means, what healthy is.
        labels: in the order in which their values are given.
        overflow: counts what found no room here.
        at_start: exported from the start for every known label value; False where no value would be true yet.
    """

    def __init__(
        self, name: str, text: str, labels: Sequence[Label] = (), overflow: Counter | None = None, at_start: bool = True
    ) -> None:
        self.name = name
        self.text = text
        self.labels = tuple(labels)
        self._overflow = overflow
        self._seen = tuple(set(label.known) for label in labels)
        self._values: dict[tuple[str, ...], float] = {}
        if at_start and all(label.known for label in labels):
            self._values = dict.fromkeys(product(*(label.known for label in labels)), 0.0)

    def value(self, *values: str) -> float | None:
        """What is exported for these label values; None when nothing is."""
        return self._values.get(values)

    def family(self) -> Metric:
        """As prometheus-client writes it."""
        raise NotImplementedError

    def _fill(self, family: CounterMetricFamily | GaugeMetricFamily) -> Metric:
        # At once: whoever scrapes does so in the page's thread.
        for values, value in list(self._values.items()):
            family.add_metric(values, value)
        return family

    def _admit(self, values: tuple[str, ...]) -> bool:
        """Is there room for these values? Takes it."""
        if values in self._values:
            return True
        if len(values) != len(self.labels):
            names = ", ".join(label.name for label in self.labels) or "no label"
            msg = f"{self.name} has {names}, and was given {values!r}"
            raise ValueError(msg)
        for label, seen, value in zip(self.labels, self._seen, values, strict=True):
            if value not in seen and len(seen) >= len(label.known) + label.room:
                if self._overflow is not None:
                    self._overflow.add(1, self.name)
                return False
        for seen, value in zip(self._seen, values, strict=True):
            seen.add(value)
        return True


class Counter(Series):
    """Only grows, from zero at the start of the process."""

    def add(self, amount: float, *values: str) -> None:
        if amount < 0:
            msg = f"{self.name} cannot shrink by {-amount}"
            raise ValueError(msg)
        if not self._admit(values):
            values = (OTHER,) * len(self.labels)
        self._values[values] = self._values.get(values, 0.0) + amount

    def family(self) -> Metric:
        return self._fill(CounterMetricFamily(self.name, self.text, labels=[label.name for label in self.labels]))


class Gauge(Series):
    """What is so now."""

    def set(self, value: float, *values: str) -> None:
        if self._admit(values):
            self._values[values] = value

    def shift(self, by: float, *values: str) -> None:
        """Add to what is so, where several have a part in it."""
        self.set(self._values.get(values, 0.0) + by, *values)

    def drop(self, *values: str) -> None:
        """Export these label values no longer, such as those of a partition that another worker has now."""
        self._values.pop(values, None)
        for at, label in enumerate(self.labels):
            self._seen[at].intersection_update({*label.known, *(others[at] for others in self._values)})

    def family(self) -> Metric:
        return self._fill(GaugeMetricFamily(self.name, self.text, labels=[label.name for label in self.labels]))


S = TypeVar("S", Counter, Gauge)


class Metrics(Collector):
    """All metrics of a worker.

    Attributes:
        declared: every one of them, in the order in which they are exported.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.label_overflow = Counter(
            "seamwatch_label_overflow_total",
            "Changes of a metric that found no room for a new label value; its series are incomplete since.",
            [Label("metric", room=64)],
        )
        self.declared: list[Counter | Gauge] = [self.label_overflow]

        # What comes in
        self.records_read = self._made(
            Counter,
            "seamwatch_records_read_total",
            "Records read from an input partition: accepted, duplicates and rejected.",
            SOURCE,
        )
        self.records_accepted = self._made(
            Counter, "seamwatch_records_accepted_total", "Records that became observations.", SOURCE
        )
        self.records_duplicate = self._made(
            Counter,
            "seamwatch_records_duplicate_total",
            "Records whose event_id had been seen before from their operator.",
            SOURCE,
        )
        self.records_rejected = self._made(
            Counter,
            "seamwatch_records_rejected_total",
            "Records that could not become observations, by reason; each is in the rejects topic with its place.",
            REASON,
        )
        self.intake_stopped = self._made(
            Gauge,
            "seamwatch_intake_stopped",
            "1 for an input partition that is read no more, as more was refused than its operator's limit allows.",
            SOURCE,
        )
        self.unknown_fields = self._made(
            Counter,
            "seamwatch_unknown_fields_total",
            "Fields of records that the contract does not know; they were ignored.",
        )
        self.windows_emitted = self._made(
            Counter, "seamwatch_windows_emitted_total", "Window summaries that ingest has sent.", SOURCE
        )
        self.arrival_clock = self._made(
            Gauge,
            "seamwatch_arrival_clock_timestamp_seconds",
            "Arrival clock of an input partition: the latest received_at of its records.",
            SOURCE,
        )
        self.lag = self._made(
            Gauge,
            "seamwatch_consumer_lag_records",
            "Records of a partition that wait to be taken. Healthy: near 0, or falling.",
            SOURCE,
        )

        # What is done
        self.stage_seconds = self._made(
            Counter,
            "seamwatch_stage_seconds_total",
            "Time spent inside a stage; its rate is the share of one core.",
            STAGE,
        )
        self.checkpoint_at = self._made(
            Gauge,
            "seamwatch_checkpoint_timestamp_seconds",
            "When the state of a partition was last written, or read back after a start.",
            SOURCE,
        )
        self.checkpoint_behind = self._made(
            Gauge,
            "seamwatch_checkpoint_behind_records",
            "Records taken since the last checkpoint: so many are done again after a crash.",
            SOURCE,
        )
        self.checkpoint_bytes = self._made(
            Gauge, "seamwatch_checkpoint_bytes", "Size of the last checkpoint of a partition, as written.", SOURCE
        )

        # What is seen
        self.cohorts = self._made(
            Gauge, "seamwatch_cohorts", "Cohorts that reported in the last minute that was judged."
        )
        self.evidence = self._made(
            Gauge,
            "seamwatch_evidence_log10",
            "Strongest evidence at the last judgement against the threshold, log10: at 0 an incident fires.",
            at_start=False,
        )
        self.incidents = self._made(
            Gauge,
            "seamwatch_incidents",
            "Incidents that are known, by state and severity; resolved ones for a day.",
            STATE,
            SEVERITY,
        )
        self.incident_changes = self._made(
            Counter,
            "seamwatch_incident_changes_total",
            "Incident records that were routed, by the state and severity that they say.",
            STATE,
            SEVERITY,
        )
        self.incident_seconds = self._made(
            Counter,
            "seamwatch_incident_seconds_total",
            "Time that incidents took by phase: onset to firing (detect); firing to acknowledged, recovering, resolved "
            "(divided by seamwatch_incident_phases_total: the mean).",
            PHASE,
            SEVERITY,
        )
        self.incident_phases = self._made(
            Counter,
            "seamwatch_incident_phases_total",
            "Phases of incidents that have come to their end; one that fires again recovers and is resolved again.",
            PHASE,
            SEVERITY,
        )
        self.budget = self._made(
            Gauge,
            "seamwatch_budget_false_pages_per_week",
            "False pages a week that the intent allows the whole deployment.",
            at_start=False,
        )
        self.workarounds = self._made(
            Gauge,
            "seamwatch_workarounds",
            "Workarounds: those that are active, and those that have expired and are still owed.",
            WORKAROUND,
        )
        self.workaround_age = self._made(
            Gauge,
            "seamwatch_workaround_oldest_age_seconds",
            "Age of the oldest workaround that is active or owed. Healthy: weeks, not months.",
        )
        self.feed_state = self._made(
            Gauge,
            "seamwatch_feed_state",
            "1 for the state that an operator's telemetry is in, 0 for the others.",
            OPERATOR,
            FEED,
        )
        self.feed_late = self._made(
            Gauge,
            "seamwatch_feed_late",
            "1 while an operator's telemetry, or that of one of its device classes, comes late; healthy is 0.",
            OPERATOR,
        )
        self.records_pooled = self._made(
            Counter,
            "seamwatch_records_pooled_total",
            "Records counted in an overflow cohort: their cohorts are too many to be kept apart; healthy is 0.",
            OPERATOR,
        )

        # Whom it is told
        self.sink_sends = self._made(
            Counter, "seamwatch_sink_sends_total", "Deliveries that a sink has accepted, refreshes included.", SINK
        )
        self.sink_failures = self._made(
            Counter,
            "seamwatch_sink_failures_total",
            "Deliveries that failed: no answer, an error of the server, or refused.",
            SINK,
        )
        self.sink_retries = self._made(
            Counter, "seamwatch_sink_retries_total", "Deliveries that were tried again after a failure.", SINK
        )
        self.sink_success_at = self._made(
            Gauge,
            "seamwatch_sink_last_success_timestamp_seconds",
            "When a sink last accepted a delivery; 0 when it never has.",
            SINK,
        )
        self.sink_pending = self._made(
            Gauge, "seamwatch_sink_pending_incidents", "Incidents whose newest state a sink does not have yet.", SINK
        )

        # How it is
        self.ready = self._made(
            Gauge,
            "seamwatch_ready",
            "1 while the worker has its partitions and their state, and takes records as they come.",
        )
        self.build_info = self._made(
            Gauge, "seamwatch_build_info", "Always 1; says which version runs.", Label("version", room=1)
        )
        registry.register(self)

    def debt(self, active: int, expired: int, oldest_s: float) -> None:
        """Say how many workarounds there are, and how old."""
        self.workarounds.set(active, "active")
        self.workarounds.set(expired, "expired")
        self.workaround_age.set(oldest_s)

    def feed(self, operator: str, state: str) -> None:
        """Say which of its states an operator's telemetry is in."""
        for known in FEED.known:
            self.feed_state.set(float(known == state), operator, known)

    def collect(self) -> Iterator[Metric]:
        for series in self.declared:
            yield series.family()

    def _made(self, kind: type[S], name: str, text: str, *labels: Label, at_start: bool = True) -> S:
        made = kind(name, text, labels, self.label_overflow, at_start)
        self.declared.append(made)
        return made


def document(metrics: Metrics) -> str:
    """docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "Made by `python -m pipeline.metrics > docs/metrics.md`; do not edit.",
        "",
        "| metric | type | labels | meaning |",
        "|---|---|---|---|",
    ]
    for series in metrics.declared:
        labels = "<br>".join(f"`{label.name}`: {label.bound}" for label in series.labels)
        lines.append(f"| `{series.name}` | {type(series).__name__.lower()} | {labels} | {series.text} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document(Metrics(CollectorRegistry())))
