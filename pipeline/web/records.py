"""What the API says and takes, typed: the OpenAPI document is made of these. Incidents, changes and proofs are the
records of the wire contract themselves. Times are ms since the epoch, UTC, by the clock of the records."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from pipeline.messages import Change, Incident, Proof

Limit: TypeAlias = Annotated[int, Meta(ge=1, le=500, description="records on a page, at most")]
Cursor: TypeAlias = Annotated[
    str, Meta(max_length=1_000, pattern="^[A-Za-z0-9_-]+$", description="`next` of the page before; pages never skip")
]
Word: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
Sentence: TypeAlias = Annotated[str, Meta(max_length=2_000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]
Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
Instant: TypeAlias = Annotated[int, Meta(ge=946_684_800_000, le=4_102_444_800_000, description="ms since the epoch")]
State: TypeAlias = Literal["forming", "firing", "recovering", "resolved", "suppressed"]
Severity: TypeAlias = Literal["page", "ticket", "log"]
Kind: TypeAlias = Literal["pattern", "breach", "feed"]
Verb: TypeAlias = Literal["acknowledge", "note", "accept", "false_alarm", "confirm"]
Sort: TypeAlias = Literal[
    "deviation", "name", "devices", "silence", "latency", "failure", "denial", "timeout", "retry",
    "out_of_order", "gap", "duplicate", "contract", "delay",
]  # fmt: skip


class Problem(Struct, frozen=True):
    """What is wrong with a request (RFC 9457)."""

    status: int
    title: str
    detail: str = ""


# -- what is asked ---------------------------------------------------------------------------------------------------


class NoQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing can be asked for."""


class IncidentQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Of all incidents that are known, those that have every value that is given."""

    state: State | None = None
    severity: Severity | None = None
    kind: Kind | None = None
    service: Word | None = None
    operator: Word | None = None
    device_class: Word | None = None
    firmware: Word | None = None
    environment: Word | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class CohortQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`q`: words that its names must hold, in any order."""

    q: Annotated[str, Meta(max_length=256)] = ""
    operator: Word | None = None
    device_class: Word | None = None
    firmware: Word | None = None
    environment: Word | None = None
    sort: Sort = "deviation"
    limit: Limit = 50
    cursor: Cursor | None = None


class ChangeQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`inferred`: only those that were first seen in the telemetry, or only those that somebody told of."""

    kind: Word | None = None
    operator: Word | None = None
    inferred: bool | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class StateQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """`path`: where in the snapshot, such as `references.cells.level`; `first`: items before it are left out."""

    path: Annotated[str, Meta(max_length=512)] = ""
    first: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0


# -- what is told ----------------------------------------------------------------------------------------------------


class IncidentPage(Struct, frozen=True):
    clock: int | None
    total: int
    """That fit, on all pages."""
    incidents: list[Incident]
    next: str | None


class Alike(Struct, frozen=True):
    """An incident of the past that looks like this one; likeness 0 to 1."""

    incident: Incident
    likeness: float


class IncidentDetail(Struct, frozen=True):
    """records: every change of it that is known, oldest first."""

    clock: int | None
    incident: Incident
    records: list[Incident]
    similar: list[Alike]


class Point(Struct, frozen=True):
    """Five minutes. low, high: where 95 % lie when nothing is wrong."""

    at: int
    n: float
    observed: float
    expected: float
    low: float
    high: float


class Track(Struct, frozen=True):
    """One signal over time. unit: `share`; `factor` of the expected; or `records` in five minutes."""

    operation: str
    signal: str
    unit: Literal["share", "factor", "records"]
    points: list[Point]


class Tracks(Struct, frozen=True):
    clock: int | None
    tracks: list[Track]


class Group(Struct, frozen=True):
    """Cohorts that share a value of a dimension, in the leading signal since the onset."""

    value: str
    named: bool
    cohorts: int
    verdict: Literal["affected", "not affected", "cannot tell"]
    ratio: float | None
    low: float | None
    high: float | None


class Branch(Struct, frozen=True):
    """One dimension. beside: the scope names it, and other values stand beside the one that is named."""

    dimension: str
    beside: bool
    groups: list[Group]
    left_out: int


class Reach(Struct, frozen=True):
    """Who is affected and who is not."""

    clock: int | None
    branches: list[Branch]


class Reading(Struct, frozen=True):
    """Over about the last hour. observed, expected: shares; null for latency and delay, of which the ratio is known."""

    n: float
    observed: float | None
    expected: float | None
    ratio: float | None
    deviation: float
    """Log ratio where chance does not explain it, else 0."""


class Anchor(Struct, frozen=True):
    days: float
    frozen: bool
    lender: str
    doubt: str
    accepted: str


class Cohort(Struct, frozen=True):
    cohort_id: str
    operator: str
    device_class: str
    firmware: str
    environment: str
    minute: int
    """When it last reported."""
    devices: float
    """That reported, a minute."""
    aside: bool
    """Its telemetry is known to be bad, and is not counted."""
    anchor: Anchor | None
    signals: dict[str, Reading]


class CohortPage(Struct, frozen=True):
    clock: int | None
    total: int
    cohorts: list[Cohort]
    next: str | None


class FeedPart(Struct, frozen=True):
    state: str
    since: int
    records: int
    expected: float
    late_since: int | None
    delay_ms: float
    usual_delay_ms: float


class Feed(FeedPart, frozen=True):
    """An operator's telemetry in the last minute; parts by device class."""

    operator: str
    rejected: int
    pooled: int
    parts: dict[str, FeedPart]


