"""Drill files: what can be said in them, and every fault with its line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.drill.file import DrillFile, read
from pipeline.intent import Fault, Intent, Priority, Receiver, Severity
from tests.drill.material import INTENT

KNOWN = replace(INTENT, receivers=(Receiver("on-call", "pagerduty"), Receiver("crew", "slack")))
WHOLE = """\
version: 1
title: evening
stream: {kind: simulated, seed: 7, days: 3}
faults:
  - name: slow start on one firmware
    what: latency
    operation: playback_start
    strength: 1.5
    scope: {firmware: fw-3.4.1}
    at: 30m
    expect:
      service: playback
      within: 2h
      severity: ticket
      route: crew
      scope: {firmware: fw-3.4.1, device_class: stb-g3}
  - {what: failure, operation: playback_start}
  - {what: silence, scope: {operator: altura}}
  - {what: delay, strength: 45s}
"""
WRONG = """\
version: 2
titel: x
stream: {kind: recorded, days: 0.5}
faults:
  - {what: latency}
  - {what: slow}
  - {operation: playback_start}
  - {what: out_of_order, operation: playback_start}
  - what: failure
    operation: playback_start
    strength: 0.5
    scope: {firmwear: x}
    at: soon
    expect: {service: extras, within: 90d, severity: loud, route: nobody}
  - {what: delay}
  - {what: silence, strength: 3}
  - {what: silence}
"""


def written(folder: Path, text: str, intent: Intent = KNOWN) -> tuple[DrillFile | None, list[Fault]]:
    path = folder / "evening.yaml"
    path.write_text(text)
    faults: list[Fault] = []
    return read(path, intent, faults), faults


def test_everything_that_can_be_said_is_read(tmp_path: Path) -> None:
    found, faults = written(tmp_path, WHOLE)
    assert faults == []
    assert found is not None
    assert (found.plan.title, found.stream.seed, found.stream.days) == ("evening", 7, 3)
    slow, failing, silent, late = found.plan.faults
    assert (slow.name, slow.strength, slow.scope) == ("slow start on one firmware", 1.5, {"firmware": "fw-3.4.1"})
    assert (slow.at_ms, slow.within_ms) == (30 * 60_000, 2 * 3_600_000)
    assert (slow.severity, slow.receivers) == (Severity.TICKET, ("crew",))
    assert slow.expected_scope == {"firmware": "fw-3.4.1", "device_class": "stb-g3"}
    assert slow.place == f"{tmp_path}/evening.yaml:5"
    assert (silent.service, silent.strength) == (None, 0.0)
    assert (late.strength, late.severity, late.receivers) == (45_000, Severity.TICKET, ("severity=ticket",))
    assert found.plan.services == {"playback": Priority.NON_NEGOTIABLE}
    assert failing.name == "playback_start failure"


def test_what_is_left_out_follows_from_the_intent(tmp_path: Path) -> None:
    found, _ = written(tmp_path, WHOLE)
    assert found is not None
    failing = found.plan.faults[1]
    assert (failing.service, failing.severity, failing.receivers) == ("playback", Severity.PAGE, ("on-call",))
    assert (failing.strength, failing.scope, failing.least) == (None, None, 3.0)


def test_every_fault_is_said_at_once_with_its_line(tmp_path: Path) -> None:
    _, faults = written(tmp_path, WRONG)
    said = sorted((fault.line, fault.wrong) for fault in faults)
    assert [line for line, _ in said] == [1, 2, 3, 3, 5, 6, 7, 8, 11, 12, 13, 14, 14, 14, 14, 15, 16, 17]
    assert all(fault.file == f"{tmp_path}/evening.yaml" and fault.right for fault in faults)
    text = " ".join(wrong for _, wrong in said)
    for word in ("titel", "operation is missing", "slow", "what is missing", "firmwear", "soon", "extras", "loud"):
        assert word in text


@pytest.mark.parametrize(
    "text", ["", "[]", "version: 1\n", "version: 1\nfaults: 7\n", "version: 1\nfaults: [7]\n", ":"]
)
def test_what_is_no_drill_is_refused_with_a_line(tmp_path: Path, text: str) -> None:
    _, faults = written(tmp_path, text)
    assert faults
    assert all(fault.line >= 1 for fault in faults)


def test_check_lints_the_drills_of_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "drills").mkdir()
    path = tmp_path / "drills" / "evening.yaml"
    path.write_text("version: 1\nfaults:\n  - {what: latency, operation: playback_start}\n")
    assert main(["check", str(tmp_path)]) == 0
    path.write_text("version: 1\nfaults:\n  - {what: laten}\n")
    assert main(["check", str(tmp_path)]) == 2
    assert f"{path}:3: what is 'laten'; did you mean 'latency'?" in capsys.readouterr().err
