"""What deploy/kubernetes comes to, and whether Kubernetes would take it. No cluster is needed."""

import json
import re
import shutil
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import trustme
from cloudcoil.models.prometheus_operator.v1 import PrometheusRule, ServiceMonitor
from ruamel.yaml import YAML

from pipeline.stream.settings import STAGES, lint
from pipeline.stream.settings import load as load_settings

ROOT = Path(__file__).resolve().parents[1]
KUBERNETES = ROOT / "deploy/kubernetes"
OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").iterdir())
# The oldest and the newest that we say it for.
RELEASES = ("1.29", "1.34")
OPERATOR: dict[str, type[ServiceMonitor | PrometheusRule]] = {
    "ServiceMonitor": ServiceMonitor,
    "PrometheusRule": PrometheusRule,
}
"""Not Kubernetes' own: custom resources of the Prometheus operator."""

OLDEST_KUSTOMIZE = 5

Resource = dict[str, Any]


@cache
def _cannot_render() -> str | None:
    if shutil.which("kubectl") is None:
        return "none on the PATH"
    said = subprocess.run(
        ["kubectl", "version", "--client", "--output=json"], capture_output=True, text=True, check=False
    )
    kustomize = re.search(r'"kustomizeVersion": "v(\d+)', said.stdout)
    return None if kustomize and int(kustomize[1]) >= OLDEST_KUSTOMIZE else "its Kustomize is older than 5"


@cache
def rendered(overlay: str) -> tuple[Resource, ...]:
    if (why := _cannot_render()) is not None:
        # Not one of the services that CI must have: no package of Debian brings one that is new enough.
        pytest.skip(f"kubectl: {why}")
    argv = ["kubectl", "kustomize", str(KUBERNETES / "overlays" / overlay)]
    said = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    return tuple(YAML(typ="safe").load_all(said.stdout))


def of_kind(overlay: str, *kinds: str) -> list[Resource]:
    return [one for one in rendered(overlay) if one["kind"] in kinds]


def stage_of(deployment: Resource) -> str:
    stage: str = deployment["metadata"]["labels"]["app.kubernetes.io/component"]
    return stage


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_has_a_place_for_every_field(overlay: str, release: str) -> None:
    for resource in rendered(overlay):
        if resource["kind"] not in OPERATOR:
            # strict: what the schema does not know is a fault.
            kubernetes_validate.validate(resource, release, strict=True)


