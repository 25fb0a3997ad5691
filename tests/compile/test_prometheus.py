"""Rules that follow from an intent: promtool accepts them, their metrics exist, and they fire when they should."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from prometheus_client import CollectorRegistry

from pipeline.cli.compile import document
from pipeline.compile.prometheus import HEARTBEAT, prometheus
from pipeline.intent import Intent, Priority, Service, default
from pipeline.metrics import Metrics
from tests.compile.tools import refused
from tests.intent.intents import documents, loaded

NAMED = 'a "quoted" \\service'
INTENT = Intent(
    (
        Service("playback", ("playback_start",), Priority.NON_NEGOTIABLE),
        Service(NAMED, ("stall",), Priority.DEGRADABLE),
        Service("telemetry", ("heartbeat",), Priority.BEST_EFFORT),
    )
)


def _query(selector: str, at: str, count: int) -> dict[str, Any]:
    """So many series there are at a time."""
    samples = [{"labels": "{}", "value": count}] if count else []
    return {"expr": f"count({selector})", "eval_time": at, "exp_samples": samples}


PROVEN = "seamwatch_last_proven_timestamp_seconds"
FIRING = json.dumps(
    {
        "rule_files": ["rules.yml"],
        # The rules look back over days; every sample is taken at an evaluation.
        "evaluation_interval": "1h",
        "tests": [
            {
                "interval": "1h",
                "input_series": [
                    {"series": 'seamwatch_ready{job="s",instance="a"}', "values": "1x9 0x50"},
                    {"series": 'seamwatch_intent_reload_failed{job="s",instance="a"}', "values": "0x9 1x50"},
                    {"series": 'seamwatch_intent_info{job="s",instance="a",hash="abc"}', "values": "1x9"},
                    {"series": 'seamwatch_intent_info{job="s",instance="a",hash="def"}', "values": "_x9 1x50"},
                ],
                "promql_expr_test": [
                    _query('ALERTS{alertname="SeamwatchDetectorHeartbeat",alertstate="firing"}', "5h", 1),
                    _query('ALERTS{alertname="SeamwatchDetectorHeartbeat"}', "12h", 0),
                    _query('ALERTS{alertname=~"SeamwatchIntent.*"}', "9h", 0),
                    _query('ALERTS{alertname=~"SeamwatchIntent.*",alertstate="firing",severity="ticket"}', "13h", 2),
                ],
            },
            {
                "interval": "1h",
                "input_series": [
                    {"series": f'{PROVEN}{{service="playback",instance="a"}}', "values": "0x800"},
                    {"series": f"{PROVEN}{{service={json.dumps(NAMED)},instance='a'}}", "values": "0x800"},
                ],
                "promql_expr_test": [
                    _query('ALERTS{alertname="SeamwatchServiceNotProven"}', "29d", 0),
                    _query('ALERTS{alertname="SeamwatchServiceNotProven",alertstate="firing"}', "31d", 1),
                    _query('ALERTS{alertname="SeamwatchServiceNotProven",service="playback"}', "31d", 1),
                ],
            },
            {
                "interval": "1h",
                "input_series": [{"series": f'{PROVEN}{{service="playback",instance="a"}}', "values": "0x20"}],
                # The other has never been proven at all.
                "promql_expr_test": [
                    _query('ALERTS{alertname="SeamwatchServiceNotProven",alertstate="firing"}', "3h", 1),
                    _query('ALERTS{alertname="SeamwatchServiceNotProven",service="playback"}', "3h", 0),
                ],
            },
            {
                "interval": "1h",
                "input_series": [
                    {
                        "series": 'seamwatch_incident_changes_total{job="s",state="firing",severity="page"}',
                        "values": "0x48 1x24 2x24 3x23 4+0x23 5x100",
                    }
                ],
                "promql_expr_test": [
                    _query('ALERTS{alertname="SeamwatchPagesBeyondBudget"}', "4d", 0),
                    _query('ALERTS{alertname="SeamwatchPagesBeyondBudget",alertstate="firing"}', "7d", 1),
                ],
            },
        ],
    }
)


def test_every_metric_that_a_rule_reads_exists() -> None:
    known = {series.name for series in Metrics(CollectorRegistry()).declared}
    read = set(re.findall(r"\bseamwatch_[a-z_]+", " ".join(rule["expr"] for rule in rules(INTENT).values())))
    assert read - known <= {"seamwatch_page_changes"}


def rules(found: Intent) -> dict[str, dict[str, Any]]:
    (group,) = prometheus(found, "abc")["groups"]
    return {
        rule.get("alert", rule.get("record")) + rule.get("labels", {}).get("service", ""): rule
        for rule in group["rules"]
    }


def test_every_service_but_what_is_best_effort_is_to_be_proven() -> None:
    proven = {
        name: rule["expr"] for name, rule in rules(INTENT).items() if rule.get("alert") == "SeamwatchServiceNotProven"
    }
    assert sorted(proven) == sorted(f"SeamwatchServiceNotProven{name}" for name in ("playback", NAMED))
    assert "> 2592000 " in proven["SeamwatchServiceNotProvenplayback"]


@pytest.mark.parametrize(("budget", "most"), [(0.05, 1), (0.5, 3), (2.0, 6)])
def test_more_pages_than_false_ones_explain_are_counted_by_the_budget(budget: float, most: int) -> None:
    # Quantiles of 99 % of the Poisson distribution, from tables.
    found = Intent(INTENT.services, false_pages_per_week=budget)
    assert rules(found)["SeamwatchPagesBeyondBudget"]["expr"].endswith(f"> {most}")


@settings(max_examples=10)
@given(written=documents())
def test_promtool_accepts_the_rules_of_any_intent(
    written: dict[str, Any], promtool: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("intent")
    path = directory / "rules.yml"
    path.write_text(document("prometheus", loaded(written, directory), "abc"), encoding="utf-8")
    assert refused(promtool, "check", "rules", path) is None


def test_the_rules_fire_when_they_should_and_not_before(promtool: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(document("prometheus", INTENT, "abc"), encoding="utf-8")
    (tmp_path / "tests.yml").write_text(FIRING, encoding="utf-8")
    assert refused(promtool, "test", "rules", tmp_path / "tests.yml") is None


def test_the_default_intent_has_rules(promtool: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(document("prometheus", default(), "abc"), encoding="utf-8")
    assert refused(promtool, "check", "rules", path) is None
    assert HEARTBEAT in path.read_text()
