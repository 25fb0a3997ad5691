"""The checkers that Debian's packages bring; as the services of tests/conftest.py."""

from __future__ import annotations

import shutil

import pytest

from tests.integration.services import need

_PROGRAMS = {"amtool": "alertmanager", "promtool": "prometheus"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for program, marker in _PROGRAMS.items():
            if isinstance(item, pytest.Function) and program in item.fixturenames:
                item.add_marker(marker)


@pytest.fixture(scope="session")
def amtool() -> str:
    return _path("amtool")


@pytest.fixture(scope="session")
def promtool() -> str:
    return _path("promtool")


def _path(program: str) -> str:
    path = shutil.which(program)
    need(program, None if path else f"no {program} on the PATH")
    assert path is not None
    return path
