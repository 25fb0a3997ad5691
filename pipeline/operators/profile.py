"""What is peculiar to an operator, as plain data: the configuration of its feed, and nothing that runs.

A source is a name in the operator's own records: a CMCD key, an RDK marker, a path of a device's data model, an
attribute. Adapters look sources up; they hold no operator's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from pipeline.observation import UNKNOWN

CLOCKS: Final = ("device", "arrival", "observed")
"""Which clock an operator's times are believed from: the devices' (checked against arrival), arrival alone, or for the
arrival the time at which a collector says that it observed the record."""

UNITS: Final = MappingProxyType({"s": 1_000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6})
"""Milliseconds in each unit of time."""


@dataclass(frozen=True, slots=True)
class EnvironmentRule:
    """Where the environment follows from.

    source: a canonical field (`firmware`) or a source of the format; None: it is `otherwise` for all.
    tokens: parts of that value, between `_`, `-`, `.`, `/` and spaces, and what each means; capitals do not matter.
    """

    source: str | None = None
    tokens: Mapping[str, str] = field(default_factory=dict)
    otherwise: str = UNKNOWN


@dataclass(frozen=True, slots=True)
class Measure:
    """How one operation is read off a record that reports many things. Each attribute names a source.

    A record that counts gives one observation an outcome, weighted with its count. One that does not gives one for each
    latency in it.

    latency: in `unit`. outcome: the source's own word for it. error_code: likewise. cumulative: counters that only
    grow, so that what counts is how far they went since the device's report before.
    """

    operation: str
    attempts: str | None = None
    failures: str | None = None
    denials: str | None = None
    timeouts: str | None = None
    retries: str | None = None
    latency: str | None = None
    unit: str = "ms"
    outcome: str | None = None
    error_code: str | None = None
    cumulative: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        named = (
            self.attempts,
            self.failures,
            self.denials,
            self.timeouts,
            self.retries,
            self.latency,
            self.outcome,
            self.error_code,
        )
        return tuple(source for source in named if source is not None)


@dataclass(frozen=True, slots=True)
class Quirk:
    """A clause that this operator breaks with our knowledge: counted apart until it expires.

    expires_at: ms since the epoch; from then on the clause is violated like any other.
    """

    id: str
    clause: str
    owner: str
    reason: str
    expires_at: int
    link: str | None = None


@dataclass(frozen=True, slots=True)
class RejectLimits:
    """Shares of an operator's records of a minute that may be refused, and how many make a share worth judging.

    incident: above it the feed is an incident. stop: above it the intake stops rather than lose quietly; None: never.
    """

    incident: float = 0.05
    stop: float | None = None
    least: int = 20


@dataclass(frozen=True, slots=True)
class Profile:
    """One operator's feed; the default is a feed of which nothing is known.

    fields: sources of a canonical field, the first that is there counts. defaults: values of canonical fields that no
    source gave. operations, outcomes: from the operator's words (or error codes) to ours. released_at: when firmwares
    came into being, ms since the epoch. interval_s: seconds between two reports of a device, where they have a grid.
    """

    name: str = UNKNOWN
    format: str = "canonical"
    topics: tuple[str, ...] = ()
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    operations: Mapping[str, str] = field(default_factory=dict)
    outcomes: Mapping[str, str] = field(default_factory=dict)
    measures: tuple[Measure, ...] = ()
    environment: EnvironmentRule | None = None
    clock: str = "device"
    unit: str | None = None
    """Of the operator's times; None: it follows from their magnitude."""
    released_at: Mapping[str, int] = field(default_factory=dict)
    interval_s: int | None = None
    payload: str | None = None
    """What a CloudEvent carries: `canonical`, or `mapped` by `fields` and `measures`."""
    quirks: tuple[Quirk, ...] = ()
    rejects: RejectLimits = RejectLimits()


PLAIN: Final = Profile()
