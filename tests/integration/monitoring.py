"""The real Prometheus and Alertmanager, each with a configuration of the test's own."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.integration.ports import LOOPBACK, free_port
from tests.integration.program import HttpProgram

# What the fixtures `prometheus` and `alertmanager` give: starts one with this configuration, which ends with the test.
Start = Callable[[Mapping[str, object]], HttpProgram]

# Debian prefixes the name of Alertmanager; the project's own releases do not.
_PROMETHEUS = ("prometheus",)
_ALERTMANAGER = ("prometheus-alertmanager", "alertmanager")


def prometheus_missing() -> str | None:
    """Why no Prometheus can be had on this machine; None when one can."""
    return _missing(_PROMETHEUS)


def alertmanager_missing() -> str | None:
    """Why no Alertmanager can be had on this machine; None when one can."""
    return _missing(_ALERTMANAGER)


def new_prometheus(home: Path, config: Mapping[str, object]) -> HttpProgram:
    """A Prometheus that keeps its data under `home`; `config` is what prometheus.yml would hold."""
    url, listen = _address()
    argv = [
        _found(_PROMETHEUS),
        f"--config.file={_written(home, config)}",
        f"--storage.tsdb.path={home / 'data'}",
        f"--web.listen-address={listen}",
    ]
    return HttpProgram(argv, log=home / "prometheus.log", url=url, ready_path="/-/ready")


def new_alertmanager(home: Path, config: Mapping[str, object]) -> HttpProgram:
    """An Alertmanager that keeps its data under `home`; `config` is what alertmanager.yml would hold."""
    url, listen = _address()
    argv = [
        _found(_ALERTMANAGER),
        f"--config.file={_written(home, config)}",
        f"--storage.path={home / 'data'}",
        f"--web.listen-address={listen}",
        # Alone: no gossip with others, and no port for it.
        "--cluster.listen-address=",
    ]
    return HttpProgram(argv, log=home / "alertmanager.log", url=url, ready_path="/-/ready")


def _address() -> tuple[str, str]:
    listen = f"{LOOPBACK}:{free_port()}"
    return f"http://{listen}", listen


def _written(home: Path, config: Mapping[str, object]) -> Path:
    # JSON is YAML: no need for a YAML writer.
    path = home / "config.yml"
    path.write_text(json.dumps(config))
    return path


def _missing(names: tuple[str, ...]) -> str | None:
    return None if any(map(shutil.which, names)) else f"no {' or '.join(names)} on the PATH"


def _found(names: tuple[str, ...]) -> str:
    return next(path for path in map(shutil.which, names) if path is not None)
