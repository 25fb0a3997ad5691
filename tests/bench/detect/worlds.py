"""The fleets that the suite is run on: the standard one with everything that goes on although nothing is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from pipeline.simulate.faults import Fault
from pipeline.simulate.fleet import PRESETS, Fleet
from pipeline.simulate.nuisances import parse_nuisances
from pipeline.simulate.world import World, draw_world
from tests.bench.detect.scenarios import DAY, MONDAY_MS, SCENARIOS, firmwares, start_of

NUISANCES: Final = ("outages=1", "disorder=1.5")
"""All others are on by default. disorder: 0.3 % out of order is what the scenarios start from."""

HISTORY_DAYS: Final = 8
COLD_DAYS: Final = 2


@dataclass(frozen=True, slots=True)
class Setting:
    """One seed's fleet and how long it lives; drawn again wherever it is needed."""

    seed: int
    minutes: int
    preset: str = "standard"
    tails: str = "gaussian"
    keeps: bool = False
    """Whether nothing is rolled out over what the scenarios hit."""

    @property
    def fleet(self) -> Fleet:
        return PRESETS[self.preset].with_nuisances(parse_nuisances([*NUISANCES, f"tails={self.tails}"]))

    def world(self, faults: tuple[Fault, ...] = ()) -> World:
        keep = self.kept() | firmwares(faults)
        return draw_world(self.fleet, faults, seed=self.seed, start_ms=MONDAY_MS, minutes=self.minutes, keep=keep)

    def kept(self) -> frozenset[str]:
        return _kept(self.fleet, self.seed) if self.keeps else frozenset()


@cache
def _kept(fleet: Fleet, seed: int) -> frozenset[str]:
    drawn = (scenario.drawn(fleet, seed, start_of(seed, HISTORY_DAYS)) for scenario in SCENARIOS)
    return frozenset(name for faults in drawn for name in firmwares(faults))


def null_setting(seed: int, days: int, preset: str = "standard") -> Setting:
    """`days` after the history, with everything on; every other seed has days with heavy tails."""
    return Setting(seed, (HISTORY_DAYS + days) * DAY, preset, tails="t3" if seed % 2 else "gaussian")


def fault_setting(seed: int, preset: str = "standard") -> Setting:
    longest = max(scenario.horizon for scenario in SCENARIOS)
    return Setting(seed, start_of(seed, HISTORY_DAYS) + longest, preset, keeps=True)
