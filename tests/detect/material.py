"""Messages for the detector's stages, as small as they can be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from models.season import DAY_MS, SLOT_MS
from pipeline.detect.baseline import Baseline
from pipeline.detect.evidence import Anchors, Evidence
from pipeline.messages import LATENCY_BIN, MINUTE_MS, UNIT, CohortWindow, OperationWindow, Rate, Tick, Windows
from pipeline.observation import Cohort

MIDNIGHT = 1_767_571_200_000
"""A Monday."""


def rate(of: float, hits: float) -> Rate:
    """`of` device-minutes of weight one."""
    return Rate(round(of * UNIT), round(hits * UNIT), round(of * UNIT))


def latency_bin(ms: float) -> int:
    return int(math.log(ms) / LATENCY_BIN)


def operation(attempts: float = 100.0, latency: Mapping[int, float] | None = None, **hits: float) -> OperationWindow:
    """`hits` by signal; `latency` is the weight of each bin."""
    held = dict(sorted((latency or {}).items()))
    return OperationWindow(
        records=round(attempts),
        attempts=round(attempts),
        rates={signal: rate(attempts, hit) for signal, hit in hits.items()},
        bins=tuple(held),
        weights=tuple(round(weight * UNIT) for weight in held.values()),
        latency_squares=round(sum(held.values()) * UNIT),
    )


def bell(centre_ms: float, weight: float) -> dict[int, float]:
    """Weights of latency bins about a centre, log standard deviation 0.3."""
    spread = {step: math.exp(-0.5 * (step * LATENCY_BIN / 0.3) ** 2) for step in range(-25, 26)}
    total = sum(spread.values())
    whole, part = divmod(math.log(centre_ms) / LATENCY_BIN - 0.5, 1.0)
    out: dict[int, float] = {}
    for step, share in spread.items():
        for at, portion in ((int(whole) + step, 1.0 - part), (int(whole) + step + 1, part)):
            out[at] = out.get(at, 0.0) + weight * portion * share / total
    return out


def cohort(
    of: Cohort, records: int = 1, operations: Mapping[str, OperationWindow] | None = None, **rates: Rate
) -> CohortWindow:
    return CohortWindow(
        device_class=of.device_class,
        firmware=of.firmware,
        environment=of.environment,
        records=records,
        rates=dict(rates),
        operations=dict(operations or {}),
    )


def windows(source: str, at: int, held: Iterable[tuple[str, CohortWindow]]) -> list[Windows]:
    """One message an operator."""
    by_operator: dict[str, list[CohortWindow]] = {}
    for operator, window in held:
        by_operator.setdefault(operator, []).append(window)
    return [Windows(source, at, operator, found) for operator, found in by_operator.items()]


def said_of(baseline: Baseline, at: int, held: Mapping[Cohort, CohortWindow]) -> list[Evidence | Anchors]:
    """Close one minute of the source `a`; what the baseline says, but for its tick and what it sees first."""
    for message in windows("a", at, [(of.operator, window) for of, window in held.items()]):
        baseline.feed(message)
    return [message for message in baseline.feed(Tick("a", at)) if isinstance(message, Evidence | Anchors)]


def evidence_of(baseline: Baseline, at: int, held: Mapping[Cohort, CohortWindow]) -> Evidence:
    """Of that minute; silent ones before it are told as well."""
    said = said_of(baseline, at, held)
    return next(message for message in said if isinstance(message, Evidence) and message.minute == at)


def minute(number: int) -> int:
    return MIDNIGHT + number * MINUTE_MS


def middle_of_slot(slot: int) -> int:
    """The minute in which a slot of two hours has half gone; slots count on over days."""
    return MIDNIGHT + slot * SLOT_MS + SLOT_MS // 2


def day(number: float) -> int:
    return MIDNIGHT + round(number * DAY_MS)
