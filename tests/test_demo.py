"""The demo plays what it promises: one incident, forming to resolved, with the scope of the fault and no other."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from pipeline.demo import START_MS, Course
from pipeline.messages import Incident

SCOPE = {"firmware": "fw-3.4.1"}


def incident(number: str, state: str, scope: dict[str, str] | None = None) -> Incident:
    return Incident(
        incident_id=number,
        state=state,
        severity="page",
        at=START_MS,
        onset_at=START_MS,
        scope=SCOPE if scope is None else scope,
        services=[],
        signals=[],
        kind="pattern",
        evidence=1.0,
        summary="",
    )


def course(*incidents: Incident) -> Course:
    return Course(SCOPE, START_MS, START_MS + 86_400_000, list(incidents))


def test_one_incident_with_the_right_scope_that_is_resolved_ends_the_demo_well() -> None:
    played = course(*(incident("a", state) for state in ("forming", "firing", "recovering", "resolved")))
    assert (played.right, played.resolved, played.over) == (True, True, True)


def test_a_scope_that_is_put_right_while_firing_is_right() -> None:
    assert course(incident("a", "firing", {"environment": "production"}), incident("a", "firing")).right


@pytest.mark.parametrize(
    "played",
    [
        course(),
        course(incident("a", "forming"), incident("a", "resolved")),
        course(incident("a", "firing", SCOPE | {"environment": "production"})),
        course(incident("a", "firing"), incident("b", "firing", {"operator": "altura"})),
    ],
    ids=["nothing", "only forming", "scope too narrow", "something else"],
)
def test_anything_else_is_not_right(played: Course) -> None:
    assert not played.right


def test_the_demo_goes_on_while_an_incident_fires() -> None:
    assert not course(incident("a", "firing")).over
    assert not course(incident("a", "resolved"), incident("b", "firing")).over


def output(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    yield from process.stdout


@pytest.mark.timeout(600)
def test_the_demo_shows_an_incident_form_fire_and_resolve_and_its_page_meanwhile() -> None:
    command = [sys.executable, "-c", "import sys; from pipeline.cli import main; sys.exit(main())"]
    arguments = ["demo", "--exit-when-done", "--port", "0"]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines: list[str] = []
        page = ""
        for line in output(process):
            lines.append(line)
            if line.startswith("page: "):
                page = line.removeprefix("page: ").strip()
            if "  firing  " in line:
                with urllib.request.urlopen(page, timeout=30) as answer:
                    assert b"fw-3.4.1" in answer.read()
        assert process.stderr is not None
        complaint = process.stderr.read()
    assert (process.returncode, complaint) == (0, ""), "".join(lines)
    assert any("  resolved  " in line for line in lines)
    assert lines[-2].startswith("Firmware fw-3.4.1: ")
    assert lines[-1].startswith("One incident fired and resolved, with exactly the scope of the injected fault")
