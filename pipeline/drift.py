"""Configuration drift: what each setting is in which environment and cohort, and where it is not the same. Pure.

A change of kind `configuration` says that settings have values within a scope from then on. What is newer counts, and
takes away what it covers: a value that is set for all of production is what every cohort of it has, whatever was set
for one of them before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice, product
from typing import Final

from pipeline.messages import Change

CERTIFICATION: Final = "certification"
PRODUCTION: Final = "production"
ANY: Final = "*"
MOST_PAIRS: Final = 20
"""Of a setting that are told."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a setting is within a scope; since when (ms), by which change and whom."""

    value: str
    scope: Mapping[str, str]
    at: int
    change_id: str
    by: str


@dataclass(frozen=True, slots=True)
class Drift:
    """A setting that is not the same everywhere, with its values in order of their scopes.

    certified: pairs of a value in certification and another one in production, for the same operator, class and
    firmware as far as both say it: what is certified is not what is in use. At most `MOST_PAIRS`. cohorts: environments
    within which values differ; `*` stands for values that were set without one.
    """

    setting: str
    values: tuple[Value, ...]
    certified: tuple[tuple[Value, Value], ...]
    cohorts: tuple[str, ...]


def settings(changes: Iterable[Change]) -> dict[str, list[Value]]:
    """What each setting is now, by scope; settings and scopes in order."""
    held: defaultdict[str, list[Value]] = defaultdict(list)
    for change in sorted(changes, key=lambda one: (one.at, one.change_id)):
        for setting, value in change.configuration.items():
            kept = [old for old in held[setting] if not _covers(change.scope, old.scope)]
            kept.append(Value(value, dict(change.scope), change.at, change.change_id, change.by))
            held[setting] = kept
    return {name: sorted(values, key=lambda one: sorted(one.scope.items())) for name, values in sorted(held.items())}


def drift(changes: Iterable[Change]) -> list[Drift]:
    """Settings that are not the same everywhere, in order of their names."""
    out = []
    for setting, values in settings(changes).items():
        tried = [one for one in values if one.scope.get("environment") == CERTIFICATION]
        # Where no environment is named, production is meant as well.
        used = [one for one in values if one.scope.get("environment", PRODUCTION) == PRODUCTION]
        pairs = (pair for pair in product(tried, used) if pair[0].value != pair[1].value and _meet(*pair))
        certified = tuple(islice(pairs, MOST_PAIRS))
        found: defaultdict[str, set[str]] = defaultdict(set)
        for one in values:
            found[one.scope.get("environment", ANY)].add(one.value)
        cohorts = tuple(sorted(name for name, said in found.items() if len(said | found.get(ANY, set())) > 1))
        if certified or cohorts:
            out.append(Drift(setting, tuple(values), certified, cohorts))
    return out


def _covers(wider: Mapping[str, str], narrower: Mapping[str, str]) -> bool:
    return all(narrower.get(name) == value for name, value in wider.items())


def _meet(one: Value, other: Value) -> bool:
    """Is there a cohort of both, but for the environment?"""
    both = one.scope.keys() & other.scope.keys() - {"environment"}
    return all(one.scope[name] == other.scope[name] for name in both)
