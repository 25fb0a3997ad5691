"""`seamwatch drill` as people call it, on a small fleet."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web

from pipeline.cli import drill, liveguard, main
from pipeline.drill.rehearsal import Rehearsal
from pipeline.engine import Engine
from pipeline.intent import Intent
from pipeline.simulate.fleet import Fleet
from tests.drill.material import INTENT, blinded, small_stream
from tests.integration.serving import serving

CONFIG = """\
version: 1
services:
  playback: {operations: [playback_start], priority: non_negotiable}
  extras: {operations: [heartbeat], priority: best_effort}
"""
DRILL = """\
version: 1
title: small
stream: {days: 1}
faults:
  - name: <slow> | start
    what: latency
    operation: playback_start
    strength: 2.5
    scope: {device_class: stb-g2}
    expect: {within: 6h}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with one drill, on a fleet that is simulated in seconds."""

    def small(intent: Intent, records: float) -> Fleet:
        return small_stream(INTENT).fleet

    monkeypatch.setattr(drill, "fleet_of", small)
    folder = tmp_path / "config"
    (folder / "drills").mkdir(parents=True)
    (folder / "intent.yaml").write_text(CONFIG)
    (folder / "drills" / "small.yaml").write_text(DRILL)
    return folder


def test_a_drill_that_proves_ends_0_and_says_in_every_form_what_was_shown(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, text = tmp_path / "drill.html", tmp_path / "drill.md"
    assert main(["drill", "--config", str(config), "--report", str(page), "--report", str(text)]) == 0
    said = capsys.readouterr()
    assert "1 of 1 services proven, quiet without faults" in said.out
    assert "latency × 2.5" in said.out
    assert "no live worker was asked" in said.err
    assert "&lt;slow&gt; | start" in page.read_text()
    assert "<slow>" not in page.read_text()
    assert "http" not in page.read_text()
    assert "\\<slow\\> \\| start" in text.read_text()


def test_a_detector_that_was_blinded_ends_1(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(intent: Intent, stream: object) -> Rehearsal:
        return Rehearsal(intent, stream, blinded)  # type: ignore[arg-type]  # what it is given is a stream

    monkeypatch.setattr(drill, "Rehearsal", blind)
    assert main(["drill", "--config", str(config), "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["drills"]
    assert found["outcomes"][0]["wrong"] == ["not found"]
    (proof,) = found["proofs"]
    assert (proof["service"], proof["found"], proof["missed"]) == ("playback", False, 1)


def test_the_plan_of_the_intent_can_be_listed_without_being_held(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "--list"]) == 0
    said = capsys.readouterr().out
    assert "playback: playback_start latency: within 4.0 h, page to severity=page" in said
    assert main(["drill", "--list", "--service", "licensing"]) == 0
    assert "playback" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--simulated", "--recorded", "x"], "not both"),
        (["--live", "http://x", "--offline"], "not both"),
        (["--service", "none"], "there is no service none; there are playback"),
        (["--report", "x.pdf"], ".html or .md"),
        (["--processes", "0"], "1 or more"),
        (["--drill", "/none.yaml"], "/none.yaml:1: cannot be read"),
        (["--config", "/none"], "no such directory"),
        (["--recorded", "/none.ndjson"], "cannot be read"),
        (["--publish"], "no broker is named"),
        (["--shadow", "in", "--brokers", "127.0.0.1:1", "--input", "in", "--offline"], "it is an input"),
        (["--shadow", "seamwatch.x", "--brokers", "127.0.0.1:1", "--offline"], "Seamwatch's own topics"),
    ],
)
def test_what_cannot_be_used_ends_2_and_says_why(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drill", *words]) == 2
    assert why in capsys.readouterr().err


def test_the_input_of_an_operators_file_is_no_shadow_either(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config / "operators").mkdir()
    (config / "operators" / "acme.yaml").write_text("version: 1\nformat: canonical\ntopics: [acme.telemetry]\n")
    words = ["--config", str(config), "--brokers", "127.0.0.1:1", "--offline", "--shadow", "acme.telemetry"]
    assert main(["drill", *words]) == 2
    assert "it is an input" in capsys.readouterr().err


# -- beside a live worker --------------------------------------------------------------------------------------------


class Worker:
    """What a live worker says of itself, to be changed."""

    def __init__(self) -> None:
        self.ready = True
        self.incidents: list[dict[str, str]] = []
        self.authorization: list[str | None] = []

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get("/readyz", self._readyz), web.get("/api/v1/incidents", self._listed)])
        return app

    async def _readyz(self, request: web.Request) -> web.Response:
        self.authorization.append(request.headers.get("Authorization"))
        return web.Response(text="ok\n") if self.ready else web.Response(text="state is read back\n", status=503)

    async def _listed(self, request: web.Request) -> web.Response:
        return web.json_response({"clock": 1, "incidents": self.incidents})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveguard, "PAUSE_S", 0.0)
    monkeypatch.setattr(liveguard, "_AGAIN_S", 0.01)


async def drilled(worker: Worker, config: Path, *words: str) -> int:
    async with serving(worker.application()) as url:
        return await asyncio.to_thread(main, ["drill", "--config", str(config), "--live", url, *words])


async def test_no_drill_begins_while_an_incident_fires(
    config: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = Worker()
    worker.incidents = [{"incident_id": "a", "state": "firing", "summary": "slow since noon"}]
    assert await drilled(worker, config) == 3
    assert "an incident is firing" in (said := capsys.readouterr().err)
    assert "slow since noon" in said


async def test_no_drill_begins_while_the_live_detector_is_unwell_or_does_not_answer(
    config: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = Worker()
    worker.ready = False
    assert await drilled(worker, config) == 3
    assert "unwell: state is read back" in capsys.readouterr().err
    assert await asyncio.to_thread(main, ["drill", "--config", str(config), "--live", "http://127.0.0.1:1"]) == 3
    assert "no answer" in capsys.readouterr().err


async def test_a_drill_is_aborted_when_the_live_detector_falls_ill(
    config: Path, quick: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker()
    taken = 0
    known = Engine.windows

    def falls_ill(self: Engine, *arguments: object) -> None:
        nonlocal taken
        taken += 1
        worker.ready = taken < 300
        known(self, *arguments)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(Engine, "windows", falls_ill)
    assert await drilled(worker, config) == 3
    assert "unwell" in capsys.readouterr().err
    assert taken < 1_000


async def test_a_worker_that_wants_a_token_is_given_it_from_a_file(config: Path, tmp_path: Path, quick: None) -> None:
    worker = Worker()
    worker.ready = False
    (tmp_path / "token").write_text("abc\n")
    await drilled(worker, config, "--live-token-file", str(tmp_path / "token"))
    assert set(worker.authorization) == {"Bearer abc"}


def test_resolved_incidents_do_not_stand_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, bytes] = {
        "/readyz": b"ok\n",
        "/api/v1/incidents?state=firing": b'{"incidents": [{"incident_id": "a", "state": "resolved"}]}',
    }

    def get(_: liveguard.LiveGuard, path: str) -> bytes:
        return answers[path]

    monkeypatch.setattr(liveguard.LiveGuard, "_get", get)
    liveguard.LiveGuard("http://x", None, lambda done, what: None).begin()
