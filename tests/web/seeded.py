"""A deployment as its page has it: hours of a fleet, an incident in the middle of it, and what people did before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np

from pipeline.detect.channels import Channel
from pipeline.detect.evidence import Evidence, FeedHealth, FeedPart
from pipeline.intent import Intent, default
from pipeline.messages import (
    MINUTE_MS,
    Action,
    Change,
    Confidence,
    Danger,
    Effect,
    Incident,
    LedgerEntry,
    Proof,
    RelatedChange,
    Signal,
)
from pipeline.observation import Cohort
from pipeline.operators.profile import Profile, Quirk
from pipeline.web import Board
from pipeline.workarounds import Workaround

NOW = 1_767_268_800_000
HOUR = 60 * MINUTE_MS
ONSET = NOW - 3 * HOUR
BAD = {"operator": "nordcast", "firmware": "9.4.1"}
ID = "5d2f0a9c11e84b07"
CHANNELS = [
    Channel("*", "out_of_order"),
    Channel("*", "gap"),
    Channel("*", "contract"),
    Channel("*", "delay"),
    *(
        Channel(operation, signal)
        for operation in ("playback_start", "entitlement_check")
        for signal in ("latency", "tail", "failure", "retry")
    ),
]
LEVELS = np.array([0.002, 0.004, 0.001, 0.2, 0.1, 0.01, 0.012, 0.03, 0.1, 0.01, 0.008, 0.02])


def fleet(cohorts: int = 36) -> list[Cohort]:
    """So many cohorts of two operators or more."""
    operators = ["nordcast", "altura", *(f"operator-{n}" for n in range(max(cohorts // 60, 0)))]
    found = [
        Cohort(operator, device_class, firmware, environment)
        for environment in ("production", "certification")
        for firmware in ("9.4.1", "9.4.0", "9.3.2", *(f"8.{n}.0" for n in range(cohorts // 120)))
        for device_class in ("stb-g2", "stb-g3", "tv-2024", *(f"class-{n}" for n in range(cohorts // 600)))
        for operator in operators
    ]
    return found[:cohorts]


def minute(cohorts: Sequence[Cohort], at: int, chance: np.random.Generator, devices: float = 60.0) -> Evidence:
    """One minute; what is `BAD` is slow and retries since `ONSET`."""
    shift = np.array([channel.is_shift for channel in CHANNELS])
    n = np.maximum(chance.poisson(devices, (len(cohorts), 1)), 1.0) * np.ones(len(CHANNELS))
    hour = 1.0 + 0.15 * math.sin(2 * math.pi * at / (24 * HOUR))
    expected = n * LEVELS * np.where(shift, 1.0, hour)
    mood = chance.normal(0.0, 0.02, (len(cohorts), len(CHANNELS)))
    bad = np.array([cohort.operator == "nordcast" and cohort.firmware == "9.4.1" for cohort in cohorts]) & (at >= ONSET)
    excess = np.zeros_like(expected)
    for channel, size in ((Channel("playback_start", "latency"), 0.18), (Channel("playback_start", "retry"), 0.5)):
        excess[bad, CHANNELS.index(channel)] = size
    latencies = expected + n * (excess + mood) + chance.normal(0.0, 0.5, n.shape) * np.sqrt(n)
    hits = chance.poisson(expected * np.exp(excess + mood)).astype(np.float64)
    operators = sorted({cohort.operator for cohort in cohorts})
    records = {name: int(n[[cohort.operator == name for cohort in cohorts], 0].sum() * 1.4) for name in operators}
    return Evidence(
        source="windows/0",
        minute=at,
        cohorts=list(cohorts),
        channels=list(CHANNELS),
        n=n,
        x=np.where(shift, latencies, np.minimum(hits, n)),
        expected=expected,
        aside=np.zeros(len(cohorts), dtype=np.bool_),
        lag_ms=np.zeros(len(cohorts)),
        feeds={
            name: FeedHealth(
                "silent" if name == "altura" and at > NOW - 20 * MINUTE_MS else "ok",
                NOW - 20 * MINUTE_MS,
                records[name] if name != "altura" or at <= NOW - 20 * MINUTE_MS else 3,
                1.4 * devices * sum(cohort.operator == name for cohort in cohorts),
                parts={"stb-g3": FeedPart("ok", 0, records[name] // 3, records[name] / 3)},
                rejected=2 if name == "nordcast" else 0,
            )
            for name in operators
        },
    )


LATENCY = Signal("playback_start", "latency", "up", 1437.0, 1200.0, 1.2, 0.62, "step", quantile=0.5)
RETRY = Signal("playback_start", "retry", "up", 0.049, 0.03, 1.63, 0.38, "step")
ROLLOUT = Change(
    "rollout-941", ONSET - 20 * MINUTE_MS, "firmware", "9.4.1 to 25 % of nordcast's boxes", BAD, ["playback"],
    "release-bot", "https://change.example/4711",
)  # fmt: skip
SEEN = Change("seen-941", ONSET - 18 * MINUTE_MS, "firmware", "first sight of 9.4.1", BAD, inferred=True)
FIRING = Incident(
    incident_id=ID,
    state="firing",
    severity="page",
    at=ONSET + 55 * MINUTE_MS,
    onset_at=ONSET,
    scope=BAD,
    services=["playback"],
    signals=[LATENCY, RETRY],
    kind="pattern",
    evidence=2.4,
    summary="Operator nordcast, firmware 9.4.1: playback_start latency 1437 ms instead of 1200 ms (+20 %), "
    "and retries 4.9 % instead of 3.0 %.",
    onset_from=ONSET - 4 * MINUTE_MS,
    onset_until=ONSET + 3 * MINUTE_MS,
    affected=6,
    unaffected=12,
    ledger=[
        LedgerEntry(ONSET + at * 10 * MINUTE_MS, ONSET + (at + 1) * 10 * MINUTE_MS, one.operation, one.signal, nats)
        for at in range(6)
        for one, nats in ((LATENCY, 1.5 + at * 0.5), (RETRY, -0.4 if at == 1 else 0.4 + at * 0.3))
    ],
    confidence=Confidence(0.94, 9.0, ["9.4.0"], 3.0, doubts=["the reference days of 9.4.0 include a storm"]),
    forming_at=ONSET + 25 * MINUTE_MS,
    fired_at=ONSET + 55 * MINUTE_MS,
    acknowledged_at=ONSET + 63 * MINUTE_MS,
    actions=[Action("a-1", ONSET + 63 * MINUTE_MS, "alice", ID, "acknowledge", "Looking with the firmware team.")],
    changes=[RelatedChange(ROLLOUT, 0.92), RelatedChange(SEEN, 0.81)],
    dangers=[
        Danger("playback", "playback_start latency p95 <= 2500 ms over 1h", "intent.yaml:12", "playback/p95",
               burn=2.3, at=NOW + 2 * HOUR, at_from=NOW + HOUR, at_until=NOW + 5 * HOUR),
        Danger("playback", "playback is non-negotiable", "intent.yaml:4"),
    ],
    effects=[
        Effect("browse", ONSET + 30 * MINUTE_MS, [Signal("browse", "latency", "up", 300.0, 280.0, 1.07, 1.0, "step")])
    ],
    containment=["Halt the roll-out of 9.4.1 at nordcast."],
    runbooks=["https://runbooks.example/playback"],
)  # fmt: skip


def with_workarounds() -> Intent:
    """The default intent, and two things that are known to be wrong."""
    day = 24 * HOUR
    return replace(
        default(),
        workarounds=(
            Workaround("clock-g2", "altura-team", "Clocks of stb-g2 run on uptime.",
                       {"operator": "altura", "device_class": "stb-g2"}, NOW - 40 * day, NOW + 20 * day, link="https://tickets.example/17"),
            Workaround("certification-lab", "lab", "The lab's proxy is slow.", {"environment": "certification"},
                       NOW - 90 * day, NOW - 2 * day),
        ),
    )  # fmt: skip


def past(number: int, **changes: object) -> Incident:
    """An incident of the past."""
    onset = NOW - (number + 2) * 24 * HOUR
    old = msgspec.structs.replace(
        FIRING,
        incident_id=f"past-{number:04d}",
        state="resolved",
        at=onset + 4 * HOUR,
        onset_at=onset,
        scope={"operator": "nordcast", "firmware": f"9.{3 - number % 3}.{number % 7}"},
        summary=f"Operator nordcast, firmware 9.{3 - number % 3}.{number % 7}: playback_start latency +15 %.",
        verdict=("true", "false_alarm", None)[number % 3],
        actions=[
            Action(f"p-{number}", onset + HOUR, "bob", f"past-{number:04d}", "confirm", "A slow CDN edge; moved.")
        ],
        resolved_at=onset + 4 * HOUR,
        dangers=[],
    )
    return msgspec.structs.replace(old, **changes)


def board(cohorts: int = 36, minutes: int = 270, incidents: int = 8) -> Board:
    """All of it."""
    known = Board(
        with_workarounds(),
        [
            Profile(
                "nordcast",
                "rdk",
                ("nordcast.telemetry",),
                quirks=(
                    Quirk("late-seq", "seq.reset", "nordcast-team", "Counters reset at midnight.", NOW + 9 * 24 * HOUR),
                ),
            )
        ],
    )
    chance, members = np.random.default_rng(7), fleet(cohorts)
    for number in range(incidents):
        known.take(past(number))
    for at in range(NOW - minutes * MINUTE_MS, NOW + 1, MINUTE_MS):
        known.take(minute(members, at, chance))
    known.take(
        msgspec.structs.replace(FIRING, state="forming", at=ONSET + 25 * MINUTE_MS, actions=[], acknowledged_at=None)
    )
    known.take(FIRING)
    known.take(msgspec.structs.replace(FIRING, at=ONSET + 64 * MINUTE_MS, evidence=5.1))
    known.take(
        msgspec.structs.replace(
            FIRING, incident_id="feed-altura", kind="feed", severity="ticket", state="forming",
            scope={"operator": "altura"},
            signals=[Signal("*", "volume", "down", 3.0, 1512.0, 0.002, 1.0, "step")], at=NOW - 10 * MINUTE_MS,
            onset_at=NOW - 20 * MINUTE_MS, summary="Operator altura: 3 records a minute instead of 1512.", ledger=[],
            actions=[], dangers=[], changes=[], effects=[], containment=[], acknowledged_at=None, services=[],
        )
    )  # fmt: skip
    for change in (ROLLOUT, SEEN):
        known.take(change)
    known.take(Proof("playback", NOW - 3 * 24 * HOUR, "weekly", True, 12, 0, 22 * MINUTE_MS, "pager", "All found."))
    known.take(Proof("entitlement", NOW - 3 * 24 * HOUR, "weekly", False, 8, 1, 41 * MINUTE_MS, "pager", "One missed."))
    return known
