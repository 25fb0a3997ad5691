"""The sink against the real Alertmanager, whose receiver is a server of the test's."""

import asyncio
import time
from datetime import datetime

from aiohttp import web

from pipeline.messages import Incident
from pipeline.metrics import Metrics
from tests.integration.program import HttpProgram
from tests.integration.serving import serving
from tests.integration.waiting import until_async
from tests.sinks.incidents import FIRING, incident
from tests.sinks.pager import QUICK, MakeSink, Pager, sends


async def test_an_incident_pages_once_with_its_scope_however_often_it_is_refreshed(
    server: HttpProgram, pager: Pager, metrics: Metrics, new_sink: MakeSink
) -> None:
    sink = new_sink(server.url)
    await sink.send(FIRING)
    await pager.until("firing")
    await sink.send(incident(at=FIRING.at + 60_000, summary="Worse by now."))
    # Long enough for several evaluations of the group, in each of which a second page could have gone out.
    await sends(metrics, 15)
    await pager.until("firing")

    (alert,) = pager.notifications[0]["alerts"]
    assert alert["labels"] == {
        "alertname": "SeamwatchIncident",
        "incident_id": FIRING.incident_id,
        "severity": "page",
        "kind": "pattern",
        "operator": "nordcast",
        "firmware": "9.4.1",
        "service": "playback",
    }
    assert alert["annotations"]["summary"] == FIRING.summary
    assert alert["annotations"]["link"] == f"http://seamwatch.test/incidents/{FIRING.incident_id}"
    assert alert["annotations"]["onset_at"] == "2025-12-31T16:00:00.000Z"
    assert "playback_start latency up: 1250 instead of 1000 ms (x1.25)" in alert["annotations"]["signals"]
    # Records of another year; the alert begins when Alertmanager hears of it.
    assert abs(datetime.fromisoformat(alert["startsAt"]).timestamp() - time.time()) < 60


async def test_a_resolved_incident_is_told_as_resolved_and_a_recovering_one_not_yet(
    server: HttpProgram, pager: Pager, metrics: Metrics, new_sink: MakeSink
) -> None:
    sink = new_sink(server.url)
    await sink.send(FIRING)
    await pager.until("firing")
    await sink.send(incident(state="recovering", at=FIRING.at + 1))
    await sends(metrics, 10)
    await pager.until("firing")
    await sink.send(incident(state="resolved", at=FIRING.at + 2))
    await pager.until("firing", "resolved")


async def test_an_incident_that_fires_again_pages_again(server: HttpProgram, pager: Pager, new_sink: MakeSink) -> None:
    sink = new_sink(server.url)
    told: list[str] = []
    for change in ("firing", "resolved", "firing"):
        await sink.send(incident(state=change))
        told.append(change)
        await pager.until(*told)


async def test_an_incident_that_grows_to_another_scope_ends_the_alert_of_the_old_one(
    server: HttpProgram, pager: Pager, new_sink: MakeSink
) -> None:
    sink = new_sink(server.url)
    await sink.send(FIRING)
    await pager.until("firing")
    await sink.send(incident(scope={"firmware": "9.4.1"}))

    async def told() -> bool:
        return sorted(pager.statuses()) == ["firing", "firing", "resolved"]

    await until_async(told, within=30, what="the end of the old alert and the new one")
    ended = next(one for one in pager.notifications if one["status"] == "resolved")
    assert ended["alerts"][0]["labels"]["operator"] == "nordcast"
    assert (
        "operator" not in [one for one in pager.notifications if one["status"] == "firing"][-1]["alerts"][0]["labels"]
    )


async def test_severity_and_services_that_go_to_and_fro_page_once_and_a_severity_that_rises_pages_again(
    server: HttpProgram, pager: Pager, metrics: Metrics, new_sink: MakeSink
) -> None:
    sink = new_sink(server.url)
    for at, severity in enumerate(("ticket", "page", "ticket", "page", "log")):
        await sink.send(incident(severity=severity, at=FIRING.at + at, services=["playback", "licensing"][at % 2 :]))
        await sends(metrics, 5 * (at + 1))
    await sink.send(incident(state="resolved", severity="log", at=FIRING.at + 9))

    async def settled() -> bool:
        return len(pager.statuses()) >= 4

    await until_async(settled, within=30, what="both alerts and their ends")
    told = [(one["status"], one["alerts"][0]["labels"]["severity"]) for one in pager.notifications]
    assert sorted(told) == [("firing", "page"), ("firing", "ticket"), ("resolved", "page"), ("resolved", "ticket")]


async def test_nothing_is_told_of_what_only_forms_or_is_only_for_the_log(
    server: HttpProgram, pager: Pager, new_sink: MakeSink
) -> None:
    sink = new_sink(server.url)
    await sink.send(incident(incident_id="a", state="forming"))
    await sink.send(incident(incident_id="b", severity="log"))
    await sink.send(incident(incident_id="c", severity="ticket"))
    await pager.until("firing")
    assert pager.notifications[0]["alerts"][0]["labels"]["incident_id"] == "c"


