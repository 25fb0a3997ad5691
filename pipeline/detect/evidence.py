"""What a baseline says of a minute, and the anchors it says it against."""

from __future__ import annotations

from typing import Any, TypeAlias, get_origin

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.detect.channels import Channel
from pipeline.observation import Cohort

Floats: TypeAlias = NDArray[np.float64]


class FeedPart(msgspec.Struct, frozen=True):
    """The telemetry of an operator as a whole, or of one of its device classes (over all firmwares)."""

    state: str
    """`ok`, `silent` (arrivals far below the expected), `recovering` (back, but not trusted yet)."""
    since: int
    """Arrival minute at which this state began, ms epoch."""
    records: int
    """In this minute."""
    expected: float
    """Records a minute at this hour; 0 when not known yet."""
    late_since: int | None = None
    """Since when its records come late (the devices are as before); None while they do not."""
    delay_ms: float = 0.0
    """Mean delay of the last minutes; 0 when not known."""
    usual_delay_ms: float = 0.0
    """Median delay by the anchors; 0 when not known."""


class FeedHealth(FeedPart, frozen=True):
    """An operator's telemetry as a whole, with its parts."""

    pooled: int = 0
    """Records of this minute whose cohorts are too many to be kept apart."""
    pooled_since: int | None = None
    parts: dict[str, FeedPart] = {}
    """By device class; what `volume` is judged on: records and expected."""
    rejected: int = 0
    """Records of this minute that could not be used."""


class Evidence(msgspec.Struct, frozen=True, tag="evidence"):
    """One minute of the cohorts that reported in it. Arrays are [cohorts, channels] or [cohorts].

    For a share: `n` units, `x` those that hit, `expected` what the anchor would have. A tail is one,
    in which a hit counts for what it is in excess (`models.cutpoints.tail_weights`). For a shift: `n` units, `x` the
    sum of log value less the cohort's reference point, `expected` the anchor's. Units are device-minutes; where a unit
    aggregates many attempts, n and x are scaled to what it proves (Kish's effective sample size).
    """

    source: str
    minute: int
    cohorts: list[Cohort]
    channels: list[Channel]
    n: Floats
    x: Floats
    expected: Floats
    aside: NDArray[np.bool_]
    """Telemetry known to be bad (silence, backfill): shown, but neither judged nor learnt from."""
    lag_ms: Floats
    """Mean of arrival less believed occurrence."""
    feeds: dict[str, FeedHealth]
    thresholds: list[str] = []
    """Ids of the intent's thresholds that were counted; columns of the two arrays below."""
    attempts: Floats | None = None
    """[cohorts, thresholds] device-minutes that a threshold asks about, see `thresholds.Lines`; None: nothing asked."""
    bad: Floats | None = None
    """[cohorts, thresholds] those of them that were slower than the limit, or hit."""

    def __post_init__(self) -> None:
        if not self.cohorts:
            # Without a cohort, arrays that came as JSON have lost their shape.
            for name in ("n", "x", "expected"):
                _with_columns(self, name, len(self.channels))
            for name in ("attempts", "bad"):
                _with_columns(self, name, len(self.thresholds))


class Anchors(msgspec.Struct, frozen=True, tag="anchors"):
    """References of cohorts, sent when they change. Arrays are [cohorts, channels] or [cohorts].

    Expected of a share is n * level * shape, of a shift n * (level + shape); see `Evidence` for the units.
    """

    source: str
    minute: int
    cohorts: list[Cohort]
    channels: list[Channel]
    level: Floats
    spread: Floats
    """Variance of one unit of a shift. Of a tail that of its hits, in parts of what is expected of them (0, from before
    they were weighed: 1). 0 for other shares, whose variance follows from the level."""
    mass: Floats
    """Units (shift) or expected hits (share) that the level rests on; 0: no level yet."""
    days: Floats
    """Full days learnt; a borrowed level has the days of its lender."""
    lender: list[str]
    """`own`, `history` (learnt elsewhere, over less than a week) or the firmware that it most likely succeeds."""
    base_ms: Floats
    """[cohorts, channels] what the level means in ms, for latency and its tail; 0 for others."""
    tail_scale: Floats
    """[cohorts, channels] log-scale slope of the upper tail, for latency; 0 for others."""
    shapes: dict[str, Floats]
    """By operator: [slots of the day, channels], factor of a share, offset of a shift."""
    frozen: NDArray[np.bool_]
    """All that was ever seen of the cohort is frozen."""
    first_level: Floats | None = None
    """[cohorts, channels] the first anchor, in the units of `level`: what the anchor has moved since is to be told."""
    doubtful: NDArray[np.bool_] | None = None
    """[cohorts, channels] the reference days are not of one piece (or a predecessor's were not)."""
    doubt: list[str] = []
    """By cohort: what is wrong with its reference days, a sentence for people; empty when nothing is."""
    accepted: list[str] = []
    """By cohort: who accepted its level, when and why; empty when nobody did."""
    gone: list[Cohort] = []
    """Cohorts that have been forgotten, long idle, to make room for others."""

    def __post_init__(self) -> None:
        if not self.cohorts:
            for name in ("level", "spread", "mass", "base_ms", "tail_scale", "first_level", "doubtful"):
                _with_columns(self, name, len(self.channels))


class Learned(msgspec.Struct, frozen=True, tag="learned"):
    """Anchors of one operator, learnt elsewhere from its history. Arrays are [cohorts, channels] unless said.

    Taken up for cohorts that have no full day of their own; others keep what they have.
    """

    learned_id: str
    """Taken once, however often it comes."""
    operator: str
    since: int
    until: int
    """First and last minute of the history, ms epoch."""
    cohorts: list[Cohort]
    channels: list[Channel]
    days: Floats
    """[cohorts]"""
    cells: dict[str, Floats]
    """By name of the quantity: cut points, level, mass, spread and the like."""
    shape: Floats
    """[slots of the day, channels]"""
    volumes: Floats
    """[cohorts, slots of the day] records a minute; not a number (null) where unknown."""


def _with_columns(message: msgspec.Struct, name: str, columns: int) -> None:
    """Give an empty array its columns back."""
    values = getattr(message, name)
    if values is not None and values.shape == (0,):
        msgspec.structs.force_setattr(message, name, values.reshape(0, columns))


def arrays_to_plain(value: object) -> object:
    """How msgspec writes what it does not know: arrays as nested lists."""
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype == np.float64 and not np.isfinite(value).all():
            return np.where(np.isfinite(value), value, None).tolist()  # type: ignore[call-overload]  # objects
        return value.tolist()
    msg = f"{type(value).__name__} cannot be sent"
    raise NotImplementedError(msg)


def arrays_from_plain(kind: type, value: Any) -> object:
    """The way back."""
    if get_origin(kind) is np.ndarray:
        # NDArray[np.bool_] is ndarray[shape, dtype[np.bool_]]
        scalar = kind.__args__[1].__args__[0]  # type: ignore[attr-defined]  # numpy gives no public way to ask
        return np.array(value, dtype=scalar)
    msg = f"{kind} cannot be received"
    raise NotImplementedError(msg)
