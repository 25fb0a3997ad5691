"""Operators as configuration: `operators/NAME.yaml`, one file an operator; a new one needs no code.

version: 1
operator: acme                       # where records do not say; else the file's name
format: cmcd                         # canonical, cmcd, rdk, bulkdata, otlp, cloudevents
topics: [acme.cmcd]
fields:                              # canonical field: source in the operator's records, or several
  device_class: com.acme-model
  firmware: com.acme-fw
defaults: {app_version: "1.0"}       # canonical fields that no source gave
operations: {start: playback_start}  # the operator's words, and ours
outcomes: {E-403: denied}            # words or error codes
measures:                            # operation: where a report holds it
  entitlement_check: {attempts: X_ENT, failures: X_ENT_BAD, latency: X_ENT_MS, unit: ms, cumulative: false}
environment: {from: firmware, tokens: {PROD: production}, otherwise: unknown}     # or one word for all
clock: {believe: device, unit: ms}   # or arrival, observed; unit: where magnitudes mislead
firmwares: {fw-2.4.1: 2026-03-01}    # when they came into being
interval: 300                        # seconds between two reports of a device
payload: mapped                      # of CloudEvents: canonical or mapped
rejects: {incident: 0.05, stop: 0.5, least: 20}
quirks:
  - {id: ec-integer, clause: cmcd.ec, owner: acme-crew, reason: "…", expires: 2027-01-31, link: "https://…"}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pipeline.config.yamlfile import Reader, Section
from pipeline.contracts import CLAUSES
from pipeline.intent import Fault
from pipeline.observation import ENVIRONMENTS, MAX_NAME, OUTCOMES, UNKNOWN, Observation
from pipeline.operators import ADAPTERS
from pipeline.operators.profile import CLOCKS, UNITS, EnvironmentRule, Measure, Profile, Quirk, RejectLimits

FOLDER: Final = "operators"
_KEYS: Final = (
    "version",
    "operator",
    "format",
    "topics",
    "fields",
    "defaults",
    "operations",
    "outcomes",
    "measures",
    "environment",
    "clock",
    "firmwares",
    "interval",
    "payload",
    "rejects",
    "quirks",
)
_NOT_MAPPED: Final = ("received_at",)
_DEFAULTS: Final = ("device_class", "firmware", "environment", "app_version")
_MEASURE: Final = ("attempts", "failures", "denials", "timeouts", "retries", "latency", "outcome", "error_code")
_PAYLOADS: Final = ("canonical", "mapped")


def operators(directory: Path, faults: list[Fault]) -> list[Profile]:
    """Every operator of a configuration directory, by name of file; faults are added to the list."""
    folder = directory / FOLDER
    if not folder.is_dir():
        return []
    reader = Reader(faults)
    found: list[Profile] = []
    names: dict[str, Path] = {}
    topics: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".yml":
            faults.append(Fault(str(path), 1, "is not read", f"call it {path.stem}.yaml"))
        if path.suffix != ".yaml":
            continue
        root = reader.root(path)
        if root is None:
            continue
        profile = operator(root, path.stem)
        if profile.name in names:
            root.fault("operator", f"operator {profile.name!r} is {names[profile.name].name}'s already", "rename one")
        names[profile.name] = path
        for topic in profile.topics:
            if topic in topics:
                root.fault("topics", f"topic {topic!r} is {topics[topic].name}'s already", "a topic has one operator")
            topics[topic] = path
        found.append(profile)
    return found


def operator(root: Section, stem: str) -> Profile:
    """One operator's file; where something is wrong with it, what the default would be serves."""
    root.only(_KEYS)
    name = root.text("operator", stem, longest=MAX_NAME) or stem
    if root.node.get("format") is None:
        root.fault("format", "format is missing", f"choose one of {', '.join(ADAPTERS)}")
    format_name = root.choice("format", tuple(ADAPTERS), "canonical") or "canonical"
    if root.node.get("format") == "canonical":
        for key in ("fields", "defaults", "operations", "outcomes", "measures", "environment", "clock", "quirks"):
            if key in root.node:
                root.fault(key, f"{key} says nothing of canonical records", "they have our fields; remove it")
    clock, unit = _clock(root)
    return Profile(
        name=name,
        format=format_name,
        topics=_topics(root),
        fields=_fields(root),
        defaults=_some(root, "defaults", _DEFAULTS),
        operations=root.texts("operations"),
        outcomes=root.texts("outcomes", OUTCOMES),
        measures=_measures(root),
        environment=_environment(root),
        clock=clock,
        unit=unit,
        released_at=_released(root),
        interval_s=_interval(root),
        payload=root.choice("payload", _PAYLOADS),
        quirks=_quirks(root),
        rejects=_rejects(root),
    )


