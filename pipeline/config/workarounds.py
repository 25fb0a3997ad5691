"""The registry of workarounds: `workarounds.yaml`. No suppression without an owner, a reason and an end.

version: 1
workarounds:
  - id: acme-g2-slow-start
    owner: acme-crew
    reason: their firmware 2.4.1 asks for the manifest twice; mended in 2.4.2
    scope: {operator: acme, device_class: stb-g2}     # at least one dimension
    tolerates: {signals: [latency], operations: [playback_start], most: 1.5}     # what of it; default: all
    opened: 2026-09-01
    expires: 2026-12-01
    link: https://tracker.example/4711
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pipeline.config.yamlfile import Reader, Section
from pipeline.intent import Fault
from pipeline.observation import DIMENSIONS, MAX_NAME
from pipeline.workarounds import Workaround

FILE_NAME: Final = "workarounds.yaml"
SIGNALS: Final = (
    "latency",
    "failure",
    "denial",
    "timeout",
    "retry",
    "out_of_order",
    "duplicate",
    "gap",
    "delay",
    "volume",
    "contract",
)
KINDS: Final = ("pattern", "breach", "feed")
LONGEST_DAYS: Final = 366
_DAY_MS: Final = 86_400_000
_KEYS: Final = ("id", "owner", "reason", "scope", "tolerates", "opened", "expires", "link")


def workarounds(directory: Path, faults: list[Fault]) -> tuple[Workaround, ...]:
    """The workarounds of a configuration directory; faults are added to the list."""
    path = directory / FILE_NAME
    if not path.exists():
        return ()
    root = Reader(faults).root(path)
    if root is None:
        return ()
    root.only(("version", "workarounds"))
    out: list[Workaround] = []
    seen: set[str] = set()
    for section in root.sections("workarounds"):
        one = _workaround(section)
        if one is None:
            continue
        if one.id in seen:
            section.fault("id", f"workaround {one.id!r} is there already", "rename one")
        seen.add(one.id)
        out.append(one)
    return tuple(out)


def _workaround(section: Section) -> Workaround | None:
    section.only(_KEYS)
    name = section.needed("id", "give it a short name")
    owner = section.needed("owner", "name who answers for it, and is paged when it expires")
    reason = section.needed("reason", "say what is known to be wrong")
    opened = section.day("opened", needed="say since when, such as 2026-09-01")
    expires = section.day("expires", needed="no suppression without an end: write a date")
    scope = _scope(section)
    if opened is not None and expires is not None:
        if expires <= opened:
            section.fault("expires", "it expires before it is opened", "write a later date")
        elif expires - opened > LONGEST_DAYS * _DAY_MS:
            section.fault("expires", f"it lasts longer than {LONGEST_DAYS} days", "what lasts so long is no workaround")
    signals: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    kinds: tuple[str, ...] = KINDS
    most = None
    tolerates = section.section("tolerates")
    if tolerates is not None:
        tolerates.only(("signals", "operations", "kinds", "most"))
        signals = _chosen(tolerates, "signals", SIGNALS)
        operations = tolerates.names("operations")
        kinds = _chosen(tolerates, "kinds", KINDS) or KINDS
        most = tolerates.number("most", None, 1.0, 1e6)
    if name is None or owner is None or reason is None or opened is None or expires is None or not scope:
        return None
    link = section.text("link", longest=1_024)
    return Workaround(name, owner, reason, scope, opened, expires, signals, operations, kinds, most, link)


def _scope(section: Section) -> dict[str, str]:
    scope = section.section("scope")
    if scope is None:
        if "scope" not in section.node:
            section.fault("scope", "scope is missing", f"name at least one of {', '.join(DIMENSIONS)}")
        return {}
    scope.only(DIMENSIONS)
    found = {name: value for name in scope if name in DIMENSIONS and (value := scope.text(name, longest=MAX_NAME))}
    if not scope.node:
        section.fault("scope", "scope is empty", f"name at least one of {', '.join(DIMENSIONS)}")
    return found


def _chosen(section: Section, key: str, known: tuple[str, ...]) -> tuple[str, ...]:
    names = section.names(key)
    for name in names:
        if name not in known:
            section.fault(key, f"{key} names {name!r}", f"known are {', '.join(known)}")
    return tuple(name for name in names if name in known)
