"""What the stages say to each other: one frozen type a message, JSON on Kafka, the object itself in one process.

Counts are integers throughout, fractions as fixed point (`UNIT`), so that the sum over any number of sources is exact
and the same in whatever order it is taken: the same log gives the same verdict, however it was partitioned.
"""

from __future__ import annotations

from typing import Final

import msgspec

UNIT: Final = 1 << 20
"""Fixed point: this much is one."""

MINUTE_MS: Final = 60_000

LATENCY_BIN: Final = 0.04
"""Width of a latency bin on the log scale (4 %); bin i holds ln(max(latency_ms, 1)) in [0.04 i, 0.04 (i + 1))."""

LATENCY_BINS: Final = 458


class Rate(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A share among device-minutes: what one device reports of one operation in one minute is one unit.

    A unit's weight is the mean `count` of its records (1 where nobody sends aggregates), and its value the
    count-weighted share of them that hit, so that the burst of one device is one voice.

    of: sum of weights; hits: sum of weight x share; squares: sum of squared weights (= of, without aggregates).
    All three in fixed point (`UNIT`). `hits / of` is the share, `squares / of` Kish's design effect.
    """

    of: int
    hits: int
    squares: int


class OperationWindow(msgspec.Struct, frozen=True, gc=False):
    """One cohort's attempts at one operation in one minute."""

    records: int
    """Accepted records (no duplicates)."""
    attempts: int
    """Sum of their `count`."""
    rates: dict[str, Rate]
    """`failure`, `denial`, `timeout`, `retry`; one that had nothing to be counted among is left out."""
    bins: tuple[int, ...] = ()
    """Latency bins that hold something, ascending."""
    weights: tuple[int, ...] = ()
    """Weight of each of `bins` in fixed point; all of a device's in a minute sum to its unit weight."""
    latency_squares: int = 0
    """Sum of squared unit weights behind `weights`, in fixed point (see `Rate`)."""


class CohortWindow(msgspec.Struct, frozen=True, gc=False):
    """What one source saw of one cohort in one minute of its arrival clock."""

    device_class: str
    firmware: str
    environment: str
    records: int
    """Accepted records (no duplicates)."""
    duplicates: int = 0
    cached: int = 0
    sequenced: int = 0
    """Records judged for order: with a sequence, neither duplicate nor cached."""
    inversions: int = 0
    expected: int = 0
    """Sequence numbers that came due for judgement this minute: present ones and those still missing."""
    gaps: int = 0
    violating: int = 0
    """Records that violate at least one clause."""
    clauses: dict[str, int] = {}
    """Records that violate each clause."""
    rates: dict[str, Rate] = {}
    """`out_of_order`, `duplicate`, `gap`, `contract`, over all operations."""
    delay_bins: tuple[int, ...] = ()
    """Delay in latency bins (of max(delay, 1 ms)), as `OperationWindow.bins`."""
    delay_weights: tuple[int, ...] = ()
    delay_squares: int = 0
    lag_sum_ms: int = 0
    """Sum of received_at - believed occurrence over `lag_records`; places the window on the believed event clock."""
    lag_records: int = 0
    operations: dict[str, OperationWindow] = {}
    app_versions: dict[str, int] = {}
    """Accepted records of each version of the app, of a sample of them (`pipeline.ingest.SAMPLED`); the most frequent
    ones."""


class Windows(msgspec.Struct, frozen=True, tag="windows"):
    """One source's minute of one operator. A further `part` of the same minute adds to the earlier ones."""

    source: str
    minute: int
    """Start of the minute, ms since the epoch."""
    operator: str
    cohorts: list[CohortWindow]
    part: int = 0
    rejects: dict[str, int] = {}
    """Records of this operator that were rejected in the minute, by reason (where the operator could be read)."""


class Tick(msgspec.Struct, frozen=True, tag="tick"):
    """`source` has closed every minute up to and including `minute`; an idle one holds nobody up until it speaks."""

    source: str
    minute: int
    idle: bool = False


class Decision(msgspec.Struct, frozen=True, tag="decision"):
    """A person accepts the present level of a scope as its anchor. Stands in the log that it concerns, so that it
    counts at the same place whenever that log is read again."""

    decision_id: str
    """Taken once, however often it comes."""
    at: int
    """When it was decided, ms epoch."""
    by: str
    reason: str
    scope: dict[str, str]
    """Dimensions and values; what is left out means all. Empty: the whole fleet."""
    operation: str | None = None
    signal: str | None = None
    days: int = 1
    """The present level is that of so many last days, 1 to 7."""
    since: int | None = None
    """Of the last day, only what came after this counts, ms epoch: the level of an incident is that since its onset."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a record was read: a file and line, or a topic, partition and offset."""

    origin: str
    """File name (`-` for standard input) or `topic/partition`."""
    position: int
    """Line, from 1, or offset."""

    def __str__(self) -> str:
        return f"{self.origin}:{self.position}"


class Reject(msgspec.Struct, frozen=True, gc=False, tag="reject"):
    """A record that could not become an observation: the original bytes, why, and where."""

    reason: str
    """From a bounded set, such as `json.invalid`, `operator.absent`, `received_at.ahead`."""
    field: str | None
    place: Place
    detail: str
    """A sentence for people."""
    value: bytes
    """The record as it came (base64 in JSON)."""
    received_at: int | None = None
    adapter: str = ""
    """Format and version of what refused it, such as `cmcd/1`: whether it is worth another try."""
    operator: str | None = None
    """Whose it is, where that is known."""
    headers: tuple[tuple[str, bytes], ...] = ()
    """Of the Kafka record, without which some formats cannot be read again."""
    partly: bool = False
    """Some of what the record held was accepted."""


class Signal(msgspec.Struct, frozen=True):
    """One thing that deviates in an incident; fields of the wire contract, then additions."""

    operation: str
    """`*` for signals that are judged over all operations."""
    signal: str
    direction: str
    observed: float | None
    expected: float | None
    ratio: float | None
    share: float
    shape: str
    quantile: float | None = None
    clause: str | None = None
    ratio_low: float | None = None
    """95 % interval of `ratio`, sampling and moods together, as far as the evidence tells."""
    ratio_high: float | None = None


class LedgerEntry(msgspec.Struct, frozen=True):
    """A small inconsistency: what one stretch of time added to the evidence of one signal (nats, may be negative)."""

    at: int
    """Start of the stretch, arrival clock, ms."""
    until: int
    operation: str
    signal: str
    nats: float


class Contrast(msgspec.Struct, frozen=True):
    """A scope beside the one that is affected, in the leading signal: who is not affected, or less."""

    scope: dict[str, str]
    observed: float
    expected: float
    ratio: float | None
    cohorts: int


class Confidence(msgspec.Struct, frozen=True):
    """How sure the finding is, and of what it rests on.

    scope: share of the likelihood that the named scope has among those above and below it. anchor_days: full days that
    the anchors rest on (7 or more know the shape of a week's days). borrowed: firmwares whose anchors were taken over.
    calibrated_weeks: quiet weeks by which the threshold was set. shape_odds: log10 of the odds of the shape that is
    named against the other one. anchor_moved: factor between the anchors that the leading signal is held against and
    the first ones there were. accepted: who moved them, when and why. doubts: what is wrong with the reference days.
    """

    scope: float
    anchor_days: float
    borrowed: list[str]
    calibrated_weeks: float
    shape_odds: float = 0.0
    anchor_moved: float | None = None
    accepted: list[str] = []
    doubts: list[str] = []


class Change(msgspec.Struct, frozen=True, tag="change"):
    """Something that was changed on purpose, or first seen in the telemetry (`inferred`); incidents quote those that
    precede their onset."""

    change_id: str
    """Taken once, however often it comes."""
    at: int
    """When it took effect, ms epoch."""
    kind: str
    """`deployment`, `configuration`, `certification`, `firmware`, `app_version`, `contract`, `feed` or `other`."""
    what: str
    """A sentence, or a name and version, for people."""
    scope: dict[str, str] = {}
    """Dimensions and values that it touches; what is left out means all."""
    services: list[str] = []
    """Services of the intent that it touches; empty: not known."""
    by: str = ""
    link: str | None = None
    inferred: bool = False
    """Nobody told of it: it was first seen in the telemetry."""
    configuration: dict[str, str] = {}
    """Of a `configuration`: settings and the values that they have within the scope from then on."""


class RelatedChange(msgspec.Struct, frozen=True):
    """A change that precedes an incident's onset; `fit`, 0 to 1: how well scope and time go together."""

    change: Change
    fit: float


class Action(msgspec.Struct, frozen=True, tag="action"):
    """What a person did about an incident. Stands in the log of the evidence, so that it counts at the same place
    whenever that log is read again."""

    action_id: str
    """Taken once, however often it comes."""
    at: int
    """When, ms epoch."""
    by: str
    incident_id: str
    verb: str
    """`acknowledge`, `note`, `accept` (its level is the anchor from now on; a `Decision` goes with it), `false_alarm`,
    `confirm`."""
    text: str = ""


class Proof(msgspec.Struct, frozen=True, tag="proof"):
    """What a drill has shown of one service: the newest of a service is when it was last proven."""

    service: str
    at: int
    """When the drill ended, ms epoch, wall clock."""
    drill: str
    found: bool
    """All faults that the service does not tolerate were found in time, with the right scope, and routed."""
    faults: int = 0
    missed: int = 0
    slowest_ms: int | None = None
    """From the fault to the incident, the slowest of those found."""
    route: str = ""
    """Receiver that it would have been told."""
    detail: str = ""
    """A sentence for people."""


class Danger(msgspec.Struct, frozen=True):
    """A line of the intent that an incident endangers."""

    service: str
    line: str
    """The line as its author would quote it, such as `playback_start latency p95 <= 1200 ms over 1h`."""
    place: str
    """`intent.yaml:12`, or `built-in intent`."""
    threshold_id: str | None = None
    """None: it is the service's priority that is quoted, as it has no threshold there."""
    broken: bool = False
    """It is broken already."""
    burn: float | None = None
    """Budget of the line that is used up, as a multiple of what is allowed."""
    at: int | None = None
    """When it will be broken if this goes on, with an interval; None: not to be told, or not at all."""
    at_from: int | None = None
    at_until: int | None = None


class Effect(msgspec.Struct, frozen=True):
    """What follows from an incident's cause, by the dependencies of the intent: another service that suffers too."""

    service: str
    since: int
    signals: list[Signal] = []


class Incident(msgspec.Struct, frozen=True, tag="incident"):
    """One change of an incident; the newest with an `incident_id` is its state. Fields as in the wire contract."""

    incident_id: str
    state: str
    severity: str
    at: int
    onset_at: int
    scope: dict[str, str]
    services: list[str]
    signals: list[Signal]
    kind: str
    evidence: float
    summary: str
    onset_from: int | None = None
    """Interval of `onset_at` that the data allow (95 %)."""
    onset_until: int | None = None
    affected: int | None = None
    """Cohorts in the scope, and beside it."""
    unaffected: int | None = None
    contrast: list[Contrast] = []
    ledger: list[LedgerEntry] = []
    confidence: Confidence | None = None
    merged_into: str | None = None
    """Resolved because another incident explains it."""
    workaround: str | None = None
    """The workaround that hides it (`suppressed`), or that hid it and has expired."""
    owner: str | None = None
    """Whom it is owed by: the owner of that workaround."""
    forming_at: int | None = None
    """When it was first said, fired (first), was acknowledged (first), began to recover and was resolved (last), ms
    epoch on the arrival clock; None: not, or not yet."""
    fired_at: int | None = None
    acknowledged_at: int | None = None
    recovering_at: int | None = None
    resolved_at: int | None = None
    actions: list[Action] = []
    """What people did about it, oldest first."""
    verdict: str | None = None
    """`true` or `false_alarm`, where a person said so last."""
    changes: list[RelatedChange] = []
    """Known changes that precede its onset, best fit first."""
    dangers: list[Danger] = []
    """Lines of the intent that it endangers, the soonest first."""
    effects: list[Effect] = []
    """Services that suffer with it because they depend on what it names."""
    containment: list[str] = []
    """First steps that the intent has for the services touched, and their runbooks."""
    runbooks: list[str] = []
    split_from: str | None = None
    """The incident that was said of this scope as well, before it narrowed."""
