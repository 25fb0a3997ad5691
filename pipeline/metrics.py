"""Every metric that Seamwatch exports, declared once: name, type, help, labels and what bounds them.

`Metrics.declared()` is the table, which docs/metrics.md publishes; an instance holds the metrics themselves, on the
registry that it is given.

Ages are not exported: a metric that only grows old by itself would stop growing when the process that computes it
hangs. What is exported is the instant (`…_timestamp_seconds`), and rules subtract it from `time()`.
"""

from __future__ import annotations

import itertools
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, Generic, TypeVar, overload

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from pipeline.messages import Incident

STAGES: Final = ("ingest", "baseline", "pattern", "route")
OPEN_STATES: Final = ("forming", "firing", "recovering", "suppressed")
STATES: Final = (*OPEN_STATES, "resolved")
SEVERITIES: Final = ("page", "ticket", "log")
FEED_STATES: Final = ("ok", "silent", "recovering")
SINK_FAULTS: Final = ("unreachable", "overloaded", "refused")

MOST_OPERATORS: Final = 200
"""Operators that get series of their own; all further ones share `OTHERS`."""
OTHERS: Final = "others"
MOST_OPEN: Final = 10_000
"""Open incidents that are counted; far more than a page could show or a person could read."""

# From a batch of a few records to a checkpoint of thousands of cohorts.
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

M = TypeVar("M", Counter, Gauge, Histogram)


@dataclass(frozen=True, slots=True)
class Label:
    """A label, what bounds the number of its values, and those that are known beforehand (exported from the start)."""

    name: str
    bound: str
    known: tuple[str, ...] = ()


def _one_of(name: str, *known: str) -> Label:
    return Label(name, ", ".join(f"`{value}`" for value in known), known)


_TOPIC: Final = Label("topic", "topics that the worker reads")
_PARTITION: Final = Label("partition", "partitions of those topics that the worker holds")
_STAGE: Final = _one_of("stage", *STAGES)
_STATE: Final = _one_of("state", *STATES)
_SEVERITY: Final = _one_of("severity", *SEVERITIES)
_OPERATOR: Final = Label("operator", f"the first {MOST_OPERATORS} operators; all others are `{OTHERS}`")
_SINK: Final = Label("sink", "sinks that are configured")


