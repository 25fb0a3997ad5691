"""The same fleet as window messages: what they count is what the events would have come to."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

from pipeline.messages import LATENCY_BIN, UNIT, CohortWindow, Tick, Windows
from pipeline.simulate.faults import parse_fault
from pipeline.simulate.fleet import SMALL, Fleet
from pipeline.simulate.nuisances import parse_nuisances
from pipeline.simulate.windows import simulate_windows
from pipeline.simulate.world import World, draw_world

MONDAY = 1_767_571_200_000
QUIET = SMALL.with_nuisances(parse_nuisances(["all=0"]))


def world(fleet: Fleet = SMALL, *faults: str, seed: int = 1, hours: float = 2) -> World:
    parsed = tuple(parse_fault(text) for text in faults)
    return draw_world(fleet, parsed, seed=seed, start_ms=MONDAY, minutes=round(hours * 60))


def windows(of: World) -> list[Windows]:
    return [message for message in simulate_windows(of) if isinstance(message, Windows)]


def cohorts(of: World) -> list[CohortWindow]:
    return [cohort for window in windows(of) for cohort in window.cohorts]


def share(windows: list[CohortWindow], signal: str) -> float:
    """Of a rate, over all cohorts and, where it has them, operations."""
    rates = [window.rates.get(signal) for window in windows]
    rates += [each.rates.get(signal) for window in windows for each in window.operations.values()]
    return sum(rate.hits for rate in rates if rate) / sum(rate.of for rate in rates if rate)


def test_the_same_seed_gives_the_same_messages() -> None:
    assert list(simulate_windows(world())) == list(simulate_windows(world()))


def test_every_minute_ends_with_its_tick_after_its_windows() -> None:
    messages = list(simulate_windows(world(hours=1.5)))
    ticks = [message for message in messages if isinstance(message, Tick)]
    assert [tick.minute for tick in ticks] == [MONDAY + minute * 60_000 for minute in range(90)]
    closed = MONDAY - 1
    for message in messages:
        assert message.minute > closed
        if isinstance(message, Tick):
            closed = message.minute


def test_a_window_adds_up() -> None:
    for window in cohorts(world(hours=6)):
        operations = window.operations.values()
        assert window.records == sum(each.records for each in operations)
        assert window.sequenced == window.records - window.cached
        for rate in [*window.rates.values(), *(rate for each in operations for rate in each.rates.values())]:
            assert 0 <= rate.hits <= rate.of == rate.squares
        for each in operations:
            assert list(each.bins) == sorted(set(each.bins))
            # A unit's weight is parted among its bins in whole numbers, which loses less than one a record. An unknown
            # outcome has a latency, but is not judged for failure: the records are the bound.
            assert sum(each.weights) <= each.records * UNIT
            assert sum(each.weights) % UNIT == 0 or sum(each.weights) % UNIT > UNIT - 1_000


def test_volumes_and_rates_are_what_the_fleet_declares() -> None:
    fleet = SMALL.with_nuisances(parse_nuisances(["all=0", "disorder=1"]))
    of = world(fleet, hours=72)
    found = cohorts(of)
    assert sum(window.records for window in found) == pytest.approx(of.volume.sum() * 72 * 60, rel=0.02)
    weight = of.volume / of.volume.sum()
    base = np.einsum("rho,h->ro", of.rates[:, : of.homes], weight)
    shares = [operation.share for operation in fleet.operations]
    for rate, signal in enumerate(("failure", "denial", "timeout", "retry")):
        assert share(found, signal) == pytest.approx(base[rate] @ shares, rel=0.12), signal
    assert sum(w.inversions for w in found) / sum(w.sequenced for w in found) == pytest.approx(base[4, 0], rel=0.15)
    assert sum(w.duplicates for w in found) / sum(w.records for w in found) == pytest.approx(base[5, 0], rel=0.2)
    assert sum(w.gaps for w in found) / sum(w.expected for w in found) == pytest.approx(base[6, 0], rel=0.15)


@pytest.mark.parametrize(
    ("fault", "signal"),
    [("failure*4", "failure"), ("retry*4", "retry"), ("out_of_order*4", "out_of_order"), ("gap*4", "gap")],
)
def test_a_fault_multiplies_its_share_in_its_scope_and_leaves_the_rest_as_it_was(fault: str, signal: str) -> None:
    def parted(of: World) -> tuple[list[CohortWindow], list[CohortWindow]]:
        found = cohorts(of)
        inside = [window for window in found if window.device_class == "stb-g3"]
        return inside, [window for window in found if window.device_class != "stb-g3"]

    fleet = replace(QUIET, nuisances=parse_nuisances(["all=0", "disorder=1"]))
    before, others_before = parted(world(fleet, hours=24))
    after, others_after = parted(world(fleet, f"{fault}@device_class=stb-g3", hours=24))
    assert share(after, signal) / share(before, signal) == pytest.approx(4, rel=0.3)
    assert others_after == others_before


def test_a_latency_fault_moves_the_histogram_by_its_bins() -> None:
    def mean_bin(*faults: str) -> float:
        held: Counter[int] = Counter()
        for window in cohorts(world(QUIET, *faults, hours=12)):
            for each in window.operations.values():
                held.update(dict(zip(each.bins, each.weights, strict=True)))
        return sum(bin_ * weight for bin_, weight in held.items()) / held.total()

    assert mean_bin("latency*1.5") - mean_bin() == pytest.approx(np.log(1.5) / 0.04, abs=0.05)


def test_a_cascade_passes_half_of_its_effect_on_to_what_waits_for_it() -> None:
    def mean_bin(operation: str, *faults: str) -> float:
        held = [window.operations.get(operation) for window in cohorts(world(QUIET, *faults, hours=12))]
        total = sum(at * weight for each in held if each for at, weight in zip(each.bins, each.weights, strict=True))
        return total / sum(sum(each.weights) for each in held if each)

    fault = "latency*2@operation=entitlement_check,cascades=playback_start"
    moved = {name: mean_bin(name, fault) - mean_bin(name) for name in ("entitlement_check", "playback_start")}
    assert moved["entitlement_check"] == pytest.approx(np.log(2.0) / LATENCY_BIN, abs=1.0)
    assert moved["playback_start"] == pytest.approx(np.log(2.0) / 2.0 / LATENCY_BIN, abs=1.0)
    assert mean_bin("heartbeat", fault) == mean_bin("heartbeat")


def test_a_silenced_feed_has_no_windows_and_its_numbers_are_missed_afterwards() -> None:
    of = world(QUIET, "silence@operator=altura,from=30m,until=1h", hours=4)
    records: dict[int, int] = defaultdict(int)
    gaps: dict[int, int] = defaultdict(int)
    for window in windows(of):
        if window.operator == "altura":
            minute = (window.minute - MONDAY) // 60_000
            records[minute] += sum(cohort.records for cohort in window.cohorts)
            gaps[minute] += sum(cohort.gaps for cohort in window.cohorts)
    assert sum(records[minute] for minute in range(30, 60)) == 0
    assert sum(gaps[minute] for minute in range(60)) == 0
    assert sum(gaps[minute] for minute in range(60, 240)) > 500


def test_records_without_a_required_field_are_rejects_of_their_operator() -> None:
    of = world(QUIET, "contract+0.5@field=device_class,operator=bluecove", hours=2)
    rejects: Counter[str] = Counter()
    for window in windows(of):
        rejects[window.operator] += sum(window.rejects.values())
    assert rejects["altura"] == 0
    records = sum(
        cohort.records for window in windows(of) if window.operator == "bluecove" for cohort in window.cohorts
    )
    assert rejects["bluecove"] / (rejects["bluecove"] + records) == pytest.approx(0.5, abs=0.05)
