"""The API keeps to its own description: schemathesis asks what the document allows, and some of what it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from prometheus_client import CollectorRegistry
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pipeline.messages import Action, Change, Decision
from pipeline.stream.health import Health
from pipeline.web import Behind, application
from pipeline.web import records as say
from pipeline.web.endpoints import BASE, ENDPOINTS, Endpoint
from pipeline.web.openapi import document
from pipeline.web.serving import Server
from tests.web import seeded

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"


class _Snapshots:
    async def listed(self) -> Sequence[say.StateInfo]:
        return [say.StateInfo("windows/0", "baseline", 7, "state.baseline", None)]

    async def of(self, source: str) -> tuple[int, Any] | None:
        return (7, {"version": 1, "names": ["a", "b"], "deep": {"er": [1, [2, 3]]}}) if source == "windows/0" else None


async def _take(messages: Sequence[Action | Change | Decision]) -> None:
    """Wherever it goes."""


async def _nothing() -> None:
    """Nothing runs beside it."""
    await asyncio.Event().wait()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    def site() -> web.Application:
        behind = Behind(act=_take, snapshots=_Snapshots(), now=lambda: seeded.NOW)
        return application(seeded.board(minutes=60), CollectorRegistry(), Health(), behind=behind)

    server = Server(site, _nothing)
    host, port = asyncio.run(server.start("127.0.0.1", 0))
    yield f"http://{host}:{port}"
    asyncio.run(server.stop())


SCHEMA = schemathesis.openapi.from_dict(document())


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as described", "otherwise"])
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: one.name)
def test_every_answer_is_as_the_document_says(url: str, endpoint: Endpoint, mode: GenerationMode) -> None:
    operation = SCHEMA[BASE + endpoint.path][endpoint.method]
    if mode is GenerationMode.NEGATIVE and endpoint.query is say.NoQuery and endpoint.body is None:
        # There is nothing that it could be asked wrongly, but for names that nothing has.
        mode = GenerationMode.POSITIVE

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=12, suppress_health_check=list(HealthCheck), deadline=None, derandomize=True)
    def ask(case: schemathesis.Case[Any]) -> None:
        # What is made up names an incident that there is not; half of it should get further.
        if mode is GenerationMode.POSITIVE and len(str(case.path_parameters.get("incident_id", ""))) % 2:
            case.path_parameters["incident_id"] = seeded.ID
        case.call_and_validate(base_url=url, checks=CHECKS)

    ask()


def test_the_document_in_docs_is_the_one_that_is_served() -> None:
    written = msgspec.json.decode(DOCUMENT.read_bytes())
    assert written == msgspec.json.decode(msgspec.json.encode(document()))


def test_every_operation_says_when_it_is_refused() -> None:
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            assert {"401", "403", "421"} <= operation["responses"].keys(), (method, path)
