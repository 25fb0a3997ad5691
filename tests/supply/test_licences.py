"""Under which licences the dependencies come: whoever runs or ships Seamwatch may, without asking a lawyer."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.supply.locked import TOOLS, names

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/threat-model.md"

# Permissive ones, as packages write them.
ALLOWED = frozenset(
    {
        "0BSD",
        "3-Clause BSD License",
        "Apache Software License",
        "Apache-2.0",
        "BSD License",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "MIT",
        "MIT License",
        "PSF-2.0",
        "Python Software Foundation License",
        "Zlib",
    }
)
# Others; each is explained in the document.
EXCEPTIONS = {"orjson": "MPL-2.0", "venusian": "Repoze Public License"}


def licences() -> dict[str, set[str]]:
    """By package, as far as it is installed: some are for other platforms only."""
    argv = [str(TOOLS / "pip-licenses"), "--from=mixed", "--format=json", "--packages", *names()]
    said = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    split = re.compile(r"\s+(?:AND|OR)\s+|;\s*|[()]")
    return {one["Name"].lower(): {part for part in split.split(one["License"]) if part} for one in said}


def test_every_dependency_is_under_a_permissive_licence_or_explained() -> None:
    found = licences()
    assert len(found) > 40
    others = {name: some - ALLOWED for name, some in found.items() if some - ALLOWED}
    assert others == {name: {licence} for name, licence in EXCEPTIONS.items()}


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_an_exception_is_explained_where_it_is_looked_for(name: str) -> None:
    assert re.search(rf"^\| `{name}` \| {EXCEPTIONS[name]} \| .+ \|$", DOCUMENT.read_text(), re.MULTILINE)
