"""A configuration that changes under a worker: what is right counts, what is wrong changes nothing and is said."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from pipeline.config.directory import fingerprint
from pipeline.intent import ConfigurationError, CurrentIntent, Intent, Priority, Service, default
from pipeline.metrics import Metrics
from pipeline.reload import Directory, Reloader

TEXT = "version: 1\nservices:\n  playback: {operations: [playback_start], priority: best_effort}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "intent.yaml").write_text(TEXT)
    return tmp_path


def graver(path: Path) -> None:
    (path / "intent.yaml").write_text(TEXT.replace("best_effort", "non_negotiable"))


# -- a look at the files -------------------------------------------------------------------------------------------


def test_nothing_is_read_while_nothing_changes_unless_it_is_asked_for(path: Path) -> None:
    directory = Directory(path)
    assert directory.look(asked=False) is None
    found = directory.look(asked=True)
    assert found is not None
    assert found.configuration == directory.configuration


def test_what_has_changed_is_found_once(path: Path) -> None:
    directory = Directory(path)
    graver(path)
    found = directory.look(asked=False)
    assert found is not None
    assert found.configuration is not None
    assert found.configuration.intent.services[0].priority == Priority.NON_NEGOTIABLE
    assert found.hash == fingerprint(path, intent_alone=True)
    assert directory.look(asked=False) is None


@pytest.mark.parametrize("file", ["intent.yaml", "workarounds.yaml", "operators/acme.yaml"])
def test_a_fault_in_any_of_the_files_is_found(file: str, path: Path) -> None:
    directory = Directory(path)
    (path / file).parent.mkdir(exist_ok=True)
    (path / file).write_text("version: 2\n")
    found = directory.look(asked=False)
    assert found is not None
    assert found.configuration is None
    assert any(str(fault).startswith(f"{path / file}:1: version is 2") for fault in found.faults)
    # It is told once, and again when somebody asks.
    assert directory.look(asked=False) is None
    assert directory.look(asked=True) is not None


def test_an_intent_that_is_gone_is_a_fault_and_not_the_default(path: Path) -> None:
    directory = Directory(path)
    (path / "intent.yaml").unlink()
    found = directory.look(asked=False)
    assert found is not None
    assert found.configuration is None
    assert "is gone" in str(found.faults[0])
    # Also when it is looked at again.
    again = directory.look(asked=True)
    assert again is not None
    assert again.configuration is None


def test_a_directory_that_is_gone_is_a_fault(path: Path) -> None:
    directory = Directory(path)
    shutil.rmtree(path)
    found = directory.look(asked=False)
    assert found is not None
    assert "no such directory" in str(found.faults[0])


def test_an_intent_that_comes_later_counts(tmp_path: Path) -> None:
    directory = Directory(tmp_path)
    assert directory.configuration.intent.services == default().services
    (tmp_path / "intent.yaml").write_text(TEXT)
    found = directory.look(asked=False)
    assert found is not None
    assert found.configuration is not None
    assert [one.name for one in found.configuration.intent.services] == ["playback"]


def test_a_directory_that_cannot_be_used_at_the_start_is_refused(path: Path) -> None:
    (path / "intent.yaml").write_text("version: 2\n")
    with pytest.raises(ConfigurationError):
        Directory(path)


async def reloaded(path: Path, *, faulty: bool) -> tuple[list[Intent], int, list[str]]:
    """What a reloader uses, how often it refuses, and what it says, when asked once."""
    used: list[Intent] = []
    said: list[str] = []
    refused: list[None] = []
    reloader = Reloader(
        Directory(path),
        use=lambda intent, _: used.append(intent),
        refused=lambda: refused.append(None),
        say=said.append,
    )
    graver(path)
    if faulty:
        (path / "intent.yaml").write_text("version: 2\nservices: {}\n")
    running = asyncio.create_task(reloader.run())
    reloader.ask()
    async with asyncio.timeout(60):
        while not (used or refused):
            await asyncio.sleep(0.01)
    running.cancel()
    return used, len(refused), said


async def test_what_is_right_is_used_and_said(path: Path) -> None:
    used, refused, said = await reloaded(path, faulty=False)
    assert [intent.services[0].priority for intent in used] == [Priority.NON_NEGOTIABLE]
    assert refused == 0
    assert said == [f"read {path} again: intent {fingerprint(path, intent_alone=True)}"]


async def test_what_is_wrong_is_said_with_every_fault_and_not_used(path: Path) -> None:
    used, refused, said = await reloaded(path, faulty=True)
    assert (used, refused) == ([], 1)
    assert said[0].startswith(f"{path / 'intent.yaml'}:1: version is 2")
    assert said[1].startswith(f"{path / 'intent.yaml'}:2: services is missing or empty")
    assert said[2] == f"the intent stays as it was: {path} cannot be used"


def test_the_same_intent_again_is_no_revision() -> None:
    current = CurrentIntent(default())
    current.use(default())
    assert current.revision == 0
    current.use(Intent((Service("a", ("a",), Priority.DEGRADABLE),)))
    assert current.revision == 1


def test_the_metrics_name_the_newest_intent_alone() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.intent_refused.set(1.0)
    metrics.say_intent("abc", 1.0)
    metrics.say_intent("def", 2.0)
    assert metrics.intent_info.values() == [("def",)]
    assert metrics.intent_loaded_at.value() == 2.0
    assert metrics.intent_refused.value() == 0.0
