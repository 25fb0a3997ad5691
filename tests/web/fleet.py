"""A small fleet as the board hears of it."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.detect.channels import Channel
from pipeline.detect.evidence import Anchors, Evidence, FeedHealth
from pipeline.messages import MINUTE_MS
from pipeline.observation import Cohort

NOON = 1_767_268_800_000
SLOW = Cohort("nordcast", "stb-g3", "9.4.1", "production")
WELL = Cohort("nordcast", "stb-g3", "9.4.0", "production")
OK = FeedHealth("ok", 0, 120, 118.4)
CHANNELS = [
    Channel("playback_start", "latency"),
    Channel("playback_start", "failure"),
    Channel("*", "gap"),
    Channel("*", "contract"),
]


def evidence(
    minutes_past_noon: int = 0,
    cohorts: Sequence[Cohort] = (SLOW, WELL),
    *,
    units: float = 100.0,
    log_ratio: Mapping[Cohort, float] | None = None,
    failures: Mapping[Cohort, float] | None = None,
    aside: Sequence[Cohort] = (),
    feeds: Mapping[str, FeedHealth] | None = None,
) -> Evidence:
    """A minute in which all goes as expected, but for what is said: `log_ratio` of latency, share of `failures`."""
    n = np.full((len(cohorts), len(CHANNELS)), units)
    # A shift is expected somewhere off the reference point; shares at 2 %, 1 % and 0.1 %.
    expected = n * np.array([0.1, 0.02, 0.01, 0.001])
    x = expected.copy()
    for row, cohort in enumerate(cohorts):
        x[row, 0] += units * (log_ratio or {}).get(cohort, 0.0)
        x[row, 1] = units * (failures or {}).get(cohort, 0.02)
    return Evidence(
        source="windows/0",
        minute=NOON + minutes_past_noon * MINUTE_MS,
        cohorts=list(cohorts),
        channels=list(CHANNELS),
        n=n,
        x=x,
        expected=expected,
        aside=np.array([cohort in aside for cohort in cohorts], dtype=np.bool_),
        lag_ms=np.zeros(len(cohorts)),
        feeds=dict(feeds if feeds is not None else {"nordcast": OK}),
    )


def anchors(known: Mapping[Cohort, tuple[float, bool, str]]) -> Anchors:
    """Days learnt, whether it is frozen, and its lender, by cohort."""
    numbers = np.zeros((len(known), len(CHANNELS)))
    return Anchors(
        source="windows/0",
        minute=NOON,
        cohorts=list(known),
        channels=list(CHANNELS),
        level=numbers,
        spread=numbers,
        mass=numbers,
        days=np.array([days for days, _, _ in known.values()]),
        lender=[lender for _, _, lender in known.values()],
        base_ms=numbers,
        tail_scale=numbers,
        shapes={},
        frozen=np.array([frozen for _, frozen, _ in known.values()]),
    )
