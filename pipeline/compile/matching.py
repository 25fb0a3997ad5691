"""Matchers of Alertmanager on the label `service`, which holds one service or several, joined by commas."""

from __future__ import annotations

import re
from collections.abc import Iterable


def equals(label: str, value: str) -> str:
    """The label is exactly this; empty: it is not there."""
    return f"{label}={_quoted(value)}"


def matches(label: str, pattern: str) -> str:
    return f"{label}=~{_quoted(pattern)}"


def matches_not(label: str, pattern: str) -> str:
    return f"{label}!~{_quoted(pattern)}"


def any_of(services: Iterable[str]) -> str:
    """Pattern of a list that names at least one of the services.

    >>> re.fullmatch(any_of(["b"]), "a,b,c") is not None, re.fullmatch(any_of(["b"]), "ab,c") is not None
    (True, False)
    """
    return f"(.+,)?({_either(services)})(,.+)?"


def none_but(services: Iterable[str]) -> str:
    """Pattern of a list that names some of the services and no other.

    >>> [re.fullmatch(none_but(["a", "b"]), text) is not None for text in ("a", "b,a", "a,c", "")]
    [True, True, False, False]
    """
    either = _either(services)
    return f"({either})(,({either}))*"


def one_of(values: Iterable[str]) -> str:
    """Pattern of exactly one of some values."""
    return _either(values)


def _either(values: Iterable[str]) -> str:
    """Escaped as Go's regular expressions take it: a backslash before whatever is no letter, digit or underscore."""
    return "|".join(re.escape(value) for value in values)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
