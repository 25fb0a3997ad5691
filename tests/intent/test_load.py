"""The intent file: what is right is read, and of what is wrong every fault is said, with file and line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.config.intent import load
from pipeline.intent import (
    ConfigurationError,
    Degradation,
    Intent,
    Priority,
    QuietHours,
    Receiver,
    Service,
    Threshold,
    default,
)

DATA = Path(__file__).with_name("data")

RIGHT = """\
version: 1
false_pages_per_week: 2
services:
  films:
    operations: [playback_start, stall]
    priority: best_effort
  rights:
    operations:
      - entitlement_check
      - NO
    priority: non_negotiable
"""

FAULTS = {
    "budget_endless": [
        "2: false_pages_per_week is inf; give a number above 0, such as 0.5",
    ],
    "budget_missing": [
        "2: false_pages_per_week is None; give a number above 0, such as 0.5",
    ],
    "budget_nan": [
        "2: false_pages_per_week is nan; give a number above 0, such as 0.5",
    ],
    "budget_negative": [
        "2: false_pages_per_week is -1; give a number above 0, such as 0.5",
    ],
    "budget_not_a_number": [
        "2: false_pages_per_week is 'often'; give a number above 0, such as 0.5",
    ],
    "budget_true": [
        "2: false_pages_per_week is True; give a number above 0, such as 0.5",
    ],
    "budget_zero": [
        "2: false_pages_per_week is 0; give a number above 0, such as 0.5",
    ],
    "control_character": [
        "2: not YAML: a control character, U+0000; remove it",
    ],
    "degradation_of_another_operation": [
        "3: operation 'stall' is none of 'playback'; it has playback_start",
    ],
    "degradation_of_nothing": [
        "3: a degradation of nothing; name one of latency, failure, denial, timeout, retry, any: 1.3",
        "3: latency may be worse by nothing; give a ratio above 1, such as 1.3",
        "3: retry is 0.5; give a number from 1 to 100",
        "3: failure may be worse by nothing; give a ratio above 1, such as 1.3",
    ],
    "degradation_twice": [
        "3: how far latency may degrade is said twice; keep one of the two",
    ],
    "dependencies_in_a_circle": [
        "3: services depend on each other: a -> b -> c -> a; say which is the cause of which",
        "9: services depend on each other: c -> d -> c; say which is the cause of which",
    ],
    "depends_on_itself": [
        "3: services depend on each other: playback -> playback; say which is the cause of which",
    ],
    "depends_on_nothing": [
        "3: 'playback' depends on 'entitlment'; did you mean 'entitlement'?",
    ],
    "duplicate_key": [
        '3: not YAML: found duplicate key "version" with value "1" (original value: "1"); mend the syntax',
    ],
    "email_with_half_of_a_login": [
        "5: email 'a' has half of a login; give username and password_file, or neither",
        "5: smarthost is 'mail'; write host:port",
    ],
    "empty": [
        "1: not a mapping; begin with version: 1",
    ],
    "misspelt_key": [
        "2: unknown key 'false_page_per_week'; did you mean 'false_pages_per_week'?",
        "4: unknown key 'operation'; did you mean 'operations'?",
    ],
    "no_services": [
        "1: services is missing or empty; name at least one service with its operations",
    ],
    "no_version": [
        "1: version is empty; write 'version: 1'",
    ],
    "nobody_is_somebody": [
        "5: 'nobody' is email; 'nobody' tells nobody; choose another name",
    ],
    "not_a_mapping": [
        "1: not a mapping; begin with version: 1",
    ],
    "not_utf8": [
        "1: not UTF-8; save it as UTF-8",
    ],
    "not_yaml": [
        "4: not YAML: expected ',' or ']', but got '<stream end>'; mend the syntax",
    ],
    "operation_is_a_number": [
        "4: operations of 'playback' are no list of names; write operations: [playback_start]",
    ],
    "operation_too_long": [
        "4: operations of 'playback' are no list of names; write operations: [playback_start]",
    ],
    "operations_missing": [
        "3: operations of 'playback' are no list of names; write operations: [playback_start]",
    ],
    "operations_not_a_list": [
        "5: operations of 'playback' are no list of names; write operations: [playback_start]",
    ],
    "priority_missing": [
        "3: priority of 'playback' is None; choose one of non_negotiable, degradable, best_effort",
    ],
    "priority_unknown": [
        "5: priority of 'playback' is 'page'; choose one of non_negotiable, degradable, best_effort",
    ],
    "quiet_hours_all_week": [
        "4: quiet hours all week; tickets would never be told; leave some hours or days",
    ],
    "quiet_hours_for_pages": [
        "4: quiet hours for 'page'; pages are never held back; it can be ticket alone",
    ],
    "quiet_hours_of_no_length": [
        '4: quiet hours that begin when they end; a whole day is from "00:00" until "24:00"',
    ],
    "quiet_hours_without_an_end": [
        '4: until is None; write a time of the day in quotes, such as "20:00"',
        "5: from is '8pm'; write a time of the day in quotes, such as \"20:00\"",
        "6: zone is 'Mars/Olympus'; give a time zone of the IANA database, such as Europe/Vienna",
        "7: days names 'monday'; known are mon, tue, wed, thu, fri, sat, sun",
    ],
    "receiver_kind_unknown": [
        "5: kind is 'pager'; did you mean 'pagerduty'?",
        "6: receiver 'b' has no kind; choose one of pagerduty, slack, webhook, email, none",
        "7: receiver 'c' has no api_url_file; a receiver of kind slack needs it",
        "7: receiver 'c' has no channel; a receiver of kind slack needs it",
        "8: receiver 'd' is empty; give it a kind, such as {kind: none}",
    ],
    "receiver_with_a_secret": [
        "5: routing_key of 'a' is a secret; put it into a file, and write routing_key_file",
        "5: receiver 'a' has no routing_key_file; a receiver of kind pagerduty needs it",
        "6: url holds a secret; put the token into a file, and write token_file",
        "7: api_url of 'c' is a secret; put it into a file, and write api_url_file",
        "7: receiver 'c' has no api_url_file; a receiver of kind slack needs it",
    ],
    "route_of_what_is_only_logged": [
        "5: log has a route; what is only logged is told nobody; remove it",
    ],
    "route_to_nobody_known": [
        "3: service 'playback' leads to 'on-cal', which is no receiver; did you mean 'on-call'?",
        "6: severity page leads to 'oncall', which is no receiver; did you mean 'on-call'?",
        "6: severity ticket leads to 'desk', which is no receiver; known receivers are on-call",
        "7: owner 'crew' leads to 'crew-desk', which is no receiver; known receivers are on-call",
        "8: the switch dead_man leads to 'watchdog', which is no receiver; known receivers are on-call",
    ],
    "runbook_is_no_link": [
        "3: runbook is 'see the wiki'; give a link that a phone can open: https://…",
    ],
    "sensitivity_out_of_bounds": [
        "3: sensitivity is 20; give a number from 0.1 to 10",
        "4: unknown key 'speed'; known are latency, failure, denial, timeout, retry, any",
        "4: latency is 0; give a number from 0.1 to 10",
    ],
    "service_is_no_mapping": [
        "3: service 'playback' is not a mapping; give it operations and a priority",
    ],
    "service_name_is_a_number": [
        "3: the name 7 is no text; put it in quotes: '7'",
    ],
    "service_name_with_a_comma": [
        "3: the name of a service is 'a,b'; it stands in a list that is a label: no comma, at most 128",
    ],
    "services_empty": [
        "2: services is missing or empty; name at least one service with its operations",
    ],
    "several_faults": [
        "1: version is 3; write 'version: 1'",
        "2: unknown key 'servces'; did you mean 'services'?",
        "3: false_pages_per_week is 0; give a number above 0, such as 0.5",
        "6: operations of 'playback' are no list of names; write operations: [playback_start]",
        "7: priority of 'playback' is 'high'; choose one of non_negotiable, degradable, best_effort",
    ],
    "threshold_latency_is_no_mapping": [
        "7: latency is '1200 ms'; write a mapping of names to values",
        "8: latency limits nothing; write latency: {p95: 1200 ms}",
        "9: latency limits nothing; write latency: {p95: 1200 ms}",
    ],
    "threshold_limits_nothing": [
        "3: a threshold that limits nothing; write latency: {p95: 1200 ms}, or failure: 0.5 %",
    ],
    "threshold_operation_of_another": [
        "3: operation 'playback_stat' is none of 'playback'; did you mean 'playback_start'?",
        "3: operation 'reboot' is none of 'playback'; it has playback_start",
    ],
    "threshold_per_unknown": [
        "3: per names 'device'; known are operator, device_class, firmware, environment, or all alone",
        "3: unknown key 'model'; known are operator, device_class, firmware, environment",
    ],
    "threshold_quantile_unknown": [
        "3: 'q95' is no quantile; write p50, p95, p99 or p99.9",
        "3: 'p0' is no quantile; write p50, p95, p99 or p99.9",
        "3: 'p100' is no quantile; write p50, p95, p99 or p99.9",
    ],
    "threshold_share_of_all": [
        "3: failure is '0 %'; give a share with its sign, above 0 and below 100: 0.5 %",
        "3: denial is '100 %'; give a share with its sign, above 0 and below 100: 0.5 %",
        "3: retry is 2; give a share with its sign, above 0 and below 100: 0.5 %",
    ],
    "threshold_twice": [
        "8: 'playback_start failure <= 2 % over 60 min' is a second line for what intent.yaml:7 limits; keep",
    ],
    "threshold_window_too_long": [
        "3: over is '8d'; give whole minutes from 5 min to 7 d, such as 1h",
        "3: over is '30 s'; give whole minutes from 5 min to 7 d, such as 1h",
        "3: over is '5.5 min'; give whole minutes from 5 min to 7 d, such as 1h",
    ],
    "threshold_without_a_unit": [
        "7: p95 is 1200; give a time with its unit, such as 1200 ms or 4 s",
        "8: failure is 0.005; give a share with its sign, above 0 and below 100: 0.5 %",
        "9: over is 90; give whole minutes from 5 min to 7 d, such as 1h",
    ],
    "thresholds_are_no_list": [
        "3: thresholds is a mapping; write a list, each entry beginning with '- '",
    ],
    "thresholds_contradict": [
        "8: 'playback_start latency p95 <= 3 s over 1h' contradicts 'playback_start latency p99 <= 2 s over",
    ],
    "unknown_key_of_a_merge": [
        "1: unknown key 'budget'; known are version, false_pages_per_week, services, receivers, routes,",
    ],
    "unknown_version": [
        "2: version is 2; write 'version: 1'",
    ],
    "version_is_true": [
        "1: version is True; write 'version: 1'",
    ],
    "webhook_without_an_address": [
        "5: webhook 'a' has no url; give url or url_file",
        "6: url is 'ftp://x'; write http:// or https://, a host and a path",
        "7: webhook 'c' has two urls; give url or url_file",
    ],
}


def test_every_file_of_faults_is_held_to_what_is_wrong_in_it() -> None:
    assert sorted(FAULTS) == sorted(path.stem for path in DATA.iterdir())


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault_is_said_at_once_with_file_and_line_and_what_would_be_right(name: str, tmp_path: Path) -> None:
    file = tmp_path / "intent.yaml"
    shutil.copy(DATA / f"{name}.yaml", file)
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    said = [str(fault) for fault in caught.value.faults]
    assert len(said) == len(FAULTS[name]), said
    for fault, begins in zip(said, FAULTS[name], strict=True):
        assert fault.startswith(f"{file}:{begins}")
    assert str(caught.value).splitlines() == said


def test_what_is_written_is_the_intent(tmp_path: Path) -> None:
    (tmp_path / "intent.yaml").write_text(RIGHT)
    assert load(tmp_path) == Intent(
        services=(
            Service("films", ("playback_start", "stall"), Priority.BEST_EFFORT, place="intent.yaml:4"),
            Service("rights", ("entitlement_check", "NO"), Priority.NON_NEGOTIABLE, place="intent.yaml:7"),
        ),
        false_pages_per_week=2.0,
    )


def test_the_budget_is_half_a_false_page_a_week_unless_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "intent.yaml").write_text(RIGHT.replace("false_pages_per_week: 2\n", ""))
    assert load(tmp_path).false_pages_per_week == 0.5


def test_a_directory_without_an_intent_has_the_default(tmp_path: Path) -> None:
    assert load(tmp_path) == default()


def test_a_directory_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such directory; give a directory of configuration"):
        load(tmp_path / "none")


def test_an_intent_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "intent.yaml").mkdir()
    with pytest.raises(ConfigurationError, match=r"intent\.yaml:1: cannot be read: Is a directory"):
        load(tmp_path)


WHOLE = """\
version: 1
services:
  films:
    operations: [playback_start, stall]
    priority: non_negotiable
    thresholds:
      - operation: playback_start
        latency: {p95: 1200 ms, p99.9: 4 s}
      - {failure: 0.5 %, over: 1d, per: [environment, operator], scope: {environment: production}}
      - {operation: stall, retry: 2%, over: 30 min, per: all}
    degradation:
      - {operation: stall, latency: 1.3, any: 2}
      - {failure: 1.5}
    depends_on: rights
    owner: films-crew
    route: films
    runbook: https://wiki.example/films
    containment: Hold the roll-out.
    sensitivity: {latency: 2, any: 0.5}
  rights: {operations: [entitlement_check], priority: degradable, sensitivity: 3}
