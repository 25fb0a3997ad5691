"""A receiver of Alertmanager's notifications, and what tests of the sink share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from pipeline.metrics import Metrics
from pipeline.sinks import AlertmanagerSink, Pace
from tests.integration.waiting import until_async

QUICK = Pace(refresh_s=0.2, hold_s=60.0, timeout_s=5.0, first_pause_s=0.05, longest_pause_s=0.2, refusals=3, late_s=3.0)


@dataclass
class Pager:
    """A webhook receiver of Alertmanager."""

    url: str = ""
    notifications: list[dict[str, Any]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.notifications.append(await request.json())
        return web.Response()

    def statuses(self) -> list[str]:
        return [notification["status"] for notification in self.notifications]

    def told(self) -> list[tuple[str, str]]:
        """Status and incident of every alert of every notification, sorted."""
        alerts = [alert for one in self.notifications for alert in one["alerts"]]
        return sorted((alert["status"], alert["labels"]["incident_id"]) for alert in alerts)

    async def until(self, *statuses: str) -> None:
        async def same() -> bool:
            return self.statuses() == list(statuses)

        await until_async(same, within=60, what=f"{statuses}, and not {self.statuses()}")

    def config(self, **more: object) -> dict[str, object]:
        """Of an Alertmanager that tells this pager of each alert by itself and at once."""
        route = {
            "receiver": "pager",
            "group_by": ["..."],
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": "1h",
        }
        receiver = {"name": "pager", "webhook_configs": [{"url": self.url, "send_resolved": True}]}
        return {"route": route, "receivers": [receiver], **more}


MakeSink = Callable[[str], AlertmanagerSink]


async def sends(metrics: Metrics, at_least: int) -> None:
    async def enough() -> bool:
        return (metrics.sink_sends.value("alertmanager") or 0) >= at_least

    await until_async(enough, within=60, what=f"{at_least} deliveries")
