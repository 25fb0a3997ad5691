"""What an intent becomes for Alertmanager: who is told, once; what a cause holds back; what is quiet, and when."""

from __future__ import annotations

import json
import re
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.cli.compile import document
from pipeline.compile.alertmanager import INCIDENT, alertmanager
from pipeline.compile.matching import any_of, none_but
from pipeline.config.directory import configuration, fingerprint
from pipeline.intent import Intent, Priority, QuietHours, Receiver, Service, Severity
from pipeline.sinks.alert import ALERTNAME
from tests.compile.tools import refused, told
from tests.integration.monitoring import Start
from tests.integration.program import HttpProgram
from tests.integration.waiting import until
from tests.intent.intents import documents, loaded, names

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "deploy/seamwatch"
SHIPPED = ROOT / "deploy/alertmanager/pagerduty-slack.yml"


def intent(*services: Service, **more: Any) -> Intent:
    return Intent(services, **more)


def service(name: str, priority: Priority = Priority.NON_NEGOTIABLE, **more: Any) -> Service:
    return Service(name, (name,), priority, **more)


def written(found: Intent, directory: Path) -> Path:
    path = directory / f"{uuid.uuid4().hex}.yml"
    path.write_text(document("alertmanager", found, "0"), encoding="utf-8")
    return path


def test_the_alerts_have_the_name_that_the_sink_gives_them() -> None:
    assert INCIDENT == ALERTNAME


# -- whatever the intent -------------------------------------------------------------------------------------------


