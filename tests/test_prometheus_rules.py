"""How Prometheus watches Seamwatch: its rules by promtool, and in a real Prometheus that scrapes a worker's page."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from prometheus_client import CollectorRegistry, ProcessCollector
from ruamel.yaml import YAML

from pipeline.exposition import Histogram
from pipeline.metrics import Metrics
from pipeline.stream.health import Health
from pipeline.web import Board, application
from tests.integration.monitoring import Start
from tests.integration.program import HttpProgram
from tests.integration.services import need
from tests.integration.serving import serving
from tests.integration.waiting import until_async

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
RULES = DEPLOY / "prometheus/rules/seamwatch.yml"
TESTS = DEPLOY / "prometheus/rules_test.yml"
RUNBOOK = DEPLOY / "RUNBOOK.md"


def read_yaml(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(path)
    return loaded


def rules() -> list[dict[str, Any]]:
    return [rule for group in read_yaml(RULES)["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def expectations() -> Iterator[tuple[str, bool]]:
    """What rules_test.yml asks, and whether it expects an answer."""
    for test in read_yaml(TESTS)["tests"]:
        for asked in test.get("promql_expr_test", []):
            yield asked["expr"], bool(asked.get("exp_samples"))
        for asked in test.get("alert_rule_test", []):
            yield asked["alertname"], bool(asked.get("exp_alerts"))


def test_promtool_finds_each_alert_where_it_belongs_and_nowhere_else() -> None:
    need("promtool", None if shutil.which("promtool") else "no promtool on the PATH")
    said = subprocess.run(["promtool", "test", "rules", TESTS], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_each_alert_is_tested_both_firing_and_silent() -> None:
    for alert in alerts():
        name = alert["alert"]
        outcomes = {fires for expr, fires in expectations() if any(re.fullmatch(each, name) for each in named(expr))}
        # The dead man's switch is the one that is never silent.
        assert outcomes == ({True} if name == "SeamwatchHeartbeat" else {True, False}), name


def named(expr: str) -> list[str]:
    """The alert that an expectation asks for, or the pattern of several."""
    return re.findall(r'alertname=~?"([^"]+)"', expr) or [expr]


def test_the_rules_use_no_metric_of_ours_that_is_not_exported() -> None:
    declared = Metrics(CollectorRegistry()).declared
    exported = {series.name for series in declared}
    exported |= {f"{series.name}_bucket" for series in declared if isinstance(series, Histogram)}
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = {name for rule in rules() for name in re.findall(r"[a-z:]*seamwatch_[a-z0-9_:]+", rule["expr"])}
    assert used - exported - recorded == set()
    others = {name for rule in rules() for name in re.findall(r"\bprocess_[a-z_]+", rule["expr"])}
    exporter = CollectorRegistry()
    ProcessCollector(registry=exporter)
    assert others - {family.name for family in exporter.collect()} == set()
    assert used & exported != set()


def test_each_alert_goes_somewhere_and_says_what_it_means() -> None:
    for alert in alerts():
        assert alert["labels"]["severity"] in ("page", "ticket", "none"), alert["alert"]
        assert alert["annotations"]["summary"].rstrip().endswith("."), alert["alert"]
        if alert["labels"]["severity"] != "none":
            assert alert["annotations"]["description"].rstrip().endswith("."), alert["alert"]


def runbook() -> dict[str, str]:
    """Its text by heading."""
    _, *parts = re.split(r"^## (.+)\n", RUNBOOK.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_runbook_has_a_heading_for_each_alert_and_no_other() -> None:
    assert sorted(runbook()) == sorted(alert["alert"] for alert in alerts())


def test_each_alert_leads_to_its_heading_in_the_runbook() -> None:
    for alert in alerts():
        # How Markdown makes the anchor of a heading of one word.
        assert alert["annotations"]["runbook_url"] == f"deploy/RUNBOOK.md#{alert['alert'].lower()}"


@pytest.mark.parametrize("part", ["**It means** that", "**Check**", "**Do**"])
def test_the_runbook_says_of_each_alert_what_it_means_what_to_check_and_what_to_do(part: str) -> None:
    assert [name for name, text in runbook().items() if part not in text] == []


def test_the_runbook_names_only_metrics_and_files_that_there_are() -> None:
    known = {series.name for series in Metrics(CollectorRegistry()).declared}
    known |= {rule["record"] for rule in rules() if "record" in rule}
    text = RUNBOOK.read_text()
    assert set(re.findall(r"`([a-z:]*seamwatch_[a-z0-9_:]+)`", text)) - known == set()
    files = re.findall(r"`((?:docs|deploy)/[\w/.-]+)`", text)
    assert [name for name in files if not (DEPLOY.parent / name).exists()] == []


def config(url: str) -> dict[str, Any]:
    """prometheus.yml as it is deployed, at the pace of a test and with nobody to notify."""
    deployed = read_yaml(DEPLOY / "prometheus/prometheus.yml")
    (scrape,) = deployed["scrape_configs"]
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{**scrape, "static_configs": [{"targets": [urlsplit(url).netloc]}]}],
    }


async def ask(server: HttpProgram, expr: str) -> list[dict[str, Any]] | None:
    """What an instant query answers; None for nothing. In a thread: this loop serves what is being scraped."""
    answer = await asyncio.to_thread(server.get_json, f"/api/v1/query?query={quote(expr)}")
    assert isinstance(answer, dict)
    return answer["data"]["result"] or None


async def test_prometheus_scrapes_a_worker_and_misses_it_when_it_is_gone(prometheus: Start) -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.ready.set(1)
    metrics.lag.set(7, "acme.telemetry/3")
    async with serving(application(Board(), registry, Health())) as url:
        server = await asyncio.to_thread(prometheus, config(url))
        recorded = partial(ask, server, "source:seamwatch_consumer_lag_records:min")
        (lag,) = await until_async(recorded, within=30, what="a recording")
        assert (lag["metric"]["source"], lag["value"][1]) == ("acme.telemetry/3", "7")
        # Before its first scrape Prometheus misses the worker, too; from then on only the heartbeat is left.
        calm = 'sum(ALERTS) == 1 and sum(ALERTS{alertname="SeamwatchHeartbeat"}) == 1'
        await until_async(partial(ask, server, calm), within=30, what="the heartbeat alone")
    # It has to stay away for two minutes until somebody is paged; that it is noticed is enough here.
    (down,) = await until_async(partial(ask, server, 'ALERTS{alertname="SeamwatchDown"}'), within=30, what="the alert")
    assert (down["metric"]["alertstate"], down["metric"]["severity"]) == ("pending", "page")
