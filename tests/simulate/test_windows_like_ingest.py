"""Window messages drawn directly are statistically those that ingest makes of the same fleet's records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import pytest

from pipeline.ingest import Answer, Ingest
from pipeline.messages import UNIT, Rate, Windows
from pipeline.records import RecordBatch
from pipeline.simulate.events import simulate
from pipeline.simulate.faults import parse_fault
from pipeline.simulate.fleet import SMALL
from pipeline.simulate.nuisances import parse_nuisances
from pipeline.simulate.windows import simulate_windows
from pipeline.simulate.world import World, draw_world

MONDAY = 1_767_571_200_000
HOURS = 36

# Cached reports are left out: their numbers are missed by ingest where the device came back before they did.
FLEET = SMALL.with_nuisances(parse_nuisances(["all=0", "bursts=1", "disorder=2", "missing=1", "daily=1"]))
FAULTS = ("failure*2@operator=altura", "gap*2@device_class=stb-g3", "contract+0.02@field=retries")


def world() -> World:
    faults = tuple(map(parse_fault, FAULTS))
    return draw_world(FLEET, faults, seed=11, start_ms=MONDAY, minutes=HOURS * 60)


def through_ingest(of: World) -> Iterator[Answer]:
    ingest, line = Ingest("simulated"), 1
    for batch in simulate(of):
        lines = batch.ndjson().splitlines()
        yield from ingest.feed(RecordBatch("simulated", range(line, line + len(lines)), lines))
        line += len(lines)
    yield from ingest.flush()


def moments(messages: Iterable[object]) -> Counter[str]:
    """Totals of everything that a window counts; of histograms, of bin and squared bin, by weight."""
    found: Counter[str] = Counter()

    def add_rates(name: str, rates: dict[str, Rate]) -> None:
        for signal, rate in rates.items():
            found[f"{name} {signal} of"] += rate.of
            found[f"{name} {signal} hits"] += rate.hits
            found[f"{name} {signal} squares"] += rate.squares

    def add_histogram(name: str, bins: tuple[int, ...], weights: tuple[int, ...]) -> None:
        for number, weight in zip(bins, weights, strict=True):
            found[f"{name} weight"] += weight
            found[f"{name} sum"] += number * weight
            found[f"{name} sum of squares"] += number * number * weight

    for message in messages:
        if not isinstance(message, Windows):
            continue
        for window in message.cohorts:
            for count in ("records", "duplicates", "sequenced", "inversions", "expected", "gaps", "violating"):
                found[count] += getattr(window, count) * UNIT
            found["lag"] += window.lag_sum_ms * UNIT
            found["delay squares"] += window.delay_squares
            add_rates("cohort", window.rates)
            add_histogram("delay", window.delay_bins, window.delay_weights)
            for name, operation in window.operations.items():
                found[f"{name} records"] += operation.records * UNIT
                found[f"{name} attempts"] += operation.attempts * UNIT
                found[f"{name} squares"] += operation.latency_squares
                add_rates(name, operation.rates)
                add_histogram(name, operation.bins, operation.weights)
    return Counter({name: total / UNIT for name, total in found.items()})


@pytest.fixture(scope="module")
def both() -> tuple[Counter[str], Counter[str]]:
    return moments(through_ingest(world())), moments(simulate_windows(world()))


def test_the_same_things_are_counted(both: tuple[Counter[str], Counter[str]]) -> None:
    ingested, drawn = both
    assert ingested.keys() == drawn.keys()


def test_counts_agree_within_chance(both: tuple[Counter[str], Counter[str]]) -> None:
    ingested, drawn = both
    for name in ingested:
        if "sum" in name or name == "lag":
            continue
        # Visits come with two records on average and rates of their own: three times the variance of single events.
        tolerance = 4 * (3 * (ingested[name] + drawn[name])) ** 0.5 + 5
        assert abs(ingested[name] - drawn[name]) < tolerance, (name, ingested[name], drawn[name])


def test_histograms_agree_in_mean_and_width(both: tuple[Counter[str], Counter[str]]) -> None:
    def shape(found: Counter[str], name: str) -> tuple[float, float]:
        mean = found[f"{name} sum"] / found[f"{name} weight"]
        return mean, (found[f"{name} sum of squares"] / found[f"{name} weight"] - mean**2) ** 0.5

    ingested, drawn = both
    for name in ("delay", *(operation.name for operation in FLEET.operations)):
        # A bin is 4 %: a tenth of one is 0.4 % of latency.
        assert shape(drawn, name) == pytest.approx(shape(ingested, name), abs=0.3), name
    lag = [found["lag"] / found["records"] for found in both]
    assert lag[1] == pytest.approx(lag[0], rel=0.02)
