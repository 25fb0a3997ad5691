"""amtool and promtool, on what was compiled."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path


def refused(*command: str | Path) -> str | None:
    """What a checker has to say against a file; None when it accepts it."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, check=False)
    return None if done.returncode == 0 else done.stdout + done.stderr


def told(config: Path, labels: Mapping[str, str]) -> list[str]:
    """Receivers that Alertmanager would tell of an alert with these labels, in the order of its routes."""
    words = [f"{name}={_quoted(value)}" for name, value in labels.items()]
    done = subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={config}", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip().split(",") if done.stdout.strip() else []


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
