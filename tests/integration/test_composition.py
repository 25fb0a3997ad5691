"""What docker-compose.yml starts, started here without Docker: the same commands, configurations and wiring."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic
from ruamel.yaml import YAML

from tests.integration.kafka_cluster import StartCluster
from tests.integration.monitoring import Start
from tests.integration.ports import LOOPBACK, free_port
from tests.integration.program import HttpProgram
from tests.integration.waiting import until

ROOT = Path(__file__).resolve().parents[2]
SEAMWATCH = str(Path(sys.executable).with_name("seamwatch"))


def read_yaml(path: str) -> Any:
    return YAML(typ="safe").load(ROOT / path)


def command(service: str) -> list[str]:
    """As the composition gives it, with its configuration where it lies in the project."""
    words: list[str] = read_yaml("docker-compose.yml")["services"][service]["command"]
    return [SEAMWATCH, *(word.replace("/etc/seamwatch", str(ROOT / "deploy/seamwatch")) for word in words)]


def create_input(bootstrap: str) -> None:
    """What the service `inputs` does with a script of the Kafka distribution."""
    words = dict(word.partition("=")[::2] for word in read_yaml("docker-compose.yml")["services"]["inputs"]["command"])
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics([NewTopic(words["--topic"], int(words["--partitions"]))]).values():
        made.result(timeout=30)


def test_the_composed_worker_gets_ready_is_scraped_and_ends_when_asked(
    kafka_clusters: StartCluster, prometheus: Start, alertmanager: Start, tmp_path: Path
) -> None:
    bootstrap = kafka_clusters().bootstrap
    told = alertmanager(read_yaml("deploy/alertmanager/alertmanager.yml"))
    address = f"{LOOPBACK}:{free_port()}"

    create_input(bootstrap)
    topics = [*command("topics"), f"--brokers={bootstrap}"]
    created = subprocess.run(topics, capture_output=True, text=True, check=False)
    assert created.returncode == 0, created.stdout + created.stderr

    options = [f"--brokers={bootstrap}", f"--web={address}", f"--alertmanager={told.url}"]
    worker = HttpProgram(
        [*command("worker"), *options], log=tmp_path / "worker.log", url=f"http://{address}", ready_path="/healthz"
    )
    try:
        worker.start()
        until(lambda: worker.answers("/readyz"), within=60, what="the worker to be ready")

        config = read_yaml("deploy/prometheus/prometheus.yml")
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(ROOT / "deploy/prometheus" / pattern) for pattern in config["rule_files"]]
        config["scrape_configs"][0]["static_configs"] = [{"targets": [address]}]
        config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [told.url.removeprefix("http://")]}]}]
        server = prometheus(config)

        def scraped() -> bool:
            answer: Any = server.get_json("/api/v1/query?query=up%7Bjob%3D%22seamwatch%22%7D")
            return [sample["value"][1] for sample in answer["data"]["result"]] == ["1"]

        until(scraped, within=60, what="Prometheus to have scraped the worker")
        rules: Any = server.get_json("/api/v1/rules")
        errors = [rule.get("lastError") for group in rules["data"]["groups"] for rule in group["rules"]]
        assert errors != []
        assert not any(errors)
    finally:
        worker.stop()
    assert worker.exit_status == 0, worker.tail()