@dataclass(frozen=True, slots=True)
class Declared(Generic[M]):
    """One metric of the table. On an instance of `Metrics` its attribute is the metric itself."""

    kind: type[M]
    name: str
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds, of a histogram."""

    def on(self, registry: CollectorRegistry) -> M:
        """The metric, with a series for each combination of known label values, so that none begins with a gap."""
        make: Callable[..., M] = self.kind
        names = [label.name for label in self.labels]
        options = {"buckets": self.buckets} if self.buckets else {}
        made = make(self.name, self.help, names, registry=registry, **options)
        if self.labels and all(label.known for label in self.labels):
            for values in itertools.product(*(label.known for label in self.labels)):
                made.labels(*values)
        return made

    @overload
    def __get__(self, metrics: None, owner: type[Metrics]) -> Declared[M]: ...
    @overload
    def __get__(self, metrics: Metrics, owner: type[Metrics]) -> M: ...
    def __get__(self, metrics: Metrics | None, owner: type[Metrics]) -> Declared[M] | M:
        if metrics is None:
            return self
        made: M = metrics.by_name[self.name]
        return made


class Metrics:
    """All metrics, on one registry. Attributes are prometheus-client's own objects: `metrics.cohorts.set(126)`."""

    records_read = Declared(
        Counter,
        "seamwatch_records_read_total",
        "Records read from the inputs, whatever became of them; it equals accepted + duplicates + rejected once their "
        "minute is closed. A value that stands still while the lag is above zero means a stuck worker.",
        (_TOPIC, _PARTITION),
    )
    received_bytes = Declared(
        Counter,
        "seamwatch_received_bytes_total",
        "Bytes of the values of the records read, before decoding.",
        (_TOPIC,),
    )
    records_accepted = Declared(
        Counter,
        "seamwatch_records_accepted_total",
        "Records that became observations and were counted in a window, in minutes that are closed.",
        (_TOPIC,),
    )
    records_duplicate = Declared(
        Counter,
        "seamwatch_records_duplicate_total",
        "Records whose event_id was seen before from the same operator; they are counted, never observed twice.",
        (_TOPIC,),
    )
    records_rejected = Declared(
        Counter,
        "seamwatch_records_rejected_total",
        "Records that could not become observations, by reason; each is on the rejects topic with its place.",
        (_TOPIC, Label("reason", "reasons for which ingest rejects, such as `json.invalid`")),
    )
    unknown_fields = Declared(
        Counter,
        "seamwatch_unknown_fields_total",
        "Fields of records that the wire contract does not name; they are ignored. A sudden rise is a "
        "format that changed.",
        (_TOPIC,),
    )
    windows = Declared(
        Counter,
        "seamwatch_windows_total",
        "Window summaries sent on by ingest: one for each operator, source and minute.",
        (_TOPIC,),
    )
    arrival_clock = Declared(
        Gauge,
        "seamwatch_arrival_clock_timestamp_seconds",
        "Arrival clock of a partition: the running maximum of received_at, as Unix time. Its age, time() less this, is "
        "how far behind the detector sees; it also grows when nothing is sent.",
        (_TOPIC, _PARTITION),
    )
    consumer_lag = Declared(
        Gauge,
        "seamwatch_consumer_lag_records",
        "Records of a partition that are written and not yet taken by its stage.",
        (_TOPIC, _PARTITION),
    )
    stage_seconds = Declared(
        Histogram,
        "seamwatch_stage_duration_seconds",
        "Time that a stage took for one batch of its input, what it sends included.",
        (_STAGE,),
        _SECONDS,
    )
    cohorts = Declared(
        Gauge,
        "seamwatch_cohorts",
        "Cohorts (operator, device class, firmware, environment) that have a baseline here.",
    )
    series = Declared(
        Gauge,
        "seamwatch_series",
        "Signals of cohorts that are measured here: cohorts times channels, which is what memory grows with.",
    )
    evidence = Declared(
        Gauge,
        "seamwatch_evidence_max_log10",
        "Strongest evidence of a pattern at the last judgement, as a power of ten relative to the threshold: at 0 it "
        "fires, at -1 it is ten times too weak.",
    )
    incidents = Declared(
        Gauge,
        "seamwatch_incidents",
        "Incidents by their newest state and severity; those that were resolved are no longer counted. Workers that "
        "show the same incidents each export them: take the max, not the sum.",
        (_one_of("state", *OPEN_STATES), _SEVERITY),
    )
    incident_changes = Declared(
        Counter,
        "seamwatch_incident_changes_total",
        "Changes of incidents that were routed, by the state and severity that they changed to. Changes to firing with "
        "severity page, over a week in which nothing was wrong, are what the budget of false pages is held against.",
        (_STATE, _SEVERITY),
    )
    budget = Declared(
        Gauge,
        "seamwatch_budget_false_pages_per_week",
        "False pages a week that the intent allows, over all cohorts, signals and scopes together.",
    )
    checkpoint_at = Declared(
        Gauge,
        "seamwatch_checkpoint_timestamp_seconds",
        "When the state of a stage was last written, as Unix time. What came since is done again after a crash.",
        (_STAGE, _PARTITION),
    )
    checkpoint_bytes = Declared(
        Gauge,
        "seamwatch_checkpoint_bytes",
        "Size of the state of a stage as it was last written.",
        (_STAGE, _PARTITION),
    )
    checkpoint_seconds = Declared(
        Histogram,
        "seamwatch_checkpoint_duration_seconds",
        "Time from the snapshot of a stage's state until the broker has all of it; the stage waits meanwhile.",
        (_STAGE,),
        _SECONDS,
    )
    sink_sends = Declared(
        Counter,
        "seamwatch_sink_sends_total",
        "Notifications that a sink's receiver took, refreshes included.",
        (_SINK,),
    )
    sink_failures = Declared(
        Counter,
        "seamwatch_sink_failures_total",
        "Notifications that a sink's receiver did not take: it was unreachable, overloaded (or failed on its side), or "
        "refused what it was sent, which is a fault of the configuration or of Seamwatch.",
        (_SINK, _one_of("reason", *SINK_FAULTS)),
    )
    sink_retries = Declared(
        Counter,
        "seamwatch_sink_retries_total",
        "Notifications that were sent again after a failure.",
        (_SINK,),
    )
    sink_success_at = Declared(
        Gauge,
        "seamwatch_sink_last_success_timestamp_seconds",
        "When a sink's receiver last took a notification, as Unix time; 0 when it never did.",
        (_SINK,),
    )
    sink_queue = Declared(
        Gauge,
        "seamwatch_sink_queue_incidents",
        "Incidents whose newest state a sink's receiver does not have yet.",
        (_SINK,),
    )
    feed_state = Declared(
        Gauge,
        "seamwatch_feed_state",
        "State of an operator's telemetry as a whole: 1 for the state that it is in. What arrives while it is not ok "
        "is shown, but nothing is judged by it.",
        (_OPERATOR, _one_of("state", *FEED_STATES)),
    )
    ready = Declared(
        Gauge,
        "seamwatch_ready",
        "1 when the worker has its partitions and their state, 0 while it is waiting for either (as /readyz says).",
    )
    assigned_partitions = Declared(
        Gauge,
        "seamwatch_assigned_partitions",
        "Partitions that the worker holds now, of all topics.",
    )
    build = Declared(
        Gauge,
        "seamwatch_build_info",
        "Always 1; the labels say which version runs, on which Python.",
        (Label("version", "one"), Label("python", "one")),
    )

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.by_name: dict[str, Any] = {entry.name: entry.on(registry) for entry in self.declared()}
        self._open: dict[str, tuple[str, str]] = {}
        """State and severity of each incident that is not resolved."""
        self._operators: set[str] = set()
        # process_…: memory, CPU and open files, which the client library reads off the operating system.
        ProcessCollector(registry=registry)
        self.build.labels(version("seamwatch"), platform.python_version()).set(1)

    @classmethod
    def declared(cls) -> tuple[Declared[Counter] | Declared[Gauge] | Declared[Histogram], ...]:
        """The table, in the order in which it is written."""
        return tuple(entry for entry in vars(cls).values() if isinstance(entry, Declared))

    def incident(self, record: Incident) -> None:
        """Take the newest record of an incident into the gauge of incidents. A repeat does no harm."""
        before = self._open.pop(record.incident_id, None)
        if before is not None:
            self.incidents.labels(*before).dec()
        if record.state != "resolved" and len(self._open) < MOST_OPEN:
            now = self._open[record.incident_id] = (record.state, record.severity)
            self.incidents.labels(*now).inc()

    def feed(self, operator: str, state: str) -> None:
        """An operator's telemetry is in this state. `OTHERS` shows the state that was told last of any of them."""
        if operator not in self._operators:
            if len(self._operators) < MOST_OPERATORS:
                self._operators.add(operator)
            else:
                operator = OTHERS
        for other in FEED_STATES:
            self.feed_state.labels(operator, other).set(other == state)

    def forget(self, topic: str, partition: int) -> None:
        """The worker holds this partition no longer: its gauges would stand still and raise empty alarms."""
        for gauge in (self.arrival_clock, self.consumer_lag):
            _drop(gauge, topic, str(partition))

    def forget_checkpoint(self, stage: str, partition: int) -> None:
        """As `forget`, for the state of a stage."""
        for gauge in (self.checkpoint_at, self.checkpoint_bytes):
            _drop(gauge, stage, str(partition))


def _drop(gauge: Gauge, *labels: str) -> None:
    # prometheus-client raises KeyError for a series that never was; a partition may be lost before it said anything.
    with suppress(KeyError):
        gauge.remove(*labels)
