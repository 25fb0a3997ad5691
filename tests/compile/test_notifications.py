"""What the real Alertmanager makes of the compiled receivers: a template that fails is a page that nobody gets."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.cli.compile import document
from pipeline.intent import Intent, Priority, Receiver, Service
from tests.integration.monitoring import Start
from tests.integration.waiting import until

ANNOTATIONS = {
    "title": "Firmware <!channel> & more",
    "summary": "Firmware <!channel> & more: playback_start latency up.",
    "text": "Since noon, x1.3.",
    "runbook_url": "https://wiki.example/runbook",
    "link": "https://seamwatch.example/incidents/1",
}


class Desk:
    """Where PagerDuty and Slack are said to be."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        desk = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                desk.heard.append((self.path, json.loads(body)))
                self.send_response(202)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def at(self, path: str, count: int) -> list[dict[str, Any]]:
        """What came there, once it is so many."""

        def enough() -> list[dict[str, Any]] | None:
            found = [body for where, body in self.heard if where == path]
            return found if len(found) >= count else None

        return until(enough, within=90, what=f"{count} notifications at {path}")

    def ends(self, path: str) -> list[dict[str, Any]] | None:
        """Resolutions that came there."""
        return [body for where, body in self.heard if where == path and body["event_action"] == "resolve"] or None


@pytest.fixture
def desk() -> Iterator[Desk]:
    found = Desk()
    yield found
    found.close()


def test_one_incident_is_one_page_with_its_words_and_one_resolution(
    desk: Desk, alertmanager: Start, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("0123456789abcdef0123456789abcdef")
    (tmp_path / "slack").write_text(f"{desk.url}/slack")
    found = Intent(
        (Service("playback", ("playback_start",), Priority.NON_NEGOTIABLE, owner="crew"),),
        receivers=(
            Receiver(
                "on-call", "pagerduty", {"routing_key_file": str(tmp_path / "key"), "url": f"{desk.url}/pagerduty"}
            ),
            Receiver("desk", "slack", {"api_url_file": str(tmp_path / "slack"), "channel": "#desk"}),
        ),
        routes={"page": "on-call", "ticket": "desk"},
    )
    config = YAML(typ="safe").load(document("alertmanager", found, "0"))
    # What is waited for in the test, not what is tested.
    config["route"]["group_interval"] = "1s"
    server = alertmanager(config)

    def post(ends: datetime, labels: dict[str, str], annotations: dict[str, str] = ANNOTATIONS) -> None:
        alert = {"labels": labels, "annotations": annotations, "endsAt": ends.isoformat()}
        request = urllib.request.Request(
            f"{server.url}/api/v2/alerts", json.dumps([alert]).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=60).close()

    incident = {"alertname": "SeamwatchIncident", "incident_id": "1", "severity": "page", "service": "playback"}
    wider, grown = {**incident, "operator": "acme"}, {**ANNOTATIONS, "title": "All firmwares"}
    now = datetime.now(UTC)
    post(now + timedelta(hours=1), incident)
    (page,) = desk.at("/pagerduty", 1)
    assert page["event_action"] == "trigger"
    assert page["payload"]["severity"] == "critical"
    assert page["payload"]["summary"] == ANNOTATIONS["title"]
    said = page["payload"]["custom_details"]["text"]
    assert said == "Since noon, x1.3.\nRunbook: https://wiki.example/runbook\nhttps://seamwatch.example/incidents/1"
    # The scope has grown: another alert of the same incident, and no other page.
    post(now + timedelta(hours=1), wider, grown)
    post(now, incident)
    later = desk.at("/pagerduty", 2)[1:]
    assert {body["dedup_key"] for body in later} == {page["dedup_key"]}
    assert {body["event_action"] for body in later} == {"trigger"}
    post(datetime.now(UTC), wider, grown)
    last = until(lambda: desk.ends("/pagerduty"), within=90, what="the resolution")
    assert last[0]["payload"]["summary"] == "All firmwares"
    assert {body["dedup_key"] for body in last} == {page["dedup_key"]}

    # Of Prometheus's rules, which have neither title nor text.
    health = {"summary": "A worker is down.", "description": "Others have taken over."}
    post(now + timedelta(hours=1), {"alertname": "SeamwatchWorkerDown", "severity": "ticket"}, health)
    post(now + timedelta(hours=1), {**incident, "incident_id": "2", "severity": "ticket"})
    told = {body["attachments"][0]["title"]: body["attachments"][0] for body in desk.at("/slack", 2)}
    assert told["A worker is down."]["text"] == "Others have taken over."
    assert told["Firmware &lt;!channel&gt; &amp; more"]["title_link"] == ANNOTATIONS["link"]
    assert told["Firmware &lt;!channel&gt; &amp; more"]["mrkdwn_in"] == ["pretext"]
