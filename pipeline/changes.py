"""Known changes, and which of them precede an incident and fit it. Pure.

How well a change goes with an incident is `fit`, 0 to 1: scope x time x services.

    scope     (2 a + 1) / (2 a + 1 + d): a dimensions have the same value in both, d are named by only one of them.
              A dimension that both name with different values: 0. (Dice's coefficient, with one agreement given to all,
              so that a change of the whole fleet fits everything a little.)
    time      1/2 ^ (gap / half-life): gap from the change to the earliest onset that the data allow, 0 within that
              interval. Half-life 6 h; 36 h for what spreads device by device (`SPREADS`).
    services  1/4 where both name services and none is the same; else 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from pipeline.drift import settings
from pipeline.messages import Change, RelatedChange
from pipeline.observation import DIMENSIONS, EARLIEST_MS, LATEST_MS, MAX_ID, MAX_NAME

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

KINDS: Final = (
    "deployment", "configuration", "certification", "firmware", "app_version", "contract", "feed", "other",
)  # fmt: skip
SPREADS: Final = frozenset({"certification", "firmware", "app_version"})
HALF_LIFE_MS: Final = 6 * HOUR_MS
SPREADING_MS: Final = 36 * HOUR_MS
OTHER_SERVICES: Final = 0.25
LEAST_FIT: Final = 0.1
"""What fits less is not quoted."""
TELLING_FIT: Final = 0.6
"""What fits so well is named in the summary."""
MOST_QUOTED: Final = 5

MOST_CHANGES: Final = 2_000
MOST_SETTINGS: Final = 100
LONGEST_TEXT: Final = 1_024
KEPT_MS: Final = 30 * DAY_MS
"""Older ones are forgotten, but for what the settings of a configuration are now."""

Scope: TypeAlias = Sequence[tuple[str, str]]


def fault(change: Change) -> str | None:
    """What is wrong with a change, if anything: the field, and what would be right."""
    if not _is_text(change.change_id, MAX_ID):
        return f"change_id: give 1 to {MAX_ID} characters; the same change has the same id whenever it is told"
    if not EARLIEST_MS <= change.at <= LATEST_MS:
        return f"at: {change.at} is no time between 2000 and 2100 in ms since the epoch"
    if change.kind not in KINDS:
        return f"kind: {change.kind!r} is none of {', '.join(KINDS)}"
    if not _is_text(change.what, LONGEST_TEXT):
        return f"what: say in 1 to {LONGEST_TEXT} characters what was changed"
    for name, value in change.scope.items():
        if name not in DIMENSIONS:
            return f"scope: {name!r} is no dimension; there are {', '.join(DIMENSIONS)}"
        if not _is_text(value, MAX_NAME):
            return f"scope.{name}: give 1 to {MAX_NAME} characters"
    if len(change.services) > MOST_SETTINGS or not all(_is_text(name, MAX_NAME) for name in change.services):
        return f"services: give at most {MOST_SETTINGS} names of 1 to {MAX_NAME} characters"
    if change.by and not _is_text(change.by, MAX_ID):
        return f"by: give at most {MAX_ID} characters"
    if change.link is not None and not _is_text(change.link, LONGEST_TEXT):
        return f"link: give 1 to {LONGEST_TEXT} characters"
    if change.configuration and change.kind != "configuration":
        return "configuration: settings belong to a change of kind 'configuration'"
    if len(change.configuration) > MOST_SETTINGS:
        return f"configuration: at most {MOST_SETTINGS} settings"
    for name, value in change.configuration.items():
        if not _is_text(name, MAX_NAME) or not _is_text(value, MAX_ID):
            return f"configuration: {name!r} has a name of 1 to {MAX_NAME} and a value of 1 to {MAX_ID} characters"
    return None


def _is_text(value: str, longest: int) -> bool:
    return 0 < len(value) <= longest and bool(value.strip()) and value.isprintable()


def fit(
    change: Change, scope: Scope, services: Iterable[str], onset_at: int, since: int | None, until: int | None
) -> float:
    """How well a change goes with what began at `onset_at`, by the data between `since` and `until` (ms); 0 to 1."""
    last = max(onset_at, until if until is not None else onset_at)
    if change.at > last:
        return 0.0
    gap = max(0, (min(onset_at, since) if since is not None else onset_at) - change.at)
    touched = set(services)
    apart = bool(touched) and bool(change.services) and not touched.intersection(change.services)
    half_life = SPREADING_MS if change.kind in SPREADS else HALF_LIFE_MS
    recent = float(0.5 ** (gap / half_life))
    return scope_fit(change.scope, dict(scope)) * recent * (OTHER_SERVICES if apart else 1.0)


def scope_fit(one: Mapping[str, str], other: Mapping[str, str]) -> float:
    """How well two scopes go together, see above; the same either way round."""
    both = one.keys() & other.keys()
    if any(one[name] != other[name] for name in both):
        return 0.0
    agreeing, apart = 2 * len(both) + 1, len(one.keys() ^ other.keys())
    return agreeing / (agreeing + apart)


class ChangeBook:
    """The changes that are known, at most `MOST_CHANGES` and `KEPT_MS` old.

    Past the first bound, what was inferred goes before what somebody told, and of these the oldest. Past the second,
    what a configuration is now stays: drift is asked of that.
    """

    def __init__(self) -> None:
        self._known: dict[str, Change] = {}

    def __iter__(self) -> Iterator[Change]:
        """In order of time."""
        return iter(sorted(self._known.values(), key=_order))

    def __len__(self) -> int:
        return len(self._known)

    def add(self, change: Change, now: int | None) -> bool:
        """Take a change; is it new? `now`: the arrival clock, ms; None before it has begun."""
        if change.change_id in self._known:
            return False
        self._known[change.change_id] = change
        if now is not None:
            self._forget(now)
        while len(self._known) > MOST_CHANGES:
            least = min(self._known.values(), key=lambda one: (not one.inferred, *_order(one)))
            del self._known[least.change_id]
        return change.change_id in self._known

    def _forget(self, now: int) -> None:
        old = [one for one in self._known.values() if now - one.at > KEPT_MS]
        if old:
            held = {value.change_id for values in settings(self._known.values()).values() for value in values}
            for one in old:
                if one.change_id not in held:
                    del self._known[one.change_id]

    def related(
        self, scope: Scope, services: Iterable[str], onset_at: int, since: int | None = None, until: int | None = None
    ) -> list[RelatedChange]:
        """Those that precede an onset, best fit first; of what was first seen in several places, the best one."""
        services = list(services)
        found = [
            RelatedChange(change, round(value, 3))
            for change in self._known.values()
            if (value := fit(change, scope, services, onset_at, since, until)) >= LEAST_FIT
        ]
        found.sort(key=lambda one: (-one.fit, -one.change.at, one.change.change_id))
        seen: set[tuple[str, str]] = set()
        out = []
        for one in found:
            subject = (one.change.kind, one.change.what) if one.change.inferred else ("", one.change.change_id)
            if subject not in seen:
                seen.add(subject)
                out.append(one)
        return out[:MOST_QUOTED]

    def snapshot(self) -> list[Change]:
        return list(self)

    def restore(self, changes: Iterable[Change]) -> None:
        self._known = {change.change_id: change for change in changes}


def _order(change: Change) -> tuple[int, str]:
    return change.at, change.change_id
