"""What docker-compose.yml and deploy/ say holds together, and holds with the program. No Docker engine is needed.

The broker of the composition is started for real: by the code of the image's own entry point, from the same jars.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from compose_spec import PyCompose
from confluent_kafka.admin import AdminClient
from ruamel.yaml import YAML

from pipeline.stream.settings import load
from tests.integration import kafka_cluster
from tests.integration.ports import LOOPBACK, free_port, is_free
from tests.integration.program import Program
from tests.integration.services import need
from tests.integration.waiting import until

ROOT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent
SEAMWATCH = TOOLS / "seamwatch"


def read_yaml(path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(ROOT / path)
    return loaded


COMPOSE = read_yaml("docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
OURS = f"seamwatch:{metadata.version('seamwatch')}"
COMMANDS = {name: service["command"] for name, service in SERVICES.items() if service["image"] == OURS}
WITHOUT_DIGEST = "CL-0019"
"""A digest has to be asked of a registry, and none can be where this is written; the files say how to pin one."""


def options(command: list[str]) -> list[str]:
    return [word.split("=")[0] for word in command if word.startswith("--")]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_publishes_on_loopback_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert (port["host_ip"] if isinstance(port, dict) else port.split(":")[0]) == LOOPBACK


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_from_elsewhere_is_pinned_to_a_version(name: str) -> None:
    image = SERVICES[name]["image"]
    assert image == OURS or re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", image)


def test_the_composition_is_one_by_the_specification_of_compose() -> None:
    # The reader knows no merge keys (`<<`), which YAML has resolved by now.
    composed = PyCompose.from_json(json.dumps(COMPOSE))
    composed.validate()
    assert set(composed.service_names()) == set(SERVICES)


def test_a_linter_finds_nothing_open_in_the_composition_that_need_not_be() -> None:
    argv = [str(TOOLS / "compose-lint"), "check", "--format=json", "--no-merge-overrides", "docker-compose.yml"]
    said = json.loads(subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT).stdout)
    found = {(one["rule_id"], one["service"]) for one in said["findings"]}
    # The entry point of Kafka's image writes the broker's configuration beneath its root.
    assert {one for one in found if one[0] != WITHOUT_DIGEST} == {("CL-0007", "kafka")}


def test_a_linter_finds_nothing_in_the_dockerfile() -> None:
    said = subprocess.run(
        [TOOLS / "hadolint", "deploy/Dockerfile"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (said.returncode, said.stdout) == (0, "")


def test_the_installer_of_the_image_is_the_locked_one_by_its_hashes() -> None:
    (locked,) = [one for one in tomllib.loads((ROOT / "uv.lock").read_text())["package"] if one["name"] == "uv"]
    lines = (ROOT / "deploy/uv.txt").read_text().splitlines()[1:]
    hashes = [file["hash"] for file in (locked["sdist"], *locked["wheels"])]
    assert lines[0] == f"uv=={locked['version']} \\"
    assert sorted(re.findall(r"sha256:\w+", "".join(lines))) == sorted(hashes)


def test_what_the_image_is_built_from_reaches_the_builder_and_nothing_else_does() -> None:
    said = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert said[0] == "*"
    assert {line.removeprefix("!") for line in said if line.startswith("!")} == copied()


def copied() -> set[str]:
    """What the Dockerfile takes from this project."""
    return {
        name for names in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in names.split()
    }


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_others_wait_for_can_be_asked_for_its_health(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert "restart" not in SERVICES[other]


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_exists(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":")[0]
        assert (ROOT / source).is_dir() if source.startswith("./") else source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_uses_options_that_the_program_has(name: str) -> None:
    subcommand = COMMANDS[name][0]
    shown = subprocess.run([SEAMWATCH, subcommand, "--help"], capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"--[a-z-]+", shown))
    assert set(options(COMMANDS[name])) <= known


@pytest.mark.parametrize("name", ["topics", "worker"])
def test_the_configuration_is_mounted_where_the_command_looks_for_it(name: str) -> None:
    assert SERVICES[name]["volumes"] == ["./deploy/seamwatch:/etc/seamwatch:ro"]
    assert "--config=/etc/seamwatch" in COMMANDS[name]


def test_the_configuration_is_one_that_the_worker_takes_and_names_its_neighbours() -> None:
    settings = load({}, {}, ROOT / "deploy/seamwatch")
    assert settings.bootstrap == "kafka:19092"
    assert settings.telling.alertmanagers == ("http://alertmanager:9093",)
    (topic,) = settings.inputs
    assert f"--topic={topic}" in SERVICES["inputs"]["command"]
    assert f"--topic={topic}" in COMMANDS["fleet"]


def test_the_broker_tells_the_others_the_address_that_they_are_given() -> None:
    advertised = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert "INSIDE://kafka:19092" in advertised.split(",")
    assert "HOST://localhost:9092" in advertised.split(",")


def test_compose_and_tests_run_the_same_version_of_kafka() -> None:
    version = re.search(r"<kafka.version>(.+)</kafka.version>", kafka_cluster.POM.read_text())
    assert version is not None
    assert {SERVICES[name]["image"] for name in ("kafka", "inputs")} == {f"apache/kafka:{version[1]}"}


def test_the_worker_serves_where_it_is_published_scraped_and_asked_for_its_health() -> None:
    web = load({}, {}, ROOT / "deploy/seamwatch").web
    assert web is not None
    port = web.port
    (scrape,) = read_yaml("deploy/prometheus/prometheus.yml")["scrape_configs"]
    replicas = SERVICES["worker"]["deploy"]["replicas"]
    (published,) = SERVICES["worker"]["ports"]
    assert (published["published"], published["target"]) == (f"{port}-{port + replicas - 1}", port)
    (found,) = scrape["dns_sd_configs"]
    assert (found["names"], found["port"]) == (["worker"], port)
    assert f"http://{LOOPBACK}:{port}/healthz" in DOCKERFILE
    assert f"EXPOSE {port}\n" in DOCKERFILE


def test_the_image_is_built_from_files_that_exist_and_never_runs_as_root() -> None:
    assert [name for name in copied() if not (ROOT / name).exists()] == []
    user = re.search(r"^USER (\d+)$", DOCKERFILE.split("FROM")[-1], re.MULTILINE)
    assert user is not None
    assert int(user[1]) > 0
    assert f"--uid {user[1]} " in DOCKERFILE


def test_prometheus_accepts_its_configuration_and_the_rules() -> None:
    check("promtool", "check", "config", "deploy/prometheus/prometheus.yml")
    rules = sorted(map(str, (ROOT / "deploy/prometheus/rules").glob("*.yml")))
    assert rules != []
    check("promtool", "check", "rules", *rules)


def test_alertmanager_accepts_its_configuration() -> None:
    check("amtool", "check-config", "deploy/alertmanager/alertmanager.yml")


def test_systemd_accepts_the_unit_and_finds_little_exposed(tmp_path: Path) -> None:
    unit = tmp_path / "seamwatch.service"
    # systemd looks whether the program is there.
    unit.write_text((ROOT / "deploy/systemd/seamwatch.service").read_text().replace("/opt/seamwatch/bin", str(TOOLS)))
    check("systemd-analyze", "verify", str(unit))
    # Of 100; an unconfined service has 96.
    check("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", str(unit))


@pytest.mark.parametrize(("severity", "receiver"), [("page", "on-call"), ("ticket", "tickets"), ("other", "nobody")])
def test_an_incident_goes_to_the_receiver_of_its_severity(severity: str, receiver: str) -> None:
    config = "--config.file=deploy/alertmanager/alertmanager.yml"
    said = check("amtool", "config", "routes", "test", config, "alertname=SeamwatchIncident", f"severity={severity}")
    assert said.strip() == receiver


def check(tool: str, *arguments: str) -> str:
    """What the tool said; the test fails when it did not succeed."""
    need(tool, None if shutil.which(tool) else f"no {tool} on the PATH")
    said = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


def test_the_broker_of_the_composition_starts(kafka_jars: Path, tmp_path: Path) -> None:
    ports = {"19092": free_port(), "9092": free_port(), "9093": free_port()}
    environment = {}
    for name, value in SERVICES["kafka"]["environment"].items():
        # On loopback instead of the container's own network, and on ports that are free.
        here = re.sub(r"//(kafka|localhost)?:", f"//{LOOPBACK}:", value).replace("@kafka:", f"@{LOOPBACK}:")
        environment[name] = re.sub(r":(\d{4,5})\b", lambda port: f":{ports[port[1]]}", here)
    environment["KAFKA_LOG_DIRS"] = str(tmp_path / "data")
    # The image has a cluster id of its own, which serves when none is given.
    environment["CLUSTER_ID"] = "5L6g3nShT-eMCtK--X86sw"
    for name in ("default", "mounted", "final"):
        (tmp_path / name).mkdir()
    for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
        (tmp_path / "default" / name).touch()
    folders = [f"--{name}-configs-dir={tmp_path / name}" for name in ("default", "mounted", "final")]

    java = kafka_cluster.java(tmp_path / "kafka.log", kafka_jars)
    prepared = subprocess.run(
        [*java, "kafka.docker.KafkaDockerWrapper", "setup", *folders],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert prepared.returncode == 0, prepared.stdout + prepared.stderr
    argv = [*java, "kafka.Kafka", str(tmp_path / "final/server.properties")]
    broker = Program(argv, log=tmp_path / "kafka.log", ready=lambda: not is_free(ports["9092"]))
    try:
        broker.start()
        admin = AdminClient({"bootstrap.servers": f"{LOOPBACK}:{ports['9092']}"})
        members = until(lambda: admin.list_topics(timeout=30).brokers or None, within=30, what="a member that serves")
        assert [member.port for member in members.values()] == [ports["9092"]]
    finally:
        broker.kill()
