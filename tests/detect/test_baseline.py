"""From windows to evidence: sums, lateness, weights, feeds."""

from __future__ import annotations

import copy
import random
from itertools import groupby
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.snapshot import SnapshotError
from pipeline.detect.baseline import Baseline
from pipeline.detect.channels import EVERY, Channel
from pipeline.detect.evidence import Anchors, Evidence
from pipeline.messages import UNIT, Change, CohortWindow, OperationWindow, Rate, Tick, Windows
from pipeline.observation import Cohort
from tests.detect.material import bell, cohort, evidence_of, minute, operation, rate, said_of

STB = Cohort("altura", "stb", "1.0", "production")
TV = Cohort("altura", "tv", "7.3", "production")
OTHER = Cohort("norvik", "stb", "1.0", "production")
FAILURE = Channel("playback_start", "failure")


def column(evidence: Evidence, channel: Channel) -> int:
    return evidence.channels.index(channel)


rates = st.builds(
    lambda weights, share: Rate(sum(weights), sum(weights) * share // 7, sum(w * w // UNIT for w in weights)),
    st.lists(st.integers(UNIT, 40 * UNIT), min_size=1, max_size=4),
    st.integers(0, 7),
)
operations = st.builds(
    lambda rates, held: OperationWindow(10, 12, rates, tuple(sorted(held)), tuple(held[b] for b in sorted(held)), 5),
    st.dictionaries(st.sampled_from(["failure", "denial", "timeout", "retry"]), rates),
    st.dictionaries(st.integers(100, 130), st.integers(1, 300 * UNIT), max_size=4),
)
cohorts = st.builds(
    lambda kind, records, rates, held, lag, operations: CohortWindow(
        kind,
        "1.0",
        "production",
        records,
        rates=rates,
        delay_bins=tuple(sorted(held)),
        delay_weights=tuple(held[b] for b in sorted(held)),
        lag_sum_ms=lag,
        lag_records=records,
        operations=operations,
    ),
    st.sampled_from(["stb", "tv"]),
    st.integers(0, 50),
    st.dictionaries(st.sampled_from(["out_of_order", "gap", "duplicate", "contract"]), rates),
    st.dictionaries(st.integers(100, 130), st.integers(1, 300 * UNIT), max_size=4),
    st.integers(-(10**9), 10**9),
    st.dictionaries(st.sampled_from(["playback_start", "stall"]), operations, max_size=2),
)
MINUTES = (0, 1, 121, 122, 123, 245, 1_500)
"""Over three slots of the day, so that cut points are read off and levels estimated; and a day later, when what is new
is told."""
parts = st.lists(
    st.tuples(st.sampled_from(MINUTES), st.sampled_from(["altura", "norvik"]), cohorts), min_size=1, max_size=14
)


def closed(baseline: Baseline, held: list[Windows], sources: str) -> list[Evidence | Anchors | Change | Tick]:
    """Feed windows in their order, and tick each minute on all sources."""
    out: list[Evidence | Anchors | Change | Tick] = []
    for message in held:
        out += baseline.feed(message)
    for number in (*MINUTES, MINUTES[-1] + 1):
        for source in sources:
            out += baseline.feed(Tick(source, minute(number)))
    return out


def plain(messages: list[Evidence | Anchors | Change | Tick]) -> list[object]:
    """As what can be compared: arrays as nested lists."""
    return [
        {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name in message.__struct_fields__
            for value in [getattr(message, name)]
            if name != "shapes"
        }
        for message in messages
    ]


@settings(max_examples=40)
@given(parts, st.data())
def test_evidence_is_the_same_from_one_source_and_from_several_in_any_order(
    held: list[tuple[int, str, CohortWindow]], data: st.DataObject
) -> None:
    of = sorted(held, key=lambda part: part[:2])
    together = [
        Windows("a", minute(at), operator, [part[2] for part in group])
        for (at, operator), group in groupby(of, key=lambda part: part[:2])
    ]
    scattered = [
        Windows(data.draw(st.sampled_from("abc")), minute(at), operator, [window], part=i)
        for i, (at, operator, window) in enumerate(data.draw(st.permutations(held)))
    ]
    one = closed(Baseline(["a"]), together, "a")
    several = closed(Baseline(["a", "b", "c"]), scattered, "abc")
    assert any(isinstance(message, Evidence) for message in one)
    assert plain(several) == plain(one)


def test_minutes_close_in_order_when_every_source_has_closed_them() -> None:
    baseline = Baseline(["a", "b"], name="windows/3")
    for number in (2, 1):
        baseline.feed(Windows("a", minute(number), "altura", [cohort(STB)]))
    assert baseline.feed(Tick("a", minute(5))) == []
    out = baseline.feed(Tick("b", minute(2)))
    assert [type(message) for message in out] == [Evidence, Evidence, Tick]
    said = [message for message in out if not isinstance(message, Change)]
    assert [message.minute for message in said] == [minute(1), minute(2), minute(2)]
    assert {message.source for message in said} == {"windows/3"}


def test_a_minute_that_is_not_closed_yet_is_not_told() -> None:
    baseline = Baseline(["a"])
    baseline.feed(Windows("a", minute(2), "altura", [cohort(STB)]))
    assert [type(message) for message in baseline.feed(Tick("a", minute(1)))] == [Tick]
    assert [type(message) for message in baseline.feed(Tick("a", minute(2)))] == [Evidence, Tick]


def test_a_tick_that_brings_nothing_new_is_answered_with_nothing() -> None:
    baseline = Baseline(["a"])
    assert len(baseline.feed(Tick("a", minute(2)))) == 1
    assert baseline.feed(Tick("a", minute(2))) == []
    assert baseline.feed(Tick("a", minute(1))) == []


def test_a_late_window_counts_in_the_minute_that_closes_next() -> None:
    baseline = Baseline(["a"])
    window = cohort(STB, operations={"playback_start": operation(100, failure=3)})
    evidence_of(baseline, minute(0), {STB: window})
    baseline.feed(Windows("a", minute(0), "altura", [window], part=1))
    evidence = evidence_of(baseline, minute(1), {STB: window})
    at = column(evidence, FAILURE)
    assert evidence.minute == minute(1)
    assert (evidence.n[0, at], evidence.x[0, at]) == (200.0, 6.0)


def test_a_late_window_counts_although_nothing_else_came() -> None:
    baseline = Baseline(["a"])
    evidence_of(baseline, minute(0), {STB: cohort(STB)})
    baseline.feed(Windows("a", minute(0), "altura", [cohort(STB, gap=rate(10, 1))], part=1))
    evidence = next(said for said in said_of(baseline, minute(7), {}) if isinstance(said, Evidence))
    assert evidence.minute == minute(1)
    assert evidence.x[0, column(evidence, Channel(EVERY, "gap"))] == 1.0


def test_an_aggregate_weighs_by_its_count_in_the_share_and_is_one_observation() -> None:
    """Nine devices that did not fail, and one that says of a hundred attempts that all failed."""
    weights, failed = [1] * 9 + [100], 100
    mixed = Rate(sum(weights) * UNIT, failed * UNIT, sum(w * w for w in weights) * UNIT)
    window = CohortWindow(
        "stb", "1.0", "production", 10, operations={"playback_start": OperationWindow(10, 109, {"failure": mixed})}
    )
    evidence = evidence_of(Baseline(["a"]), minute(0), {STB: window})
    at = column(evidence, FAILURE)
    assert evidence.x[0, at] / evidence.n[0, at] == pytest.approx(100 / 109)
    assert 1.0 < evidence.n[0, at] < 1.3


def test_devices_of_equal_weight_are_as_many_observations() -> None:
    for weight in (1, 50):
        alike = Rate(20 * weight * UNIT, 5 * weight * UNIT, 20 * weight**2 * UNIT)
        window = cohort(STB, operations={"playback_start": OperationWindow(20, 20 * weight, {"failure": alike})})
        evidence = evidence_of(Baseline(["a"]), minute(0), {STB: window})
        at = column(evidence, FAILURE)
        assert (evidence.n[0, at], evidence.x[0, at]) == (20.0, 5.0)


def test_a_share_of_nothing_is_no_evidence() -> None:
    evidence = evidence_of(Baseline(["a"]), minute(0), {STB: cohort(STB)})
    assert evidence.n.sum() == 0.0
    assert np.isfinite(evidence.expected).all()


def test_a_minute_in_which_all_was_rejected_is_told_without_a_cohort() -> None:
    baseline = Baseline(["a"])
    evidence_of(baseline, minute(0), {STB: cohort(STB)})
    baseline.feed(Windows("a", minute(1), "altura", [], rejects={"json.invalid": 3}))
    evidence = evidence_of(baseline, minute(1), {})
    assert evidence.cohorts == []
    assert evidence.n.shape == evidence.expected.shape == (0, len(evidence.channels))
    assert evidence.feeds["altura"].records == 0


def test_latency_counts_once_its_cut_points_are_known() -> None:
    baseline = Baseline(["a"])
    window = cohort(STB, operations={"playback_start": operation(300, bell(800, 300.0))})
    first = evidence_of(baseline, minute(0), {STB: window})
    assert first.n[0, column(first, Channel("playback_start", "latency"))] == 0.0
    later = evidence_of(baseline, minute(121), {STB: window})
    assert later.n[0, column(later, Channel("playback_start", "latency"))] == pytest.approx(300.0, abs=0.01)
    assert later.n[0, column(later, Channel("playback_start", "tail"))] == pytest.approx(300.0, abs=0.01)
    tail = later.x[0, column(later, Channel("playback_start", "tail"))]
    assert 0.002 < tail / 300.0 < 0.015


def test_a_slower_hour_raises_the_mean_of_the_logs_by_the_log_of_the_factor() -> None:
    baseline = Baseline(["a"])
    means = []
    for at, ms in ((0, 800.0), (121, 800.0), (122, 880.0)):
        window = cohort(STB, operations={"playback_start": operation(300, bell(ms, 300.0))})
        evidence = evidence_of(baseline, minute(at), {STB: window})
        k = column(evidence, Channel("playback_start", "latency"))
        means.append(evidence.x[0, k] / max(evidence.n[0, k], 1.0))
    assert means[2] - means[1] == pytest.approx(np.log(1.1), rel=0.05)


def test_arrival_less_occurrence_is_the_mean_over_the_records_of_all_parts() -> None:
    baseline = Baseline(["a"])
    for part, (total, count) in enumerate([(3_000, 1), (1_000, 3)]):
        window = CohortWindow("stb", "1.0", "production", count, lag_sum_ms=total, lag_records=count)
        baseline.feed(Windows("a", minute(0), "altura", [window], part=part))
    evidence = next(m for m in baseline.feed(Tick("a", minute(0))) if isinstance(m, Evidence))
    assert evidence.lag_ms.tolist() == [1_000.0]


# -- feeds -----------------------------------------------------------------------------------------------------------


def known(hours: int) -> Baseline:
    """Two operators at their usual volume, some numbers missing."""
    baseline = Baseline(["a"])
    for number in range(hours * 60):
        usual(baseline, number)
    return baseline


def usual(baseline: Baseline, number: int, altura: int | None = 50) -> Evidence:
    held = {OTHER: cohort(OTHER, records=50, gap=rate(50, 1))}
    if altura is not None:
        held[STB] = cohort(STB, records=altura, gap=rate(altura, 1))
    return evidence_of(baseline, minute(number), held)


def test_while_an_operator_is_silent_and_after_it_nothing_of_it_is_judged_and_others_are() -> None:
    baseline = known(hours=4)
    for number in range(240, 250):
        evidence = usual(baseline, number, altura=None)
    assert evidence.feeds["altura"].state == "silent"
    assert evidence.feeds["norvik"].state == "ok"
    back = usual(baseline, 250, altura=400)
    assert back.feeds["altura"].state == "recovering"
    assert dict(zip(back.cohorts, back.aside.tolist(), strict=True)) == {STB: True, OTHER: False}
    for number in range(251, 261):
        trusted = usual(baseline, number)
    assert trusted.feeds["altura"].state == "ok"
    assert not trusted.aside.any()


def test_numbers_that_an_outage_lost_are_no_gaps_and_those_of_others_are() -> None:
    baseline = known(hours=4)
    for number in range(240, 250):
        usual(baseline, number, altura=None)
    for number in range(250, 262):
        evidence = usual(baseline, number)
    gap = column(evidence, Channel(EVERY, "gap"))
    assert dict(zip(evidence.cohorts, evidence.n[:, gap].tolist(), strict=True)) == {STB: 0.0, OTHER: 50.0}


def test_a_cohort_that_catches_up_is_set_aside_alone() -> None:
    baseline = Baseline(["a"])
    for number in range(180):
        evidence_of(baseline, minute(number), {STB: cohort(STB, 20), TV: cohort(TV, 20)})
    evidence = evidence_of(baseline, minute(180), {STB: cohort(STB, 200), TV: cohort(TV, 20)})
    assert dict(zip(evidence.cohorts, evidence.aside.tolist(), strict=True)) == {STB: True, TV: False}


def test_what_is_set_aside_is_not_learnt() -> None:
    levels = []
    for burst in (0.0, 400.0):
        baseline = Baseline(["a"])
        for number in range(241):
            caught_up = number == 200
            failure = operation(400, failure=burst) if caught_up else operation(100, failure=1.0)
            window = cohort(STB, 400 if caught_up else 20, {"playback_start": failure})
            said = said_of(baseline, minute(number), {STB: window})
        anchors = next(message for message in said if isinstance(message, Anchors))
        levels.append(anchors.level[0, anchors.channels.index(FAILURE)])
    assert levels[0] == levels[1]


def test_a_stage_restored_from_its_snapshot_says_the_same_from_then_on() -> None:
    def window(number: int) -> CohortWindow:
        failing = operation(100, bell(800 + number, 100.0), failure=1.0)
        return cohort(STB, 20, {"playback_start": failing}, gap=rate(20, 1))

    one = Baseline(["a"])
    for number in range(130):
        said_of(one, minute(number), {STB: window(number)})
    one.feed(Windows("a", minute(130), "altura", [window(130)]))
    other = Baseline(["a"])
    other.restore(one.snapshot())
    for number in range(131, 260):
        held = {STB: window(number), TV: cohort(TV, 20)}
        assert plain([*said_of(other, minute(number), held)]) == plain([*said_of(one, minute(number), held)])


# -- silence of one that is alone; damage ----------------------------------------------------------------------------


def test_an_operator_that_is_alone_and_falls_silent_is_told_by_the_clock() -> None:
    baseline = Baseline(["a"])
    for number in range(241):
        evidence_of(baseline, minute(number), {STB: cohort(STB, records=50)})
    states = []
    for number in range(241, 251):
        found = [message for message in baseline.feed(Tick("a", minute(number))) if isinstance(message, Evidence)]
        states += [message.feeds["altura"].state for message in found]
    assert states == ["ok", "ok"] + ["silent"] * 8


def test_before_anything_came_the_clock_tells_nothing() -> None:
    assert [type(message) for message in Baseline(["a"]).feed(Tick("a", minute(0)))] == [Tick]


def lived() -> Baseline:
    baseline = Baseline(["a"])
    for number in range(130):
        failing = operation(100, bell(800 + number, 100.0), failure=1.0)
        said_of(baseline, minute(number), {STB: cohort(STB, 20, {"playback_start": failing}, gap=rate(20, 1))})
    baseline.feed(Windows("a", minute(130), "altura", [cohort(STB)]))
    return baseline


def paths(state: object, at: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Every place of a snapshot that could be damaged."""
    held: list[tuple[object, object]] = []
    if isinstance(state, dict):
        held = list(state.items())
    elif isinstance(state, list):
        held = list(enumerate(state[:2]))
    return [at] * bool(at) + [path for key, value in held for path in paths(value, (*at, key))]


def damaged(state: dict[str, object], path: tuple[object, ...], how: str) -> dict[str, object]:
    whole = copy.deepcopy(state)
    holder: Any = whole
    for key in path[:-1]:
        holder = holder[key]
    value = holder[path[-1]]
    if how == "cut" and isinstance(value, bytes | list | str) and value:
        holder[path[-1]] = value[:-1]
    elif how == "gone" and isinstance(holder, dict):
        del holder[path[-1]]
    else:
        holder[path[-1]] = {"nonsense": 1}
    return whole


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_snapshot_is_refused_or_harmless_and_never_loads_half(data: st.DataObject) -> None:
    state = lived().snapshot()
    path = data.draw(st.sampled_from(paths(state)))
    broken = damaged(state, path, data.draw(st.sampled_from(["cut", "gone", "nonsense"])))
    baseline = Baseline(["a"])
    said_of(baseline, minute(0), {TV: cohort(TV)})
    before = baseline.snapshot()
    try:
        baseline.restore(broken)
    except SnapshotError:
        assert baseline.snapshot() == before


@pytest.mark.parametrize("version", [None, 0, 1, 3, "2"])
def test_a_snapshot_of_another_version_is_refused_with_a_clear_word(version: object) -> None:
    with pytest.raises(SnapshotError, match=r"a baseline stage has version .*; this program reads 2"):
        Baseline(["a"]).restore(lived().snapshot() | {"version": version})


def renamed(of: CohortWindow) -> CohortWindow:
    return msgspec.structs.replace(of, device_class=f"x-{of.device_class}", firmware=f"y-{of.firmware}")


@settings(max_examples=30, deadline=None)
@given(parts)
def test_other_names_for_cohorts_change_nothing_but_the_names(held: list[tuple[int, str, CohortWindow]]) -> None:
    of = sorted(held, key=lambda part: part[:2])
    said = []
    for rename in (False, True):
        messages = [
            Windows("a", minute(at), f"z-{operator}" if rename else operator, [renamed(w) if rename else w])
            for at, operator, w in of
        ]
        said.append(closed(Baseline(["a"]), messages, "a"))
    for one, other in zip(*said, strict=True):
        if isinstance(one, Evidence):
            assert isinstance(other, Evidence)
            assert other.n.tolist() == one.n.tolist()
            assert other.x.tolist() == one.x.tolist()
            assert other.expected.tolist() == one.expected.tolist()
            assert [c.operator for c in other.cohorts] == [f"z-{c.operator}" for c in one.cohorts]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 29), st.integers(0, 2**16))
def test_resumed_at_any_minute_it_says_what_the_straight_run_says(cut: int, seed: int) -> None:
    """Fifteen hours in thirty minutes, with newcomers, spoilt fields and gaps in between."""
    draw = random.Random(seed)
    everybody = [STB, TV, OTHER, STB._replace(firmware="2.0"), STB._replace(environment="unknown")]
    straight, resumed = Baseline(["a"]), Baseline(["a"])
    for number in range(30):
        if number == cut:
            other = Baseline(["a"])
            other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(resumed.snapshot())))
            resumed = other
        held = {
            of: cohort(of, 60, {"playback_start": operation(60, bell(800, 60.0), failure=draw.randrange(9))})
            for of in everybody
            if draw.random() < 0.6
        }
        at = minute(number * 30)
        assert plain([*said_of(resumed, at, held)]) == plain([*said_of(straight, at, held)])
    assert resumed.snapshot() == straight.snapshot()


@pytest.mark.parametrize("step", [1, 7, 60])
def test_silent_minutes_are_told_alike_however_the_ticks_are_cut(step: int) -> None:
    """A worker that was away sees the clock jump; one that was there sees it tick."""
    baseline = Baseline(["a"])
    told = [evidence_of(baseline, minute(0), {STB: cohort(STB)}).minute]
    for at in [*range(step, 300, step), 300]:
        told += [said.minute for said in baseline.feed(Tick("a", minute(at))) if isinstance(said, Evidence)]
    assert told == [minute(number) for number in [*range(121), 180, 240, 300]]
