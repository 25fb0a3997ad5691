"""What is shipped is all that the program needs, and nothing else."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("models", "pipeline")


def shipped_sources() -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in the built wheel."""
    built = tmp_path_factory.mktemp("dist")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", built], check=True, cwd=ROOT)
    (path,) = built.glob("*.whl")
    return set(zipfile.ZipFile(path).namelist())


def test_the_wheel_holds_both_packages_with_their_templates_and_nothing_beside_them(wheel: set[str]) -> None:
    assert {name for name in wheel if ".dist-info/" not in name} == shipped_sources()


def test_the_wheel_holds_the_licence(wheel: set[str]) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)


def test_what_the_program_imports_is_named_among_its_dependencies() -> None:
    declared = {normal(re.split(r"[<>=!~ ]", line)[0]) for line in PROJECT["dependencies"]}
    owners = {module: {*map(normal, names)} for module, names in packages_distributions().items()}
    unnamed = {
        f"{name}: {module}"
        for name in sorted(shipped_sources())
        if name.endswith(".py")
        for module in imported(ROOT / name)
        if module not in sys.stdlib_module_names.union(PACKAGES) and declared.isdisjoint(owners.get(module, []))
    }
    assert unnamed == set()


def normal(distribution: str) -> str:
    """The one spelling of a distribution's name, of the many that mean it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def imported(path: Path) -> set[str]:
    """The top-level names that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module.split(".")[0])
    return found
