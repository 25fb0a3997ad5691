"""What docker-compose.yml starts, started without Docker: the same commands, configurations and wiring on loopback."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic
from ruamel.yaml import YAML

from tests.integration.ports import LOOPBACK, free_port
from tests.integration.program import HttpProgram, Program

ROOT = Path(__file__).resolve().parents[2]
SEAMWATCH = str(Path(sys.executable).with_name("seamwatch"))

# As `read_only`, `cap_drop: [ALL]` and `no-new-privileges` of the composition: a root that nothing can be written to,
# for this process and whatever it starts, without capabilities and without a way to get any.
_SEALED = (
    "mount --make-rprivate / && mount -o remount,bind,ro / && "
    'exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"'
)


def read_yaml(path: str) -> Any:
    return YAML(typ="safe").load(ROOT / path)


def seals_missing() -> str | None:
    """Why no process can be sealed as a container is; None when one can."""
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        return "no unshare and setpriv on the PATH"
    if os.geteuid() != 0:
        return "a mount namespace needs root"
    said = subprocess.run(sealed(["true"]), capture_output=True, text=True, check=False)
    return said.stderr.strip() or None


def sealed(argv: list[str]) -> list[str]:
    """The same, in a root that is read-only, without capabilities. Every step replaces the one before: one pid."""
    return ["unshare", "--mount", "--", "sh", "-c", _SEALED, "sh", *argv]


def command(service: str, *more: str) -> list[str]:
    """As the composition gives it, with its configuration where it lies in the project; `more` wins."""
    words: list[str] = read_yaml("docker-compose.yml")["services"][service]["command"]
    return [SEAMWATCH, *(word.replace("/etc/seamwatch", str(ROOT / "deploy/seamwatch")) for word in words), *more]


def replicas(service: str) -> int:
    """How many of it the composition starts."""
    count: int = read_yaml("docker-compose.yml")["services"][service]["deploy"]["replicas"]
    return count


def create_topics(bootstrap: str) -> str:
    """What the services `inputs` (with a script of Kafka's distribution) and `topics` do; the name of the input."""
    words: dict[str, str] = dict(
        word.partition("=")[::2] for word in read_yaml("docker-compose.yml")["services"]["inputs"]["command"]
    )
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics([NewTopic(words["--topic"], int(words["--partitions"]))]).values():
        made.result(timeout=60)
    argv = command("topics", f"--brokers={bootstrap}")
    created = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert created.returncode == 0, created.stdout + created.stderr
    return words["--topic"]


def worker(bootstrap: str, alertmanager: str, log: Path) -> HttpProgram:
    """One of the workers, sealed as its container is."""
    address = f"{LOOPBACK}:{free_port()}"
    argv = command("worker", f"--brokers={bootstrap}", f"--web={address}", f"--alertmanager={alertmanager}")
    return HttpProgram(sealed(argv), log=log, url=f"http://{address}", ready_path="/healthz")


def fleet(bootstrap: str, log: Path, *more: str) -> Program:
    """The simulated fleet; `more` wins over what the composition says."""
    return Program(command("fleet", f"--brokers={bootstrap}", *more), log=log, ready=lambda: True)


def prometheus_config(workers: list[HttpProgram], alertmanager: HttpProgram, home: Path) -> dict[str, Any]:
    """prometheus.yml at the pace of a test: found on loopback what a name resolves to, and no rule waits long."""
    config: dict[str, Any] = read_yaml("deploy/prometheus/prometheus.yml")
    config["global"] = {"scrape_interval": "2s", "evaluation_interval": "1s"}
    (scrape,) = config["scrape_configs"]
    del scrape["dns_sd_configs"]
    scrape["static_configs"] = [{"targets": [one.url.removeprefix("http://") for one in workers]}]
    config["alerting"]["alertmanagers"] = [
        {"static_configs": [{"targets": [alertmanager.url.removeprefix("http://")]}]}
    ]
    (pattern,) = config["rule_files"]
    (rules,) = (ROOT / "deploy/prometheus").glob(pattern)
    config["rule_files"] = [str(_hurried(rules, home))]
    return config


def _hurried(rules: Path, home: Path) -> Path:
    """The same rules, whose alerts fire within seconds of what they wait minutes for."""
    loaded = YAML(typ="safe").load(rules)
    for group in loaded["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "5s"
    path = home / rules.name
    YAML(typ="safe").dump(loaded, path)
    return path