async def test_what_happens_while_alertmanager_is_down_is_delivered_once_it_is_back(
    server: HttpProgram, pager: Pager, metrics: Metrics, new_sink: MakeSink
) -> None:
    server.stop()
    sink = new_sink(server.url)
    await sink.send(FIRING)
    await sink.send(incident(incident_id="second", scope={"operator": "acme"}))

    async def failed() -> bool:
        return (metrics.sink_retries.value("alertmanager") or 0) >= 2

    await until_async(failed, within=30, what="retries")
    assert metrics.sink_pending.value("alertmanager") == 2
    # Another partition's sink has what it says; its word does not replace that of this one.
    other = new_sink(server.url)
    await other.send(incident(incident_id="third", state="forming"))
    assert metrics.sink_pending.value("alertmanager") == 2
    server.start()
    await pager.until("firing", "firing")
    assert {one["alerts"][0]["labels"]["incident_id"] for one in pager.notifications} == {FIRING.incident_id, "second"}

    async def settled() -> bool:
        return metrics.sink_pending.value("alertmanager") == 0

    await until_async(settled, within=30, what="nothing pending")


async def test_a_worker_that_takes_over_goes_on_without_a_second_page_whatever_has_changed_since(
    server: HttpProgram, pager: Pager, metrics: Metrics, new_sink: MakeSink
) -> None:
    first = new_sink(server.url)
    await first.send(FIRING)
    await pager.until("firing")
    await first.close()
    second = new_sink(server.url)
    # The labels of the alert are those of its beginning, which the newest record does not tell.
    await second.restore([incident(severity="ticket", services=["playback", "licensing"])])
    await sends(metrics, 10)
    await pager.until("firing")
    await second.send(incident(state="resolved"))
    await pager.until("firing", "resolved")


async def test_a_worker_that_takes_over_ends_what_is_over_by_now_and_nothing_else(
    server: HttpProgram, pager: Pager, metrics: Metrics, new_sink: MakeSink
) -> None:
    first = new_sink(server.url)
    await first.send(FIRING)
    await first.send(incident(incident_id="of another partition"))
    await pager.until("firing", "firing")
    await first.close()
    second = new_sink(server.url)
    await second.restore([incident(state="resolved"), incident(incident_id="long ago", state="resolved")])
    await pager.until("firing", "firing", "resolved")
    assert pager.notifications[-1]["alerts"][0]["labels"]["incident_id"] == FIRING.incident_id
    await sends(metrics, 10)
    await pager.until("firing", "firing", "resolved")


async def test_closing_delivers_what_has_just_changed(server: HttpProgram, pager: Pager, new_sink: MakeSink) -> None:
    sink = new_sink(server.url)
    await sink.send(FIRING)
    await sink.close()
    await pager.until("firing")


async def test_a_refused_alert_is_counted_tried_a_few_times_and_does_not_hold_up_the_next(
    metrics: Metrics, new_sink: MakeSink
) -> None:
    taken: list[str] = []

    async def alerts(request: web.Request) -> web.Response:
        (alert,) = await request.json()
        taken.append(alert["labels"]["incident_id"])
        refused = alert["labels"]["incident_id"] == "bad"
        return web.Response(status=400, text="no") if refused else web.Response()

    app = web.Application()
    app.router.add_post("/api/v2/alerts", alerts)
    async with serving(app) as url:
        sink = new_sink(url)
        await sink.send(incident(incident_id="bad"))
        await sink.send(incident(incident_id="good"))
        await sends(metrics, 10)
        assert taken.count("bad") == QUICK.refusals
        assert metrics.sink_failures.value("alertmanager") == QUICK.refusals
        assert metrics.sink_pending.value("alertmanager") == 1
        await sink.send(incident(incident_id="bad", at=FIRING.at + 1))
        await sends(metrics, 15)
        assert taken.count("bad") > QUICK.refusals
        await sink.close()


async def test_an_alert_that_always_fails_does_not_stand_before_the_others(new_sink: MakeSink) -> None:
    good = asyncio.Event()

    async def alerts(request: web.Request) -> web.Response:
        (alert,) = await request.json()
        if alert["labels"]["incident_id"] == "bad":
            return web.Response(status=500)
        good.set()
        return web.Response()

    app = web.Application()
    app.router.add_post("/api/v2/alerts", alerts)
    async with serving(app) as url:
        sink = new_sink(url)
        await sink.send(incident(incident_id="bad"))
        await sink.send(incident(incident_id="good"))
        await asyncio.wait_for(good.wait(), 30)
        await sink.close()


async def test_a_change_that_comes_while_its_forerunner_is_posted_is_not_lost(new_sink: MakeSink) -> None:
    """The newest state counts, not the one whose delivery happened to be confirmed last."""
    posted: list[Incident] = []
    begun, go_on, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def alerts(request: web.Request) -> web.Response:
        (alert,) = await request.json()
        posted.append(alert)
        begun.set()
        await go_on.wait()
        if alert["annotations"]["state"] == "resolved":
            over.set()
        return web.Response()

    app = web.Application()
    app.router.add_post("/api/v2/alerts", alerts)
    async with serving(app) as url:
        sink = new_sink(url)
        await sink.send(FIRING)
        await asyncio.wait_for(begun.wait(), 30)
        await sink.send(incident(state="resolved"))
        go_on.set()
        await asyncio.wait_for(over.wait(), 30)
        await sink.close()