@pytest.mark.parametrize("kind", OPERATOR)
def test_the_prometheus_operator_has_a_place_for_every_field(kind: str) -> None:
    (resource,) = of_kind("production", kind)
    taken = OPERATOR[kind].model_validate(resource)
    # It leaves out what it does not know.
    assert json.loads(taken.model_dump_json(by_alias=True, exclude_unset=True)) == resource


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_may_as_little_as_the_strictest_standard_allows(overlay: str) -> None:
    for workload in of_kind(overlay, "Deployment", "Job"):
        pod = workload["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]
        assert container["image"].endswith(f"/seamwatch:{metadata.version('seamwatch')}")
    (namespace,) = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_stage_has_a_deployment_that_is_probed_and_a_disruption_budget(overlay: str) -> None:
    deployments = of_kind(overlay, "Deployment")
    assert sorted(map(stage_of, deployments)) == sorted(STAGES)
    budgets = {one["metadata"]["name"]: one["spec"] for one in of_kind(overlay, "PodDisruptionBudget")}
    for deployment in deployments:
        spec = deployment["spec"]
        (container,) = spec["template"]["spec"]["containers"]
        assert f"--stages={stage_of(deployment)}" in container["args"]
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert budgets[deployment["metadata"]["name"]]["selector"] == spec["selector"]
        assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_selected_mounted_and_scaled_is_there(overlay: str) -> None:
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in of_kind(overlay, "Deployment")]
    for service in of_kind(overlay, "Service"):
        assert any(service["spec"]["selector"].items() <= those.items() for those in labels)
    maps = {one["metadata"]["name"] for one in of_kind(overlay, "ConfigMap")}
    for workload in of_kind(overlay, "Deployment", "Job"):
        volumes = {volume["name"]: volume for volume in workload["spec"]["template"]["spec"]["volumes"]}
        assert volumes["config"]["configMap"]["name"] in maps
        (container,) = workload["spec"]["template"]["spec"]["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
    deployments = {one["metadata"]["name"]: one for one in of_kind(overlay, "Deployment")}
    for scaler in of_kind(overlay, "HorizontalPodAutoscaler"):
        assert "replicas" not in deployments[scaler["spec"]["scaleTargetRef"]["name"]]["spec"]
    for monitor in of_kind(overlay, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        (service,) = [one for one in of_kind(overlay, "Service") if wanted.items() <= one["metadata"]["labels"].items()]
        assert {end["port"] for end in monitor["spec"]["endpoints"]} <= {p["name"] for p in service["spec"]["ports"]}
        # The rules ask for a job of this name.
        assert service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "seamwatch"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_worker_takes_the_configuration_and_may_talk_to_whom_it_names(overlay: str, tmp_path: Path) -> None:
    (config,) = of_kind(overlay, "ConfigMap")
    for name, text in config["data"].items():
        (tmp_path / name).write_text(text)
    assert lint(tmp_path) == []
    (policy,) = [one for one in of_kind(overlay, "NetworkPolicy") if "egress" in one["spec"]]
    allowed = {
        (to["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
        for rule in policy["spec"]["egress"]
        for to in rule["to"]
        for port in rule["ports"]
    }
    written = YAML(typ="safe").load(config["data"]["worker.yaml"])
    places = [*written["brokers"], written["alertmanager"].removeprefix("http://")]
    for place in places:
        host, _, port = place.rpartition(":")
        # SERVICE.NAMESPACE
        assert (host.rpartition(".")[2], int(port)) in allowed


def test_what_is_not_secured_is_secured_in_production(tmp_path: Path) -> None:
    (config,) = of_kind("production", "ConfigMap")
    text = config["data"]["worker.yaml"]
    mounted = set()
    for workload in of_kind("production", "Deployment", "Job"):
        (container,) = workload["spec"]["template"]["spec"]["containers"]
        mounted |= {mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "kafka-credentials"}
    (folder,) = mounted
    (tmp_path / "password").write_text("secret")
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.crt")
    assert sorted(re.findall(rf"{folder}/(\S+)", text)) == ["ca.crt", "password"]
    (tmp_path / "worker.yaml").write_text(text.replace(folder, str(tmp_path)))
    assert load_settings({}, {}, tmp_path).security.mechanism == "SCRAM-SHA-512"
    assert not load_settings({}, {}, tmp_path).security.exposes_secrets


def test_the_operators_rules_are_those_of_prometheus() -> None:
    argv = [sys.executable, str(KUBERNETES / "rules.py")]
    made = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert (KUBERNETES / "components/monitoring/prometheus-rule.yaml").read_text() == made, f"run: {argv[1]}"
    rules = YAML(typ="safe").load(ROOT / "deploy/prometheus/rules/seamwatch.yml")
    assert YAML(typ="safe").load(made)["spec"] == rules


def test_the_autoscaler_asks_for_a_metric_that_the_adapter_makes_of_a_recorded_one() -> None:
    (scaler,) = of_kind("production", "HorizontalPodAutoscaler")
    (asked,) = scaler["spec"]["metrics"]
    adapter = YAML(typ="safe").load(KUBERNETES / "components/autoscaling/adapter-rules.yaml")
    (rule,) = adapter["rules"]["external"]
    assert asked["external"]["metric"]["name"] == rule["name"]["as"]
    recorded = (ROOT / "deploy/prometheus/rules/seamwatch.yml").read_text()
    series = re.search(r'__name__="([^"]+)"', rule["seriesQuery"])
    assert series is not None
    assert f"record: {series[1]}\n" in recorded
    assert series[1] in rule["metricsQuery"]