class FeedList(Struct, frozen=True):
    clock: int | None
    feeds: list[Feed]


class Quirk(Struct, frozen=True):
    """A clause that an operator breaks with our knowledge, until it expires."""

    id: str
    clause: str
    owner: str
    reason: str
    expires_at: int
    expired: bool
    link: str | None


class Operator(Struct, frozen=True):
    """format, topics: empty where nothing is configured. contract: share of records that violate a clause."""

    operator: str
    feed: Feed | None
    cohorts: int
    format: str
    topics: list[str]
    quirks: list[Quirk]
    contract: Reading | None
    workarounds: list[str]
    changes: list[Change]


class OperatorList(Struct, frozen=True):
    clock: int | None
    operators: list[Operator]


class Workaround(Struct, frozen=True):
    id: str
    owner: str
    reason: str
    scope: dict[str, str]
    opened_at: int
    expires_at: int
    state: Literal["active", "expired", "not yet"]
    active: bool
    signals: list[str]
    operations: list[str]
    kinds: list[str]
    most: float | None
    link: str | None
    hides: list[str]
    """Ids of the incidents that it hides now."""


class Debt(Struct, frozen=True):
    active: int
    expired: int
    oldest_days: float
    soonest_days: float | None


class WorkaroundList(Struct, frozen=True):
    clock: int | None
    debt: Debt
    workarounds: list[Workaround]


class ServiceProof(Struct, frozen=True):
    """proof: the newest; null when no drill has ever proven the service."""

    service: str
    priority: str
    proof: Proof | None


class ProofList(Struct, frozen=True):
    clock: int | None
    services: list[ServiceProof]


class ChangePage(Struct, frozen=True):
    clock: int | None
    total: int
    changes: list[Change]
    next: str | None


class SettingValue(Struct, frozen=True):
    """What a setting is within a scope, since when and by whom."""

    value: str
    scope: dict[str, str]
    at: int
    change_id: str
    by: str


class SettingPair(Struct, frozen=True):
    certification: SettingValue
    production: SettingValue


class Drift(Struct, frozen=True):
    """A setting that is not the same everywhere. certified: what is certified is not what is in use. environments:
    within which cohorts differ; `*` stands for values that were set without one."""

    setting: str
    values: list[SettingValue]
    certified: list[SettingPair]
    environments: list[str]


class DriftList(Struct, frozen=True):
    clock: int | None
    drifts: list[Drift]


class Budget(Struct, frozen=True):
    """Of the last seven days. false: pages that a person called a false alarm; open: that nobody has judged yet."""

    clock: int | None
    false_pages_per_week: float
    pages: int
    confirmed: int
    false: int
    open: int


class StateInfo(Struct, frozen=True):
    """A stage's newest snapshot. position: of its input, up to which it knows all."""

    source: str
    stage: str
    position: int
    topic: str
    bytes: int | None


class StateList(Struct, frozen=True):
    states: list[StateInfo]


class StateItem(Struct, frozen=True):
    name: str
    kind: str
    value: str
    inner: bool


class StateSight(Struct, frozen=True):
    """One level of a snapshot; left_out: items beyond those shown."""

    source: str
    position: int
    path: str
    kind: str
    value: str
    items: list[StateItem]
    left_out: int


# -- what is done ----------------------------------------------------------------------------------------------------


class ActionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person does about an incident. `note` needs a text. by: counts only where nobody has to prove who it is.

    action_id: makes a repetition harmless; one is made where none is given.
    """

    verb: Verb
    text: Sentence = ""
    by: Word | None = None
    action_id: Id | None = None


class ChangeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """at: when it took effect; now, where it is left out."""

    kind: Literal[
        "deployment", "configuration", "certification", "firmware", "app_version", "contract", "feed", "other"
    ]
    what: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
    at: Instant | None = None
    scope: Annotated[
        dict[Literal["operator", "device_class", "firmware", "environment"], Word], Meta(max_length=4)
    ] = {}
    services: Annotated[list[Word], Meta(max_length=50)] = []
    by: Word | None = None
    link: Annotated[str, Meta(max_length=500, pattern=r"^https?://[^\x00-\x20\x7f]+$")] | None = None
    configuration: Annotated[dict[Word, Word], Meta(max_length=100)] = {}
    change_id: Id | None = None


class DecisionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Accept the level of the last `days` as the anchor of a scope; an empty scope is refused here."""

    reason: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
    scope: Annotated[
        dict[Literal["operator", "device_class", "firmware", "environment"], Word], Meta(min_length=1, max_length=4)
    ]
    operation: Word | None = None
    signal: (
        Literal[
            "latency", "failure", "denial", "timeout", "retry", "out_of_order", "gap", "duplicate", "contract", "delay"
        ]
        | None
    ) = None
    days: Annotated[int, Meta(ge=1, le=7)] = 1
    by: Word | None = None
    decision_id: Id | None = None


class ActionTaken(Struct, frozen=True):
    """It is on its way; the incident's next record has it."""

    action_id: str
    decision_id: str | None = None


class ChangeTaken(Struct, frozen=True):
    change_id: str


class DecisionTaken(Struct, frozen=True):
    decision_id: str
