"""Are known vulnerabilities in what is locked? `python -m tests.supply` (make audit) asks pip-audit.

Exit status: 0 none is known, or the database of advisories cannot be reached, which is said; 1 some are, or some of
what is locked could not be looked up although the rest could.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.supply.locked import TOOLS, requirements


def ask() -> list[dict[str, Any]] | str:
    """What pip-audit says of each dependency; in words why it says nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requirements.txt"
        path.write_text(requirements())
        argv = [str(TOOLS / "pip-audit"), "--requirement", str(path), "--disable-pip", "--require-hashes"]
        said = subprocess.run(
            [*argv, "--format=json", "--progress-spinner=off"], capture_output=True, text=True, check=False
        )
    if not said.stdout:
        return said.stderr.strip().splitlines()[-1] if said.stderr.strip() else "pip-audit says nothing"
    dependencies: list[dict[str, Any]] = json.loads(said.stdout)["dependencies"]
    return dependencies


def verdict(dependencies: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """Exit status, and lines for a person."""
    skipped = [one["name"] for one in dependencies if "skip_reason" in one]
    if len(skipped) == len(dependencies):
        return 0, ["SKIPPED: the database of advisories cannot be reached here, so nothing was audited"]
    found = [
        f"{one['name']} {one['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for one in dependencies
        for flaw in one.get("vulns", ())
    ]
    lines = [*found, *(f"{name}: could not be looked up" for name in skipped)]
    audited = len(dependencies) - len(skipped)
    return int(bool(lines)), [*lines, f"{audited} dependencies audited, {len(found)} known vulnerabilities"]


def main() -> int:
    dependencies = ask()
    if isinstance(dependencies, str):
        print(f"SKIPPED: nothing was audited: {dependencies}")
        return 0
    status, lines = verdict(dependencies)
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
