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

The series themselves are in `pipeline.exposition`. prometheus-client's ProcessCollector is used as it is: a worker's
memory, processor and start are `process_…` beside these.

`python -m pipeline.metrics` writes docs/metrics.md, which a test compares with this file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final, TypeVar

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from pipeline.exposition import Counter, Gauge, Histogram, Label
from pipeline.messages import Proof

STEP_SECONDS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Bounds of a stage's steps: from a batch of few records to a judgement of thousands of cohorts, three a decade."""

SOURCE: Final = Label("source", room=4096)
"""A partition as a source, such as `acme.telemetry/3`."""
STAGE: Final = Label("stage", known=("ingest", "baseline", "pattern", "route"))
SINK: Final = Label("sink", known=("alertmanager", "webhook", "stdout"), room=16)
"""`alertmanager-2` and so on are those of a cluster, in the order in which they are given."""
STATE: Final = Label("state", known=("forming", "firing", "recovering", "resolved", "suppressed"))
SEVERITY: Final = Label("severity", known=("page", "ticket", "log"))
PHASE: Final = Label("phase", known=("detect", "acknowledge", "recover", "resolve"))
FEED: Final = Label("state", known=("ok", "silent", "recovering"))
VERDICT: Final = Label("verdict", known=("true", "false_alarm", "none"))
WORKAROUND: Final = Label("state", known=("active", "expired"))
OPERATOR: Final = Label("operator", room=200)
REASON: Final = Label("reason", room=64)
SERVICE: Final = Label("service", room=200)


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
        self.declared: list[Counter | Gauge | Histogram] = [self.label_overflow]

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
        self.ids_shortened = self._made(
            Counter,
            "seamwatch_event_ids_shortened_total",
            "Times that event ids were forgotten before their day was over, for lack of room: a duplicate that comes "
            "later than that is counted. Healthy is 0.",
            SOURCE,
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
        self.step_seconds = Histogram(
            "seamwatch_stage_step_seconds",
            "How long a step of a stage holds the worker up: a batch of records for ingest, a message for the others.",
            STAGE,
            STEP_SECONDS,
        )
        self.declared.append(self.step_seconds)
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
        self.intent_info = self._made(
            Gauge,
            "seamwatch_intent_info",
            "Always 1; says by the hash of intent.yaml which intent the worker runs with.",
            Label("hash", room=1),
        )
        self.intent_loaded_at = self._made(
            Gauge,
            "seamwatch_intent_loaded_timestamp_seconds",
            "When the configuration directory was last read and could be used.",
            at_start=False,
        )
        self.intent_refused = self._made(
            Gauge,
            "seamwatch_intent_reload_failed",
            "1 while the configuration directory has faults, and the worker goes on with the former one; healthy is 0.",
        )
        self.paged = self._made(
            Gauge,
            "seamwatch_paged_incidents",
            "Incidents that paged within the last four weeks of the arrival clock, by what people said of them; "
            "`false_alarm` is what uses the budget up.",
            VERDICT,
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
        self.feed_delay = self._made(
            Gauge,
            "seamwatch_feed_delay_seconds",
            "Mean delay of an operator's records in the last minutes: arrival less believed occurrence.",
            OPERATOR,
        )
        self.feed_usual_delay = self._made(
            Gauge,
            "seamwatch_feed_usual_delay_seconds",
            "Median delay that an operator's records usually have, by its anchors.",
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
            Gauge,
            "seamwatch_sink_pending_incidents",
            "Incidents whose newest state a sink does not have yet; of the webhook, changes that wait. Healthy: 0.",
            SINK,
        )

        # What drills have shown
        self.last_proven_at = self._made(
            Gauge,
            "seamwatch_last_proven_timestamp_seconds",
            "When a drill last proved a service: its faults were found in time, with the right scope, and routed.",
            SERVICE,
        )
        self.drill_at = self._made(
            Gauge,
            "seamwatch_drill_timestamp_seconds",
            "When a service was last drilled, proven or not; healthy is the same as when it was last proven.",
            SERVICE,
        )
        self.drill_missed = self._made(
            Gauge,
            "seamwatch_drill_missed_faults",
            "Faults of the newest drill of a service that were not found as they should be; healthy is 0.",
            SERVICE,
        )
        self.drill_slowest = self._made(
            Gauge,
            "seamwatch_drill_slowest_seconds",
            "From the fault to the incident, the slowest that the newest drill of a service found.",
            SERVICE,
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

    def say_intent(self, of: str, at: float) -> None:
        """Say which intent counts, by the hash of its file, and since when (seconds since the epoch)."""
        for former in self.intent_info.values():
            self.intent_info.drop(*former)
        self.intent_info.set(1.0, of)
        self.intent_loaded_at.set(at)
        self.intent_refused.set(0.0)

    def feed(self, operator: str, state: str) -> None:
        """Say which of its states an operator's telemetry is in."""
        for known in FEED.known:
            self.feed_state.set(float(known == state), operator, known)

    def proof(self, proof: Proof) -> None:
        """Say what a drill has shown; one from before the newest of its service changes nothing but when it was last
        proven."""
        at = proof.at / 1_000
        if proof.found:
            self.last_proven_at.set(max(at, self.last_proven_at.value(proof.service) or 0.0), proof.service)
        if at < (self.drill_at.value(proof.service) or 0.0):
            return
        self.drill_at.set(at, proof.service)
        self.drill_missed.set(proof.missed, proof.service)
        if proof.slowest_ms is not None:
            self.drill_slowest.set(proof.slowest_ms / 1_000, proof.service)
        else:
            self.drill_slowest.drop(proof.service)

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
        "Beside these a worker exports its own memory, processor, files and start as prometheus-client's `process_…`.",
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
