"""Drill files: what is injected into which stream, and what is wanted, as Alertmanager's acceptance tests have it.

version: 1
title: evening                          # for proofs and reports; default: the file's name
stream:                                 # all of it optional
  kind: simulated                       # or recorded
  seed: 7
  days: 8                               # of simulated history
  files: [week.ndjson.zst]              # recorded: canonical records, beside this file
  hours: 12                             # recorded: the last so many are changed
faults:
  - name: slow start on one firmware
    what: latency                       # failure, denial, timeout, retry; out_of_order, duplicate, gap, volume, delay …
    operation: playback_start           # of latency and of the shares of attempts
    strength: 1.25                      # a factor; of a delay a duration; default: calibrated by the intent
    scope: {firmware: fw-3.4.1}         # default: somebody of the stream
    at: 30m                             # after the history; default: at once
    expect:
      service: playback                 # default: the operation's
      within: 4h
      severity: page                    # default: by the intent, as the route
      route: on-call
      scope: {firmware: fw-3.4.1}       # default: the fault's
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ruamel.yaml.comments import CommentedMap

from pipeline.config.yamlfile import Reader, Section
from pipeline.drill.plan import (
    ORDER,
    PROMISES,
    RATES,
    STREAM_SIGNALS,
    Plan,
    Planned,
    degradation_of,
    services_of,
    severity_of,
)
from pipeline.drill.routing import receivers_of
from pipeline.drill.streams import HISTORY_DAYS
from pipeline.intent import Fault, Intent, Service, Severity
from pipeline.observation import DIMENSIONS, MAX_NAME
from pipeline.simulate.durations import DAY_MS, parse_duration

FOLDER: Final = "drills"
"""Of a configuration directory."""
LONGEST_MS: Final = 7 * DAY_MS
SIGNALS: Final = ("latency", *RATES, *STREAM_SIGNALS)
_KEYS: Final = ("version", "title", "stream", "faults")
_FAULT_KEYS: Final = ("name", "what", "operation", "strength", "scope", "at", "expect")


@dataclass(frozen=True, slots=True)
class StreamChoice:
    """What the file says of its stream; None: it says nothing. files: where they are."""

    kind: str | None = None
    seed: int | None = None
    days: int = HISTORY_DAYS
    files: tuple[str, ...] = ()
    hours: float | None = None


@dataclass(frozen=True, slots=True)
class DrillFile:
    path: str
    plan: Plan
    stream: StreamChoice = field(default_factory=StreamChoice)


def drill_files(directory: Path) -> list[Path]:
    """Those of a configuration directory, by name."""
    return sorted((directory / FOLDER).glob("*.yaml"))


def lint(directory: Path, intent: Intent) -> list[Fault]:
    """Every fault of every drill file of a configuration directory."""
    faults: list[Fault] = []
    for path in drill_files(directory):
        read(path, intent, faults)
    return faults


def read(path: Path, intent: Intent, faults: list[Fault]) -> DrillFile | None:
    """A drill file; what is wrong with it is added to `faults`. None where it is no file of the kind."""
    root = Reader(faults).root(path)
    if root is None:
        return None
    root.only(_KEYS)
    title = root.text("title", path.stem) or path.stem
    choice = _stream(root, path.parent)
    if not root.node.get("faults"):
        root.fault("faults", "faults is missing or empty", "say at least one: - {what: latency, operation: …}")
    found: list[Planned] = []
    for number, section in enumerate(root.sections("faults")):
        planned = _fault(section, intent, number)
        if planned is None:
            continue
        if planned.name in {other.name for other in found}:
            section.fault("name", f"there is a fault {planned.name!r} already", "name one of them otherwise")
        found.append(planned)
    touched = {planned.service for planned in found}
    priorities = {service.name: service.priority for service in intent.services if service.name in touched}
    return DrillFile(str(path), Plan(title, tuple(found), priorities), choice)


def _stream(root: Section, beside: Path) -> StreamChoice:
    section = root.section("stream")
    if section is None:
        return StreamChoice()
    section.only(("kind", "seed", "days", "files", "hours"))
    kind = section.choice("kind", ("simulated", "recorded"))
    files = tuple(str(beside / name) for name in section.names("files"))
    seed, days = _whole(section, "seed", 0, 2**31), _whole(section, "days", 1, 60)
    if files and kind == "simulated":
        section.fault("files", "a simulated stream reads no files", "leave them out, or write kind: recorded")
    if kind == "recorded" and not files:
        section.fault("kind", "a recorded stream has no files", "write files: [week.ndjson.zst]")
    for name in files:
        if not Path(name).exists():
            section.fault("files", f"{name} does not exist", "name a file beside this one")
    hours = section.number("hours", None, 0.5, 168.0)
    return StreamChoice(kind or ("recorded" if files else None), seed, days or HISTORY_DAYS, files, hours)


def _whole(section: Section, key: str, least: int, most: int) -> int | None:
    number = section.number(key, None, least, most)
    if number is not None and number != int(number):
        section.fault(key, f"{key} is {number}", f"give a whole number from {least} to {most}")
        return None
    return None if number is None else int(number)


def _fault(section: Section, intent: Intent, number: int) -> Planned | None:
    section.only(_FAULT_KEYS)
    signal = section.choice("what", SIGNALS)
    if signal is None:
        if section.node.get("what") is None:
            section.fault("what", "what is missing", f"say what goes wrong: {', '.join(SIGNALS)}")
        return None
    operation = section.text("operation", longest=MAX_NAME)
    if signal in STREAM_SIGNALS and operation is not None:
        section.fault("operation", f"{signal} happens to all operations alike", "leave out operation")
        operation = None
    elif signal not in STREAM_SIGNALS and operation is None:
        section.fault("operation", "operation is missing", f"say which operation's {signal}")
    expect = section.section("expect") or Section(section.file, CommentedMap(), section.line, [])
    expect.only(("service", "within", "severity", "route", "scope"))
    service = _service(expect, intent, operation)
    severity = expect.choice("severity", tuple(Severity))
    told = Severity(severity) if severity is not None else severity_of(intent, signal, operation)
    route = expect.text("route")
    if route is not None and route not in _receivers(intent):
        known = ", ".join(sorted(_receivers(intent))) or "none"
        expect.fault("route", f"there is no receiver {route!r}", f"the intent's receivers are: {known}")
    name = None if service is None else service.name
    promise = ORDER if service is None else PROMISES[service.priority]
    at = _duration(section, "at", 0)
    within = _duration(expect, "within", promise.within_ms(signal))
    label = f"{operation} {signal}" if operation is not None else signal
    return Planned(
        name=section.text("name", label) or label,
        service=name,
        operation=operation,
        signal=signal,
        within_ms=within,
        severity=told,
        receivers=(route,) if route is not None else receivers_of(intent, services_of(intent, signal, name), told),
        scope=_scope(section),
        shape=("firmware",) if signal not in ("delay", "silence", "volume") else ("operator",),
        turn=number,
        strength=_strength(section, signal),
        least=ORDER.rate if signal in STREAM_SIGNALS else promise.factor(signal),
        at_ms=at,
        degradation=None if service is None or operation is None else degradation_of(service, operation, signal),
        expected_scope=_scope(expect),
        place=f"{section.file}:{section.line}",
    )


def _receivers(intent: Intent) -> set[str]:
    return {receiver.name for receiver in intent.receivers}


def _service(expect: Section, intent: Intent, operation: str | None) -> Service | None:
    """The service that is said, or else the first that has the operation."""
    name = expect.choice("service", [service.name for service in intent.services])
    touched = intent.services_of([] if operation is None else [operation])
    if name is not None and operation is not None and name not in touched:
        said = f"its services are: {', '.join(touched) or 'none'}"
        expect.fault("service", f"{operation} is no operation of {name}", said)
    if name is None and touched:
        name = touched[0]
    return next((service for service in intent.services if service.name == name), None)


def _strength(section: Section, signal: str) -> float | None:
    match signal:
        case "silence":
            if section.node.get("strength") is not None:
                section.fault("strength", "silence has no strength", "leave it out")
            return 0.0
        case "delay":
            if section.node.get("strength") is None:
                section.fault("strength", "strength is missing", "say how late: strength: 45s")
                return None
            return float(_duration(section, "strength", 0))
        case "volume":
            if section.node.get("strength") is None:
                section.fault("strength", "strength is missing", "say what part is left: strength: 0.1")
            return section.number("strength", None, 0.0, 1.0)
        case _:
            return section.number("strength", None, 1.0, 1e6)


def _scope(section: Section) -> Mapping[str, str] | None:
    inner = section.section("scope")
    if inner is None:
        return None
    inner.only(DIMENSIONS)
    return {name: value for name in inner if name in DIMENSIONS and (value := inner.text(name, longest=MAX_NAME))}


def _duration(section: Section, key: str, otherwise: int) -> int:
    text = section.text(key)
    if text is None:
        return otherwise
    try:
        found = parse_duration(text)
    except ValueError as error:
        section.fault(key, f"{key}: {error}", "write a duration")
        return otherwise
    if found > LONGEST_MS:
        section.fault(key, f"{key} is {text}", "a drill looks at a week, at most")
        return otherwise
    return found
