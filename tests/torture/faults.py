"""What is done to the workers and brokers, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Kind(StrEnum):
    """Every kind of fault; a plan has each as often as any other."""

    KILL_WORKER = "kill worker"
    FREEZE_WORKER = "freeze worker"
    KILL_BROKER = "kill broker"
    REBALANCE_IN_CHECKPOINT = "rebalance in a checkpoint"
    FULL_DISK = "worker on a full disk"
    REDELIVER = "redeliver"


@dataclass(frozen=True, slots=True)
class Fault:
    """One of them.

    which: number of the worker or broker, as far as there are. pause_s: for how long it is away, where it comes back.
    count: records that are delivered again.
    """

    kind: Kind
    which: int
    pause_s: float
    count: int

    def __str__(self) -> str:
        detail = {
            Kind.KILL_WORKER: f"{self.which}, back after {self.pause_s:.1f} s",
            Kind.FREEZE_WORKER: f"{self.which}",
            Kind.KILL_BROKER: f"{self.which}, back after {self.pause_s:.1f} s",
            Kind.REBALANCE_IN_CHECKPOINT: f"with worker {self.which}",
            Kind.FULL_DISK: f"{self.which}",
            Kind.REDELIVER: f"{self.count} records",
        }
        return f"{self.kind} {detail[self.kind]}"


def plan(seed: int, faults: int) -> list[Fault]:
    """So many faults in random order, every kind about as often as any other."""
    random = Random(seed)
    kinds: list[Kind] = []
    while len(kinds) < faults:
        some = list(Kind)
        random.shuffle(some)
        kinds += some
    return [
        Fault(kind, random.randrange(6), random.uniform(0.0, 4.0), random.randrange(1, 400)) for kind in kinds[:faults]
    ]
