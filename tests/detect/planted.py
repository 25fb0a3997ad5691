"""Evidence of a small fleet with faults planted in it, drawn directly: what baselines would say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.season import DAY_MS, SLOT_MS, SLOTS
from pipeline.detect.channels import Channel, ChannelTable
from pipeline.detect.evidence import Anchors, Evidence, FeedHealth, Floats
from pipeline.detect.history import STEP_MS
from pipeline.detect.pattern import Pattern
from pipeline.intent import Intent, default
from pipeline.messages import Incident, Tick
from pipeline.observation import Cohort
from tests.detect.material import MIDNIGHT

FLEET: Final = tuple(
    sorted(
        Cohort(operator, kind, f"{kind}-{version}", "production")
        for operator in ("altura", "norvik", "tessera")
        for kind in ("stb", "tv")
        for version in ("1.0", "1.1")
    )
)
CERTIFIED: Final = tuple(sorted((*FLEET, *(cohort._replace(environment="certification") for cohort in FLEET))))
"""The same fleet with a second environment."""
CHANNELS: Final = tuple(ChannelTable(("playback_start",)).channels)
TWO_OPERATIONS: Final = tuple(ChannelTable(("playback_start", "entitlement")).channels)
SHIFT: Final = np.array([channel.is_shift for channel in CHANNELS])
LATENCY: Final = Channel("playback_start", "latency")
FAILURE: Final = Channel("playback_start", "failure")
SPREAD: Final = 0.09
SOURCE: Final = "baseline"
UNIT_MS: Final = 300_000
"""`units` of a fleet come in so long."""


def shares(channels: tuple[Channel, ...]) -> Floats:
    """[channels] what the anchors expect of one unit; 0 for shifts."""
    return np.array([0.0 if one.is_shift else 0.01 if one.signal == "tail" else 0.02 for one in channels])


SHARE: Final = np.array([0.01 if channel.signal == "tail" else 0.02 for channel in CHANNELS])


@dataclass(frozen=True, slots=True)
class Plant:
    """A factor on one channel of the cohorts of a scope, from one day to another."""

    channel: Channel
    factor: float
    scope: dict[str, str]
    start: float
    until: float
    ramp: float = 0.0
    """Days in which it grows to its full size, evenly on the log scale."""

    def factor_at(self, minute: int) -> float:
        if not at(self.start) <= minute < at(self.until):
            return 1.0
        grown = (minute - at(self.start)) / (self.ramp * DAY_MS) if self.ramp else 1.0
        return float(self.factor ** min(grown, 1.0))


def at(day: float) -> int:
    return MIDNIGHT + round(day * DAY_MS)


def anchors(
    fleet: tuple[Cohort, ...] = FLEET, source: str = SOURCE, channels: tuple[Channel, ...] = CHANNELS
) -> Anchors:
    """Levels that rest on a long week."""
    shape = (len(fleet), len(channels))
    shift = np.array([channel.is_shift for channel in channels])
    return Anchors(
        source=source,
        minute=MIDNIGHT,
        cohorts=list(fleet),
        channels=list(channels),
        level=np.tile(shares(channels), (len(fleet), 1)),
        spread=np.tile(np.where(shift, SPREAD, 0.0), (len(fleet), 1)),
        mass=np.full(shape, 1e5),
        days=np.full(len(fleet), 7.0),
        lender=["own"] * len(fleet),
        base_ms=np.tile([{"latency": 800.0, "tail": 2_400.0}.get(c.signal, 0.0) for c in channels], (len(fleet), 1)),
        tail_scale=np.tile([0.4 if c.signal in ("latency", "tail") else 0.0 for c in channels], (len(fleet), 1)),
        shapes={
            operator: np.tile(np.where(shift, 0.0, 1.0), (SLOTS, 1))
            for operator in {cohort.operator for cohort in fleet}
        },
        frozen=np.full(len(fleet), True),
    )


def evidence(
    days: float,
    *plants: Plant,
    first: float = 0.0,
    every: int = STEP_MS,
    seed: int = 1,
    units: float = 60.0,
    fleet: tuple[Cohort, ...] = FLEET,
    channels: tuple[Channel, ...] = CHANNELS,
    mood: float = 0.0,
) -> Iterator[Evidence]:
    """One message every so many ms; `units` in five minutes on every channel of every cohort.

    `mood`: log standard deviation of a cohort's day, of the latency of all its operations alike. Messages two hours
    apart are judged once in two hours: a week goes by in a moment.
    """
    inside = [
        np.array([all(getattr(c, name) == value for name, value in plant.scope.items()) for c in fleet])
        for plant in plants
    ]
    shift, share = np.array([channel.is_shift for channel in channels]), shares(channels)
    slow = np.array([channel.signal == "latency" for channel in channels])
    n = np.full((len(fleet), len(channels)), units * every / UNIT_MS)
    for end in range(at(first) + every, at(first + days) + 1, every):
        minute = end - STEP_MS
        draw = np.random.default_rng((seed, minute))
        factor = np.ones(n.shape)
        for plant, cohorts in zip(plants, inside, strict=True):
            factor[cohorts, channels.index(plant.channel)] *= plant.factor_at(minute)
        hits = draw.poisson(np.where(shift, 0.0, share * n * factor)).astype(np.float64)
        off = draw.normal(0.0, np.sqrt(SPREAD * n)) + n * np.log(factor)
        if mood:
            off += n * slow * np.random.default_rng((seed, minute // DAY_MS)).normal(0.0, mood, (len(fleet), 1))
        yield message(minute, n, np.where(shift, off, hits), fleet, channels)


def quick(days: float, *plants: Plant, first: float = 0.0, seed: int = 1) -> Iterator[Evidence]:
    return evidence(days, *plants, first=first, seed=seed, every=SLOT_MS)


def message(
    minute: int, n: Floats, x: Floats, fleet: tuple[Cohort, ...] = FLEET, channels: tuple[Channel, ...] = CHANNELS
) -> Evidence:
    return Evidence(
        source=SOURCE,
        minute=minute,
        cohorts=list(fleet),
        channels=list(channels),
        n=n,
        x=x,
        expected=shares(channels) * n,
        aside=np.zeros(len(fleet), dtype=np.bool_),
        lag_ms=np.zeros(len(fleet)),
        feeds={cohort.operator: FeedHealth("ok", MIDNIGHT, 100, 100.0) for cohort in fleet},
    )


def run(
    said: Iterable[Evidence], pattern: Pattern | None = None, intent: Intent | None = None, known: Anchors | None = None
) -> list[Incident]:
    """All that the pattern stage answers; each message is a minute of its own."""
    pattern = pattern or Pattern([SOURCE], intent or default())
    out = pattern.feed(known or anchors())
    for one in said:
        out += pattern.feed(one)
        out += pattern.feed(Tick(SOURCE, one.minute))
    return out
