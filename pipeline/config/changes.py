"""Known changes in a file of YAML.

version: 1
changes:
  - at: 2026-09-01T06:30:00Z          # when it took effect; without a zone it is UTC
    kind: deployment                  # or configuration, certification, firmware, app_version, contract, feed, other
    what: playback service 4.2
    scope: {operator: acme}           # what is left out means all
    services: [playback]              # of the intent; left out: not known
    by: anna
    link: https://tracker.example/4711
  - at: 2026-09-01T09:00:00Z
    kind: configuration
    what: more patience with the license server
    scope: {environment: production}
    configuration: {license.timeout_ms: "8000"}
    id: license-patience              # counts once under this id; left out: it follows from the entry
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from pipeline import changes
from pipeline.config.yamlfile import Reader, Section
from pipeline.intent import Fault
from pipeline.messages import Change
from pipeline.observation import DIMENSIONS, MAX_NAME

_KEYS: Final = ("id", "at", "kind", "what", "scope", "services", "by", "link", "configuration")


def read(path: Path) -> tuple[list[Change], list[Fault]]:
    """The changes of a file, and all that is wrong with it."""
    faults: list[Fault] = []
    root = Reader(faults).root(path)
    if root is None:
        return [], faults
    root.only(("version", "changes"))
    found: list[Change] = []
    seen: set[str] = set()
    for section in root.sections("changes"):
        before = len(faults)
        change = _change(section)
        if change is None or len(faults) > before:
            continue
        if change.change_id in seen:
            section.fault("id", f"change {change.change_id!r} is there already", "rename one")
        elif wrong := changes.fault(change):
            field, _, why = wrong.partition(": ")
            section.fault(field, f"{field} cannot be used", why)
        seen.add(change.change_id)
        found.append(change)
    return found, faults


def _change(section: Section) -> Change | None:
    section.only(_KEYS)
    at = section.day("at", needed="say when it took effect, such as 2026-09-01T06:30:00Z")
    kind = section.choice("kind", changes.KINDS)
    if section.node.get("kind") is None:
        section.fault("kind", "kind is missing", f"choose one of {', '.join(changes.KINDS)}")
    what = section.needed("what", "say what was changed")
    scope = section.section("scope")
    if scope is not None:
        scope.only(DIMENSIONS)
    held = {} if scope is None else {name: scope.text(name, longest=MAX_NAME) for name in scope if name in DIMENSIONS}
    if at is None or kind is None or what is None:
        return None
    named = {name: value for name, value in held.items() if value is not None}
    return Change(
        change_id=section.text("id") or _identity(at, kind, what, named),
        at=at,
        kind=kind,
        what=what,
        scope=named,
        services=list(section.names("services")),
        by=section.text("by") or "",
        link=section.text("link", longest=changes.LONGEST_TEXT),
        configuration=section.texts("configuration"),
    )


def _identity(at: int, kind: str, what: str, scope: dict[str, str]) -> str:
    """The same whenever the file is read."""
    parts = [str(at), kind, what, *(f"{name}={value}" for name, value in sorted(scope.items()))]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]
