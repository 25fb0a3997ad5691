"""What is done to a fleet, and how soon it should be noticed. Whom it hits varies by seed."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.simulate.durations import MINUTE_MS
from pipeline.simulate.faults import Fault, parse_fault
from pipeline.simulate.fleet import Fleet
from pipeline.simulate.world import draw_world

HOUR: Final = 60
DAY: Final = 1_440
"""Minutes."""

MONDAY_MS: Final = 1_767_571_200_000
NEW_FIRMWARE: Final = "fw-9.9.0"


class Target:
    """What one scenario hits in one seed's fleet: common and rare ones by turns, the rest by lot."""

    def __init__(self, fleet: Fleet, seed: int, purpose: str) -> None:
        self.fleet = fleet
        self.seed = seed
        turn = zlib.crc32(purpose.encode())
        self._turn = turn
        self._lot = np.random.default_rng([seed, turn])
        self.device_class = self._pick(fleet.device_classes)
        """A class; `firmware` is one of its own."""
        self.operator = fleet.operators[(seed + turn) % len(fleet.operators)]
        """From the largest to the smallest by turns."""

    def _pick(self, values: tuple[str, ...]) -> str:
        return values[int(self._lot.integers(len(values)))]

    def firmware(self, versions: int | None = None) -> str:
        """A firmware of the class, the commonest, the next and the rarest by turns; of the first `versions` only."""
        version = (self.seed + self._turn) % (versions or self.fleet.firmwares)
        return self.fleet.firmware(self.fleet.device_classes.index(self.device_class), version)

    def other_class(self) -> str:
        return self._pick(tuple(name for name in self.fleet.device_classes if name != self.device_class))

    def cohort(self) -> str:
        """The keys of a single cohort in production, of the busier half: one with a record in five minutes has a
        floor of days for anybody."""
        world = draw_world(self.fleet, (), seed=self.seed, start_ms=MONDAY_MS, minutes=HOUR)
        busiest = np.argsort(-world.volume)[: world.homes // 2]
        production = [row for row in busiest if world.cohorts[row].environment == "production"]
        cohort = world.cohorts[production[int(self._lot.integers(len(production)))]]
        return ",".join(f"{name}={value}" for name, value in cohort._asdict().items())


@dataclass(frozen=True, slots=True)
class Scenario:
    """faults: in the form of the command line, without times, each a line of the list; `from` is added.

    limit: minutes within which the median seed must be found. to_the_end: it must still fire after `horizon` minutes.
    strong: to be found with two days of history, too. control: nothing should be found; it shows that the whole is
    more than its parts.
    """

    name: str
    title: str
    faults: Callable[[Target], list[str]]
    limit: int
    horizon: int
    to_the_end: bool = False
    strong: bool = False
    control: bool = False

    def drawn(self, fleet: Fleet, seed: int, start: int) -> tuple[Fault, ...]:
        """The faults of one seed from minute `start` on."""
        target = Target(fleet, seed, self.name.removesuffix("-alone"))
        texts = self.faults(target)
        joined = [text + ("," if "@" in text else "@") + f"from={start * MINUTE_MS // 1000}s" for text in texts]
        return tuple(parse_fault(text) for text in joined)


def _whole(target: Target) -> list[str]:
    at = f"device_class={target.device_class}"
    return [f"retry*2@{at}", f"failure*1.6@{at}", f"latency*1.03@{at}"]


def _half(target: Target) -> list[str]:
    at = f"device_class={target.device_class}"
    return [f"retry*1.5@{at}", f"failure*1.3@{at}", f"latency*1.015@{at}"]


MANY: Final = ("retry", "failure", "timeout", "denial", "out_of_order", "duplicate", "gap")
MANY_FACTOR: Final = 1.3


def _many(target: Target) -> list[str]:
    at = f"device_class={target.device_class}"
    return [f"{kind}*{MANY_FACTOR}@{at}" for kind in MANY]


def _one_of_many(target: Target) -> list[str]:
    return [_many(target)[target.seed % len(MANY)]]


def _two(target: Target) -> list[str]:
    other = target.other_class()
    return [
        f"latency*1.15@firmware={target.firmware()}",
        f"failure*3@operator={target.operator},device_class={other}",
    ]


SCENARIOS: Final = (
    Scenario(
        "firmware-15",
        "one firmware: latency +15 %",
        lambda t: [f"latency*1.15@firmware={t.firmware()}"],
        limit=4 * HOUR,
        horizon=DAY,
        strong=True,
    ),
    Scenario(
        "firmware-8",
        "one firmware: latency +8 %",
        lambda t: [f"latency*1.08@firmware={t.firmware()}"],
        limit=36 * HOUR,
        horizon=4 * DAY,
    ),
    Scenario(
        "rollout-10",
        "new firmware: latency +10 %, staged over 28 h",
        lambda t: [f"latency*1.1@firmware={NEW_FIRMWARE},replaces={t.firmware(2)},rollout=28h"],
        limit=20 * HOUR,
        horizon=3 * DAY,
    ),
    Scenario(
        "drift-25",
        "entitlement latency at one operator and class: +25 % over 5 days",
        lambda t: [
            f"latency*1.25@operator={t.operator},device_class={t.device_class},operation=entitlement_check,ramp=5d"
        ],
        limit=2 * DAY,
        horizon=5 * DAY,
    ),
    Scenario(
        "cohort-30",
        "one cohort: latency +30 %",
        lambda t: [f"latency*1.3@{t.cohort()}"],
        limit=DAY,
        horizon=3 * DAY,
    ),
    Scenario(
        "order",
        "one firmware: out of order 0.3 → 1.2 %",
        lambda t: [f"out_of_order*4@firmware={t.firmware()}"],
        limit=3 * HOUR,
        horizon=18 * HOUR,
        strong=True,
    ),
    Scenario(
        "weak-class",
        "one class: retries 1 → 2 %, failures 0.5 → 0.8 %, latency +3 %",
        _whole,
        limit=3 * HOUR,
        horizon=18 * HOUR,
        strong=True,
    ),
    Scenario("weak-class-half", "the same, each effect halved", _half, limit=12 * HOUR, horizon=2 * DAY),
    Scenario(
        "tail",
        "one operator and firmware: p99 × 1.5, median as before",
        lambda t: [f"tail*1.5@operator={t.operator},firmware={t.firmware()}"],
        limit=8 * HOUR,
        horizon=36 * HOUR,
    ),
    Scenario(
        "denial",
        "production only: denials 1.5 → 4 %, certification good",
        lambda t: ["denial*2.667@environment=production,operation=entitlement_check"],
        limit=16 * HOUR,
        horizon=2 * DAY,
        strong=True,
    ),
    Scenario(
        "two",
        "two at once: a firmware +15 %, an operator's class fails × 3",
        _two,
        limit=12 * HOUR,
        horizon=36 * HOUR,
        strong=True,
    ),
    Scenario(
        "creep",
        "one firmware: +0.15 % an hour for ten days",
        lambda t: [f"latency*1.433@firmware={t.firmware()},ramp=10d"],
        limit=93 * HOUR,  # 1.0015 ** 93 = 1.15
        horizon=10 * DAY,
        to_the_end=True,
    ),
    Scenario(
        "many",
        f"one class: seven rates × {MANY_FACTOR}",
        _many,
        limit=6 * HOUR,
        horizon=DAY,
    ),
    Scenario(
        "many-alone",
        "the same, only one of the seven (a control: not to be found as soon)",
        _one_of_many,
        limit=6 * HOUR,
        horizon=6 * HOUR,
        control=True,
    ),
)

BY_NAME: Final = {scenario.name: scenario for scenario in SCENARIOS}


def firmwares(faults: tuple[Fault, ...]) -> frozenset[str]:
    """Those that a harmless roll-out must not take away."""
    return frozenset(name for fault in faults for name in (fault.firmware, fault.replaces) if name is not None)


def start_of(seed: int, days: int) -> int:
    """The minute at which history ends and the fault begins: after `days` full days, at another hour each seed."""
    return days * DAY + seed % 4 * 6 * HOUR
