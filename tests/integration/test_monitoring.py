"""The Prometheus and Alertmanager that other tests rely on are real, and take the configuration of the test."""

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.monitoring import Start
from tests.integration.waiting import until


def test_prometheus_scrapes_what_its_configuration_names_and_evaluates_its_rules(
    prometheus: Start, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"groups": [{"name": "g", "rules": [{"record": "twice", "expr": "2 * vector(21)"}]}]}))
    server = prometheus({"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(rules)]})

    def twice() -> list[Any] | None:
        answer = server.get_json("/api/v1/query?query=twice")
        assert isinstance(answer, dict)
        return answer["data"]["result"] or None

    (sample,) = until(twice, within=30, what="the recording rule")
    assert sample["value"][1] == "42"


def test_alertmanager_takes_an_alert_and_routes_it_to_the_receiver_of_its_configuration(alertmanager: Start) -> None:
    server = alertmanager({"route": {"receiver": "on-call"}, "receivers": [{"name": "on-call"}]})
    alert = {"labels": {"alertname": "Drift"}, "endsAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    request = urllib.request.Request(
        f"{server.url}/api/v2/alerts", json.dumps([alert]).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()

    def alerts() -> list[Any] | None:
        answer = server.get_json("/api/v2/alerts")
        assert isinstance(answer, list)
        return answer or None

    (held,) = until(alerts, within=30, what="the alert")
    assert held["labels"] == {"alertname": "Drift"}
    assert held["receivers"] == [{"name": "on-call"}]


def test_a_configuration_that_prometheus_refuses_fails_with_its_own_words(prometheus: Start) -> None:
    with pytest.raises(RuntimeError, match="scrape_intervall"):
        prometheus({"global": {"scrape_intervall": "1s"}})


def test_two_of_a_kind_run_side_by_side(alertmanager: Start) -> None:
    config = {"route": {"receiver": "on-call"}, "receivers": [{"name": "on-call"}]}
    assert alertmanager(config).url != alertmanager(config).url
