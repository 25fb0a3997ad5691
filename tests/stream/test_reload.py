"""A worker whose configuration changes while it works."""

from __future__ import annotations

import asyncio
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.config.directory import fingerprint
from pipeline.messages import Incident
from pipeline.reload import Directory
from pipeline.service import Service
from pipeline.stream.embedded import EmbeddedBroker
from pipeline.stream.settings import parse_address
from tests.stream.live import MINUTE_MS, START_MS, Line, Live, fleet

INTENT = "version: 1\nservices:\n  playback: {operations: [playback_start], priority: degradable}\n"
WORKAROUND = """\
version: 1
workarounds:
  - id: their-outage
    owner: altura-crew
    reason: they move house
    scope: {operator: altura}
    tolerates: {kinds: [feed]}
    opened: 2026-01-01
    expires: 2026-12-31
"""


@pytest.fixture
def live() -> Iterator[Live]:
    with EmbeddedBroker() as broker:
        deployment = Live(broker.bootstrap, session_s=4.0)
        deployment.touch()
        yield deployment


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "intent.yaml").write_text(INTENT)
    return tmp_path


def states(live: Live, state: str) -> list[Incident]:
    return [incident for incident in live.incidents() if incident.state == state]


async def exported(service: Service) -> dict[str, float]:
    """What the worker says of its intent; asked from a thread, as it answers in this one."""
    return await asyncio.to_thread(_exported, service)


def _exported(service: Service) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{service.page}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line.startswith("seamwatch_intent_"))
    return {name: float(value) for name, value in pairs}


def part(lines: list[Line], begin: int, end: int) -> list[Line]:
    """Those of some minutes."""
    return [line for line in lines if begin <= (line.at - START_MS) // MINUTE_MS < end]


async def test_a_workaround_counts_as_soon_as_it_is_read_and_a_fault_leaves_all_as_it_was(
    live: Live, directory: Path
) -> None:
    lines = fleet(300, silent=range(200, 300))
    service = live.service(web=parse_address("127.0.0.1:0"), idle_after_s=60.0)
    service.follow(Directory(directory))
    running = asyncio.create_task(service.run())
    try:
        live.write(part(lines, 0, 240))
        await live.until(lambda: bool(states(live, "firing")))
        assert not states(live, "suppressed")
        at_first = f'seamwatch_intent_info{{hash="{fingerprint(directory, intent_alone=True)}"}}'
        assert (await exported(service))[at_first] == 1.0

        (directory / "workarounds.yaml").write_text(WORKAROUND)
        os.kill(os.getpid(), signal.SIGHUP)
        await live.until(lambda: any(" again: intent " in line for line in live.said))
        live.write(part(lines, 240, 270))
        await live.until(lambda: bool(states(live, "suppressed")))
        (fired,), (hidden,) = states(live, "firing"), states(live, "suppressed")
        assert hidden.incident_id == fired.incident_id
        assert hidden.workaround == "their-outage"
        assert [one.id for one in service.intent.workarounds] == ["their-outage"]

        (directory / "intent.yaml").write_text(INTENT.replace("degradable", "degradible"))
        os.kill(os.getpid(), signal.SIGHUP)
        await live.until(lambda: _exported(service)["seamwatch_intent_reload_failed"] == 1.0)
        assert any(f"{directory / 'intent.yaml'}:3: priority of 'playback' is" in line for line in live.said)
        assert (await exported(service))[at_first] == 1.0
        live.write(part(lines, 270, 300))
        await live.until(lambda: service.health.ready)
        assert len(states(live, "firing")) == len(states(live, "suppressed")) == 1

        (directory / "intent.yaml").write_text(INTENT + "false_pages_per_week: 2\n")
        os.kill(os.getpid(), signal.SIGHUP)
        await live.until(lambda: _exported(service)["seamwatch_intent_reload_failed"] == 0.0)
        now = f'seamwatch_intent_info{{hash="{fingerprint(directory, intent_alone=True)}"}}'
        told = await exported(service)
        assert told[now] == 1.0
        assert at_first not in told
    finally:
        service.end()
        assert await running == 0, live.said
