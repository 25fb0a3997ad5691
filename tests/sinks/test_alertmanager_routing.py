"""Causes and effects, clusters, long outages, who we are: the sink against real Alertmanagers."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence

import pytest
import trustme
from aiohttp import web

from pipeline.messages import Effect, Incident
from pipeline.metrics import Metrics
from pipeline.sinks import AlertmanagerSink, HttpAccess, Told
from pipeline.sinks import alerts as alerts_module
from pipeline.sinks.alert import labels_of
from pipeline.sinks.alerts import Alerts
from tests.integration.monitoring import Start
from tests.integration.ports import LOOPBACK
from tests.integration.program import HttpProgram
from tests.integration.serving import serving
from tests.integration.waiting import until_async
from tests.sinks.incidents import FIRING, incident
from tests.sinks.pager import QUICK, MakeSink, Pager, sends

CASCADE = {
    # As `seamwatch compile alertmanager` writes it of `playback: {depends_on: [entitlement]}`.
    "source_matchers": ['service=~"(.*,)?entitlement(,.*)?"'],
    "target_matchers": ['service=~"(.*,)?playback(,.*)?"'],
    "equal": ["operator"],
}


async def has_told(pager: Pager, *told: tuple[str, str]) -> None:
    async def same() -> bool:
        return pager.told() == sorted(told)

    await until_async(same, within=90, what=f"{sorted(told)}, and not {pager.told()}")


async def test_an_effect_is_held_back_by_its_cause_at_the_same_operator_and_nowhere_else(
    alertmanager: Start, pager: Pager, metrics: Metrics, new_sink: MakeSink
) -> None:
    server = await asyncio.to_thread(alertmanager, pager.config(inhibit_rules=[CASCADE]))
    sink = new_sink(server.url)
    # What only suffers with the cause is no reason to take it for an effect of itself.
    effects = [Effect("playback", FIRING.at)]
    await sink.send(incident(incident_id="cause", services=["entitlement", "playback"], effects=effects))
    await has_told(pager, ("firing", "cause"))
    await sink.send(incident(incident_id="effect", services=["search", "playback"]))
    await sink.send(incident(incident_id="elsewhere", services=["playback"], scope={"operator": "acme"}))
    await has_told(pager, ("firing", "cause"), ("firing", "elsewhere"))
    await sends(metrics, 30)
    await has_told(pager, ("firing", "cause"), ("firing", "elsewhere"))
    # The cause is over and the effect is not: now it is a matter of its own.
    await sink.send(incident(incident_id="cause", state="resolved", at=FIRING.at + 1))
    await has_told(pager, ("firing", "cause"), ("firing", "elsewhere"), ("resolved", "cause"), ("firing", "effect"))


@pytest.mark.timeout(300)
async def test_an_outage_of_alertmanager_loses_nothing_and_doubles_nothing(
    server: HttpProgram, pager: Pager, metrics: Metrics, new_sink: MakeSink
) -> None:
    sink = new_sink(server.url)
    await sink.send(incident(incident_id="before"))
    await sink.send(incident(incident_id="ends meanwhile"))
    await has_told(pager, ("firing", "before"), ("firing", "ends meanwhile"))
    server.stop()
    began = time.monotonic()
    await sink.send(incident(incident_id="ends meanwhile", state="resolved", at=FIRING.at + 1))
    for number in range(20):
        await sink.send(incident(incident_id="new", at=FIRING.at + number, severity=("ticket", "page")[number > 9]))
    await sink.send(incident(incident_id="comes and goes", at=FIRING.at + 1))
    await sink.send(incident(incident_id="comes and goes", state="resolved", at=FIRING.at + 2))
    await sink.send(incident(incident_id="explained", at=FIRING.at + 1))
    await sink.send(incident(incident_id="explained", state="resolved", at=FIRING.at + 2, merged_into="new"))

    async def long_enough() -> bool:
        return time.monotonic() - began > 20 and (metrics.sink_failures.value("alertmanager") or 0) > 20

    await until_async(long_enough, within=90, what="twenty seconds without Alertmanager")
    assert sorted(sink.owed) == ["comes and goes", "new"]
    await asyncio.to_thread(server.start)
    # Nobody had heard of what came and went; now it is told, with its end.
    told = [("firing", "before"), ("firing", "ends meanwhile"), ("firing", "new"), ("firing", "comes and goes")]
    over = [("resolved", "ends meanwhile"), ("resolved", "comes and goes")]
    await has_told(pager, *told, *over)
    before = metrics.sink_sends.value("alertmanager") or 0
    await sends(metrics, int(before) + 20)
    await has_told(pager, *told, *over)
    assert sink.owed == []
    late = next(
        alert
        for one in pager.notifications
        for alert in one["alerts"]
        if (alert["labels"]["incident_id"], alert["status"]) == ("comes and goes", "firing")
    )
    assert late["annotations"]["title"].startswith("PAGE over: ")


async def test_a_worker_that_takes_over_tells_what_the_one_before_told_nobody_of(
    server: HttpProgram, pager: Pager, new_sink: MakeSink
) -> None:
    resolved = [incident(incident_id=name, state="resolved") for name in ("told", "untold", "known")]
    suppressed = incident(incident_id="hidden by now", state="suppressed")
    first = new_sink(server.url)
    await first.send(incident(incident_id="known"))
    await has_told(pager, ("firing", "known"))
    await first.close()
    second = new_sink(server.url)
    await second.restore([*resolved, suppressed])
    second.owe([resolved[1], resolved[2], suppressed])
    await has_told(pager, ("firing", "known"), ("resolved", "known"), ("firing", "untold"), ("resolved", "untold"))


async def test_every_alertmanager_is_told_and_one_that_is_away_is_no_loss(
    alertmanager: Start, pager: Pager, metrics: Metrics
) -> None:
    servers = [await asyncio.to_thread(alertmanager, pager.config()) for _ in range(2)]
    servers[0].stop()
    told = Told()
    sinks = [
        AlertmanagerSink(one.url, metrics=metrics, now=time.time, name=name, told=told, pace=QUICK)
        for one, name in zip(servers, ("alertmanager", "alertmanager-2"), strict=True)
    ]

    async def send(record: Incident) -> None:
        for sink in sinks:
            await sink.send(record)

    await send(FIRING)
    await pager.until("firing")
    await send(incident(state="resolved", at=FIRING.at + 1))
    await pager.until("firing", "resolved")
    assert [sink.owed for sink in sinks] == [[], []]
    assert metrics.sink_sends.value("alertmanager") == 0
    # It comes back to an incident that is over, and that the other has told of: nothing is told a second time.
    await asyncio.to_thread(servers[0].start)

    async def heard() -> bool:
        return (metrics.sink_sends.value("alertmanager") or 0) >= 3

    await until_async(heard, within=60, what="the first to take alerts")
    await pager.until("firing", "resolved")
    for sink in sinks:
        await sink.close()


@pytest.mark.parametrize("authorization", ["Basic a2ltOnNlY3JldA==", None])
async def test_it_is_reached_over_tls_by_whom_it_knows_alone(metrics: Metrics, authorization: str | None) -> None:
    authority, taken = trustme.CA(), asyncio.Event()

    async def alerts(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Basic a2ltOnNlY3JldA==":
            return web.Response(status=401)
        taken.set()
        return web.Response()

    app = web.Application()
    app.router.add_post("/api/v2/alerts", alerts)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(LOOPBACK).configure_cert(context)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    async with serving(app, context) as url:
        access = HttpAccess(trust, lambda: authorization)
        sink = AlertmanagerSink(url, metrics=metrics, now=time.time, access=access, pace=QUICK)
        await sink.send(FIRING)

        async def answered() -> bool:
            sent, failed = metrics.sink_sends, metrics.sink_failures
            return bool(sent.value("alertmanager") or failed.value("alertmanager"))

        await until_async(answered, within=60, what="an answer")
        assert taken.is_set() == (authorization is not None)
        await sink.close()


async def test_a_token_that_cannot_be_read_now_is_waited_for(metrics: Metrics, new_sink: MakeSink) -> None:
    there = False

    def token() -> str:
        if not there:
            raise OSError(2, "No such file")
        return "Bearer x"

    app = web.Application()

    async def alerts(_: web.Request) -> web.Response:
        return web.Response()

    app.router.add_post("/api/v2/alerts", alerts)
    async with serving(app) as url:
        access = HttpAccess(authorization=token)
        sink = AlertmanagerSink(url, metrics=metrics, now=time.time, access=access, pace=QUICK)
        await sink.send(FIRING)

        async def failed() -> bool:
            return (metrics.sink_failures.value("alertmanager") or 0) >= 2

        await until_async(failed, within=60, what="two tries")
        there = True
        await sends(metrics, 1)
        await sink.close()


@pytest.mark.parametrize(
    ("services", "effects", "label"),
    [
        (["entitlement", "playback"], ["playback"], "entitlement"),
        (["entitlement", "playback"], [], "entitlement,playback"),
        (["playback"], ["playback"], "playback"),
        ([], [], None),
    ],
)
def test_the_services_of_an_alert_are_those_that_are_wrong_themselves(
    services: list[str], effects: Sequence[str], label: str | None
) -> None:
    record = incident(services=services, effects=[Effect(name, FIRING.at) for name in effects])
    assert labels_of(record).get("service") == label


def test_no_more_is_owed_than_there_is_room_for_and_what_ended_first_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(alerts_module, "MOST_OWED", 2)
    alerts = Alerts()
    for name in ("a", "b", "c"):
        alerts.take(incident(incident_id=name), now=1.0)
        alerts.take(incident(incident_id=name, state="resolved", at=FIRING.at + 1), now=2.0)
    assert alerts.owed == ["b", "c"]
    assert "incident a is over" in caplog.text


def test_what_is_a_false_alarm_by_now_is_not_owed() -> None:
    alerts = Alerts()
    alerts.take(FIRING, now=1.0)
    assert alerts.owed == [FIRING.incident_id]
    alerts.take(incident(state="resolved", at=FIRING.at + 1, verdict="false_alarm"), now=2.0)
    assert alerts.owed == []
