"""Whose record it is: canonical fields out of an operator's sources, its defaults and its environment rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pipeline.observation import UNKNOWN
from pipeline.operators.profile import EnvironmentRule, Profile
from pipeline.operators.values import is_absent, number, whole

NUMBERS: Final = frozenset({"latency_ms", "retries", "seq", "count", "occurred_at", "sent_at"})
WHOLE: Final = NUMBERS - {"latency_ms"}
_REQUIRED: Final = ("operator", "device_class")
_PARTS: Final = re.compile(r"[_\-./\s]+")
_MOST_KNOWN: Final = 4_096

FIRMWARE_TOKENS: Final = {"prod": "production", "vbn": "lab", "qa": "certification", "dev": "lab"}
"""What RDK builds are named after."""
BY_FIRMWARE: Final = EnvironmentRule(source="firmware", tokens=FIRMWARE_TOKENS)


class Identity:
    """Answers for one operator.

    usual: sources that the format itself has for canonical fields. rule: its own environment rule.
    """

    def __init__(
        self,
        profile: Profile,
        usual: Mapping[str, tuple[str, ...]] | None = None,
        rule: EnvironmentRule | None = None,
    ) -> None:
        sources = dict(usual or {})
        for name, given in profile.fields.items():
            sources[name] = (*given, *sources.get(name, ()))
        self._sources = tuple(sources.items())
        self.used = frozenset(source for _, several in self._sources for source in several)
        self._defaults = {"operator": profile.name, "device_class": UNKNOWN, **profile.defaults}
        self._rule = profile.environment or rule
        self._tokens = {token.lower(): meaning for token, meaning in self._rule.tokens.items()} if self._rule else {}
        self._environments: dict[str, str] = {}
        self._outcomes = profile.outcomes

    def of(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Canonical fields of a record; absent ones are left out."""
        found: dict[str, Any] = {}
        for name, sources in self._sources:
            for source in sources:
                value = values.get(source)
                if is_absent(value):
                    continue
                found[name] = _typed(name, value)
                break
        for name, value in self._defaults.items():
            found.setdefault(name, value)
        if "environment" not in found and self._rule is not None:
            found["environment"] = self._environment(found, values)
        outcome = found.get("outcome")
        if isinstance(outcome, str):
            found["outcome"] = self._outcomes.get(outcome, outcome)
        return found

    def _environment(self, found: Mapping[str, Any], values: Mapping[str, Any]) -> str:
        rule = self._rule
        assert rule is not None
        if rule.source is None:
            return rule.otherwise
        text = found.get(rule.source)
        if text is None:
            text = values.get(rule.source)
        if not isinstance(text, str):
            return rule.otherwise
        known = self._environments.get(text)
        if known is None:
            parts = _PARTS.split(text.lower()[:256])
            known = next((self._tokens[part] for part in parts if part in self._tokens), rule.otherwise)
            if len(self._environments) >= _MOST_KNOWN:
                self._environments.clear()
            self._environments[text] = known
        return known


def _typed(name: str, value: Any) -> Any:
    """A number where one is meant, though it stands in a string; text where a number stands for a name."""
    if name in NUMBERS:
        found = whole(value) if name in WHOLE else number(value)
        return value if found is None else found
    if name == "cached":
        return {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower(), value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
