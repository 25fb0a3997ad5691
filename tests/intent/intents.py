"""Intent files as Hypothesis invents them: all of what may be written, in the shapes that it may have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from pipeline.config.intent import load
from pipeline.intent import Intent
from pipeline.observation import DIMENSIONS

# Whatever has a meaning in regular expressions, matchers, templates, YAML or PromQL.
_SIGNS = "ab1.+*(){}[]|^$?\\\"'/-_ :#&%@é=!~<>`"
names = st.text(_SIGNS, min_size=1, max_size=8).filter(lambda text: text.strip() == text)
SIGNALS = ("latency", "failure", "denial", "timeout", "retry")
PRIORITIES = ("non_negotiable", "degradable", "best_effort")
_durations = st.builds("{}{}{}".format, st.integers(5, 600), st.sampled_from(["", " "]), st.sampled_from(["min", "m"]))
_latencies = st.builds("{} {}".format, st.integers(1, 1_000), st.sampled_from(["ms", "s"]))
_shares = st.builds("{}{}%".format, st.sampled_from([0.01, 0.5, 1, 25, 99.9]), st.sampled_from(["", " "]))


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """What an intent.yaml without a fault may hold."""
    receivers = draw(st.dictionaries(names.filter(lambda name: name != "nobody"), _receivers(), max_size=4))
    known = [*receivers, "nobody"]
    owners = draw(st.lists(names, max_size=3, unique=True))
    services: dict[str, Any] = {}
    for name in draw(st.lists(names, min_size=1, max_size=5, unique=True)):
        # Only on those before it, so that there is no circle.
        services[name] = draw(_services(list(services), known, owners))
    document: dict[str, Any] = {"version": 1, "services": services}
    optional = {
        "false_pages_per_week": st.floats(0.01, 1_000),
        "receivers": st.just(receivers),
        "routes": st.dictionaries(st.sampled_from(["page", "ticket"]), st.sampled_from(known)),
        "owners": st.dictionaries(st.sampled_from(owners or ["crew"]), st.sampled_from(known)),
        "dead_man": st.sampled_from(known),
        "alive": st.sampled_from(known),
        "quiet_hours": _quiet_hours(),
    }
    for key, values in optional.items():
        if key == "receivers" or draw(st.booleans()):
            document[key] = draw(values)
    return document


@st.composite
def _services(draw: st.DrawFn, earlier: list[str], receivers: list[str], owners: list[str]) -> dict[str, Any]:
    operations = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    made: dict[str, Any] = {"operations": operations, "priority": draw(st.sampled_from(PRIORITIES))}
    optional: dict[str, Any] = {
        "thresholds": _thresholds(operations),
        "degradation": _degradations(operations),
        "route": st.sampled_from(receivers),
        "runbook": st.just("https://wiki.example/runbook"),
        "containment": st.text("abc {}%", min_size=1).filter(str.strip),
        "sensitivity": st.one_of(
            st.floats(0.1, 10), st.dictionaries(st.sampled_from([*SIGNALS, "any"]), st.floats(0.1, 10))
        ),
    }
    if earlier:
        optional["depends_on"] = st.lists(st.sampled_from(earlier), min_size=1, unique=True)
    if owners:
        optional["owner"] = st.sampled_from(owners)
    for key, values in optional.items():
        if draw(st.booleans()):
            made[key] = draw(values)
    return made


@st.composite
def _thresholds(draw: st.DrawFn, operations: list[str]) -> list[dict[str, Any]]:
    """No two for the same: each has a window of its own."""
    found = []
    for window in draw(st.lists(_durations, max_size=3, unique_by=lambda text: text.strip(" min"))):
        entry: dict[str, Any] = {"over": window}
        if draw(st.booleans()):
            entry["operation"] = draw(st.sampled_from(operations))
        if draw(st.booleans()):
            # One alone, or two that do not contradict each other.
            entry["latency"] = draw(
                st.one_of(
                    st.dictionaries(st.sampled_from(["p50", "p95", "p99.9"]), _latencies, min_size=1, max_size=1),
                    st.just({"p50": "700 ms", "p95": "1.5 s"}),
                )
            )
        for signal in draw(st.lists(st.sampled_from(SIGNALS[1:]), unique=True)):
            entry[signal] = draw(_shares)
        if draw(st.booleans()):
            dimensions = st.lists(st.sampled_from(DIMENSIONS), min_size=1, unique=True)
            entry["per"] = draw(st.one_of(st.just("all"), st.sampled_from(DIMENSIONS), dimensions))
        if draw(st.booleans()):
            entry["scope"] = draw(st.dictionaries(st.sampled_from(DIMENSIONS), names, max_size=2))
        if len(entry.keys() & set(SIGNALS)) == 0:
            entry["failure"] = draw(_shares)
        found.append(entry)
    return found


@st.composite
def _degradations(draw: st.DrawFn, operations: list[str]) -> list[dict[str, Any]]:
    signals = draw(st.lists(st.sampled_from([*SIGNALS, "any"]), max_size=3, unique=True))
    ratios = st.floats(1.01, 100)
    return [{"operation": draw(st.sampled_from(operations)), signal: draw(ratios)} for signal in signals]


def _receivers() -> st.SearchStrategy[dict[str, str]]:
    return st.sampled_from(
        [
            {"kind": "none"},
            {"kind": "pagerduty", "routing_key_file": "/etc/alertmanager/key"},
            {"kind": "pagerduty", "routing_key_file": "key", "url": "https://events.example/v2"},
            {"kind": "slack", "api_url_file": "/etc/alertmanager/slack", "channel": "#a"},
            {"kind": "webhook", "url": "http://127.0.0.1:1/hook"},
            {"kind": "webhook", "url": "https://hooks.example/a?b=c", "token_file": "/etc/token"},
            {"kind": "email", "to": "a@b.example", "from": "c@d.example", "smarthost": "mail.example:25"},
            {
                "kind": "email",
                "to": "a@b.example",
                "from": "c@d.example",
                "smarthost": "mail.example:587",
                "username": "me",
                "password_file": "/etc/password",
            },
        ]
    )


@st.composite
def _quiet_hours(draw: st.DrawFn) -> dict[str, Any]:
    begin, end = draw(st.lists(st.sampled_from(["00:00", "07:30", "20:00", "23:59"]), min_size=2, unique=True))[:2]
    made: dict[str, Any] = {"from": begin, "until": "24:00" if end == "00:00" else end}
    if draw(st.booleans()) or (made["from"], made["until"]) == ("00:00", "24:00"):
        made["days"] = draw(st.lists(st.sampled_from(["mon", "wed", "sat", "sun"]), min_size=1, unique=True))
    if draw(st.booleans()):
        made["zone"] = draw(st.sampled_from(["UTC", "Europe/Vienna", "America/Sao_Paulo"]))
    return made


_WRONG = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 0.5, 7, 1e9]),
    st.sampled_from(["", " ", "x", "0 %", "1200 ms", "p95", "\x07", "a,b", "20:00", "all", "any"]),
    st.lists(st.sampled_from(["x", 3, None]), max_size=2),
    st.dictionaries(st.sampled_from(["x", "operation", "kind", "latency", "p95"]), st.sampled_from(["x", 1, None])),
)


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    """As `documents`, with something else in one place or two, or a key more."""
    document = json.loads(json.dumps(draw(documents())))
    for _ in range(draw(st.integers(1, 2))):
        node: Any = document
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(node[key], dict | list) and draw(st.integers(0, 3)):
                node = node[key]
                continue
            if isinstance(node, dict) and not draw(st.integers(0, 5)):
                node[draw(st.sampled_from(["x", "route", "for", "url", "priority"]))] = draw(_WRONG)
            node[key] = draw(_WRONG)
            break
    found: dict[str, Any] = document
    return found


def write(document: dict[str, Any], directory: Path) -> None:
    """As an intent file. JSON is YAML."""
    text = json.dumps(document, ensure_ascii=False, indent=1)
    (directory / "intent.yaml").write_text(text, encoding="utf-8")


def loaded(document: dict[str, Any], directory: Path) -> Intent:
    """As the loader reads it."""
    write(document, directory)
    return load(directory)