receivers:
  films: {kind: slack, api_url_file: /etc/slack, channel: "#films"}
  nobody: {kind: none}
routes: {page: films, ticket: nobody}
owners: {films-crew: films}
dead_man: films
quiet_hours: {from: "20:00", until: "07:30", days: [mon, fri], zone: Europe/Vienna, for: ticket}
"""


@pytest.fixture
def whole(tmp_path: Path) -> Intent:
    (tmp_path / "intent.yaml").write_text(WHOLE)
    return load(tmp_path)


def test_a_line_holds_of_each_operation_with_its_place_and_as_its_author_wrote_it(whole: Intent) -> None:
    p95, tail, start, stall, retry = whole.thresholds
    assert p95 == Threshold(
        "films/playback_start/latency/p95",
        "films",
        "playback_start",
        "latency",
        0.05,
        3_600_000,
        limit_ms=1200.0,
        quantile=0.95,
        line="playback_start latency p95 <= 1200 ms over 1h",
        place="intent.yaml:8",
    )
    assert (tail.threshold_id, tail.allowed, tail.limit_ms) == ("films/playback_start/latency/p99.9", 0.001, 4000.0)
    assert (start.operation, start.window_ms, start.allowed) == ("playback_start", 86_400_000, 0.005)
    assert start.scope == {"environment": "production"}
    assert start.per == ("operator", "environment")
    assert start.place == stall.place == "intent.yaml:9"
    assert stall.line == "stall failure <= 0.5 % over 1d per operator and environment, environment production"
    assert retry.threshold_id == "films/stall/retry/30m/per=all"
    assert retry.line == "stall retry <= 2% over 30 min over all"
    assert retry.per == ()


def test_what_else_is_written_of_a_service_is_read(whole: Intent) -> None:
    films, rights = whole.services
    assert films.degradations == (
        Degradation("stall", "latency", 1.3),
        Degradation("stall", "*", 2.0),
        Degradation("*", "failure", 1.5),
    )
    assert (films.depends_on, films.owner, films.route) == (("rights",), "films-crew", "films")
    assert films.runbook == "https://wiki.example/films"
    assert films.containment == "Hold the roll-out."
    assert films.sensitivity == {"latency": 2.0, "*": 0.5}
    assert rights.sensitivity == {"*": 3.0}
    assert [one.place for one in whole.services] == ["intent.yaml:3", "intent.yaml:20"]


def test_whom_to_tell_is_read(whole: Intent) -> None:
    assert whole.receivers == (
        Receiver("films", "slack", {"api_url_file": "/etc/slack", "channel": "#films"}, "intent.yaml:22"),
        Receiver("nobody", "none", {}, "intent.yaml:23"),
    )
    assert whole.routes == {"page": "films", "ticket": "nobody"}
    assert whole.owners == {"films-crew": "films"}
    assert whole.dead_man == "films"
    assert whole.quiet_hours == QuietHours(20 * 60, 7 * 60 + 30, (0, 4), "Europe/Vienna")


def test_a_line_keeps_its_identity_when_others_come_and_go(whole: Intent, tmp_path: Path) -> None:
    less = WHOLE.replace(
        "      - {failure: 0.5 %, over: 1d, per: [environment, operator], scope: {environment: produ", "#"
    )
    (tmp_path / "intent.yaml").write_text(less)
    remaining = {line.threshold_id for line in load(tmp_path).thresholds}
    assert remaining == {line.threshold_id for line in whole.thresholds if line.signal != "failure"}