def _topics(root: Section) -> tuple[str, ...]:
    topics = root.names("topics")
    for topic in topics:
        if (
            len(topic) > 249
            or topic in (".", "..")
            or not all(c.isascii() and (c.isalnum() or c in "._-") for c in topic)
        ):
            root.fault("topics", f"{topic!r} is no topic", "letters, digits, '.', '_' and '-', at most 249")
    return topics


def _fields(root: Section) -> dict[str, tuple[str, ...]]:
    section = root.section("fields")
    if section is None:
        return {}
    known = tuple(name for name in Observation.__struct_fields__ if name not in _NOT_MAPPED)
    section.only(known)
    return {name: section.names(name) for name in section if name in known}


def _some(root: Section, key: str, known: tuple[str, ...]) -> dict[str, str]:
    section = root.section(key)
    if section is None:
        return {}
    section.only(known)
    out = {}
    for name in section:
        if name == "environment":
            value = section.choice(name, ENVIRONMENTS)
        else:
            value = section.text(name, longest=MAX_NAME) if name in known else None
        if value is not None:
            out[name] = value
    return out


def _measures(root: Section) -> tuple[Measure, ...]:
    section = root.section("measures")
    if section is None:
        return ()
    out = []
    for operation in section:
        one = section.section(operation)
        if one is None:
            continue
        one.only((*_MEASURE, "unit", "cumulative"))
        sources: dict[str, Any] = {name: one.text(name, longest=512) for name in _MEASURE}
        if not any(sources.values()):
            section.fault(operation, f"{operation} names no source", f"give it some of {', '.join(_MEASURE)}")
            continue
        counts = any(sources[name] for name in ("attempts", "failures", "denials", "timeouts"))
        cumulative = one.flag("cumulative")
        if cumulative and not counts:
            one.fault("cumulative", "only counts can be cumulative", "name attempts or failures, or remove it")
        unit = one.choice("unit", tuple(UNITS), "ms") or "ms"
        out.append(Measure(operation, unit=unit, cumulative=cumulative, **sources))
    return tuple(out)


def _environment(root: Section) -> EnvironmentRule | None:
    value = root.node.get("environment")
    if value is None:
        return None
    if isinstance(value, str):
        word = root.choice("environment", ENVIRONMENTS)
        return None if word is None else EnvironmentRule(otherwise=word)
    section = root.section("environment")
    if section is None:
        return None
    section.only(("from", "tokens", "otherwise"))
    source = section.needed("from", "name the field or source that it follows from, such as firmware")
    tokens = section.texts("tokens", ENVIRONMENTS)
    otherwise = section.choice("otherwise", ENVIRONMENTS, UNKNOWN) or UNKNOWN
    return EnvironmentRule(source, tokens, otherwise)


def _clock(root: Section) -> tuple[str, str | None]:
    """Which clock is believed, and the unit of times where it is said."""
    section = root.section("clock")
    if section is None:
        return "device", None
    section.only(("believe", "unit"))
    return section.choice("believe", CLOCKS, "device") or "device", section.choice("unit", tuple(UNITS))


def _released(root: Section) -> dict[str, int]:
    section = root.section("firmwares")
    if section is None:
        return {}
    return {name: day for name in section if (day := section.day(name)) is not None}


def _interval(root: Section) -> int | None:
    seconds = root.number("interval", None, 1, 366 * 86_400)
    return None if seconds is None else round(seconds)


def _rejects(root: Section) -> RejectLimits:
    section = root.section("rejects")
    usual = RejectLimits()
    if section is None:
        return usual
    section.only(("incident", "stop", "least"))
    incident = section.number("incident", usual.incident, 0.0, 1.0)
    stop = section.number("stop", usual.stop, 0.0, 1.0)
    if incident is not None and stop is not None and stop <= incident:
        section.fault("stop", f"stop ({stop:g}) is not above incident ({incident:g})", "people should hear of it first")
    least = section.number("least", usual.least, 1, 1e6)
    return RejectLimits(usual.incident if incident is None else incident, stop, round(least or usual.least))


def _quirks(root: Section) -> tuple[Quirk, ...]:
    out = []
    seen: set[str] = set()
    for section in root.sections("quirks"):
        section.only(("id", "clause", "owner", "reason", "expires", "link"))
        name = section.needed("id", "give it a short name")
        owner = section.needed("owner", "name who answers for it")
        reason = section.needed("reason", "say why it is tolerated")
        clause = section.choice("clause", tuple(CLAUSES))
        if "clause" not in section.node:
            section.fault("clause", "clause is missing", "name the clause that it tolerates, such as cmcd.ec")
        expires = section.day("expires", needed="no quirk without an end: write a date")
        if name is not None and name in seen:
            section.fault("id", f"quirk {name!r} is there already", "rename one")
        if name is None or owner is None or reason is None or clause is None or expires is None:
            continue
        seen.add(name)
        out.append(Quirk(name, clause, owner, reason, expires, section.text("link", longest=1_024)))
    return tuple(out)