@settings(max_examples=10)
@given(written_intent=documents(), data=st.data())
def test_amtool_accepts_it_and_tells_exactly_those_whom_the_intent_names(
    written_intent: dict[str, Any], data: st.DataObject, amtool: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("intent")
    found = loaded(written_intent, directory)
    path = written(found, directory)
    assert refused(amtool, "check-config", path) is None
    for severity in (Severity.PAGE, Severity.TICKET):
        touched = data.draw(st.lists(st.sampled_from(found.services), unique_by=lambda one: one.name))
        owner = data.draw(st.sampled_from([None, *found.owners]))
        labels = {"alertname": ALERTNAME, "severity": str(severity)}
        if touched:
            labels["service"] = ",".join(one.name for one in touched)
        if owner is not None:
            labels["owner"] = owner
        expected = {found.receiver_of(one, severity) or "nobody" for one in touched}
        if not touched:
            expected = {found.routes.get(severity, "nobody")}
        receivers = told(path, labels)
        assert len(receivers) == len(set(receivers))
        assert set(receivers) == expected | ({found.owners[owner]} if owner is not None else set())


@settings(max_examples=50)
@given(services=st.lists(names, min_size=1, max_size=5, unique=True), data=st.data())
def test_patterns_of_services_are_about_whole_names(services: list[str], data: st.DataObject) -> None:
    some = data.draw(st.lists(st.sampled_from(services), min_size=1, unique=True))
    label = ",".join(some)
    wanted = data.draw(st.lists(st.sampled_from(services), min_size=1, unique=True))
    assert bool(re.fullmatch(any_of(wanted), label)) == bool(set(some) & set(wanted))
    assert bool(re.fullmatch(none_but(wanted), label)) == (set(some) <= set(wanted))
    assert not re.fullmatch(any_of(wanted), "")
    assert not re.fullmatch(none_but(wanted), "")


# -- inhibition ----------------------------------------------------------------------------------------------------


CASCADE = intent(
    service("entitlement"),
    service("playback", depends_on=("entitlement",)),
    service("artwork", Priority.DEGRADABLE, depends_on=("playback",)),
    service("radio"),
    receivers=(Receiver("on-call", "none"),),
    routes={"page": "on-call", "ticket": "on-call"},
)


@pytest.fixture
def running(alertmanager: Start, tmp_path: Path) -> HttpProgram:
    return alertmanager(YAML(typ="safe").load(written(CASCADE, tmp_path).read_text()))


def post(server: HttpProgram, *alerts: dict[str, str]) -> None:
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    common = {"alertname": ALERTNAME, "kind": "pattern", "severity": "page"}
    body = json.dumps([{"labels": common | labels, "endsAt": ends} for labels in alerts]).encode()
    request = urllib.request.Request(f"{server.url}/api/v2/alerts", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=60).close()


def held_back(server: HttpProgram, count: int) -> set[str]:
    """incident_id of alerts that others hold back, once all are known."""

    def states() -> dict[str, str] | None:
        answer = server.get_json("/api/v2/alerts")
        assert isinstance(answer, list)
        found = {one["labels"]["incident_id"]: one["status"]["state"] for one in answer}
        return found if len(found) == count and "unprocessed" not in found.values() else None

    return {name for name, state in until(states, within=60, what="the alerts").items() if state == "suppressed"}


def test_a_cause_holds_back_what_depends_on_it_where_it_is(running: HttpProgram) -> None:
    altura, bluecove = {"operator": "altura"}, {"operator": "bluecove"}
    post(
        running,
        {"incident_id": "cause", "service": "entitlement", **altura},
        {"incident_id": "effect", "service": "playback", **altura},
        {"incident_id": "effect of the effect", "service": "artwork", "severity": "ticket", **altura},
        {"incident_id": "both of them", "service": "playback,artwork", **altura},
        {"incident_id": "elsewhere", "service": "playback", **bluecove},
        {"incident_id": "more than the effect", "service": "playback,radio", **altura},
        {"incident_id": "cause and effect", "service": "entitlement,playback", **altura},
        {"incident_id": "beside it", "service": "radio", **altura},
    )
    assert held_back(running, 8) == {"effect", "effect of the effect", "both of them"}


def test_a_cause_that_is_everywhere_holds_back_what_depends_on_it_everywhere(running: HttpProgram) -> None:
    post(
        running,
        {"incident_id": "cause", "service": "entitlement"},
        {"incident_id": "here", "service": "playback", "operator": "altura"},
        {"incident_id": "everywhere", "service": "playback"},
    )
    assert held_back(running, 3) == {"here", "everywhere"}


@pytest.mark.parametrize(
    "cause", [{"severity": "ticket"}, {"kind": "feed"}, {"environment": "certification"}, {"alertname": "Other"}]
)
def test_no_page_is_held_back_by_a_ticket_a_silent_feed_a_laboratory_or_by_what_is_no_incident(
    cause: dict[str, str],
) -> None:
    """By the rules as they are written: Alertmanager's own reading of them is above."""
    alert = {"alertname": ALERTNAME, "kind": "pattern", "severity": "page", "service": "entitlement"} | cause
    effect = {"alertname": ALERTNAME, "kind": "pattern", "severity": "page", "service": "playback"}
    rules = alertmanager_rules(CASCADE)
    applying = [rule for rule in rules if _all(rule["target_matchers"], effect)]
    assert applying
    assert not any(_all(rule["source_matchers"], alert) for rule in applying)


def test_a_ticket_holds_back_tickets() -> None:
    alert = {"alertname": ALERTNAME, "kind": "pattern", "severity": "ticket", "service": "playback"}
    effect = {"alertname": ALERTNAME, "kind": "pattern", "severity": "ticket", "service": "artwork"}
    rules = alertmanager_rules(CASCADE)
    assert any(_all(rule["source_matchers"], alert) and _all(rule["target_matchers"], effect) for rule in rules)


def alertmanager_rules(found: Intent) -> list[dict[str, Any]]:
    rules = alertmanager(found)["inhibit_rules"]
    assert isinstance(rules, list)
    return rules


def _all(matchers: list[str], labels: dict[str, str]) -> bool:
    return all(_matches(matcher, labels) for matcher in matchers)


def _matches(matcher: str, labels: dict[str, str]) -> bool:
    name, operator, value = re.fullmatch(r"(\w+)(=~|!~|=)\"(.*)\"", matcher).groups()  # type: ignore[union-attr]
    value = value.replace("\\\\", "\\")
    has = labels.get(name, "")
    if operator == "=":
        return has == value
    return bool(re.fullmatch(value, has)) == (operator == "=~")


def test_without_dependencies_nothing_is_held_back() -> None:
    assert "inhibit_rules" not in alertmanager(intent(service("a"), service("b")))


# -- quiet hours ---------------------------------------------------------------------------------------------------


def routes(found: Intent) -> Iterator[dict[str, Any]]:
    yield from alertmanager(found)["route"]["routes"]


def test_quiet_hours_hold_back_tickets_alone() -> None:
    quiet = QuietHours(20 * 60, 7 * 60, tuple(range(7)), "UTC")
    found = intent(service("a", route="desk"), receivers=(Receiver("desk", "none"),), quiet_hours=quiet)
    muted = {route["matchers"][0] for route in routes(found) if "mute_time_intervals" in route}
    loud = {route["matchers"][0] for route in routes(found) if "mute_time_intervals" not in route}
    assert muted == {'severity="ticket"'}
    assert 'severity="page"' in loud
    assert 'severity="ticket"' not in loud


def test_hours_over_midnight_end_on_the_next_day_in_their_zone() -> None:
    quiet = QuietHours(20 * 60, 7 * 60 + 30, (4, 6), "Europe/Vienna")
    (interval,) = alertmanager(intent(service("a"), quiet_hours=quiet))["time_intervals"]
    assert interval["time_intervals"] == [
        {
            "weekdays": ["friday", "sunday"],
            "times": [{"start_time": "20:00", "end_time": "24:00"}],
            "location": "Europe/Vienna",
        },
        {
            "weekdays": ["monday", "saturday"],
            "times": [{"start_time": "00:00", "end_time": "07:30"}],
            "location": "Europe/Vienna",
        },
    ]


# -- what is shipped -----------------------------------------------------------------------------------------------


def test_the_shipped_example_is_what_the_shipped_intent_compiles_to(amtool: str) -> None:
    found = document("alertmanager", configuration(EXAMPLE).intent, fingerprint(EXAMPLE, intent_alone=True))
    assert SHIPPED.read_text(encoding="utf-8") == found
    assert refused(amtool, "check-config", SHIPPED) is None


def test_the_shipped_intent_is_clean() -> None:
    assert configuration(EXAMPLE).remarks == ()


@pytest.mark.parametrize(
    ("alert", "receiver"), [("SeamwatchDetectorHeartbeat", "watchdog"), ("SeamwatchAlive", "pulse")]
)
def test_signs_of_life_reach_their_switches_and_nobody_else(alert: str, receiver: str, amtool: str) -> None:
    del amtool
    assert told(SHIPPED, {"alertname": alert, "severity": "none"}) == [receiver]
