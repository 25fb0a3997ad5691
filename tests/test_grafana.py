"""The dashboard: built from its source, well-formed, and about what is exported. tests/integration asks its queries."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

from pipeline.exposition import Histogram
from pipeline.metrics import Metrics

GRAFANA = Path(__file__).resolve().parents[1] / "deploy/grafana"
TEXT = (GRAFANA / "dashboards/seamwatch.json").read_text()
DASHBOARD: dict[str, Any] = json.loads(TEXT)
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
SHOWN = [panel for panel in PANELS if panel["type"] != "row"]


def read_yaml(path: str) -> Any:
    return YAML(typ="safe").load(GRAFANA / path)


def expressions() -> Iterator[str]:
    for panel in SHOWN:
        for target in panel["targets"]:
            yield target["expr"]


def test_the_file_is_what_its_source_builds() -> None:
    argv = [sys.executable, str(GRAFANA / "dashboard.py")]
    built = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert built == TEXT, "run: python deploy/grafana/dashboard.py > deploy/grafana/dashboards/seamwatch.json"


@pytest.mark.parametrize("panel", SHOWN, ids=lambda panel: panel["title"])
def test_a_panel_says_what_healthy_looks_like_and_asks_the_chosen_prometheus(panel: dict[str, Any]) -> None:
    assert re.fullmatch(r"Healthy: .+\.", panel["description"])
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    for asked in (panel, *panel["targets"]):
        assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert all(target["legendFormat"] for target in panel["targets"])


def test_panels_and_queries_have_names_and_numbers_of_their_own() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    for panel in SHOWN:
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_no_panel_lies_on_another_or_beyond_the_edge() -> None:
    places = [panel["gridPos"] for panel in PANELS]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
    for a, b in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or below


def test_queries_use_the_variables_there_are_and_metrics_that_are_exported() -> None:
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource", "job"}
    exported = set()
    for series in Metrics(CollectorRegistry()).declared:
        ends = ("_bucket", "_sum", "_count") if isinstance(series, Histogram) else ("",)
        exported |= {series.name + end for end in ends}
    for expr in expressions():
        assert set(re.findall(r"\$(\w+)", expr)) <= {"job", "__rate_interval"}
        assert 'job=~"$job"' in expr
        assert set(re.findall(r"seamwatch_\w+", expr)) <= exported


def test_grafana_is_given_the_prometheus_of_the_composition_and_the_dashboard() -> None:
    (source,) = read_yaml("provisioning/datasources/prometheus.yaml")["datasources"]
    scraped = YAML(typ="safe").load(GRAFANA.parent / "prometheus/prometheus.yml")["global"]["scrape_interval"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert source["jsonData"]["timeInterval"] == scraped
    (provider,) = read_yaml("provisioning/dashboards/seamwatch.yaml")["providers"]
    composed = YAML(typ="safe").load(GRAFANA.parents[1] / "docker-compose.yml")["services"]["grafana"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in composed["volumes"]
    assert "./deploy/grafana/provisioning:/etc/grafana/provisioning:ro" in composed["volumes"]
