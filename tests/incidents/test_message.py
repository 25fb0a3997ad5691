"""The message: complete, bounded, and harmless whatever the names are."""

from __future__ import annotations

import doctest
import re
import string
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.incidents import escaping
from pipeline.incidents.document import document
from pipeline.incidents.escaping import clip, markdown, plain
from pipeline.incidents.message import message
from pipeline.incidents.phone import TEXT, TITLE
from pipeline.messages import (
    Action,
    Change,
    Confidence,
    Contrast,
    Danger,
    Effect,
    Incident,
    RelatedChange,
    Signal,
)

AT = 1_767_225_600_000
MINUTE = 60_000
HOUR = 60 * MINUTE

LATENCY = Signal("playback_start", "latency", "up", 1250.0, 1000.0, 1.25, 0.8, "drift", quantile=0.5)
RETRY = Signal("*", "retry", "up", 0.06, 0.04, 1.5, 0.2, "step")

FULL = Incident(
    incident_id="5d2f0a9c11e84b07",
    state="firing",
    severity="page",
    at=AT,
    onset_at=AT - 8 * HOUR,
    scope={"operator": "nordcast", "firmware": "9.4.1"},
    services=["playback"],
    signals=[LATENCY, RETRY],
    kind="pattern",
    evidence=3.2,
    summary="Operator nordcast, firmware 9.4.1: playback_start latency 1250 ms instead of 1000 ms (+25 %).",
    onset_from=AT - 9 * HOUR,
    onset_until=AT - 7 * HOUR,
    affected=3,
    unaffected=41,
    contrast=[
        Contrast({"operator": "nordcast", "firmware": "9.4.0"}, 1010.0, 1000.0, 1.01, 3),
        Contrast({"operator": "acme", "firmware": "9.4.1"}, 1090.0, 1000.0, 1.09, 2),
    ],
    confidence=Confidence(0.92, 14.0, [], 6.0),
    changes=[
        RelatedChange(
            Change("c1", AT - 9 * HOUR, "deployment", "drm-gateway 3.2 in region north", by="release team"), fit=0.83
        )
    ],
    dangers=[
        Danger(
            "playback",
            "playback_start latency p95 <= 1200 ms over 1h",
            "intent.yaml:12",
            at=AT + 3 * HOUR,
            at_from=AT + 2 * HOUR,
            at_until=AT + 5 * HOUR,
        )
    ],
    effects=[Effect("search", AT - HOUR, [RETRY])],
    containment=["Roll 9.4.1 back to 9.4.0 at nordcast", "Tell nordcast"],
    runbooks=["https://runbooks.example/playback"],
    actions=[Action("a1", AT - HOUR, "kim", "5d2f0a9c11e84b07", "acknowledge", "on it")],
)


def changed(**changes: Any) -> Incident:
    return msgspec.structs.replace(FULL, **changes)


def test_the_title_says_how_grave_for_whom_and_what_leads() -> None:
    said = message(FULL).title
    assert said == "PAGE Operator nordcast, firmware 9.4.1: playback_start latency 1250 ms instead of 1000 ms (+25 %)"


def test_the_text_for_a_phone_says_whom_what_since_when_the_danger_the_first_step_and_the_runbook() -> None:
    assert message(FULL).text == (
        "PAGE Operator nordcast, firmware 9.4.1: playback_start latency 1250 ms instead of 1000 ms (+25 %). "
        "Since 2025-12-31 16:00 UTC (8 h ago). "
        "Endangers playback at 03:00 UTC (in 3 h): playback_start latency p95 <= 1… "
        "Sure: scope 92 %. First: Roll 9.4.1 back to 9.4.0 at nordcast. Runbook: https://runbooks.example/playback"
    )


