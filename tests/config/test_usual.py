"""What is usual against the lines of the intent: by anchors, beside the records that they were learnt from."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from pipeline.cli import main
from pipeline.cli.handovers import read_learned
from pipeline.config.intent import load
from pipeline.config.usual import Trouble, troubles
from pipeline.detect.evidence import Learned
from pipeline.simulate.events import simulate
from pipeline.simulate.fleet import SMALL
from pipeline.simulate.world import draw_world

START = 1_767_571_200_000
LATENCIES = dict[str, list[float]]


class Fleet:
    """A day and two hours of a small fleet, and what was learnt of it."""

    def __init__(self, directory: Path) -> None:
        fleet = replace(SMALL, events_per_minute=24.0)
        world = draw_world(fleet, (), seed=2, start_ms=START, minutes=26 * 60)
        self.latencies: LATENCIES = defaultdict(list)
        self.outcomes: dict[str, list[str]] = defaultdict(list)
        history = directory / "history.ndjson"
        with history.open("wb") as file:
            for batch in simulate(world):
                for _, value, at in batch.messages():
                    record = msgspec.json.decode(value)
                    self._note(record)
                    file.write(msgspec.json.encode({**record, "received_at": at}) + b"\n")
        self.path = directory / "learned.ndjson"
        assert main(["learn", "--to", str(self.path), str(history)]) == 0
        self.learned: list[Learned] = read_learned(str(self.path))

    def _note(self, record: dict[str, Any]) -> None:
        if record["operation"] == "playback_start":
            self.outcomes[record["operator"]].append(record["outcome"])
            if record["outcome"] == "ok" and isinstance(record.get("latency_ms"), int | float):
                self.latencies[record["operator"]].append(record["latency_ms"])


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return Fleet(tmp_path_factory.mktemp("fleet"))


def said(thresholds: str, fleet: Fleet, directory: Path, more: str = "") -> list[Trouble]:
    service = f"{{operations: [playback_start, zap], priority: degradable, thresholds: [{thresholds}]{more}}}"
    (directory / "intent.yaml").write_text(f"version: 1\nservices:\n  a: {service}\n")
    return troubles(load(directory), fleet.learned)


@pytest.mark.parametrize(("name", "q", "good_to"), [("p50", 0.5, 0.1), ("p90", 0.9, 0.15), ("p99", 0.99, 0.3)])
def test_a_line_that_is_far_above_what_is_usual_holds_and_one_below_is_broken(
    name: str, q: float, good_to: float, fleet: Fleet, tmp_path: Path
) -> None:
    for operator, latencies in fleet.latencies.items():
        usual = float(np.quantile(latencies, q))
        for factor, breaks in ((1 + good_to, False), (1 - good_to, True)):
            line = f"{{latency: {{{name}: {round(usual * factor)} ms}}, over: 1d, scope: {{operator: {operator}}}}}"
            found = said(line, fleet, tmp_path)
            assert [one.is_broken for one in found] == [True] * breaks, (operator, factor)
            for one in found:
                assert one.usual == pytest.approx(usual, rel=good_to)


def test_a_share_is_held_against_what_hits(fleet: Fleet, tmp_path: Path) -> None:
    shares = {operator: outcomes.count("error") / len(outcomes) for operator, outcomes in fleet.outcomes.items()}
    low, high = sorted(shares, key=lambda operator: shares[operator])
    between = 100 * (shares[low] + shares[high]) / 2
    (found,) = said(f"{{failure: {between:.3f} %, over: 1d}}", fleet, tmp_path)
    assert found.group == f"operator {high}"
    assert found.usual == pytest.approx(shares[high], rel=0.25)
    assert str(found).startswith("intent.yaml:3: 'playback_start failure <= ")
    assert f"at operator {high} is broken already: " in str(found)


def test_a_short_window_is_held_against_the_worst_hours_of_the_day(fleet: Fleet, tmp_path: Path) -> None:
    usual = {
        over: said(f"{{latency: {{p50: 1 ms}}, over: {over}, per: all}}", fleet, tmp_path)[0] for over in ("1d", "1h")
    }
    day, hour = usual["1d"].usual, usual["1h"].usual
    assert day < hour < 1.5 * day
    between = f"latency: {{p50: {(day + hour) / 2:.1f} ms}}, per: all"
    assert said(f"{{{between}, over: 1d}}", fleet, tmp_path) == []
    (found,) = said(f"{{{between}, over: 1h}}", fleet, tmp_path)
    assert found.usual == pytest.approx(hour)
    assert re.search(r"between \d\d:00 and \d\d:00 UTC$|in \d+ hours of the day$", str(found))


def test_what_is_said_to_be_safe_may_not_break_a_line(fleet: Fleet, tmp_path: Path) -> None:
    usual = max(float(np.quantile(latencies, 0.5)) for latencies in fleet.latencies.values())
    line = f"{{latency: {{p50: {round(usual * 1.5)} ms}}, over: 1d}}"
    assert said(line, fleet, tmp_path, ", degradation: [{latency: 1.1}, {retry: 9}]") == []
    found = said(line, fleet, tmp_path, ", degradation: [{latency: 3}]")
    assert [one.is_broken for one in found] == [False] * len(fleet.latencies)
    assert "times that, which is said to be safe, breaks it" in str(found[0])


def test_of_operations_that_were_never_seen_it_is_said_that_nothing_is_known(
    fleet: Fleet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said("{operation: zap, failure: 0.001 %}, {operation: playback_start, failure: 99 %}", fleet, tmp_path) == []
    assert main(["check", str(tmp_path), "--baseline", str(fleet.path)]) == 0
    cohorts = sum(len(message.cohorts) for message in fleet.learned)
    assert capsys.readouterr().out.splitlines() == [
        f"2 lines held against the anchors of {cohorts} cohorts",
        "intent.yaml:3: nothing is known of 'zap failure <= 0.001 % over 1h': too little was seen of it",
    ]


@pytest.fixture
def capped(fleet: Fleet, tmp_path: Path) -> Path:
    said("{latency: {p50: 1 ms}}", fleet, tmp_path)
    return tmp_path


def test_check_says_it_and_ends_1(capped: Path, fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(capped), "--baseline", str(fleet.path)]) == 1
    assert capsys.readouterr().out.count("is broken already") == len(fleet.latencies)
    said("{latency: {p50: 1 h}}", fleet, capped)
    assert main(["check", str(capped), "--baseline", str(fleet.path)]) == 0
