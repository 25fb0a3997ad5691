"""Incidents that are known to have happened, for `seamwatch replay --known FILE`:

version: 1
incidents:
  - id: INC-1042                              # short and unique
    what: playback slow on fw-2.4.1           # a sentence; default: the id
    scope: {firmware: fw-2.4.1}               # dimensions and values; {} is the whole fleet
    from: 2026-01-13T04:00:00Z                # when it began, as far as is known
    to: 2026-01-18T00:00:00Z                  # when it was over; default: not known
    detected_at: 2026-01-14T21:00:00Z         # when people noticed; default: not known
    services: [playback]                      # of the intent; default: any
    severity: page                            # page, ticket or log; what it was worth to people; default: not said
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pipeline.config.yamlfile import Reader, Section
from pipeline.incidents.known import Known
from pipeline.intent import ConfigurationError, Fault, Severity
from pipeline.observation import DIMENSIONS, MAX_NAME

_KEYS: Final = ("id", "what", "scope", "from", "to", "detected_at", "services", "severity")


def known_incidents(path: Path) -> list[Known]:
    """In the order of the file. Raises ConfigurationError with every fault of it."""
    faults: list[Fault] = []
    out: list[Known] = []
    root = Reader(faults).root(path)
    if root is not None:
        root.only(("version", "incidents"))
        if root.node.get("incidents") is None:
            root.fault("incidents", "incidents is missing", "write a list of them; [] where there was none")
        seen: set[str] = set()
        for section in root.sections("incidents"):
            one = _known(section)
            if one is None:
                continue
            if one.known_id in seen:
                section.fault("id", f"incident {one.known_id!r} is there already", "rename one")
            seen.add(one.known_id)
            out.append(one)
    if faults:
        raise ConfigurationError(sorted(faults, key=lambda fault: (fault.file, fault.line)))
    return out


def _known(section: Section) -> Known | None:
    section.only(_KEYS)
    name = section.needed("id", "give it a short name")
    since = section.day("from", needed="say since when, such as 2026-01-13T04:00:00Z")
    until = section.day("to")
    detected = section.day("detected_at")
    if since is not None and until is not None and until <= since:
        section.fault("to", "it is over before it begins", "write a later instant")
    if since is not None and detected is not None and detected < since:
        section.fault("detected_at", "it was noticed before it began", "write a later instant, or an earlier 'from'")
    scope = _scope(section)
    what = section.text("what", name, longest=1_024)
    services = section.names("services")
    severity = section.choice("severity", [str(one) for one in Severity])
    if name is None or since is None or what is None:
        return None
    return Known(name, what, scope, since, until, detected, tuple(services), severity)


def _scope(section: Section) -> dict[str, str]:
    if section.node.get("scope") is None:
        section.fault("scope", "scope is missing", f"name of {', '.join(DIMENSIONS)}; {{}} is the whole fleet")
    scope = section.section("scope")
    if scope is None:
        return {}
    scope.only(DIMENSIONS)
    return {name: value for name in scope if name in DIMENSIONS and (value := scope.text(name, longest=MAX_NAME))}