def test_the_document_is_complete() -> None:
    assert (
        document(message(FULL, "http://seamwatch.test/incidents/5d2f0a9c11e84b07"))
        == """\
**PAGE Operator nordcast, firmware 9.4.1: playback\\_start latency 1250 ms instead of 1000 ms (+25 %)**

Operator nordcast, firmware 9.4.1: playback\\_start latency 1250 ms instead of 1000 ms (+25 %).

### First
1. Roll 9.4.1 back to 9.4.0 at nordcast
2. Tell nordcast

### Runbooks
- <https://runbooks.example/playback>

### What changed
- playback\\_start latency 1250 ms instead of 1000 ms (+25 %)
- retries 6 % instead of 4 %

### For whom
- Operator nordcast, firmware 9.4.1: 3 cohorts, 41 beside it

### Since
- 2025-12-31 16:00 UTC (8 h ago), between 2025-12-31 15:00 UTC and 2025-12-31 17:00 UTC

### How sure
- scope 92 %
- evidence 1585 : 1

### Not affected
- 9.4.0
- acme: less (+9 %)

### Endangers
- playback at 03:00 UTC (in 3 h): playback\\_start latency p95 \\<= 1200 ms over 1h \\[intent.yaml:12\\], \
between 02:00 UTC and 05:00 UTC if this goes on

### Suffers with it
- search since 2025-12-31 23:00 UTC: retries 6 % instead of 4 %

### What happened before
- drm-gateway 3.2 in region north (deployment, 60 min before, by release team; fits 83 %)

### What people did
- 2025-12-31 23:00 UTC kim: acknowledge on it

Incident 5d2f0a9c11e84b07, firing, as of 2026-01-01 00:00 UTC, \
<http://seamwatch.test/incidents/5d2f0a9c11e84b07>
"""
    )


def test_the_message_as_json_is_what_the_documentation_says() -> None:
    said = msgspec.json.decode(msgspec.json.encode(message(FULL)))
    assert said["version"] == 1
    assert said["scope"] == FULL.scope
    assert said["since"] == FULL.onset_at
    assert said["broken_at"] == AT + 3 * HOUR
    assert said["not_affected"] == ["9.4.0", "acme: less (+9 %)"]
    assert "link" not in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"state": "resolved"}, "PAGE over: Operator nordcast"),
        ({"state": "suppressed", "severity": "ticket"}, "TICKET known: Operator nordcast"),
        ({"scope": {}}, "PAGE The whole fleet: playback_start latency"),
        ({"signals": []}, "PAGE Operator nordcast, firmware 9.4.1. Since"),
        ({"dangers": [Danger("tv", "p95 <= 1 s", "i.yaml:3", broken=True)]}, "tv breaks p95 <= 1 s [i.yaml:3]"),
        ({"dangers": [], "contrast": []}, "41 other cohorts are as expected."),
        ({"dangers": [], "contrast": [], "unaffected": 0, "changes": []}, "Sure: scope 92 %."),
    ],
)  # fmt: skip
def test_the_text_follows_the_record(change: dict[str, Any], said: str) -> None:
    assert said in message(changed(**change)).text


def test_a_feed_is_counted_and_has_no_odds() -> None:
    assert message(changed(kind="feed", evidence=0.0, confidence=None)).sure == ["counted"]


def test_an_onset_of_the_same_day_is_told_without_its_date() -> None:
    assert "Since 23:00 UTC (50 min ago)." in message(changed(at=AT - 10 * MINUTE, onset_at=AT - HOUR)).text


def test_a_record_with_nothing_but_what_the_contract_wants_makes_a_message() -> None:
    bare = Incident("x", "forming", "log", AT, AT, {}, [], [], "pattern", -2.0, "Silent.")
    said = message(bare)
    assert said.text == "LOG forming: The whole fleet. Since 00:00 UTC (0 min ago). Sure: evidence 1 : 1e+02."
    assert document(said).startswith("**LOG forming: The whole fleet**\n\nSilent.\n\n### For whom\n")


def test_a_scope_of_long_names_keeps_every_dimension() -> None:
    scope = {dimension: dimension[:3] + 100 * "x" for dimension in ("operator", "device_class", "firmware")}
    for said in (message(changed(scope=scope)).title, message(changed(scope=scope)).text):
        assert all(value[:7] in said for value in scope.values())
        assert "…" in said


