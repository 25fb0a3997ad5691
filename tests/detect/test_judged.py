"""What is judged: channels, their budget, and residuals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detect.channels import EVERY, OPERATION_SIGNALS, Channel, ChannelTable
from pipeline.detect.judged import KINDS, judged_channels, main_channels
from pipeline.detect.weights import Weights
from pipeline.intent import Intent, Priority, Service
from tests.detect.planted import FAILURE, FLEET, LATENCY, SPREAD
from tests.detect.spans import CHANNELS, JUDGED, SHARE, UNITS, as_usual, place

STALL = Channel("stall", "latency")

# -- residuals -------------------------------------------------------------------------------------------------------


def test_residuals_are_relative_for_shares_and_logs_for_shifts() -> None:
    found = as_usual().raise_by(1.5, FAILURE, firmware="tv-1.1").raise_by(1.2, LATENCY, firmware="tv-1.1").residuals()
    leaf = next(i for i, cohort in enumerate(FLEET) if cohort.firmware == "tv-1.1")
    assert found.value[leaf, place(FAILURE)] == pytest.approx(0.5)
    assert found.value[leaf, place(LATENCY)] == pytest.approx(np.log(1.2))
    assert found.weight[leaf, place(FAILURE)] == pytest.approx(SHARE * UNITS)
    assert found.weight[leaf, place(LATENCY)] == pytest.approx(UNITS)


def test_sampling_variance_is_that_of_the_counts_and_of_the_anchor() -> None:
    found = as_usual().residuals()
    hits = SHARE * UNITS
    assert found.sampling[0, place(FAILURE)] == pytest.approx((1 - SHARE) / hits + 1 / (7 * UNITS))
    assert found.sampling[0, place(LATENCY)] == pytest.approx(SPREAD / UNITS + SPREAD / (7 * UNITS))


def test_without_units_or_without_an_anchor_there_is_no_voice() -> None:
    span = as_usual()
    span.n[0] = span.x[0] = span.expected[0] = 0.0
    found = span.residuals()
    assert np.isinf(found.sampling[0]).all()
    assert (found.weight[0] == 0).all()
    assert np.isfinite(found.sampling[1:]).all()


def test_pooled_over_operations_each_counts_by_what_was_expected_of_it() -> None:
    span = as_usual()
    stall = CHANNELS.index(Channel("stall", "failure"))
    span.n[:, stall] *= 3
    span.expected[:, stall] *= 3
    span.x[:, stall] = span.expected[:, stall]
    span.raise_by(2.0, FAILURE)
    pooled = place(Channel(EVERY, "failure"))
    np.testing.assert_allclose(span.residuals().value[:, pooled], 0.25)


def test_a_contrast_takes_out_what_the_other_operations_show() -> None:
    found = as_usual().raise_by(1.5, LATENCY).raise_by(1.2, STALL).residuals()
    own, other = place(LATENCY, against=True), place(STALL, against=True)
    np.testing.assert_allclose(found.value[:, own], np.log(1.5 / 1.2))
    np.testing.assert_allclose(found.value[:, other], np.log(1.2 / 1.5))
    np.testing.assert_allclose(found.own[:, own], np.log(1.5))
    np.testing.assert_allclose(found.own[:, other], np.log(1.2))


@given(st.lists(st.floats(-0.5, 0.5), min_size=len(FLEET), max_size=len(FLEET)))
def test_whatever_mood_a_cohort_has_its_contrasts_do_not_show_it(moods: list[float]) -> None:
    span = as_usual()
    for channel in (LATENCY, STALL):
        at = CHANNELS.index(channel)
        span.x[:, at] += np.array(moods) * span.n[:, at]
    found = span.residuals()
    np.testing.assert_allclose(found.value[:, place(LATENCY, against=True)], 0.0, atol=1e-9)
    np.testing.assert_allclose(found.value[:, place(LATENCY)], moods, atol=1e-9)


def test_a_contrast_doubts_both_sides() -> None:
    found = as_usual().residuals()
    alone = found.sampling[:, [place(LATENCY), place(STALL)]].sum(axis=1)
    np.testing.assert_allclose(found.sampling[:, place(LATENCY, against=True)], alone)


def test_where_no_other_operation_reports_there_is_no_contrast() -> None:
    span = as_usual()
    at = CHANNELS.index(STALL)
    span.n[0, at] = span.x[0, at] = 0.0
    found = span.residuals()
    assert np.isinf(found.sampling[0, place(LATENCY, against=True)])
    assert np.isfinite(found.sampling[0, place(LATENCY)])


# -- what is judged --------------------------------------------------------------------------------------------------


MANY = [("playback_start",), ("playback_start", "stall"), ("playback_start", "stall", "heartbeat")]


@pytest.mark.parametrize("operations", MANY)
def test_channels_and_the_weak_pattern_share_one_budget(operations: tuple[str, ...]) -> None:
    judged = judged_channels(ChannelTable(operations).channels)
    shares = np.exp([one.log_weight for one in judged])
    assert (shares > 0).all()
    assert shares.sum() < 1.0
    assert {one.kind for one in judged} == set(KINDS)
    assert shares.sum() == pytest.approx(len(KINDS) / (len(KINDS) + 1))


@pytest.mark.parametrize("operations", MANY)
def test_every_kind_of_signal_has_the_same_share_however_many_ways_it_is_looked_at(operations: tuple[str, ...]) -> None:
    judged = judged_channels(ChannelTable(operations).channels)
    for kind in KINDS:
        share = sum(np.exp(one.log_weight) for one in judged if one.kind == kind)
        assert share == pytest.approx(1.0 / (len(KINDS) + 1))


@pytest.mark.parametrize("operations", MANY)
def test_the_weak_pattern_adds_up_each_kind_once(operations: tuple[str, ...]) -> None:
    judged = judged_channels(ChannelTable(operations).channels)
    main = [judged[i] for i in main_channels(judged)]
    assert sorted(one.kind for one in main) == sorted(KINDS)
    assert not any(one.against or one.channel.signal == "tail" for one in main)
    if len(operations) > 1:
        assert {one.channel.operation for one in main} == {EVERY}


def test_a_contrast_is_held_against_every_other_operation_and_never_against_itself() -> None:
    channels = ChannelTable(("playback_start", "stall", "heartbeat")).channels
    contrasts = [one for one in judged_channels(channels) if one.against]
    assert [one.channel.operation for one in contrasts] == ["playback_start", "stall", "heartbeat"]
    latencies = {i for i, channel in enumerate(channels) if channel.signal == "latency"}
    assert all(latencies == {*one.columns, *one.against} for one in contrasts)
    assert all(not set(one.columns) & set(one.against) for one in contrasts)


def test_telemetry_that_is_late_is_not_judged_as_a_pattern() -> None:
    assert not [one for one in JUDGED if one.channel.signal in ("delay", "volume")]


def test_a_single_operation_is_not_judged_twice() -> None:
    judged = judged_channels(ChannelTable(("stall",)).channels)
    signals = [one.channel.signal for one in judged]
    assert len(signals) == len(set(signals))
    assert {one.channel.operation for one in judged if one.channel.signal in OPERATION_SIGNALS} == {"stall"}


# -- what matters more -----------------------------------------------------------------------------------------------

weights = st.dictionaries(st.sampled_from(["playback_start", "stall", "heartbeat"]), st.floats(0.0, 1e3), max_size=3)


@given(weights)
def test_whatever_operations_weigh_they_share_the_same_budget(held: dict[str, float]) -> None:
    channels = ChannelTable(("playback_start", "stall", "heartbeat")).channels
    judged = judged_channels(channels, lambda channel: held.get(channel.operation, 1.0))
    even = judged_channels(channels)
    assert [one._replace(log_weight=0.0) for one in judged] == [one._replace(log_weight=0.0) for one in even]
    assert np.exp([one.log_weight for one in judged]).sum() == pytest.approx(
        np.exp([one.log_weight for one in even]).sum(), abs=1e-6
    )
    for one, usual in zip(judged, even, strict=True):
        if one.channel.operation == EVERY:
            assert one.log_weight == usual.log_weight


def test_a_service_that_matters_more_pays_less_and_the_others_a_little_more() -> None:
    channels = ChannelTable(("playback_start", "stall", "heartbeat")).channels

    def shares(priority: Priority, **sensitivity: float) -> dict[str, float]:
        services = (
            Service("playback", ("playback_start",), priority, sensitivity=sensitivity),
            Service("continuity", ("stall",), Priority.NON_NEGOTIABLE),
        )
        judged = judged_channels(channels, Weights(Intent(services)))
        return {
            name: float(sum(np.exp(one.log_weight) for one in judged if one.channel.operation == name))
            for name in ("playback_start", "stall", "heartbeat")
        }

    low, middle, high = (shares(priority) for priority in reversed(Priority))
    assert low["playback_start"] < middle["playback_start"] / 5 < high["playback_start"] / 25
    assert high["stall"] == pytest.approx(high["playback_start"])
    assert high["stall"] > low["stall"] / 2.1
    assert high["heartbeat"] < high["stall"] / 10
    keen = shares(Priority.DEGRADABLE, latency=4.0)
    assert keen["playback_start"] > middle["playback_start"]
    assert shares(Priority.DEGRADABLE, **{"*": 4.0})["playback_start"] > keen["playback_start"]
