"""The dashboard of Seamwatch, built: python deploy/grafana/dashboard.py > deploy/grafana/dashboards/seamwatch.json

What it writes is committed, and a test compares the two: whoever runs Seamwatch needs neither this nor the SDK. Every
panel says in its description what healthy looks like. It shows Seamwatch itself; incidents have a page of their own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold, ThresholdsMode

UID: Final = "seamwatch"
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
OURS: Final = '{job=~"$job"}'
RATE: Final = "[$__rate_interval]"
FULL_WIDTH: Final = 24


class Query(NamedTuple):
    """PromQL, and what its series are called."""

    expr: str
    legend: str


class Panel(NamedTuple):
    """`healthy` is what it says when all is well. `alarm`: from this value on it is red; only for single values."""

    title: str
    healthy: str
    unit: str
    queries: Sequence[Query]
    alarm: float | None = None


def total(metric: str, by: str = "", more: str = "") -> str:
    """The sum over workers."""
    selector = f'{{job=~"$job"{more}}}'
    return f"sum by ({by}) ({metric}{selector})" if by else f"sum({metric}{selector})"


def rate(metric: str, by: str = "", more: str = "") -> str:
    """What is added a second, over all workers."""
    selector = f'{{job=~"$job"{more}}}'
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{selector}{RATE}))"


AT_A_GLANCE: Final = (
    Panel("Workers ready", "As many as are deployed.", "short", [Query(total("seamwatch_ready"), "ready")]),
    Panel(
        "Workers that do not answer",
        "0.",
        "short",
        [Query(f"count(up{OURS} == 0) or vector(0)", "down")],
        alarm=1,
    ),
    Panel(
        "Records that wait",
        "Near 0, or falling.",
        "short",
        [Query(f"sum(min by (source) (seamwatch_consumer_lag_records{OURS}))", "wait")],
    ),
    Panel(
        "Input partitions stopped",
        "0. Each is read no more, as too much of it was refused.",
        "short",
        [Query(f"sum(max by (source) (seamwatch_intake_stopped{OURS})) or vector(0)", "stopped")],
        alarm=1,
    ),
    Panel(
        "Incidents that page",
        "0 on most days.",
        "short",
        [Query(total("seamwatch_incidents", more=', state="firing", severity="page"'), "firing")],
        alarm=1,
    ),
    Panel(
        "Incidents not delivered",
        "0; a moment of 1 while one is on its way.",
        "short",
        [Query(total("seamwatch_sink_pending_incidents"), "pending")],
        alarm=1,
    ),
)

SEEN: Final = (
    Panel(
        "Strongest evidence",
        "Below 0, where an incident fires; it wanders some units below and comes back.",
        "short",
        [Query(f"max(seamwatch_evidence_log10{OURS})", "log10 against the threshold")],
    ),
    Panel(
        "Incidents by state",
        "Firing ones go to recovering and resolved; resolved ones are shown for a day.",
        "short",
        [Query(total("seamwatch_incidents", "state"), "{{state}}")],
    ),
    Panel(
        "Changes of incidents",
        "Few. Many without a new incident: something flaps.",
        "cps",
        [Query(rate("seamwatch_incident_changes_total", "state, severity"), "{{state}} {{severity}}")],
    ),
    Panel(
        "Pages of four weeks, and the budget",
        "False alarms at or below the budget of four weeks; few that nobody has judged.",
        "short",
        [
            Query(total("seamwatch_paged_incidents", "verdict"), "{{verdict}}"),
            Query(f"4 * max(seamwatch_budget_false_pages_per_week{OURS})", "budget"),
        ],
    ),
    Panel(
        "Cohorts judged",
        "Even, with steps where firmware rolls out; it falls at night where devices sleep.",
        "short",
        [Query(f"max(seamwatch_cohorts{OURS})", "cohorts")],
    ),
    Panel(
        "Feeds that are not well",
        "None: every line at 0.",
        "short",
        [
            Query('max by (operator) (seamwatch_feed_state{job=~"$job", state="silent"})', "{{operator}} silent"),
            Query(f"max by (operator) (seamwatch_feed_late{OURS})", "{{operator}} late"),
        ],
    ),
    Panel(
        "Delay of telemetry, and the usual",
        "Each operator near its usual delay.",
        "s",
        [
            Query(f"max by (operator) (seamwatch_feed_delay_seconds{OURS})", "{{operator}}"),
            Query(f"max by (operator) (seamwatch_feed_usual_delay_seconds{OURS})", "{{operator}} usually"),
        ],
    ),
    Panel(
        "Workarounds",
        "None expired; the oldest weeks old, not months.",
        "short",
        [
            Query(f"max by (state) (seamwatch_workarounds{OURS})", "{{state}}"),
            Query(f"max(seamwatch_workaround_oldest_age_seconds{OURS}) / 86400", "age of the oldest, days"),
        ],
    ),
)

INTAKE: Final = (
    Panel(
        "Records a second",
        "Accepted follow the day; duplicates and rejects are a small, even part.",
        "cps",
        [
            Query(rate("seamwatch_records_read_total"), "read"),
            Query(rate("seamwatch_records_accepted_total"), "accepted"),
            Query(rate("seamwatch_records_duplicate_total"), "duplicate"),
            Query(rate("seamwatch_records_pooled_total"), "pooled"),
        ],
    ),
    Panel(
        "Rejects by reason",
        "Near none. A reason that begins at once: an operator has changed its format.",
        "cps",
        [Query(rate("seamwatch_records_rejected_total", "reason"), "{{reason}}")],
    ),
    Panel(
        "Age of what is read",
        "Under two minutes on each partition, unless its feed is silent.",
        "s",
        [Query(f"min by (source) (time() - seamwatch_arrival_clock_timestamp_seconds{OURS})", "{{source}}")],
    ),
    Panel(
        "Records that wait, by partition",
        "Near 0, or falling after an outage.",
        "short",
        [Query(f"min by (source) (seamwatch_consumer_lag_records{OURS})", "{{source}}")],
    ),
    Panel(
        "Cohort windows sent",
        "Cohorts times input partitions a minute: follows the records, far more evenly.",
        "cps",
        [Query(rate("seamwatch_windows_emitted_total"), "windows")],
    ),
    Panel(
        "Unknown fields, and ids forgotten early",
        "Unknown fields follow the records or are none; forgotten early: 0.",
        "cps",
        [
            Query(rate("seamwatch_unknown_fields_total"), "unknown fields"),
            Query(rate("seamwatch_event_ids_shortened_total"), "ids forgotten early"),
        ],
    ),
)

COST: Final = (
    Panel(
        "Share of a core, by stage",
        "Their sum well below 0.8 for each worker.",
        "percentunit",
        [Query(rate("seamwatch_stage_seconds_total", "instance, stage"), "{{instance}} {{stage}}")],
    ),
    Panel(
        "Slowest hundredth of steps",
        "Below a second; a step holds the worker's loop up.",
        "s",
        [
            Query(
                f"histogram_quantile(0.99, sum by (stage, le) (rate(seamwatch_stage_step_seconds_bucket{OURS}{RATE})))",
                "{{stage}}",
            )
        ],
    ),
    Panel(
        "Age of checkpoints",
        "Below a minute on partitions that get messages.",
        "s",
        [Query(f"min by (source) (time() - seamwatch_checkpoint_timestamp_seconds{OURS})", "{{source}}")],
    ),
    Panel(
        "Size of checkpoints",
        "Even, once the cohorts are known.",
        "bytes",
        [Query(f"max by (source) (seamwatch_checkpoint_bytes{OURS})", "{{source}}")],
    ),
    Panel(
        "Done again after a crash",
        "A saw that falls to 0 at each checkpoint.",
        "short",
        [Query(f"max by (source) (seamwatch_checkpoint_behind_records{OURS})", "{{source}}")],
    ),
    Panel(
        "Memory and processor",
        "Memory level after the first day; processor below one core.",
        "short",
        [
            Query(f"process_resident_memory_bytes{OURS} / 2^30", "{{instance}} GiB"),
            Query(f"rate(process_cpu_seconds_total{OURS}{RATE})", "{{instance}} cores"),
        ],
    ),
)

TOLD: Final = (
    Panel(
        "Time of incidents, by phase",
        "Detected within minutes, acknowledged soon after; the mean over an hour.",
        "s",
        [
            Query(
                f"sum by (phase) (increase(seamwatch_incident_seconds_total{OURS}[1h]))"
                f" / sum by (phase) (increase(seamwatch_incident_phases_total{OURS}[1h]))",
                "{{phase}}",
            )
        ],
    ),
    Panel(
        "Proven, and not",
        "As many services proven within two weeks as are non-negotiable; no configuration refused; no fault missed.",
        "short",
        [
            Query(
                f"count(time() - max by (service) (seamwatch_last_proven_timestamp_seconds{OURS}) < 14 * 86400)"
                " or vector(0)",
                "proven within two weeks",
            ),
            Query(f"sum(max by (service) (seamwatch_drill_missed_faults{OURS})) or vector(0)", "faults missed"),
            Query(f"max(seamwatch_intent_reload_failed{OURS})", "configuration refused"),
        ],
    ),
    Panel(
        "Deliveries",
        "Sends at the pace of refreshes; failures and retries none.",
        "cps",
        [
            Query(rate("seamwatch_sink_sends_total", "sink"), "{{sink}} taken"),
            Query(rate("seamwatch_sink_failures_total", "sink"), "{{sink}} failed"),
            Query(rate("seamwatch_sink_retries_total", "sink"), "{{sink}} tried again"),
        ],
    ),
    Panel(
        "Last delivery",
        "Recent while an incident fires; it ages when there is nothing to tell.",
        "dateTimeFromNow",
        [Query(f"max by (sink) (seamwatch_sink_last_success_timestamp_seconds{OURS}) * 1000", "{{sink}}")],
    ),
    Panel(
        "Versions that run, and starts",
        "One version; starts only when something was rolled out.",
        "short",
        [
            Query(f"count by (version) (seamwatch_build_info{OURS})", "{{version}}"),
            Query(f"changes(process_start_time_seconds{OURS}[1h])", "{{instance}} starts within an hour"),
        ],
    ),
    Panel(
        "Label values without room",
        "0: every series is complete.",
        "cps",
        [Query(f"{rate('seamwatch_label_overflow_total')} or vector(0)", "changes left out")],
    ),
)

ROWS: Final = (
    ("What it sees", SEEN),
    ("What comes in", INTAKE),
    ("What it costs", COST),
    ("Whom it is told, and what runs", TOLD),
)


def target(query: Query, ref: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(ref).datasource(SOURCE)


def number(panel: Panel) -> stat.Panel:
    """A single value."""
    steps = [Threshold(value=None, color="green")]
    if panel.alarm is not None:
        steps.append(Threshold(value=panel.alarm, color="red"))
    built = stat.Panel().title(panel.title).description(f"Healthy: {panel.healthy}").unit(panel.unit)
    built.datasource(SOURCE).height(4).span(FULL_WIDTH // len(AT_A_GLANCE))
    built.thresholds(board.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    return built.with_target(target(panel.queries[0], "A"))


def lines(panel: Panel) -> timeseries.Panel:
    built = timeseries.Panel().title(panel.title).description(f"Healthy: {panel.healthy}").unit(panel.unit)
    built.datasource(SOURCE).height(8).span(FULL_WIDTH // 2)
    for at, query in enumerate(panel.queries):
        built.with_target(target(query, chr(ord("A") + at)))
    return built


def dashboard() -> board.Dashboard:
    job = board.QueryVariable("job").label("Job").query("label_values(seamwatch_ready, job)").datasource(SOURCE)
    built = board.Dashboard("Seamwatch").uid(UID).tags(["seamwatch"]).readonly().refresh("30s").time("now-6h", "now")
    built.description("Seamwatch itself: is it watching, what does it see, what does it cost, whom does it tell?")
    built.timezone("browser").with_variable(
        board.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    )
    built.with_variable(job.multi(True).include_all(True).all_value(".+"))
    for panel in AT_A_GLANCE:
        built.with_panel(number(panel))
    for title, panels in ROWS:
        built.with_row(board.Row(title))
        for panel in panels:
            built.with_panel(lines(panel))
    return built


def document() -> str:
    """The file."""
    plain = json.loads(json.dumps(dashboard().build(), cls=JSONEncoder))
    # The SDK numbers nothing, and Grafana wants a number of each panel, to link to it; nor does it leave out what is
    # not set, where Grafana has defaults.
    for at, panel in enumerate(plain["panels"]):
        panel["id"] = at + 1
        if panel.get("options", {}) is None:
            del panel["options"]
    return json.dumps(plain, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
