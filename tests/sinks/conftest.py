"""What tests of the sinks share: the real Alertmanager, with a pager of the test's own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from pipeline.metrics import Metrics
from pipeline.sinks import AlertmanagerSink
from tests.integration.monitoring import Start
from tests.integration.program import HttpProgram
from tests.integration.serving import serving
from tests.sinks.pager import QUICK, MakeSink, Pager


@pytest.fixture
async def pager() -> AsyncIterator[Pager]:
    pager = Pager()
    app = web.Application()
    app.router.add_post("/", pager.take)
    async with serving(app) as url:
        pager.url = url
        yield pager


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.fixture
def server(alertmanager: Start, pager: Pager) -> HttpProgram:
    return alertmanager(pager.config())


@pytest.fixture
async def new_sink(metrics: Metrics) -> AsyncIterator[MakeSink]:
    made: list[AlertmanagerSink] = []

    def make(url: str) -> AlertmanagerSink:
        made.append(AlertmanagerSink(url, metrics=metrics, now=time.time, page="http://seamwatch.test", pace=QUICK))
        return made[-1]

    yield make
    for sink in made:
        await sink.close()
