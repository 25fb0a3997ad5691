"""What the shipped templates make of an incident in Slack, PagerDuty and e-mail, rendered by the real Alertmanager."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from ruamel.yaml import YAML

from pipeline.messages import Danger
from pipeline.metrics import Metrics
from pipeline.sinks import AlertmanagerSink
from tests.integration.monitoring import Start, alertmanager_missing
from tests.integration.services import need
from tests.integration.serving import serving
from tests.integration.waiting import until_async
from tests.sinks.incidents import FIRING, incident
from tests.sinks.pager import QUICK

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "deploy/alertmanager/templates/seamwatch.tmpl"
HOSTILE = "<!channel> *9.4.1* & <http://evil.example|here>"
RECORD = incident(
    scope={"operator": "nordcast", "firmware": HOSTILE},
    summary=f"Firmware {HOSTILE}: slow.",
    containment=["Roll it back to 9.4.0"],
    runbooks=["https://runbooks.example/playback"],
    dangers=[Danger("playback", "p95 <= 1200 ms over 1h", "intent.yaml:12", broken=True)],
)


class Inboxes:
    """Slack and PagerDuty, as far as Alertmanager knows them."""

    def __init__(self) -> None:
        self.slack: list[dict[str, Any]] = []
        self.pagerduty: list[dict[str, Any]] = []

    async def take_slack(self, request: web.Request) -> web.Response:
        self.slack.append(await request.json())
        return web.Response(text="ok")

    async def take_pagerduty(self, request: web.Request) -> web.Response:
        self.pagerduty.append(await request.json())
        return web.json_response({"status": "success", "message": "Event processed", "dedup_key": "x"}, status=202)


@pytest.fixture
async def inboxes() -> AsyncIterator[tuple[Inboxes, str]]:
    inboxes = Inboxes()
    app = web.Application()
    app.router.add_post("/slack", inboxes.take_slack)
    app.router.add_post("/pagerduty", inboxes.take_pagerduty)
    async with serving(app) as url:
        yield inboxes, url


def documented(url: str, home: Path) -> dict[str, Any]:
    """The receivers of docs/routing.md, with these addresses and keys of the test's own."""
    text = (ROOT / "docs/routing.md").read_text().split("```yaml alertmanager\n", 1)[1].split("```", 1)[0]
    for name, content in (("slack.url", f"{url}/slack"), ("pagerduty.key", "a-key")):
        (home / name).write_text(content)
    text = text.replace("/etc/alertmanager/templates/*.tmpl", str(TEMPLATES)).replace("/etc/alertmanager", str(home))
    config: dict[str, Any] = YAML(typ="safe").load(text)
    on_call = next(one for one in config["receivers"] if one["name"] == "on-call")
    on_call["pagerduty_configs"][0]["url"] = f"{url}/pagerduty"
    config["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    return config


async def test_slack_and_pagerduty_are_told_as_documented_and_names_mean_nothing_there(
    inboxes: tuple[Inboxes, str], alertmanager: Start, metrics: Metrics, tmp_path: Path
) -> None:
    inbox, url = inboxes
    server = await asyncio.to_thread(alertmanager, documented(url, tmp_path))
    page = "https://seamwatch.example"
    sink = AlertmanagerSink(server.url, metrics=metrics, now=time.time, page=page, pace=QUICK)
    await sink.send(RECORD)

    async def told() -> bool:
        return bool(inbox.slack and inbox.pagerduty)

    await until_async(told, within=60, what="Slack and PagerDuty to be told")
    (attachment,) = inbox.slack[0]["attachments"]
    escaped = "&lt;!channel&gt; *9.4.1* &amp; &lt;http://evil.example|here&gt;"
    assert attachment["mrkdwn_in"] == ["pretext"]
    assert "&lt;!channel&gt;" in attachment["title"]
    assert attachment["title_link"] == f"{page}/incidents/{FIRING.incident_id}"
    assert attachment["text"] == (
        f"Firmware {escaped}: slow.\n"
        "First: Roll it back to 9.4.0\n"
        "Endangers: playback breaks p95 &lt;= 1200 ms over 1h [intent.yaml:12]\n"
        "Runbook: https://runbooks.example/playback\n"
        f"{page}/incidents/{FIRING.incident_id}"
    )
    event = inbox.pagerduty[0]
    assert event["event_action"] == "trigger"
    assert event["payload"]["summary"].startswith("PAGE nordcast, <!channel>")
    assert event["payload"]["severity"] == "critical"
    assert "First: Roll it back to 9.4.0" in event["payload"]["custom_details"]["text"]
    assert event["client_url"] == f"{page}/incidents/{FIRING.incident_id}"

    await sink.send(incident(state="resolved", at=FIRING.at + 1, scope=RECORD.scope))

    async def over() -> bool:
        return inbox.pagerduty[-1]["event_action"] == "resolve" and len(inbox.slack) == 2

    await until_async(over, within=60, what="Slack and PagerDuty to be told of the end")
    assert inbox.pagerduty[-1]["dedup_key"] == event["dedup_key"]
    await sink.close()


@pytest.mark.alertmanager
def test_the_mail_is_html_in_which_names_are_names(tmp_path: Path) -> None:
    need("Alertmanager", alertmanager_missing())
    annotations = {"title": f"PAGE {HOSTILE}", "text": "t", "summary": HOSTILE, "containment": "First this."}
    alert = {
        "status": "firing",
        "labels": {"severity": "page"},
        "annotations": annotations,
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
    }
    assert "&lt;!channel&gt;" in rendered("seamwatch.email.html", [alert], tmp_path, kind="html")
    assert "<!channel>" not in rendered("seamwatch.email.html", [alert], tmp_path, kind="html")
    # An alert of Prometheus's rules has no words of ours.
    rule = {**alert, "annotations": {"summary": "No worker answers.", "description": "Look at their last lines."}}
    assert rendered("seamwatch.title", [rule], tmp_path) == "No worker answers."
    assert rendered("seamwatch.slack.text", [rule], tmp_path) == "Look at their last lines."
    # The scope has changed: what fires is what is told.
    ended = {**alert, "status": "resolved"}
    assert rendered("seamwatch.title", [rule, ended], tmp_path) == "No worker answers."
    assert rendered("seamwatch.title", [ended, rule], tmp_path) == "No worker answers."


def rendered(name: str, alerts: list[dict[str, Any]], home: Path, *, kind: str = "text") -> str:
    amtool = shutil.which("amtool")
    assert amtool is not None
    data = home / "data.json"
    labels: dict[str, str] = {"severity": "page"}
    data.write_text(json.dumps({"receiver": "r", "status": "firing", "alerts": alerts, "commonLabels": labels}))
    argv = [amtool, "template", "render", f"--template.glob={TEMPLATES}", f"--template.type={kind}"]
    argv += [f'--template.text={{{{ template "{name}" . }}}}', f"--template.data={data}"]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.alertmanager
def test_the_documented_configuration_is_one_for_amtool(tmp_path: Path) -> None:
    need("Alertmanager", alertmanager_missing())
    config = tmp_path / "alertmanager.yml"
    config.write_text(json.dumps(documented("http://127.0.0.1:1", tmp_path)))
    amtool = shutil.which("amtool")
    assert amtool is not None
    subprocess.run([amtool, "check-config", str(config)], check=True, capture_output=True, timeout=60)
