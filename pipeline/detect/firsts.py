"""What the telemetry shows for the first time: a firmware, an app version, a broken clause. Nobody told of it.

By operator, class and environment: a firmware that was in the laboratory for weeks is new when it comes to production.
Nothing is inferred of an operator before it has been known for a day, when all of what it has is new to us and not to
it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, TypeAlias

from models.season import DAY_MS
from models.snapshot import Plain
from pipeline.messages import Change, CohortWindow
from pipeline.observation import MAX_NAME, UNKNOWN, Cohort
from pipeline.windows import OVERFLOW

KNOWN_AFTER_MS: Final = DAY_MS
MOST_VALUES: Final = 500
"""Of a place and kind. Where there are more, names are no versions, and no further one says anything."""
MOST_PLACES: Final = 5_000

Place: TypeAlias = tuple[str, str, str, str]
"""Operator, device class, environment and kind of what was seen."""

_SAID: Final = {
    "firmware": "firmware {} first seen",
    "app_version": "app version {} first seen",
    "contract": "contract clause {} first broken",
}


class Firsts:
    """Remembers what each place has shown."""

    def __init__(self) -> None:
        self._seen: dict[Place, dict[str, None]] = {}
        self._since: dict[tuple[str, str], int] = {}
        """When each operator began to be known, by kind, ms."""

    def look(self, operator: str, windows: Iterable[CohortWindow], minute: int) -> list[Change]:
        """What a minute of an operator shows for the first time, each once."""
        out = []
        for window in windows:
            if not window.records or OVERFLOW in (operator, window.device_class):
                continue
            for kind, values in (
                ("firmware", (window.firmware,)),
                ("app_version", window.app_versions),
                ("contract", window.clauses),
            ):
                since = self._since.setdefault((operator, kind), minute)
                place = operator, window.device_class, window.environment, kind
                for value in values:
                    if self._is_new(place, value) and minute - since >= KNOWN_AFTER_MS:
                        out.append(_change(place, value, minute))
        return out

    def take_up(self, cohorts: Iterable[Cohort], since: int) -> None:
        """Cohorts were learnt elsewhere, from `since` on (ms): their firmwares are not new."""
        for cohort in cohorts:
            key = cohort.operator, "firmware"
            self._since[key] = min(since, self._since.get(key, since))
            self._is_new((cohort.operator, cohort.device_class, cohort.environment, "firmware"), cohort.firmware)

    def _is_new(self, place: Place, value: str) -> bool:
        """Whether this was not seen there; it has been from now on."""
        if value in (UNKNOWN, OVERFLOW) or len(value) > MAX_NAME:
            return False
        seen = self._seen.get(place)
        if seen is None:
            if len(self._seen) >= MOST_PLACES:
                return False
            seen = self._seen[place] = {}
        if value in seen or len(seen) >= MOST_VALUES:
            return False
        seen[value] = None
        return True

    def snapshot(self) -> Plain:
        return {
            "seen": [[list(place), list(values)] for place, values in self._seen.items()],
            "since": [[list(key), at] for key, at in self._since.items()],
        }

    def restore(self, state: Plain) -> None:
        self._seen = {_place(place): dict.fromkeys(values) for place, values in state["seen"]}
        self._since = {(operator, kind): at for (operator, kind), at in state["since"]}


def _place(parts: Iterable[str]) -> Place:
    operator, device_class, environment, kind = parts
    return operator, device_class, environment, kind


def _change(place: Place, value: str, minute: int) -> Change:
    operator, device_class, environment, kind = place
    scope = {"operator": operator, "device_class": device_class}
    if environment != UNKNOWN:
        scope["environment"] = environment
    if kind == "firmware":
        scope["firmware"] = value
    identity = hashlib.sha256("\x1f".join((*place, value)).encode()).hexdigest()[:16]
    return Change(f"first-{identity}", minute, kind, _SAID[kind].format(value), scope, inferred=True)
