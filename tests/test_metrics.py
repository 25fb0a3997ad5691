"""What is exported is what is declared, is bounded, and is what docs/metrics.md says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.exposition import OTHER, Counter, Gauge, Histogram, Label
from pipeline.metrics import SEVERITY, STATE, Metrics, document

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs/metrics.md"
BASE_UNITS = ("_seconds", "_bytes", "_records", "_incidents", "_log10", "_per_week", "_info", "_total")
PLAIN = {
    "seamwatch_drill_missed_faults",
    "seamwatch_cohorts",
    "seamwatch_incidents",
    "seamwatch_feed_late",
    "seamwatch_feed_state",
    "seamwatch_intake_stopped",
    "seamwatch_intent_reload_failed",
    "seamwatch_ready",
    "seamwatch_workarounds",
}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


def exported(registry: CollectorRegistry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_every_declared_metric_is_exported_with_its_type_and_help_and_no_other(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    text = generate_latest(registry).decode()
    said = {line.split()[2]: line.split()[3] for line in text.splitlines() if line.startswith("# TYPE")}
    assert said == {series.name: type(series).__name__.lower() for series in metrics.declared}
    for series in metrics.declared:
        assert f"# HELP {series.name} {series.text}" in text


def test_the_document_is_what_is_declared(metrics: Metrics) -> None:
    assert DOCUMENT.read_text() == document(metrics), "run: python -m pipeline.metrics > docs/metrics.md"


def test_every_name_has_the_prefix_a_base_unit_and_a_sentence(metrics: Metrics) -> None:
    for series in metrics.declared:
        assert series.name.startswith("seamwatch_")
        assert series.name.endswith(BASE_UNITS) or series.name in PLAIN
        assert series.name.endswith("_total") == isinstance(series, Counter)
        assert series.text.endswith((".", "fires."))
        assert all(label.known or label.room for label in series.labels)


def test_every_metric_is_changed_by_some_part_of_the_program(metrics: Metrics) -> None:
    attributes = {id(value): name for name, value in vars(metrics).items()}
    declared = {attributes[id(series)] for series in metrics.declared}
    assert declared - set(changed()) == set()


def changed() -> Iterator[str]:
    """Names that some source calls `.name.set(…)` or the like on."""
    for path in (ROOT / "pipeline").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="set" | "add" | "shift" | "observe", value=ast.Attribute(attr=name))
                ):
                    # Series know the one of the overflow by another name.
                    yield "label_overflow" if name == "_overflow" else name


def test_a_histogram_counts_up_to_each_bound_and_sums(registry: CollectorRegistry) -> None:
    histogram = Histogram("h_seconds", "", Label("stage", known=("a", "b")), (0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 20.0):
        histogram.observe(seconds, "a")
    samples = {(sample.name, *sample.labels.values()): sample.value for sample in histogram.family().samples}
    assert [samples["h_seconds_bucket", "a", bound] for bound in ("0.1", "1.0", "+Inf")] == [2, 3, 4]
    assert (samples["h_seconds_count", "a"], samples["h_seconds_sum", "a"]) == (4, 20.65)
    assert samples["h_seconds_count", "b"] == 0


def test_known_label_values_are_exported_at_zero_before_anything_happens(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    samples = exported(registry)
    for state in STATE.known:
        for severity in SEVERITY.known:
            labels = frozenset({("state", state), ("severity", severity)})
            assert samples["seamwatch_incidents", labels] == 0
            assert samples["seamwatch_incident_changes_total", labels] == 0
    assert samples["seamwatch_sink_failures_total", frozenset({("sink", "alertmanager")})] == 0


def test_evidence_is_not_exported_before_the_first_judgement_because_zero_would_mean_that_it_fires(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    assert ("seamwatch_evidence_log10", frozenset()) not in exported(registry)
    metrics.evidence.set(-3.5)
    assert exported(registry)["seamwatch_evidence_log10", frozenset()] == -3.5


@given(values=st.lists(st.text(max_size=20), max_size=60))
def test_a_counter_never_has_more_series_than_its_bound_and_loses_no_count(values: list[str]) -> None:
    overflow = Counter("overflow_total", "", [Label("metric", room=1)])
    counter = Counter("c_total", "", [Label("reason", room=5)], overflow)
    for value in values:
        counter.add(1, value)
    samples = counter.family().samples
    assert len(samples) <= 6
    assert sum(sample.value for sample in samples) == len(values)
    assert (overflow.value("c_total") is not None) == (len(set(values)) > 5)


def test_a_gauge_that_is_full_leaves_the_new_value_out_and_takes_it_once_another_is_dropped() -> None:
    gauge = Gauge("g", "", [Label("operator", room=1)])
    gauge.set(1, "acme")
    gauge.set(2, "nordcast")
    assert (gauge.value("acme"), gauge.value("nordcast"), gauge.value(OTHER)) == (1, None, None)
    gauge.drop("acme")
    gauge.set(2, "nordcast")
    assert (gauge.value("acme"), gauge.value("nordcast")) == (None, 2)


def test_one_operators_feed_is_in_exactly_one_state(metrics: Metrics) -> None:
    metrics.feed("acme", "ok")
    metrics.feed("acme", "silent")
    states = {state: metrics.feed_state.value("acme", state) for state in ("ok", "silent", "recovering")}
    assert states == {"ok": 0, "silent": 1, "recovering": 0}


def test_a_label_with_quotes_and_line_ends_is_escaped(metrics: Metrics, registry: CollectorRegistry) -> None:
    name = 'a"b\\c\nd'
    metrics.feed(name, "ok")
    labels = frozenset({("operator", name), ("state", "ok")})
    assert exported(registry)["seamwatch_feed_state", labels] == 1


def test_the_wrong_number_of_label_values_is_a_mistake_of_the_caller(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="seamwatch_incidents has state, severity"):
        metrics.incidents.set(1, "firing")


def test_a_counter_does_not_shrink(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="cannot shrink"):
        metrics.unknown_fields.add(-1)
