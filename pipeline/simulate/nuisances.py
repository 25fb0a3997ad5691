"""What goes on in a fleet although nothing is wrong, each with a scale: 0 switches it off, 1 is as measured."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Literal, get_args

Tails = Literal["gaussian", "t3"]


class NuisanceError(ValueError):
    """A nuisance setting that does not parse; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Nuisances:
    """Scales of the nuisances; the comment beside each says what 1 means."""

    daily: float = 1.0  # volume ±60 % over the day, latency ±6–14 %, failures ±25 %, an operator's peak hour its own
    weekly: float = 1.0  # at weekends volume −30 %, latency −4 %, failures −10 %
    cohort_days: float = 1.0  # a day's effect on a cohort: log-sd 3 % of latency, 6 % of rates
    operator_days: float = 1.0  # on an operator: log-sd 4 % of latency, 8 % of rates
    shocks: float = 1.0  # networks +5–10 % latency for 1–3 h, 0.4 a day each, and half as often all at once
    bursts: float = 1.0  # a device's visit: log-sd 25 % of latency, gamma(0.7) of rates
    storms: float = 1.0  # one device sends 60–300 failing attempts within minutes, 2 a day in the fleet
    # Off unless asked for: a feed that falls silent is an incident of its own, and rightly told.
    outages: float = 0.0  # an operator's telemetry is held for 10–60 min, 0.15 a day each; 70 % is backfilled
    rollouts: float = 1.0  # a harmless successor of a class's commonest firmware over 1–3 days, 0.7 a week
    mix: float = 1.0  # log-sd 10 % a week of a class's volume at an operator, 20 % of an operation's share
    holidays: float = 1.0  # one day in 14: volume × 1.5, latency +3 %, failures +10 %
    disorder: float = 1.0  # 0.2 % out of order, 0.1 % duplicates, 0.3 % lost
    missing: float = 1.0  # 1 % lack a latency, 0.5 % retries, 0.5 % their time; 0.02 % hold something unusable
    cached: float = 1.0  # 0.3 % of visits are reported half an hour to hours later, and say so
    skew: float = 1.0  # device clocks: log-sd 300 ms, 3 % of them minutes off, 0.2 % count from boot
    tails: Tails = "gaussian"  # of the effects of days; t3: Student's t with 3 degrees at the same variance

    def __post_init__(self) -> None:
        for name in SCALES:
            scale = getattr(self, name)
            if not 0.0 <= scale < float("inf"):
                msg = f"nuisance {name} is scaled by a finite number of at least 0, not {scale}"
                raise NuisanceError(msg)
        if self.tails not in get_args(Tails):
            msg = f"nuisance tails is one of {', '.join(get_args(Tails))}, not {self.tails!r}"
            raise NuisanceError(msg)


SCALES: Final = tuple(f.name for f in fields(Nuisances) if f.name != "tails")


def parse_nuisances(settings: list[str]) -> Nuisances:
    """`["all=0", "shocks=2", "tails=t3"]`: later settings go over earlier ones. Raises NuisanceError.

    >>> parse_nuisances(["all=0", "shocks=1.5"]).shocks
    1.5
    """
    values: dict[str, float] = {}
    tails: Tails = "gaussian"
    for setting in settings:
        name, _, text = setting.partition("=")
        if name == "tails":
            found = next((tail for tail in get_args(Tails) if tail == text), None)
            if found is None:
                msg = f"{setting!r}: tails is one of {', '.join(get_args(Tails))}"
                raise NuisanceError(msg)
            tails = found
            continue
        if name not in (*SCALES, "all"):
            msg = f"{setting!r}: no nuisance is called {name!r}; there are {', '.join(SCALES)}, tails, and all"
            raise NuisanceError(msg)
        try:
            scale = float(text)
        except ValueError:
            msg = f"{setting!r}: write {name}=SCALE with a number, 0 to switch it off"
            raise NuisanceError(msg) from None
        values |= dict.fromkeys(SCALES, scale) if name == "all" else {name: scale}
    return Nuisances(**values, tails=tails)
