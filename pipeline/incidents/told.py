"""An incident in words, part by part; `message` fills it, `phone` and `document` show it."""

from __future__ import annotations

from typing import Final

import msgspec

VERSION: Final = 1


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An incident in words; docs/routing.md documents it as JSON. Times are ms since the epoch."""

    version: int
    incident_id: str
    state: str
    severity: str
    kind: str
    at: int
    title: str
    """At most `phone.TITLE` characters."""
    text: str
    """At most `phone.TEXT` characters."""
    summary: str
    scope: dict[str, str]
    """For whom; as in the record."""
    whom: str
    """For whom, in words."""
    what: list[str]
    """What changed, strongest first."""
    since: int
    since_words: str
    since_from: int | None = None
    """Interval of `since` that the data allow."""
    since_until: int | None = None
    sure: list[str]
    """How sure, and of what it rests on."""
    affected: int | None = None
    """Cohorts in the scope, and beside it."""
    unaffected: int | None = None
    not_affected: list[str] = []
    """Siblings in which the leading signal is as expected, and by how much others are off."""
    endangers: list[str] = []
    """Lines of the intent, the soonest first."""
    broken_at: int | None = None
    """When the soonest of them will be broken if this goes on; `at` of the record when one is broken already."""
    effects: list[str] = []
    """Services that suffer with it because they depend on what it names."""
    changes: list[str] = []
    """Known changes before it, best fit first."""
    containment: list[str] = []
    """First steps."""
    runbooks: list[str] = []
    people: list[str] = []
    """What people did about it, oldest first."""
    owner: str | None = None
    workaround: str | None = None
    merged_into: str | None = None
    link: str | None = None
    """Its page."""
