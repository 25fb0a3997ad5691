"""What uv.lock brings to whoever runs Seamwatch: the dependencies of the program, without those of its developers."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent


def requirements() -> str:
    """As pip takes them, with hashes; for any platform."""
    argv = [str(TOOLS / "uv"), "export", "--quiet", "--frozen", "--no-dev", "--no-emit-project"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT)
    return said.stdout


def names() -> list[str]:
    """Their names, as the registry writes them."""
    return sorted(set(re.findall(r"^([A-Za-z0-9][\w.-]*)==", requirements(), re.MULTILINE)))
