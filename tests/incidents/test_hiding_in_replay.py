"""An incident under a workaround, from the configuration directory to what is written: seen, hidden, and out again."""

import json
from pathlib import Path

import pytest

from pipeline.cli import main

START = 1_790_000_040_000
WORKAROUND = """\
version: 1
workarounds:
  - id: bad-json
    owner: acme-crew
    reason: their gateway cuts lines off
    scope: {operator: acme}
    tolerates: {kinds: [feed]}
    opened: 2026-09-01
    expires: EXPIRES
"""


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    """Two hours of an operator; from the first on, every other record lacks its device class."""
    lines = []
    for number in range(7_200):
        record = {
            "event_id": f"e{number}",
            "operation": "heartbeat",
            "operator": "acme",
            "device_class": "g2",
            "received_at": START + 1_000 * number,
        }
        if number >= 3_600 and number % 2:
            del record["device_class"]
        lines.append(json.dumps(record))
    path = tmp_path / "feed.ndjson"
    path.write_text("\n".join(lines))
    return path


def told(feed: Path, expires: str) -> list[dict[str, object]]:
    (feed.parent / "workarounds.yaml").write_text(WORKAROUND.replace("EXPIRES", expires))
    out = feed.parent / "incidents.ndjson"
    assert main(["replay", "--config", str(feed.parent), "--incidents", str(out), str(feed)]) == 0
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_while_it_is_active_the_incident_is_seen_and_suppressed(feed: Path) -> None:
    [said] = told(feed, "2026-12-01")
    assert (said["state"], said["workaround"], said["kind"]) == ("suppressed", "bad-json", "feed")
    assert "Hidden by workaround bad-json of acme-crew until 2026-12-01" in str(said["summary"])


def test_when_it_expires_the_incident_comes_out_and_pages_its_owner(feed: Path) -> None:
    hidden, out = told(feed, "'2026-09-21T15:45:00+00:00'")
    assert (hidden["state"], hidden["severity"]) == ("suppressed", "ticket")
    assert (out["state"], out["severity"], out["owner"]) == ("firing", "page", "acme-crew")
    assert out["incident_id"] == hidden["incident_id"]
    assert out["at"] == 1_790_005_500_000


def test_without_it_the_incident_fires_as_it_is(feed: Path) -> None:
    [said] = told(feed, "2026-09-02")
    assert (said["state"], said["severity"]) == ("firing", "page"), "it has expired, so its owner owes it"
    (feed.parent / "workarounds.yaml").unlink()
    out = feed.parent / "plain.ndjson"
    assert main(["replay", "--config", str(feed.parent), "--incidents", str(out), str(feed)]) == 0
    [plain] = [json.loads(line) for line in out.read_text().splitlines()]
    assert (plain["state"], plain["severity"], plain["workaround"]) == ("firing", "ticket", None)
