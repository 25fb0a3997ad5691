"""The table of metrics, what is exported of it, and what is written about it."""

import re
from collections import Counter as Multiset
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram

from pipeline.messages import Incident
from pipeline.metrics import FEED_STATES, MOST_OPERATORS, OTHERS, SEVERITIES, STATES, Declared, Metrics
from tests.metrics_document import document

ROOT = Path(__file__).resolve().parents[1]
TABLE = Metrics.declared()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def incident(incident_id: str, state: str, severity: str) -> Incident:
    return Incident(incident_id, state, severity, 0, 0, {}, [], [], "pattern", 0.0, "")


def test_what_is_exported_is_what_the_table_declares(metrics: Metrics) -> None:
    exported = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type, family.documentation)
        for family in metrics.registry.collect()
        if not family.name.startswith("process_")
    }
    assert exported == {(entry.name, entry.kind.__name__.lower(), entry.help) for entry in TABLE}


def test_the_documented_table_is_the_declared_one() -> None:
    assert (ROOT / "docs/metrics.md").read_text() == document(), "python -m tests.metrics_document > docs/metrics.md"


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
def test_a_metric_is_named_after_the_conventions(entry: Declared[Counter] | Declared[Histogram]) -> None:
    assert re.fullmatch(r"seamwatch(_[a-z0-9]+)+", entry.name)
    assert (entry.kind is Counter) == entry.name.endswith("_total")
    assert (entry.kind is Histogram) == bool(entry.buckets)
    assert not re.search(r"milli|minutes|_ms|kilo|mega|percent", entry.name)
    assert entry.help.endswith(".")


def test_series_of_known_label_values_are_there_before_anything_happens(metrics: Metrics) -> None:
    for state in STATES:
        for severity in SEVERITIES:
            assert value(metrics, "seamwatch_incident_changes_total", state=state, severity=severity) == 0
    assert value(metrics, "seamwatch_stage_duration_seconds_count", stage="pattern") == 0


def test_a_series_whose_labels_are_not_known_beforehand_appears_with_its_first_value(metrics: Metrics) -> None:
    assert value(metrics, "seamwatch_windows_total", topic="acme") is None
    metrics.windows.labels("acme").inc()
    assert value(metrics, "seamwatch_windows_total", topic="acme") == 1


def test_two_instances_share_nothing() -> None:
    one, other = Metrics(CollectorRegistry()), Metrics(CollectorRegistry())
    one.cohorts.set(3)
    assert value(other, "seamwatch_cohorts") == 0


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(STATES), st.sampled_from(SEVERITIES)), max_size=30),
)
def test_the_gauge_of_incidents_counts_each_unresolved_one_by_its_newest_record(
    records: list[tuple[str, str, str]],
) -> None:
    metrics = Metrics(CollectorRegistry())
    for record in records:
        metrics.incident(incident(*record))
    newest = {name: (state, severity) for name, state, severity in records}
    counted = Multiset(at for at in newest.values() if at[0] != "resolved")
    for state in STATES:
        for severity in SEVERITIES:
            shown = value(metrics, "seamwatch_incidents", state=state, severity=severity) or 0
            assert shown == counted[state, severity]


def test_an_operator_is_in_exactly_one_state_of_its_feed(metrics: Metrics) -> None:
    metrics.feed("acme", "ok")
    metrics.feed("acme", "silent")
    shown = {state: value(metrics, "seamwatch_feed_state", operator="acme", state=state) for state in FEED_STATES}
    assert shown == {"ok": 0, "silent": 1, "recovering": 0}


def test_operators_beyond_the_cap_share_one_label(metrics: Metrics) -> None:
    for number in range(MOST_OPERATORS + 5):
        metrics.feed(f"operator {number}", "ok")
    metrics.feed("operator 0", "silent")
    (family,) = (family for family in metrics.registry.collect() if family.name == "seamwatch_feed_state")
    operators = {sample.labels["operator"] for sample in family.samples}
    assert len(operators) == MOST_OPERATORS + 1
    assert OTHERS in operators
    assert value(metrics, "seamwatch_feed_state", operator="operator 0", state="silent") == 1


def test_a_partition_that_is_held_no_longer_leaves_no_gauge_behind(metrics: Metrics) -> None:
    for partition in ("0", "1"):
        metrics.consumer_lag.labels("acme", partition).set(7)
        metrics.arrival_clock.labels("acme", partition).set(1)
        metrics.checkpoint_at.labels("baseline", partition).set(1)
    metrics.forget("acme", 0)
    metrics.forget_checkpoint("baseline", 0)
    for name, labels in (
        ("seamwatch_consumer_lag_records", {"topic": "acme"}),
        ("seamwatch_arrival_clock_timestamp_seconds", {"topic": "acme"}),
        ("seamwatch_checkpoint_timestamp_seconds", {"stage": "baseline"}),
    ):
        assert value(metrics, name, partition="0", **labels) is None
        assert value(metrics, name, partition="1", **labels) is not None


def test_a_partition_that_was_lost_before_it_said_anything_can_be_forgotten(metrics: Metrics) -> None:
    metrics.forget("acme", 3)
    assert value(metrics, "seamwatch_consumer_lag_records", topic="acme", partition="3") is None
