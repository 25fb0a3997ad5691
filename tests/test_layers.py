"""What import-linter cannot see: calls. And that its own lists are complete."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
# Reads the intent file for all others, once, at the start.
READER = ROOT / "pipeline/intent/load.py"
CONTRACTS = {contract["id"]: contract for contract in LINTER["contracts"]}

# What makes a result depend on when, where or in which process it was computed. The first name is what is called on.
IMPURE_CALLS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("uuid", "uuid1"),
    ("uuid", "uuid4"),
    ("random", "random"),
    ("random", "seed"),
    ("Path", "cwd"),
    ("Path", "home"),
}
# Methods of a path, whatever the path is called.
IMPURE_METHODS = {"read_text", "read_bytes", "write_text", "write_bytes"}
# Not `hash`: its salt differs from process to process, but it may serve to group. That no result depends on it is shown
# by tests/test_same_bytes.py.
IMPURE_BUILTINS = {"open", "print", "input", "breakpoint", "id"}


def layers() -> list[set[str]]:
    """The layers from top to bottom, each with the modules that it names."""
    return [
        {name.strip(" ()") for name in layer.replace("|", ":").split(":")} for layer in CONTRACTS["layers"]["layers"]
    ]


def pure_modules() -> set[str]:
    ordered = layers()
    engine = next(index for index, names in enumerate(ordered) if "pipeline.engine" in names)
    return set().union(*ordered[engine:])


def existing_modules() -> set[str]:
    """The modules and packages right below `pipeline`, and `models`."""
    found = {path.stem for path in (ROOT / "pipeline").glob("*.py")} - {"__init__"}
    found |= {path.parent.name for path in (ROOT / "pipeline").glob("*/__init__.py")}
    return {f"pipeline.{name}" for name in found} | {"models"}


def sources(module: str) -> Iterator[Path]:
    path = ROOT / module.replace(".", "/")
    yield from [path.with_suffix(".py")] if path.with_suffix(".py").exists() else sorted(path.rglob("*.py"))


def impure_calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of each call that makes the result depend on more than the arguments."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id=name) if name in IMPURE_BUILTINS:
                yield node.lineno, name
            case ast.Attribute(attr=name) if name in IMPURE_METHODS:
                yield node.lineno, name
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name):
                # A generator of chance is pure only when its seed was given to it.
                if (owner, name) in IMPURE_CALLS or (name == "default_rng" and not node.args):
                    yield node.lineno, f"{owner}.{name}"
            case _:
                pass


def test_every_module_has_its_layer() -> None:
    assert existing_modules() - set().union(*layers()) == set()


def test_the_contract_of_purity_covers_all_that_lies_below_the_engine() -> None:
    assert set(CONTRACTS["pure"]["source_modules"]) == pure_modules() & existing_modules()


def test_the_pure_core_calls_nothing_whose_answer_is_not_in_its_arguments() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {call}"
        for module in sorted(pure_modules() & existing_modules())
        for path in sources(module)
        if path != READER
        for line, call in impure_calls(ast.parse(path.read_text()))
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "datetime.now(UTC)",
        "datetime.datetime.now()",
        "datetime.date.today()",
        "open('x')",
        "uuid.uuid4()",
        "np.random.default_rng()",
        "(folder / name).read_text()",
    ],
)
def test_an_impure_call_is_found(text: str) -> None:
    assert [line for line, _ in impure_calls(ast.parse(text))] == [1]


@pytest.mark.parametrize("text", ["datetime.fromtimestamp(0, UTC)", "np.random.default_rng(7)", "self.open(now)"])
def test_a_pure_call_is_left_alone(text: str) -> None:
    assert list(impure_calls(ast.parse(text))) == []


@pytest.mark.parametrize("module", ["pipeline", "models", "pipeline.engine"])
def test_importing_it_brings_no_stream_engine_no_client_and_no_server(module: str) -> None:
    show = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    heavy = {"faust", "mode", "aiokafka", "confluent_kafka", "aiohttp", "prometheus_client"}
    assert heavy.intersection(done.stdout.split()) == set()
