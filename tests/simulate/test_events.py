"""What a simulated fleet sends: repeatable, in order of arrival, within the contract, as its declaration says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.observation import Cohort, Observation, Outcome
from pipeline.simulate.events import simulate
from pipeline.simulate.faults import Fault, parse_fault
from pipeline.simulate.fleet import SMALL, Fleet
from pipeline.simulate.nuisances import Nuisances, parse_nuisances
from pipeline.simulate.world import World, draw_world

MONDAY = 1_767_571_200_000
QUIET = SMALL.with_nuisances(parse_nuisances(["all=0"]))
_DECODE = msgspec.json.Decoder(Observation)


def world(fleet: Fleet = SMALL, *faults: str, seed: int = 1, hours: float = 2) -> World:
    parsed = tuple(parse_fault(text) for text in faults)
    return draw_world(fleet, parsed, seed=seed, start_ms=MONDAY, minutes=round(hours * 60))


def lines(of: World) -> list[bytes]:
    return [line for batch in simulate(of) for line in batch.ndjson().splitlines()]


def observations(of: World) -> list[Observation]:
    return [_DECODE.decode(line) for line in lines(of)]


def once(records: Iterable[Observation]) -> list[Observation]:
    return list({record.event_id: record for record in records}.values())


def cohort(record: Observation) -> Cohort:
    return Cohort(record.operator, record.device_class, record.firmware, record.environment)


def share(records: Iterable[Observation], outcome: Outcome) -> float:
    counts = Counter(record.outcome for record in records)
    return counts[outcome] / counts.total()


def inversions(records: Iterable[Observation]) -> float:
    highest: dict[str, int] = {}
    behind = sequenced = 0
    for record in records:
        if record.device_id is None or record.seq is None or record.cached:
            continue
        sequenced += 1
        behind += record.seq < highest.get(record.device_id, -1)
        highest[record.device_id] = max(record.seq, highest.get(record.device_id, -1))
    return behind / sequenced


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert lines(world()) == lines(world())
    assert lines(world()) != lines(world(seed=2))


def test_a_longer_simulation_begins_with_the_records_of_a_shorter_one() -> None:
    short, long = lines(world(hours=1)), lines(world(hours=3))
    assert long[: len(short)] == short


def test_records_come_in_order_of_arrival_within_the_time_asked_for() -> None:
    arrivals = [record.received_at or 0 for record in observations(world(QUIET))]
    assert arrivals == sorted(arrivals)
    assert arrivals[0] >= MONDAY
    assert arrivals[-1] < MONDAY + 2 * 3_600_000


def test_every_record_is_a_valid_observation_when_no_field_is_spoilt_on_purpose() -> None:
    fleet = SMALL.with_nuisances(parse_nuisances(["missing=0"]))
    records = observations(world(fleet, hours=6))
    assert len(records) > 10_000
    assert {cohort(record) for record in records} <= set(fleet.cohorts())


def test_unusable_fields_are_rare_and_missing_ones_are_left_out() -> None:
    unusable, without_latency = 0, 0
    raw = lines(world(hours=24))
    for line in raw:
        try:
            without_latency += _DECODE.decode(line).latency_ms is None
        except msgspec.ValidationError:
            unusable += 1
    assert 0 < unusable / len(raw) < 0.001
    assert without_latency / len(raw) == pytest.approx(0.01, rel=0.2)


def test_volume_is_what_the_fleet_declares() -> None:
    of = world(QUIET, hours=12)
    expected = of.volume.sum() * 12 * 60
    assert len(once(observations(of))) == pytest.approx(expected, rel=0.02)


def test_rates_and_quantiles_are_what_the_operations_declare() -> None:
    # Without what differs between cohorts there is one number to compare with.
    of = world(QUIET, hours=24)
    records = once(observations(of))
    for index, operation in enumerate(QUIET.operations):
        mine = [record for record in records if record.operation == operation.name]
        assert len(mine) / len(records) == pytest.approx(operation.share, rel=0.03)
        centred = [
            np.log(record.latency_ms) - of.location[of.cohorts.index(cohort(record)), index]
            for record in mine
            if record.latency_ms
        ]
        assert np.median(centred) == pytest.approx(operation.slow_share / 2 * operation.sigma, abs=0.03)
        assert np.std(centred) > operation.sigma
        denied = np.average(
            [of.rates[1, of.cohorts.index(cohort(record)), index] for record in mine],
        )
        assert share(mine, "denied") == pytest.approx(denied, abs=4 * np.sqrt(max(denied, 1e-9) / len(mine)))


def test_disorder_duplicates_and_losses_are_as_often_as_declared() -> None:
    fleet = SMALL.with_nuisances(parse_nuisances(["all=0", "disorder=1"]))
    of = world(fleet, hours=48)
    records = observations(of)
    unique = once(records)
    weight = Counter(cohort(record) for record in unique)
    base = {
        name: np.average([of.rates[rate, i, 0] for i in range(of.homes)], weights=[weight[c] for c in of.cohorts])
        for name, rate in (("out_of_order", 4), ("duplicate", 5), ("gap", 6))
    }
    assert inversions(unique) == pytest.approx(base["out_of_order"], rel=0.15)
    assert 1 - len(unique) / len(records) == pytest.approx(base["duplicate"], rel=0.2)
    numbers: dict[str, list[int]] = {}
    for record in unique:
        numbers.setdefault(record.device_id or "", []).append(record.seq or 0)
    expected = sum(max(seqs) - min(seqs) + 1 for seqs in numbers.values())
    assert 1 - len(unique) / expected == pytest.approx(base["gap"], rel=0.15)


def test_a_fleet_without_disorder_keeps_every_sequence_whole() -> None:
    records = observations(world(QUIET, hours=12))
    assert len(once(records)) == len(records)
    assert inversions(records) == 0.0


def test_cached_reports_say_so_and_come_late() -> None:
    fleet = SMALL.with_nuisances(parse_nuisances(["all=0", "cached=20"]))
    records = observations(world(fleet, hours=12))
    late = [(record.received_at or 0) - (record.sent_at or 0) for record in records if record.cached]
    assert len(late) > 100
    assert np.median(late) == pytest.approx(1_800_000, rel=0.3)


def test_an_outage_holds_an_operator_back_and_part_of_it_comes_afterwards() -> None:
    fleet = SMALL.with_nuisances(parse_nuisances(["all=0", "outages=5"]))
    of = world(fleet, hours=24)
    outage = of.calendar.outages[0]
    begin = MONDAY + outage.start * 60_000
    end = begin + outage.minutes * 60_000
    name = fleet.operators[outage.operator]
    mine = [record for record in observations(of) if record.operator == name]
    assert not [record for record in mine if begin <= (record.received_at or 0) < end]
    held = [r for r in mine if begin <= (r.sent_at or 0) < end - 5_000 and end <= (r.received_at or 0)]
    expected = of.volume[of.operator[: of.homes] == outage.operator].sum() * outage.minutes
    assert len(held) / expected == pytest.approx(0.7, abs=0.1)


def test_a_fault_leaves_everything_outside_its_scope_as_it_was() -> None:
    firmware = "fw-2.4.1"
    for kind in ("latency*1.5", "failure*5", "retry*5", "gap*5", "delay+45s", "contract+0.5@field=retries"):
        text = kind + ("," if "@" in kind else "@") + f"firmware={firmware}"
        plain, faulty = set(lines(world())), set(lines(world(SMALL, text)))
        assert plain != faulty
        assert {json_firmware(line) for line in plain ^ faulty} == {firmware}, kind


def json_firmware(line: bytes) -> object:
    firmware: object = msgspec.json.decode(line)["firmware"]
    return firmware


@pytest.mark.parametrize(
    ("text", "signal", "factor"),
    [("failure*4", "error", 4.0), ("denial*3", "denied", 3.0), ("timeout*5", "timeout", 5.0)],
)
def test_a_fault_of_an_outcome_multiplies_its_share(text: str, signal: Outcome, factor: float) -> None:
    before, after = observations(world(QUIET, hours=24)), observations(world(QUIET, text, hours=24))
    assert share(after, signal) / share(before, signal) == pytest.approx(factor, rel=0.12)


def test_latency_faults_move_the_quantiles_they_name() -> None:
    def quantiles(*faults: str) -> NDArray[np.float64]:
        of = world(QUIET, *faults, hours=24)
        typical = {cohort: np.exp(of.location[index, 0]) for index, cohort in enumerate(of.cohorts)}
        starts = [r for r in observations(of) if r.operation == "playback_start" and r.latency_ms is not None]
        ratios = [(r.latency_ms or 0) / typical[cohort(r)] for r in starts]
        return np.asarray(np.quantile(ratios, [0.5, 0.99]))

    plain = quantiles()
    assert quantiles("latency*1.25") / plain == pytest.approx([1.25, 1.25], rel=0.01)
    assert quantiles("tail*1.5") / plain == pytest.approx([1.0, 1.5], rel=0.05)


def test_a_fault_begins_grows_and_ends_when_it_says() -> None:
    fault = Fault("latency", 2.0, start=1_000, ramp=4_000, until=9_000)
    at = np.array([0.0, 999.0, 3_000.0, 5_000.0, 8_999.0, 9_000.0])
    assert fault.strength(at).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0, 0.0]


def test_a_roll_out_moves_ever_more_devices_to_the_new_firmware_and_back_when_withdrawn() -> None:
    text = "latency*1.5@firmware=fw-9.9.9,replaces=fw-2.4.1,from=2h,rollout=4h,until=10h"
    records = observations(world(QUIET, text, hours=12))

    def adopted(first_hour: float, last_hour: float) -> float:
        begin, end = (MONDAY + hour * 3_600_000 for hour in (first_hour, last_hour))
        seen = Counter(r.firmware for r in records if begin <= (r.received_at or 0) < end)
        return seen["fw-9.9.9"] / (seen["fw-9.9.9"] + seen["fw-2.4.1"])

    assert adopted(0, 2) == 0.0
    assert adopted(3.5, 4.5) == pytest.approx(0.5, abs=0.1)
    assert adopted(6.1, 9.9) == 1.0
    assert adopted(10.1, 12) == 0.0
    devices = {r.device_id: r.firmware for r in records if (r.received_at or 0) > MONDAY + 11 * 3_600_000}
    assert "fw-9.9.9" not in devices.values()


def test_a_silenced_feed_sends_nothing_and_a_late_one_sends_later() -> None:
    records = observations(world(QUIET, "silence@operator=altura,from=30m,until=1h", "delay+45s@operator=bluecove"))
    altura = [record.received_at or 0 for record in records if record.operator == "altura"]
    assert not [ms for ms in altura if MONDAY + 1_800_000 <= ms < MONDAY + 3_600_000]
    late = [(r.received_at or 0) - (r.sent_at or 0) for r in records if r.operator == "bluecove"]
    assert np.median(late) == pytest.approx(45_250, abs=200)


def test_effects_of_days_have_the_declared_size_with_either_tail() -> None:
    for tails in ("gaussian", "t3"):
        fleet = SMALL.with_nuisances(Nuisances(tails=tails))
        days = draw_world(fleet, (), seed=3, start_ms=MONDAY, minutes=400 * 1_440).calendar
        assert np.std(days.operator) == pytest.approx(0.04, rel=0.2)
        assert np.std(days.cohort_latency) == pytest.approx(0.03, rel=0.2)
        kurtosis = np.mean(days.cohort_latency**4) / np.var(days.cohort_latency) ** 2
        assert (kurtosis > 6) == (tails == "t3")