def test_hostile_names_stay_what_they_are() -> None:
    name = "\x1b[2J|a_b*c* <img src=x> [x](http://evil.example) www.evil.example `rm`\n# big\u202etxt"
    said = message(changed(scope={"operator": name}, containment=[name], runbooks=["javascript:alert(1)"]))
    assert said.text.isprintable()
    page = document(said)
    assert all(line.isprintable() for line in page.splitlines())
    assert not re.search(r"(?<!\\)[<\[`*_](?!https?:|/?http)", page.split("\n\n", 1)[1])
    assert "\\<img src=x\\> \\[x\\](http\\://evil.example) www\\.evil.example \\`rm\\` \\# big" in page
    assert "<javascript:" not in page


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("1. x", "1\\. x"),
        ("- x", "\\- x"),
        ("10) x", "10\\) x"),
        ("+1", "\\+1"),
        ("9.4.1", "9.4.1"),
        ("a & b", "a \\& b"),
    ],
)
def test_what_begins_a_list_in_markdown_begins_none(text: str, literal: str) -> None:
    assert markdown(text) == literal


def test_the_examples_of_the_documentation_hold() -> None:
    assert doctest.testmod(escaping) == (0, 1)


ANY = st.text(max_size=150)
NAMES = st.text(min_size=1, max_size=128)
LINES = st.lists(st.text(min_size=1, max_size=400), max_size=3)
TIMES = st.integers(0, 4_000_000_000_000)
CHANGES = st.builds(
    RelatedChange, st.builds(Change, ANY, TIMES, st.sampled_from(["firmware", "other"]), ANY, by=ANY), st.floats(0, 1)
)
INCIDENTS = st.builds(
    changed,
    state=st.sampled_from(["forming", "firing", "recovering", "resolved", "suppressed"]),
    severity=st.sampled_from(["page", "ticket", "log"]),
    at=TIMES,
    onset_at=TIMES,
    scope=st.dictionaries(st.sampled_from(["operator", "device_class", "firmware", "environment"]), NAMES),
    signals=st.lists(
        st.builds(
            Signal,
            st.text(min_size=1, max_size=128),
            st.sampled_from(["latency", "retry", "of another version"]),
            st.just("up"),
            st.none() | st.floats(0, 1e8),
            st.none() | st.floats(0, 1e8),
            st.none() | st.floats(0, 1e6),
            st.just(1.0),
            st.just("step"),
        ),
        max_size=3,
    ),
    evidence=st.floats(-5, 300),
    summary=ANY,
    containment=LINES,
    runbooks=LINES,
    dangers=st.lists(
        st.builds(Danger, ANY, ANY, ANY, at=st.none() | TIMES, at_from=st.none() | TIMES, at_until=TIMES), max_size=3
    ),
    changes=st.lists(CHANGES, max_size=3),
)


@given(INCIDENTS)
def test_no_record_makes_a_message_too_long_or_without_whom_since_when_and_the_first_step(incident: Incident) -> None:
    said = message(incident, "http://seamwatch.test/incidents/x")
    assert len(said.title) <= TITLE
    assert len(said.text) <= TEXT
    assert f"Since {said.since_words}." in said.text
    for value in said.scope.values():
        for shown in (said.title, said.text):
            assert clip(value, 8).removesuffix("…").rstrip() in shown
    if said.containment:
        assert f"First: {clip(said.containment[0], 96)}" in said.text


@given(INCIDENTS)
def test_whatever_is_shown_is_one_harmless_line_a_part(incident: Incident) -> None:
    said = message(incident)
    assert said.title.isprintable()
    assert said.text.isprintable()
    assert all(line.isprintable() for line in document(said).split("\n"))


@given(st.text(alphabet=string.punctuation + "wax1 \n", max_size=60))
def test_every_sign_of_markdown_is_escaped(text: str) -> None:
    said = markdown(text)
    unescaped = said.replace("\\\\", "")
    for at, character in enumerate(unescaped):
        if character in "`*_{}[]<>#|~&!":
            assert unescaped[at - 1] == "\\"
    assert "www." not in said.lower()
    assert "://" not in said
    assert plain(text) == said.replace("\\\\", "\0").replace("\\", "").replace("\0", "\\")
