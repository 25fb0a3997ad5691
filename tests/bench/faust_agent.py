"""The yardstick (c): a plain Faust agent, as its documentation writes one, that updates one river model per event.

python -m tests.bench.faust_agent BOOTSTRAP TOPIC EVENTS
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections import defaultdict
from typing import Any, cast

import faust
from faust.types import StreamT
from river import stats

from tests.bench.meter import Meter


async def main(bootstrap: str, topic: str, events: int) -> None:
    app = faust.App(
        f"bench-{uuid.uuid4().hex[:8]}",
        broker=f"aiokafka://{bootstrap}",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        worker_redirect_stdouts=False,
    )
    models: defaultdict[tuple[Any, ...], stats.EWMean] = defaultdict(stats.EWMean)
    meter, over = Meter(), asyncio.Event()

    async def agent(stream: StreamT[Any]) -> None:
        seen = 0
        async for event in stream:
            latency = event.get("latency_ms")
            if isinstance(latency, int | float):
                get = event.get
                cohort = (get("operator"), get("device_class"), get("firmware"), get("environment"), get("operation"))
                models[cohort].update(latency)
            seen += 1
            meter.saw(seen)
            if seen == events:
                meter.report(seen)
                over.set()

    app.agent(app.topic(topic, value_serializer="json"))(agent)
    worker = cast(Any, app)
    worker.in_worker = True
    await worker.start()
    await over.wait()
    await worker.stop()


if __name__ == "__main__":
    _, where, name, wanted = sys.argv
    asyncio.run(main(where, name, int(wanted)))
