"""The feeds of one stage: is each operator's telemetry sound, and that of each of its device classes?

Silent or late, of an operator or of one of its classes; too many cohorts to be kept apart. All of it is a matter of the
feed: it is told, and nothing is learnt from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.snapshot import Plain
from pipeline.detect.evidence import FeedHealth
from pipeline.detect.feed import FeedGate
from pipeline.detect.lateness import Lateness
from pipeline.messages import MINUTE_MS
from pipeline.observation import Cohort

Floats: TypeAlias = NDArray[np.float64]
Part: TypeAlias = tuple[str, str]
"""Operator and device class."""

PART_PATIENCE: Final = 10
"""Minutes for which a device class must be silent: it is thinner than its operator, and chance is no silence."""
POOLED_MS: Final = 60 * MINUTE_MS
"""So long after the last record that was pooled, an operator's cohorts are kept apart again."""


class Delays(NamedTuple):
    """Of the cohorts of a minute; see `Lateness.take`. Sums over units."""

    units: Floats
    excess: Floats
    room: Floats
    lag: Floats
    usual: Floats


class FeedBook:
    """All feeds that this stage knows, minute by minute: `judge`, then `delays`, then `health`."""

    def __init__(self) -> None:
        self._gates: dict[str, FeedGate] = {}
        self._parts: dict[Part, FeedGate] = {}
        self._late: dict[Part, Lateness] = {}
        """Device class "" is the operator as a whole."""
        self._pooled: dict[str, list[int]] = {}
        """By operator: first and last minute in which records of cohorts were pooled, and how many in the last."""
        self._health: dict[str, FeedHealth] = {}
        self._part_health: dict[Part, FeedHealth] = {}

    def __len__(self) -> int:
        return len(self._gates)

    def judge(self, minute: int, cohorts: Sequence[Cohort], records: Sequence[float]) -> None:
        """Take what came of each cohort in a minute."""
        total: dict[str, int] = dict.fromkeys(self._gates, 0)
        by_part: dict[Part, int] = dict.fromkeys(self._parts, 0)
        for cohort, count in zip(cohorts, records, strict=True):
            part = (cohort.operator, cohort.device_class)
            total[cohort.operator] = total.get(cohort.operator, 0) + int(count)
            by_part[part] = by_part.get(part, 0) + int(count)
        for operator, count in total.items():
            gate = self._gates.setdefault(operator, FeedGate())
            self._health[operator] = gate.judge(minute, count)
        for part, count in by_part.items():
            gate = self._parts.setdefault(part, FeedGate(patience=PART_PATIENCE))
            self._part_health[part] = gate.judge(minute, count)

    def pooled(self, operator: str, minute: int, records: int) -> None:
        """Cohorts of an operator were too many to be kept apart."""
        held = self._pooled.setdefault(operator, [minute, minute, 0])
        held[1:] = [minute, records + (held[2] if held[1] == minute else 0)]

    def is_sound(self, operator: str, device_class: str) -> bool:
        """Neither silent nor catching up."""
        whole, part = self._gates.get(operator), self._parts.get((operator, device_class))
        return (whole is None or whole.state == "ok") and (part is None or part.state == "ok")

    def is_late(self, cohort: Cohort) -> bool:
        return any(
            (late := self._late.get((cohort.operator, kind))) is not None and late.since is not None
            for kind in ("", cohort.device_class)
        )

    def explains_gaps(self, cohort: Cohort, minute: int) -> bool:
        """Are missing numbers those of an outage, known or just begun?

        A feed that falls silent is known for silent some minutes later; gaps of before come due meanwhile, alone.
        """
        whole, part = self._gates[cohort.operator], self._parts.get((cohort.operator, cohort.device_class))
        gates = (whole,) if part is None else (whole, part)
        return any(gate.explains_gaps(minute) or gate.low_minutes > 0 for gate in gates)

    def delays(self, minute: int, cohorts: Sequence[Cohort], told: Delays) -> None:
        """Take how late the records of a minute are."""
        sums: dict[Part, Floats] = defaultdict(lambda: np.zeros(len(Delays._fields)))
        for cohort, each in zip(cohorts, np.stack(told, axis=1), strict=True):
            if each[0] > 0:
                sums[cohort.operator, ""] += each
                sums[cohort.operator, cohort.device_class] += each
        for part, each in sums.items():
            late = self._late.setdefault(part, Lateness())
            if self._health[part[0]].state == "ok":
                late.take(minute, *each.tolist())
            else:
                late.rest()

    def health(self, minute: int) -> dict[str, FeedHealth]:
        """Of every operator after the minute, with its device classes."""
        out = {}
        parts: dict[str, dict[str, FeedHealth]] = defaultdict(dict)
        for (operator, kind), health in sorted(self._part_health.items()):
            parts[operator][kind] = self._with_delay(health, (operator, kind))
        for operator, health in sorted(self._health.items()):
            pooled = self._pooled.get(operator)
            if pooled is not None and minute - pooled[1] >= POOLED_MS:
                del self._pooled[operator]
                pooled = None
            out[operator] = msgspec.structs.replace(
                self._with_delay(health, (operator, "")),
                pooled=pooled[2] if pooled is not None and pooled[1] == minute else 0,
                pooled_since=None if pooled is None else pooled[0],
                parts=parts[operator],
            )
        return out

    def _with_delay(self, health: FeedHealth, part: Part) -> FeedHealth:
        late = self._late.get(part)
        if late is None:
            return health
        return msgspec.structs.replace(
            health,
            late_since=late.since,
            delay_ms=round(late.delay_ms, 1),
            usual_delay_ms=round(late.usual_ms, 1),
        )

    def snapshot(self) -> Plain:
        return {
            "gates": {operator: gate.snapshot() for operator, gate in self._gates.items()},
            "parts": [[*part, gate.snapshot()] for part, gate in self._parts.items()],
            "late": [[*part, late.snapshot()] for part, late in self._late.items()],
            "pooled": {operator: list(held) for operator, held in self._pooled.items()},
        }

    @classmethod
    def of(cls, state: Plain) -> FeedBook:
        """What a snapshot was taken of."""
        book = cls()
        book._gates = {operator: FeedGate.of(gate) for operator, gate in state["gates"].items()}
        book._parts = {(operator, kind): FeedGate.of(gate) for operator, kind, gate in state["parts"]}
        book._late = {(operator, kind): Lateness.of(late) for operator, kind, late in state["late"]}
        book._pooled = {operator: list(held) for operator, held in state["pooled"].items()}
        return book
