"""What the baseline stage costs: seconds a minute and bytes a cohort. `python -m tests.detect.measure_baseline [N...]`

Every cohort reports all of its five operations in every minute, which no fleet does: the worst that a number of cohorts
can cost. The minute that closes two hours, and the one that closes a day, are printed beside an ordinary one.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from typing import Final

import msgspec

from models.season import SLOT_MS
from pipeline.codec import encode
from pipeline.detect.baseline import Baseline
from pipeline.messages import MINUTE_MS, UNIT, CohortWindow, OperationWindow, Rate, Tick, Windows
from tests.detect.material import MIDNIGHT

OPERATIONS: Final = ("playback_start", "entitlement_check", "license_request", "stall", "heartbeat")
SIZES: Final = (100, 1_000, 5_000, 20_000)
OPERATORS: Final = 10
DRAWN: Final = 200
"""Different windows; cohorts share them."""
UNITS: Final = 8


def rate(draw: random.Random) -> Rate:
    return Rate(UNITS * UNIT, draw.randrange(2) * UNIT, UNITS * UNIT)


def histogram(draw: random.Random, centre: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    held: dict[int, int] = {}
    for _ in range(UNITS):
        at = round(draw.gauss(centre, 12))
        held[at] = held.get(at, 0) + UNIT
    return tuple(sorted(held)), tuple(held[at] for at in sorted(held))


def window(draw: random.Random) -> CohortWindow:
    delay = histogram(draw, 170)
    operations = {}
    for name in OPERATIONS:
        bins, weights = histogram(draw, 160)
        rates = {signal: rate(draw) for signal in ("failure", "denial", "timeout", "retry")}
        operations[name] = OperationWindow(UNITS, UNITS, rates, bins, weights, UNITS * UNIT)
    return CohortWindow(
        "",
        "",
        "production",
        UNITS * len(OPERATIONS),
        rates={signal: rate(draw) for signal in ("out_of_order", "gap", "duplicate", "contract")},
        delay_bins=delay[0],
        delay_weights=delay[1],
        delay_squares=UNITS * UNIT,
        lag_sum_ms=1000,
        lag_records=1,
        operations=operations,
    )


def minute(at: int, cohorts: int, drawn: list[CohortWindow], shift: int) -> list[Windows]:
    by_operator: dict[str, list[CohortWindow]] = {f"operator-{i}": [] for i in range(OPERATORS)}
    for i in range(cohorts):
        part = msgspec.structs.replace(
            drawn[(i + shift) % len(drawn)],
            device_class=f"class-{i // OPERATORS % 40}",
            firmware=f"fw-{i // OPERATORS // 40}",
        )
        by_operator[f"operator-{i % OPERATORS}"].append(part)
    return [Windows("a", at, operator, parts) for operator, parts in by_operator.items()]


class Measured:
    """A stage that lives through minutes here and there; `seconds` of each, the last one first."""

    def __init__(self, cohorts: int) -> None:
        draw = random.Random(1)
        self.cohorts = cohorts
        self.drawn = [window(draw) for _ in range(DRAWN)]
        self.baseline = Baseline(["a"])

    def close(self, at: int) -> float:
        for message in minute(at, self.cohorts, self.drawn, at // MINUTE_MS):
            self.baseline.feed(message)
        began = time.perf_counter()
        self.baseline.feed(Tick("a", at))
        return time.perf_counter() - began

    def lived(self, slots: int) -> list[float]:
        """Two minutes in each of so many slots; seconds of the first, which closes what was before."""
        return [max(self.close(MIDNIGHT + slot * SLOT_MS + i * MINUTE_MS) for i in range(2)) for slot in range(slots)]

    def state_bytes(self) -> int:
        return len(msgspec.msgpack.encode(self.baseline.snapshot()))

    def array_bytes(self) -> int:
        """Of the arrays by cohort in memory, room to grow in taken as used."""
        book = self.baseline._book
        arrays = [grid.data.nbytes / max(len(grid.data), 1) for _, grid in book._grids()]
        histograms = self.baseline._gauge._histograms.values()
        return round(sum(arrays) + sum(held.nbytes for held in histograms) / max(len(book), 1))


def main(sizes: list[int]) -> None:
    print(
        f"{'cohorts':>8} {'s/minute':>9} {'s/2 h':>7} {'s/day':>7} {'kB/cohort':>10} {'kB memory':>10} {'peak MB':>8}"
    )
    for size in sizes:
        measured = Measured(size)
        slots = measured.lived(14)
        usual = sorted(measured.close(MIDNIGHT + 13 * SLOT_MS + i * MINUTE_MS) for i in range(5, 10))[2]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{size:8d} {usual:9.3f} {max(slots[2:12]):7.3f} {slots[12]:7.3f} "
            f"{measured.state_bytes() / size / 1000:10.1f} {measured.array_bytes() / 1000:10.1f} {peak:8.0f}",
            flush=True,
        )
    said = measured.baseline.hand_over(0, 1)
    print(f"largest message handed over: {max(len(encode(message)) for message in said) / 1e6:.1f} MB")


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or list(SIZES))
