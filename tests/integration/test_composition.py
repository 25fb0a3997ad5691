"""The whole of docker-compose.yml at once, without Docker: what it wires is wired, and is missed when it is gone."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from confluent_kafka import Producer

from tests.integration import composition
from tests.integration.composition import ROOT, read_yaml
from tests.integration.kafka_cluster import StartCluster
from tests.integration.monitoring import Start
from tests.integration.program import HttpProgram
from tests.integration.services import need
from tests.integration.waiting import until

PATIENCE_S = 300.0
"""For what takes seconds on a machine that has nothing else to do."""
# A day and some hours of few devices: an anchor must be a day old before anything is judged against it.
FEWER = ("--start=now-30h", "--cohorts=4", "--events-per-minute=40")


def dashboard_queries() -> Iterator[str]:
    """What the panels ask, as Grafana would with a job chosen."""
    for panel in json.loads((ROOT / "deploy/grafana/dashboards/seamwatch.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"].replace("$job", "seamwatch").replace("$__rate_interval", "1m")


def ask(server: HttpProgram, expr: str) -> list[dict[str, Any]]:
    answer: Any = server.get_json(f"/api/v1/query?query={quote(expr)}")
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def heard(alertmanager: HttpProgram) -> dict[str, set[str]]:
    """Alerts that Alertmanager has, and whom it tells of each."""
    alerts: Any = alertmanager.get_json("/api/v2/alerts")
    return {one["labels"]["alertname"]: {receiver["name"] for receiver in one["receivers"]} for one in alerts}


def nobody_is_called(server: HttpProgram, alertmanager: HttpProgram) -> bool:
    return not ask(server, 'ALERTS{alertname="SeamwatchDown"}') and "SeamwatchDown" not in heard(alertmanager)


@pytest.mark.timeout(900)
def test_what_the_composition_wires_works_and_is_missed_when_it_is_killed(
    kafka_clusters: StartCluster, prometheus: Start, alertmanager: Start, tmp_path: Path
) -> None:
    need("a sealed process", composition.seals_missing())
    bootstrap = kafka_clusters().bootstrap
    told = alertmanager(read_yaml("deploy/alertmanager/alertmanager.yml"))
    topic = composition.create_topics(bootstrap)
    with ExitStack() as running:
        fleet = composition.fleet(bootstrap, tmp_path / "fleet.log", *FEWER)
        running.callback(fleet.stop)
        fleet.start()
        workers = []
        for number in range(composition.replicas("worker")):
            worker = composition.worker(bootstrap, told.url, tmp_path / f"worker-{number}.log")
            running.callback(worker.stop)
            worker.launch()
            workers.append(worker)
        for worker in workers:
            worker.await_ready()
        until(lambda: all(one.answers("/readyz") for one in workers), within=PATIENCE_S, what="the workers to be ready")
        server = prometheus(composition.prometheus_config(workers, told, tmp_path))

        # Something has to be rejected, for its reason to be counted.
        producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
        producer.produce(topic, b"no observation")
        assert producer.flush(60) == 0

        queries = list(dashboard_queries())
        without = list(queries)

        def answered() -> bool:
            assert fleet.running, fleet.tail()
            without[:] = [expr for expr in without if not ask(server, expr)]
            return not without

        try:
            until(answered, within=PATIENCE_S, what="every query of the dashboard to find data")
        except TimeoutError as error:
            msg = f"no data, of {len(queries)} queries, for: {without}"
            raise TimeoutError(msg) from error
        assert len(queries) > 30

        rules: Any = server.get_json("/api/v1/rules")
        loaded = [rule for group in rules["data"]["groups"] for rule in group["rules"]]
        assert len(loaded) > 20
        assert {rule.get("lastError") for rule in loaded} <= {None, ""}
        assert [rule["name"] for rule in loaded if rule["health"] != "ok"] == []
        until(lambda: "SeamwatchHeartbeat" in heard(told), within=PATIENCE_S, what="the heartbeat at Alertmanager")
        # A busy machine may have let a scrape or two go by.
        until(lambda: nobody_is_called(server, told), within=PATIENCE_S, what="Prometheus to miss nobody")

        # One ends when it is asked to; the other has all of its partitions then.
        first, last = workers
        first.stop()
        assert first.exit_status == 0, first.tail()
        until(lambda: ask(server, "sum(seamwatch_ready) == 1"), within=PATIENCE_S, what="one worker to be ready")
        until(lambda: nobody_is_called(server, told), within=PATIENCE_S, what="Prometheus to miss nobody, still")

        last.kill()
        until(lambda: not ask(server, "up == 1"), within=PATIENCE_S, what="Prometheus to notice")
        until(lambda: "SeamwatchDown" in heard(told), within=PATIENCE_S, what="somebody to be called")
        page = read_yaml("deploy/alertmanager/alertmanager.yml")
        assert heard(told)["SeamwatchDown"] == {route_of(page, "page")}


def route_of(config: dict[str, Any], severity: str) -> str:
    """Who is told of a severity."""
    (receiver,) = [one["receiver"] for one in config["route"]["routes"] if f'severity="{severity}"' in one["matchers"]]
    return str(receiver)
